"""The key names of MAMP, which STARS shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.models import SkeletonTransformer, TokenDecoder
from stgraph.nn.published.files import bare_names, read_state_dict
from stgraph.nn.published.weights import (
    State,
    Weight,
    check_widths,
    layer,
    rows,
    to_ours,
    to_theirs,
    units,
)
from stgraph.nn.state import StateDictMismatch, check_state_dict
from stgraph.skeleton import SkeletonLayout, resolve_layout

LAYOUTS = {25: "kinect_v2_25", 20: "kinect_v1_20"}
#: Heads of contrastive tuning, of which the encoder has none.
HEADS = ("fc.", "head.", "projector.", "predictor.", "queue")


class MAMPParts(NamedTuple):
    """Networks with the weights of a MAMP checkpoint.

    Attributes:
        encoder: The encoder.
        decoder: The decoder; None if the checkpoint has none.
    """

    encoder: SkeletonTransformer
    decoder: TokenDecoder | None


def load_mamp(
    weights: str | Path | Mapping[str, Tensor],
    num_heads: int = 8,
    layout: SkeletonLayout | str | None = None,
) -> MAMPParts:
    """Encoder and decoder with the weights of `MAMP <https://github.com/maoyunyao/MAMP>`_ or STARS.

    Loading is strict, but for heads of later stages, which are left out. Numbers agree with the
    published code on batches of ``SkeletonGraph.from_dense(..., keep_absent=True)``.

    Args:
        weights: A state dict, or a file of one (see :func:`read_state_dict`).
        num_heads: Heads of attention, which weights do not show.
        layout: The joints; by default Kinect's with as many.

    Raises:
        StateDictMismatch: if the tensors are of another network; the message lists what does not
            fit.
    """
    source = "the state dict" if isinstance(weights, Mapping) else repr(str(weights))
    named = weights if isinstance(weights, Mapping) else read_state_dict(weights)
    state = {k: v for k, v in bare_names(named).items() if not k.startswith(HEADS)}
    try:
        encoder, decoder = _build(state, num_heads, layout)
    except (LookupError, RuntimeError, ValueError) as error:
        raise StateDictMismatch(f"{source} does not show the form of MAMP: {error}") from None
    parts = MAMPParts(encoder, decoder)
    tables = _tables(parts)
    expected: dict[str, Tensor] = {}
    for module, table in tables:
        expected |= to_theirs(table, module.state_dict())
    check_state_dict(expected, state, f"{source} (MAMP)")
    for module, table in tables:
        ours = dict(to_ours(table, state))
        if isinstance(module, SkeletonTransformer):
            # published inputs miss nothing
            ours["embedding.missing"] = torch.zeros_like(module.embedding.missing)
        module.load_state_dict(ours)
    return parts


def to_mamp(parts: MAMPParts, gradients: bool = False) -> dict[str, Tensor]:
    """The weights, or their gradients, under the names of MAMP.

    Args:
        parts: Networks of its form.
        gradients: The gradients instead of the weights.

    Raises:
        ValueError: if the blocks of the encoder are of different widths.
    """
    check_widths(parts.encoder.config)
    out: dict[str, Tensor] = {}
    for module, table in _tables(parts):
        tensors: Mapping[str, Tensor] = module.state_dict()
        if gradients:
            tensors = {
                name: torch.zeros_like(p) if p.grad is None else p.grad
                for name, p in module.named_parameters()
            }
        out |= to_theirs(table, tensors, gradients=gradients)
    return out


def _build(
    state: State, num_heads: int, layout: SkeletonLayout | str | None
) -> tuple[SkeletonTransformer, TokenDecoder | None]:
    conv = state["joints_embed.proj.weight"]
    width, channels, patch_size = conv.shape[:3]
    joints, times = state["pos_embed"].size(2), state["temp_embed"].size(1)
    if layout is None:
        if joints not in LAYOUTS:
            raise ValueError(f"no layout is known for {joints} joints; say which (layout=...)")
        layout = LAYOUTS[joints]
    layout = resolve_layout(layout)
    if layout.num_joints != joints:
        raise ValueError(f"layout {layout.name!r} has {layout.num_joints} joints, not {joints}")
    encoder = SkeletonTransformer(
        channels,
        layout=layout,
        width=width,
        depth=len(units(state, "blocks.")),
        num_heads=num_heads,
        mlp_ratio=state["blocks.0.mlp.fc1.weight"].size(0) / width,
        patch_size=patch_size,
        num_times=times,
    )
    if "decoder_embed.weight" not in state:
        return encoder, None
    size = state["decoder_embed.weight"].size(0)
    decoder = TokenDecoder(
        width,
        state["decoder_pred.weight"].size(0),
        layout=layout,
        width=size,
        depth=len(units(state, "decoder_blocks.")),
        num_heads=num_heads,
        mlp_ratio=state["decoder_blocks.0.mlp.fc1.weight"].size(0) / size,
        num_times=times,
    )
    return encoder, decoder


def _tables(parts: MAMPParts) -> list[tuple[nn.Module, list[Weight]]]:
    tables: list[tuple[nn.Module, list[Weight]]] = [(parts.encoder, _encoder(parts.encoder))]
    if parts.decoder is not None:
        tables.append((parts.decoder, _decoder(parts.decoder)))
    return tables


def _encoder(encoder: SkeletonTransformer) -> list[Weight]:
    length, channels = encoder.patch_size, encoder.in_channels

    def split(value: Tensor) -> list[Tensor]:
        return [value.view(-1, length, channels).transpose(1, 2)[..., None].contiguous()]

    def join(parts: Sequence[Tensor]) -> Tensor:
        return parts[0][..., 0].transpose(1, 2).flatten(1).contiguous()

    return [
        Weight("embedding.linear.weight", ("joints_embed.proj.weight",), split, join),
        rows("embedding.linear.bias", ["joints_embed.proj.bias"]),
        *_place("pos_embed", "temp_embed"),
        *_stack(len(encoder.stack.blocks), "blocks", "norm"),
    ]


def _decoder(decoder: TokenDecoder) -> list[Weight]:
    return [
        _shaped("mask_token", "mask_token", (1, 1, -1)),
        *layer("embedding", "decoder_embed", axes=0),
        *_place("decoder_pos_embed", "decoder_temp_embed"),
        *_stack(len(decoder.stack.blocks), "decoder_blocks", "decoder_norm"),
        *layer("head", "decoder_pred", axes=0),
    ]


def _shaped(ours: str, theirs: str, shape: tuple[int, ...]) -> Weight:
    """A tensor of ours that they keep with more axes of size 1; -1 are ours, in order."""

    def split(value: Tensor) -> list[Tensor]:
        sizes = iter(value.shape)
        return [value.reshape([next(sizes) if size == -1 else size for size in shape])]

    def join(parts: Sequence[Tensor]) -> Tensor:
        kept = [n for n, size in zip(parts[0].shape, shape, strict=True) if size == -1]
        return parts[0].reshape(kept)

    return Weight(ours, (theirs,), split, join)


def _place(joint: str, time: str) -> list[Weight]:
    return [
        _shaped("place.joint.weight", joint, (1, 1, -1, -1)),
        _shaped("place.time", time, (1, -1, 1, -1)),
    ]


def _stack(depth: int, blocks: str, last: str) -> list[Weight]:
    out = []
    for i in range(depth):
        ours, theirs = f"stack.blocks.{i}", f"{blocks}.{i}"
        for name, published in (
            ("norm1", "norm1"),
            ("qkv", "attn.qkv"),
            ("proj", "attn.proj"),
            ("norm2", "norm2"),
            ("fc1", "mlp.fc1"),
            ("fc2", "mlp.fc2"),
        ):
            out += layer(f"{ours}.{name}", f"{theirs}.{published}", axes=0)
    return [*out, *layer("stack.norm", last, axes=0)]
