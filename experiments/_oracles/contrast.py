"""Checks momentum contrast, on one stream and with mining across streams."""

from __future__ import annotations

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
    worst,
)
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn import load_published, to_published
from stgraph.objectives import (
    CrossViewContrast,
    MomentumContrast,
)
from stgraph.transforms import Stream

STREAMS = {"joint": "joint", "motion": "joint_motion", "bone": "bone"}


# --- momentum contrast, one stream or several ---
def suffix(name: str) -> str:
    return "" if name == "joint" else f"_{name}"


def head_of(state: Mapping[str, Tensor], shared: nn.Sequential | None) -> nn.Sequential:
    """The projection head; those of further streams end in the head of the first, as published."""
    first = linear(state, "fc.0")
    return nn.Sequential(first, nn.ReLU(), shared if shared is not None else linear(state, "fc.2"))


def linear(state: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = state[f"{name}.weight"]
    layer = nn.Linear(weight.size(1), weight.size(0))
    layer.load_state_dict({key: state[f"{name}.{key}"] for key in ("weight", "bias")})
    return layer


def momentum_contrasts(case: Case) -> dict[str, MomentumContrast]:
    kinds = {"skeleton": 1, "cross2": 2, "cross3": 3}
    names = list(STREAMS)[: kinds[case.config["kind"]]]
    options = {key: case.config[key] for key in ("momentum", "queue_size")}
    out: dict[str, MomentumContrast] = {}
    heads: dict[str, nn.Sequential] = {}
    for name in names:
        parts = {}
        for side in ("q", "k"):
            start = f"encoder_{side}{suffix(name)}."
            every = case.below("state_before").items()
            state = {k[len(start) :]: value for k, value in every if k.startswith(start)}
            body = load_published(state, head=False)
            deep = "fc.2.0.weight" in state
            head = head_of(state, heads[side] if deep else None)
            if name == names[0]:
                heads[side] = head
            parts[side] = body, head
        contrast = MomentumContrast(
            *parts["q"],
            width=case.config["feature_dim"],
            temperature=case.config["Temperature"],
            **options,
        )
        contrast.key_encoder, contrast.key_head = parts["k"]
        contrast.key_encoder.requires_grad_(False)
        contrast.key_head.requires_grad_(False)
        queue = case.tensor(f"state_before/queue{suffix(name)}")
        contrast.queue.features.copy_(queue.T)
        pointer = case.tensor(f"state_before/queue_ptr{suffix(name)}")
        contrast.queue.pointer.copy_(pointer.long().reshape(()))
        out[name] = contrast
    return out


def momentum(case: Case) -> Iterator[Result]:
    config = case.config
    contrasts = momentum_contrasts(case)
    names = list(contrasts)
    layout = contrasts["joint"].encoder.layout
    views = [
        as_batch(clips(case.tensor(key), "N C T V M", layout.num_joints), layout)
        for key in ("im_q", "im_k")
    ]
    streams = {name: Stream(STREAMS[name]) for name in names}
    objective: Any
    if len(names) == 1:
        objective = nn.ModuleDict(contrasts)
    else:
        objective = CrossViewContrast(
            contrasts,
            streams,
            top=config.get("topk", 1),
            mine_from=0 if config.get("cross") else 1,
            published_updates=True,
        )
    objective.train(config.get("train", True))
    steps = sorted({int(key.split("/")[0][4:]) for key in case.keys if key.startswith("step")})
    for step in steps:
        yield from momentum_step(case, f"step{step}", objective, contrasts, streams, views)


def momentum_step(
    case: Case, step: str, objective: Any, contrasts: Any, streams: Any, views: Any
) -> Iterator[Result]:
    names, cross = list(contrasts), bool(case.config.get("cross"))
    outputs: dict[str, Tensor] = {}
    first, second = views
    query, key = {}, {}
    for name, contrast in contrasts.items():
        raw = contrast.head(contrast.encoder(streams[name](first)))
        outputs[f"q{suffix(name)}"], query[name] = raw, F.normalize(raw, dim=1)
    for name in names[1:2] if cross else names:
        contrasts[name].move_keys()
    for name, contrast in contrasts.items():
        with torch.no_grad():
            raw = contrast.key_head(contrast.key_encoder(streams[name](second)))
        outputs[f"k{suffix(name)}"], key[name] = raw, F.normalize(raw, dim=1)
    for name, found in outputs.items():
        expected = case.tensor(f"{step}/expected_encoder_{name}_output_unnormalised")
        yield Result(f"{step} encoder {name}", absolute(found, expected), ABSOLUTE)
    losses = {}
    if cross:
        losses = objective.mined(query, key)
        for name in names:
            for other in names:
                if other == name:
                    continue
                word = name if len(names) == 2 else f"{name[0]}{other[0]}"
                logits, mask = objective.logits(name, other, query, key)
                expected = case.tensor(f"{step}/expected_logits_{word}")
                yield Result(f"{step} logits {word}", absolute(logits, expected), ABSOLUTE)
                expected = case.tensor(f"{step}/expected_positive_mask_{word}")
                yield Result(f"{step} positives {word}", absolute(mask.float(), expected), 0.0)
    else:
        for name, contrast in contrasts.items():
            entries = contrast.queue.features.clone()
            positive = (query[name] * key[name]).sum(dim=1, keepdim=True)
            logits = torch.cat([positive, query[name] @ entries.T], 1) / contrast.temperature
            expected = case.tensor(f"{step}/expected_logits_{name}")
            yield Result(f"{step} logits {name}", absolute(logits, expected), ABSOLUTE)
            losses[name] = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
    total = torch.stack(list(losses.values())).sum()
    for name, loss in {**losses, "total": total}.items():
        expected = case.tensor(f"{step}/expected_loss_{name}")
        yield Result(f"{step} loss {name}", absolute(loss, expected), ABSOLUTE)
    for contrast in contrasts.values():
        contrast.zero_grad()
    total.backward()
    for name, contrast in contrasts.items():
        contrast.enqueue(key[name])
        yield from after_step(case, step, name, contrast)
    for parameter in {p for c in contrasts.values() for p in c.parameters() if p.requires_grad}:
        if parameter.grad is not None:
            parameter.data.sub_(parameter.grad, alpha=case.config["lr"])


def after_step(case: Case, step: str, name: str, contrast: MomentumContrast) -> Iterator[Result]:
    """Queue, key weights and gradients of one stream."""
    end = suffix(name)
    queue = contrast.queue
    expected = case.tensor(f"{step}/after/queue{end}")
    yield Result(f"{step} queue {name}", absolute(queue.features.T, expected), ABSOLUTE)
    pointer = case.tensor(f"{step}/after/queue_ptr{end}").reshape(())
    yield Result(f"{step} pointer {name}", absolute(queue.pointer, pointer), 0.0)
    gradients = {k: p.grad for k, p in contrast.encoder.named_parameters() if p.grad is not None}
    sides = (
        ("after/encoder_k", to_published(contrast.key_encoder), contrast.key_head, False),
        ("grad/encoder_q", to_published(contrast.encoder, gradients), contrast.head, True),
    )
    for word, body, head, of_gradients in sides:
        found = {**body, **head_tensors(head, of_gradients)}
        prefix = f"{step}/{word}{end}."
        for key in [k for k in case.keys if k.startswith(prefix)]:
            expected = case.tensor(key)
            error = absolute(found[key[len(prefix) :]], expected)
            yield Result(f"{step} {key[len(step) + 1 :]}", error, ABSOLUTE)


def head_tensors(head: nn.Module, gradients: bool) -> dict[str, Tensor]:
    return {
        f"fc.{name}": p.grad if gradients else p.data  # type: ignore[misc]
        for name, p in head.named_parameters()
    }


FAMILIES: dict[str, Any] = {"skeletonclr": momentum, "crossclr": momentum}


def check(
    family: str, arrays: Arrays, config: Mapping[str, Any]
) -> Iterator[Result | tuple[str, float, float] | str]:
    for case in cases(arrays, config):
        yield worst(case.name, FAMILIES[family](case))
