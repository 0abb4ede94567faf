"""Checks the families of networks: published weights into ours, and their numbers out of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from _oracles.cases import (
    ABSOLUTE,
    Arrays,
    Case,
    Result,
    absolute,
    as_batch,
    cases,
    clips,
    scaled,
    worst,
)
from torch import Tensor, nn

from stgraph.nn import STGCN, load_published, to_published
from stgraph.skeleton import SkeletonGraph, resolve_partition
from stgraph.transforms import published


class Run:
    """One pass through a network with what its units gave, [V, P, C] each."""

    def __init__(self, model: STGCN, batch: SkeletonGraph) -> None:
        self.model, self.batch = model, batch
        self.blocks: list[Tensor] = []
        self.units: list[Tensor] = []
        with torch.no_grad():
            x, plan = model.unpack(batch)
            x = model.data_norm(x, plan.slot)
            for block, step in zip(model.blocks, model.plan_index, strict=True):
                if hasattr(block, "unit"):
                    self.units.append(block.unit(x, plan.edges[step], plan.temporal[step]))
                x = block(x, plan.edges[step], plan.temporal[step])
                self.blocks.append(x)
            self.features, self.logits = model.embed(batch), model(batch)
            self.nodes = model.nodes(batch)

    def first_sample(self, x: Tensor, expected: Tensor) -> Tensor:
        """The first frames of the first person of the first sample, [1, C, T, V]."""
        return x[:, : expected.size(2)].permute(2, 1, 0)[None]

    def per_person(self, persons: int) -> Tensor:
        """Means over the poses of each person, [N, M, C]."""
        batch = self.batch
        slot = batch.track_batch * persons + batch.person
        owner = slot[batch.track[self.nodes.pose]]
        places = self.batch.num_recordings * persons
        mean = self.nodes.x.mean(dim=1)
        total = mean.new_zeros(places, mean.size(1)).index_add(0, owner, mean)
        count = torch.bincount(owner, minlength=places)[:, None]
        return (total / count).view(-1, persons, mean.size(1))

    def shape(self, persons: int) -> Tensor:
        """N, M, C', T', V of what leaves the last unit."""
        n = self.batch.num_recordings
        poses, joints, channels = self.nodes.x.shape
        return torch.tensor([n, persons, channels, poses // (n * persons), joints])


def outputs(case: Case, run: Run, error: Any = absolute, tolerance: float = ABSOLUTE):
    """Logits and features."""
    for key, value in (("expected_logits", run.logits), ("expected_features", run.features)):
        if key in case:
            yield Result(key, error(value, case.tensor(key)), tolerance)


# --- the original ST-GCN ---
def load_original(case: Case) -> STGCN:
    layers, strides = case.config.get("layers"), case.config.get("strides")
    model = load_published(
        case.below("state"), strides=strides, dropout=case.config.get("dropout", 0.0)
    )
    if layers is not None and list(layers) != model.channels:
        raise ValueError(f"expected channels {layers}, read {model.channels} off the weights")
    return model


def batch_of(case: Case, model: STGCN) -> SkeletonGraph:
    assert model.layout is not None
    axes = case.config["input_layout"]
    return as_batch(clips(case.tensor("input"), axes, model.layout.num_joints), model.layout)


def stgcn_original(case: Case) -> Iterator[Result]:
    model = load_original(case).eval()
    run = Run(model, batch_of(case, model))
    yield from outputs(case, run)
    for i, expected in case.numbered("expected_block#_mean_std"):
        flat = run.blocks[i].flatten(0, 1)
        found = torch.stack([flat.mean(dim=0), flat.std(dim=0)])
        yield Result(f"block {i} mean and deviation", absolute(found, expected), ABSOLUTE)
    for i, expected in case.numbered("expected_block#_first_sample"):
        found = run.first_sample(run.blocks[i], expected)
        yield Result(f"block {i}", absolute(found, expected), ABSOLUTE)


def stgcn_train(case: Case) -> Iterator[Result]:
    model = load_original(case).train()
    batch, labels = batch_of(case, model), case.tensor("labels")
    logits = model(batch)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    expected = case.tensor("expected_logits_train")
    yield Result("logits in training", absolute(logits, expected), ABSOLUTE)
    yield Result("loss", absolute(loss, case.tensor("expected_loss")), 1e-5)
    exact = copy.deepcopy(model).double()
    exact.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(exact(in_double(batch)), labels).backward()
    gradients, exact_gradients = published_gradients(model), published_gradients(exact)
    expected_gradients = case.below("grad")
    for name in sorted(gradients.keys() | expected_gradients.keys()):
        if name not in gradients or name not in expected_gradients:
            yield Result(f"gradient of {name} on one side alone", float("inf"), 0.0)
            continue
        reference = expected_gradients[name]
        largest = float(reference.abs().max())
        if largest < 1e-6:
            # zero in theory, a bias before a batch norm: what float32 leaves there is the rounding
            # noise of a sum, of theirs and of ours, so ours is taken in double precision
            found = exact_gradients[name]
            yield Result(f"gradient of {name}", absolute(found, reference), 1e-6)
        else:
            error = absolute(gradients[name], reference) / largest
            yield Result(f"gradient of {name}", error, 1e-4)
    state = to_published(model)
    for name, after in case.below("state_after").items():
        yield Result(f"{name} after a step", absolute(state[name].float(), after.float()), 1e-4)
    if "expected_logits_eval_after_sgd_step" in case:
        sgd = case.config["sgd"]
        torch.optim.SGD(model.parameters(), **sgd).step()
        with torch.no_grad():
            found = model.eval()(batch)
        expected = case.tensor("expected_logits_eval_after_sgd_step")
        yield Result("logits after a step", absolute(found, expected), ABSOLUTE)


def in_double(batch: SkeletonGraph) -> SkeletonGraph:
    """The same recordings in double precision."""
    batch = copy.copy(batch)
    batch.pos = batch.pos.double()
    return batch


def published_gradients(model: STGCN) -> dict[str, Tensor]:
    """Gradients under published names."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return to_published(model, found)


