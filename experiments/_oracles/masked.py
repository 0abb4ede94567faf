"""Checks MAMP: masking, prediction, loss and gradients."""

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
    scaled,
    worst,
)
from torch import Tensor, nn

from stgraph.nn import MAMPParts, SkeletonTransformer, load_mamp, make_tokens, to_mamp
from stgraph.objectives import (
    MaskedReconstruction,
    Motion,
    gumbel_noise,
    log_masking_probability,
    motion_intensity,
    number_hidden,
)
from stgraph.ops import top_k_of_group
from stgraph.skeleton import SkeletonGraph


def mamp(case: Case) -> Iterator[Result]:
    config = case.config
    parts = load_mamp(case.below("state"), num_heads=config["num_heads"])
    encoder, decoder = parts
    encoder.eval()
    assert decoder is not None
    assert encoder.layout is not None
    axes, joints = config["input_layout"], config["num_joints"]
    batch = as_batch(clips(case.tensor("input"), axes, joints), encoder.layout)
    tokens = make_tokens(batch, config["t_patch_size"])
    persons, length = tokens.length.numel(), config["tokens"]

    uniform = case.tensor("uniform_draw").flatten()
    noise = uniform
    intensity = motion_intensity(batch.pos, tokens)
    expected = case.tensor("motion_intensity")
    error = scaled(intensity.view(persons, length), expected)
    yield Result("motion_intensity", error, ABSOLUTE)
    if config["motion_aware_tau"] > 0:
        log_p = log_masking_probability(
            intensity, tokens.track, persons, config["motion_aware_tau"]
        )
        noise = gumbel_noise(log_p, uniform)
        for name, value in (("mask_probability", log_p.exp()), ("noise", noise)):
            expected = case.tensor(name)
            yield Result(name, scaled(value.view(persons, length), expected), ABSOLUTE)
    elif "noise" in case:
        yield Result("noise", absolute(noise.view(persons, length), case.tensor("noise")), 0.0)
    count = number_hidden(tokens.length, config["mask_ratio"], "keep_floor")
    hidden = top_k_of_group(noise, tokens.track, count)
    mask = case.tensor("mask")
    yield Result("mask", absolute(hidden.view(persons, length).float(), mask.float()), 0.0)
    keep = case.tensor("ids_keep").long()
    shown = torch.zeros(persons, length, dtype=torch.bool).scatter(1, keep, True)
    yield Result("kept", float((shown == hidden.view(persons, length)).sum()), 0.0)
    order = case.tensor("ids_restore").long().argsort(dim=1)
    yield Result("order", absolute(order[:, : keep.size(1)], keep), 0.0)

    objective = MaskedReconstruction(
        encoder,
        decoder,
        masking=None,  # type: ignore[arg-type]
        target=Motion(
            config["motion_stride"], "token" if config["norm_skes_loss"] else "none", True
        ),
    )
    raw = Motion(config["motion_stride"], "none", True)(batch, tokens).value
    answer = objective.target(batch, tokens).value
    for name, value in (("target_unnormalised", raw), ("target", answer)):
        yield Result(name, scaled(value.view(persons, length, -1), case.tensor(name)), ABSOLUTE)
    latent = encoder.encode(batch, tokens, ~hidden).view(persons, keep.size(1), -1)
    # the reference keeps its tokens in the order of their noise
    ours = keep.argsort(dim=1).argsort(dim=1)[..., None].expand_as(latent)
    expected = case.tensor("expected_latent")
    yield Result("latent", absolute(latent.gather(1, ours), expected), ABSOLUTE)
    result = objective.reconstruct(batch, hidden=hidden)
    found = result.prediction.reshape(persons, length, -1)
    yield Result("prediction", absolute(found, case.tensor("expected_pred")), ABSOLUTE)
    loss = objective.score(result).loss
    yield Result("loss", absolute(loss, case.tensor("expected_loss")), 1e-5)
    loss.backward()
    gradients = to_mamp(MAMPParts(encoder, decoder), gradients=True)
    for name, expected in case.below("grad").items():
        error = absolute(gradients[name], expected) / float(expected.abs().max().clamp(min=1e-12))
        yield Result(
            f"gradient of {name}", error, 1e-3 if expected.abs().max() < 1e-5 else ABSOLUTE
        )
    yield from probes(case, encoder, batch, tokens)


def probes(case: Case, encoder: Any, batch: Any, tokens: Any) -> Iterator[Result]:
    """Features of the whole recording, and the published heads on them."""
    with torch.no_grad():
        pooled = encoder(batch)
        yield Result("pooled", absolute(pooled, case.tensor("expected_pooled_features")), ABSOLUTE)
        head = case.below("linprobe_head")
        logits = nn.functional.linear(pooled, head["fc.weight"], head["fc.bias"])
        expected = case.tensor("expected_logits_linprobe")
        yield Result("linear probe", absolute(logits, expected), ABSOLUTE)
        expected = case.tensor("expected_logits_finetune")
        yield Result("fine-tune", absolute(finetune(case, encoder, batch), expected), ABSOLUTE)
        if "expected_encoder_tokens_first" in case:
            nodes = encoder.nodes(batch)
            persons = int(batch.tracks_per_recording[0])
            x = nodes.x.unflatten(0, (batch.num_recordings, persons, -1))
            first = case.tensor("expected_encoder_tokens_first")
            yield Result("tokens", absolute(x[:1, :, : first.size(2)], first), ABSOLUTE)


def finetune(case: Case, encoder: SkeletonTransformer, batch: SkeletonGraph) -> Tensor:
    """Logits of the encoder with the published head of fine-tuning."""
    head = case.below("finetune_head")
    hidden, classes = head["fc1.weight"].size(0), head["fc2.weight"].size(0)
    config = {**encoder.config, "num_classes": classes, "head": "joints", "head_channels": hidden}
    model = SkeletonTransformer(**config).eval()
    names = {"fc1": "head.1", "bn": "head.2", "fc2": "head.4"}
    state = dict(encoder.state_dict())
    for name, value in head.items():
        layer, key = name.split(".")
        state[f"{names[layer]}.{key}"] = value
    model.load_state_dict(state)
    return model(batch)


FAMILIES = {"mamp_small": mamp}


def check(
    family: str, arrays: Arrays, config: Mapping[str, Any]
) -> Iterator[Result | tuple[str, float, float] | str]:
    for case in cases(arrays, config):
        yield worst(case.name, FAMILIES[family](case))
