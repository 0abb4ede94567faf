"""Checks the sparse networks: masked layers, whole networks, and their assembly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from _oracles.cases import ABSOLUTE, Arrays, Case, Result, absolute, cases, worst
from _oracles.networks import Run, batch_of, outputs, pyskl_options
from torch import Tensor, nn

from stgraph.nn import load_published, to_published
from stgraph.nn.temporal import TemporalConv
from stgraph.ops import make_temporal_plan
from stgraph.sparsity import (
    SparseAssembly,
    SparseGenerator,
    SparsitySchedule,
    load_published_sparse,
    sparsify,
    threshold,
)

FAMILIES = ("sparse_layer", "sparse_stgcn")


def check(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result]:
    """Every case of a file of either family."""
    if config["family"] == "sparse_layer":
        yield from layers(arrays, config)
        return
    for case in cases(arrays, config):
        compared = assembly(case) if case.name == "fusion" else network(case)
        yield worst(case.name, compared)


# --- one layer ---
def layers(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result]:
    found = {tuple(key.split("/")[:2]) for key in arrays if re.match(r"[^/]+/s[\d.]+/", key)}
    for layer, level in sorted(found):
        outer = Case(layer, arrays, config)
        inner = Case(f"{layer}/{level}", arrays, config)
        yield worst(f"{layer}/{level}", one_layer(layer, float(level[1:]), outer, inner))
    if "schedule" in config:
        schedule = SparsitySchedule(warm_up=0.0, ramp=0.5)
        error = max(
            abs(0.6 * schedule.factor(int(epoch) / 100) - float(expected))
            for epoch, expected in config["schedule"].items()
        )
        yield Result("schedule", error, 1e-6)


def one_layer(name: str, sparsity: float, layer: Case, level: Case) -> Iterator[Result]:
    weight, score = layer.tensor("weight"), layer.tensor("weight_score")
    x = layer.tensor("input")
    n, _, t, v = x.shape
    stride_of = re.search(r"_s(\d+)", name)
    stride = int(stride_of[1]) if stride_of else 1
    conv = TemporalConv(weight.size(1), weight.size(0), weight.size(2), stride)
    generator = sparsify(
        nn.ModuleDict({"conv": conv}), sparsity, include="weight", as_published=True
    )
    with torch.no_grad():
        conv.parametrizations.weight.original.copy_(weight[..., 0])  # type: ignore[operator, union-attr]
        conv.bias.copy_(layer.tensor("bias"))  # type: ignore[union-attr]
        generator.pool.scores[0].copy_(score[..., 0])
    generator.at(1.0)
    plan = make_temporal_plan(torch.full((n,), t), conv.reach, stride)
    ours = x.permute(3, 0, 2, 1).reshape(v, n * t, -1).requires_grad_()
    out = conv(ours, plan)
    dense = out.view(v, n, -1, out.size(-1)).permute(1, 3, 2, 0)
    (mask,) = generator.masks().values()
    k = int(level.tensor("k_smallest"))
    least = threshold(score.flatten(), sparsity)
    yield Result("threshold", absolute(least, level.tensor("threshold")), 1e-6)
    ranked = score.flatten().sort().values[k - 1]
    yield Result("rank of the threshold", absolute(least, ranked), 0.0)
    yield Result("mask", absolute(mask.float(), level.tensor("mask")[..., 0]), 0.0)
    yield Result("output", absolute(dense, level.tensor("expected_output")), ABSOLUTE)
    dense.backward(level.tensor("cotangent"))
    assert ours.grad is not None
    assert generator.pool.scores[0].grad is not None
    original: Any = conv.parametrizations
    gradient = original.weight.original.grad
    yield Result(
        "gradient of the weight",
        absolute(gradient, level.tensor("grad_weight")[..., 0]),
        ABSOLUTE,
    )
    yield Result(
        "gradient of the score",
        absolute(generator.pool.scores[0].grad, level.tensor("grad_weight_score")[..., 0]),
        ABSOLUTE,
    )
    back = ours.grad.view(v, n, t, -1).permute(1, 3, 2, 0)
    yield Result("gradient of the input", absolute(back, level.tensor("grad_input")), ABSOLUTE)


# --- a network ---
def with_head(state: dict[str, Tensor], head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a backbone and of a classifier, in PYSKL's names."""
    whole = {f"backbone.{key}": value for key, value in state.items()}
    return {**whole, **{f"cls_head.fc_cls.{key}": value for key, value in head.items()}}


def schedule_of(config: Mapping[str, Any]) -> tuple[SparsitySchedule, float]:
    """When the network becomes sparse, and the share of the training that is over."""
    last = config["max_epoch"]
    if config.get("sparse_decay"):
        schedule = SparsitySchedule(config["warm_up"] / last, 0.5)
    else:
        schedule = SparsitySchedule(config["warm_up"] / last)
    return schedule, min(config["epoch"] / last, 1.0)