# --- PYSKL ---
def pyskl_options(backbone: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructor's arguments say that weights may not show."""
    down = backbone.get("down_stages", [5, 8])
    stages = backbone.get("num_stages", 10)
    strides = [2 if i > 1 and i in down else 1 for i in range(1, stages + 1)]
    if backbone.get("in_channels", 3) == backbone.get("base_channels", 64):
        strides = strides[1:]  # there the first unit is left out
    branches = backbone.get("tcn_ms_cfg") or []
    dilations = [b[1] for b in branches if isinstance(b, list | tuple) and b[0] != "max"]
    return {
        "adaptive": backbone.get("gcn_adaptive", "importance"),
        "aggregate_first": backbone.get("gcn_conv_pos", "pre") == "post",
        "spatial_residual": backbone.get("gcn_with_res", False),
        "strides": strides,
        "dilations": dilations or None,
    }


def pyskl(case: Case) -> Iterator[Result]:
    model = load_published(case.below("state"), **pyskl_options(case.config["backbone"])).eval()
    run = Run(model, batch_of(case, model))
    yield from outputs(case, run)
    if "expected_per_person_features" in case:
        expected = case.tensor("expected_per_person_features")
        found = run.per_person(expected.size(1))
        yield Result("features of each person", absolute(found, expected), ABSOLUTE)
    if "expected_backbone_shape" in case:
        shape = case.tensor("expected_backbone_shape")
        same = torch.equal(run.shape(int(shape[1])), shape.long())
        yield Result("shape", 0.0 if same else float("inf"), 0.0)
    for i, expected in case.numbered("expected_block#_first_sample"):
        found = run.first_sample(run.blocks[i], expected)
        yield Result(f"block {i}", absolute(found, expected), ABSOLUTE)


def hagrid(case: Case) -> Iterator[Result]:
    """One checkpoint and several inputs of the same drawings, each a case of its own."""
    model = load_published(case.below("state"), **pyskl_options(case.config["backbone"])).eval()
    assert model.layout is not None
    start = "expected_logits_"
    for kind in [key.removeprefix(start) for key in case.keys if key.startswith(start)]:
        expected = case.tensor(f"model_input_{kind}")
        dense = clips(expected, case.config["input_layout"], model.layout.num_joints)
        run = Run(model, as_batch(dense, model.layout))
        found = {
            "logits": run.logits,
            "features": run.features,
            "prob": run.logits.softmax(dim=-1),
        }
        compared = [
            Result(what, absolute(value, case.tensor(f"expected_{what}_{kind}")), ABSOLUTE)
            for what, value in found.items()
            if f"expected_{what}_{kind}" in case
        ]
        if f"keypoint_{kind}" in case:
            drawn = case.tensor(f"keypoint_{kind}")
            normalised = torch.stack(
                [published.pre_normalise_2d(clip, mode="auto", threshold=0.0) for clip in drawn]
            )
            compared.append(Result("prenormalised", absolute(normalised, expected), 1e-5))
        yield worst(f"{case.name}/{kind}" if case.name else kind, compared)


# --- CTR-GCN ---
def ctrgcn(case: Case) -> Iterator[Result]:
    model = load_published(
        case.below("state"),
        strides=case.config.get("strides"),
        dilations=case.config.get("tcn_dilations"),
    ).eval()
    run = Run(model, batch_of(case, model))
    yield from outputs(case, run, error=scaled)
    for pattern, values in (
        ("expected_l#_gcn_first_sample", run.units),
        ("expected_l#_first_sample", run.blocks),
    ):
        for i, expected in case.numbered(pattern):
            found = run.first_sample(values[i - 1], expected)
            yield Result(pattern.replace("#", str(i)), scaled(found, expected), ABSOLUTE)


# --- KTH ---
def kth(case: Case) -> Iterator[Result]:
    model = load_published(case.below("state")).eval()
    run = Run(model, batch_of(case, model))
    built = case.config.get("asbuilt") or "as built" in case.config.get("normalisation", "")
    yield from outputs(case, run, tolerance=1e-3 if built else ABSOLUTE)
    if "adjacency" in case:
        yield starting_adjacency(case, model, "as_built" if built else "symmetric")


def starting_adjacency(case: Case, model: STGCN, how: str) -> Result:
    """Where the weights' adjacency started: ours where the strategy needs no measured distances,
    and in any case the same edges."""
    assert model.layout is not None
    start, used = case.tensor("adjacency"), model.partition_of(model.layout).dense()
    name, hops = case.config.get("strategy"), case.config.get("d", 1)
    layout = {18: "openpose_coco_18", 25: "openpose_body_25"}.get(model.layout.num_joints)
    if layout is not None and name in ("uniform", "distance", "symmetrical"):
        used = resolve_partition(name, max_hop=hops, normalisation=how)(layout).dense()
    elif start.shape == used.shape:
        used, start = (used != 0).double(), (start != 0).double()
    largest = max(1.0, float(start.abs().max()))
    return Result("adjacency", absolute(used, start) / largest, ABSOLUTE)


FAMILIES = {
    "stgcn_original": stgcn_original,
    "stgcn_train": stgcn_train,
    "pyskl_stgcn": pyskl,
    "pyskl_stgcnpp": pyskl,
    "hagrid_stgcnpp": hagrid,
    "ctrgcn": ctrgcn,
    "kth_stgcn": kth,
}
MANY = (hagrid,)  # a case of theirs is a line for each of its inputs


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A description of a case; nothing where it is none."""
    return value if isinstance(value, Mapping) else {}


def check(family: str, arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result | str]:
    """Each case of a file; one that stops comes back as the reason, and the next one runs."""
    function = FAMILIES[family]
    found = list(cases(arrays, config))
    if "backbone" in config:  # a file that is one case
        found = [Case("", arrays, config)]
    else:
        empty = set(config) - {case.name for case in found}
        for name in sorted(n for n in empty if "input_layout" in as_mapping(config[n])):
            yield f"{name}: config_json describes this case, and no array belongs to it"
    for case in found:
        try:
            if function in MANY:
                yield from function(case)
            else:
                yield worst(case.name, function(case))
        except Exception as error:
            yield f"{case.name or family}: {type(error).__name__}: {error}"