def network(case: Case) -> Iterator[Result]:
    state = with_head(case.below("state"), {k: case.tensor(f"fc.{k}") for k in ("weight", "bias")})
    schedule, progress = schedule_of(case.config)
    options = pyskl_options(case.config)
    generator = load_published_sparse(
        state, case.config["linear_sparsity"], schedule=schedule, **options
    )
    sparsity = generator.at(progress)
    model: Any = generator.model.eval()
    if "effective_sparsity" in case.config:
        yield Result("sparsity", abs(sparsity - case.config["effective_sparsity"]), 1e-6)
    together = torch.cat([score.detach().flatten() for score in generator.pool.scores])
    least = threshold(together, sparsity)
    yield Result("threshold", absolute(least, case.tensor("threshold")), 1e-6)
    plain = load_published({k: v for k, v in state.items() if not k.endswith("_score")}, **options)
    yield from masks_of(case, generator, plain)
    run = Run(model, batch_of(case, model))
    yield from outputs(case, run)
    if "expected_loss" not in case:
        return
    loss = nn.functional.cross_entropy(model(run.batch), case.tensor("labels"))
    yield Result("loss", absolute(loss, case.tensor("expected_loss")), ABSOLUTE)
    loss.backward()
    yield from gradients_of(case, generator, plain)


def masks_of(case: Case, generator: SparseGenerator, plain: Any) -> Iterator[Result]:
    masks = {name: mask.float() for name, mask in generator.masks().items()}
    published = to_published(plain, {**dict(plain.named_parameters()), **masks})
    for name, expected in case.below("masks").items():
        weight = f"backbone.{name.removesuffix('.mask')}.weight"
        yield Result(name, absolute(published[weight], expected.float()), 0.0)
    if "density_all" in case.config:
        error = abs(generator.density - case.config["density_all"])
        yield Result("density", error, 1e-6)


def gradients_of(case: Case, generator: SparseGenerator, plain: Any) -> Iterator[Result]:
    """Gradients of weights and scores under published names."""
    found: dict[str, Tensor] = {}
    for name, parameter in generator.model.named_parameters():
        if parameter.grad is not None and ".parametrizations." not in name:
            found[name] = parameter.grad
    weights, scores = dict(found), dict(found)
    for weight, score in zip(generator.weights, generator.pool.scores, strict=True):
        (gate,) = weight.gates
        original: Any = gate.module.parametrizations
        weights[weight.name] = original[gate.parameter].original.grad
        assert score.grad is not None
        scores[weight.name] = score.grad
    published = to_published(plain, weights), to_published(plain, scores)
    for name, expected in case.below("grad").items():
        table = published[1 if name.endswith("_score") else 0]
        gradient = table[f"backbone.{name.removesuffix('_score')}"]
        largest = float(expected.abs().max())
        error = absolute(gradient, expected) / max(largest, 1.0)
        yield Result(f"gradient of {name}", error, ABSOLUTE)


# --- several networks ---
def assembly(case: Case) -> Iterator[Result]:
    sparsities = case.config["sparsities"]
    members, batch = [], None
    for i, sparsity in enumerate(sparsities):
        expert = Case(f"{case.name}/expert{i}", case.arrays, case.config)
        state = {f"backbone.{key}": value for key, value in expert.below("state").items()}
        generator = load_published_sparse(state, sparsity, adaptive="init", head=False)
        generator.at(1.0)
        together = torch.cat([score.detach().flatten() for score in generator.pool.scores])
        least = threshold(together, sparsity)
        yield Result(f"threshold {i}", absolute(least, expert.tensor("threshold")), 1e-6)
        member: Any = generator.finalize().eval()
        if batch is None:
            layout = Case(case.name, case.arrays, {"input_layout": "N M T V C", **case.config})
            batch = batch_of(layout, member)
        pooled = member.embed(batch)
        yield Result(f"pooled {i}", absolute(pooled, expert.tensor("expected_pooled")), ABSOLUTE)
        members.append(member)
    for fusion, key in (("mean", "mean"), ("scale", "alpha"), ("mix", "conv")):
        expected = f"expected_logits_fused_{key}"
        if expected not in case:
            continue
        model = SparseAssembly(members, case.config["num_classes"], fusion).eval()
        fill(model, case)
        main, *own = model.all_logits(batch)  # type: ignore[arg-type]
        yield Result(f"fused by {key}", absolute(main, case.tensor(expected)), ABSOLUTE)
        yield Result(f"forward by {key}", absolute(model(batch), main), 0.0)
        for i, logits in enumerate(own):
            expert_logits = case.tensor(f"expected_logits_expert{i}")
            yield Result(f"expert {i}", absolute(logits, expert_logits), ABSOLUTE)


@torch.no_grad()
def fill(model: SparseAssembly, case: Case) -> None:
    """The stored classifiers and fusions."""
    for i, head in enumerate([model.head, *model.auxiliary]):
        head.weight.copy_(case.tensor(f"fc_cls.{i}.weight"))  # type: ignore[operator, union-attr]
        head.bias.copy_(case.tensor(f"fc_cls.{i}.bias"))  # type: ignore[operator, union-attr]
    if model.scale is not None:
        model.scale.copy_(case.tensor("alpha"))
    if model.mix is not None:
        model.mix.weight.copy_(case.tensor("post.weight"))
        model.mix.bias.copy_(case.tensor("post.bias"))
