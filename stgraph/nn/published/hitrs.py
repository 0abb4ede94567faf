"""The key names of Hi-TRS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.models import HiTRS
from stgraph.nn.published.files import bare_names, read_state_dict
from stgraph.nn.published.weights import (
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
#: Linear layers of the pre-training tasks by their published names.
TASK_HEADS = ("s_pose_reg", "c_motion_cls", "v_motion_cls", "v_ft_reg")


class HiTRSParts(NamedTuple):
    """What a Hi-TRS checkpoint holds.

    Attributes:
        encoder: The encoder, with a classifier if the checkpoint has one.
        heads: Linear layers of the pre-training tasks by their published names.
    """

    encoder: HiTRS
    heads: dict[str, nn.Linear]


def load_hitrs(
    weights: str | Path | Mapping[str, Tensor],
    num_heads: int = 8,
    layout: SkeletonLayout | str | None = None,
    stride: int = 7,
    dilation: int = 2,
    dropout: float = 0.2,
) -> HiTRSParts:
    """An encoder with the weights of `Hi-TRS <https://github.com/yuxiaochen1103/Hi-TRS>`_.

    Loading is strict. Windows end in poses at zero, as published.

    Args:
        weights: A state dict, or a file of one (see :func:`read_state_dict`).
        num_heads: Heads of attention, which weights do not show.
        layout: The joints; by default Kinect's with as many.
        stride: Poses from one window to the next.
        dilation: Poses from one step of a window to the next.
        dropout: For training on.

    Raises:
        StateDictMismatch: if the tensors are of another network; the message lists what does not
            fit.
    """
    source = "the state dict" if isinstance(weights, Mapping) else repr(str(weights))
    named = weights if isinstance(weights, Mapping) else read_state_dict(weights)
    state = bare_names(named)
    try:
        window, joints, width = state["c_pe.pe"].shape
        if layout is None:
            if joints not in LAYOUTS:
                raise ValueError(f"no layout is known for {joints} joints; say which (layout=...)")
            layout = LAYOUTS[joints]
        layout = resolve_layout(layout)
        if layout.num_joints != joints:
            raise ValueError(f"layout {layout.name!r} has {layout.num_joints} joints, not {joints}")
        encoder = HiTRS(
            state["s_input_map.0.weight"].size(1),
            state["v_cls.weight"].size(0) if "v_cls.weight" in state else None,
            layout,
            width=width // 2,
            depth=len(units(state, "s_enc.layer_stack.")),
            num_heads=num_heads,
            head_channels=state["s_enc.layer_stack.0.slf_attn.w_qs.weight"].size(0) // num_heads,
            window=window,
            stride=stride,
            dilation=dilation,
            num_clips=state["v_pe.pe"].size(0),
            dropout=dropout,
            zero_ends=True,
        )
    except (LookupError, RuntimeError, ValueError) as error:
        raise StateDictMismatch(f"{source} does not show the form of Hi-TRS: {error}") from None
    heads = {name: _linear(state, name) for name in TASK_HEADS if f"{name}.weight" in state}
    table = _encoder(encoder)
    expected = to_theirs(table, encoder.state_dict())
    for name, head in heads.items():
        expected |= {f"{name}.{key}": value for key, value in head.state_dict().items()}
    check_state_dict(expected, dict(state), f"{source} (Hi-TRS)")
    encoder.load_state_dict(to_ours(table, state))
    return HiTRSParts(encoder, heads)


def to_hitrs(parts: HiTRSParts, gradients: bool = False) -> dict[str, Tensor]:
    """The weights, or their gradients, under the names of Hi-TRS.

    Args:
        parts: Of its form.
        gradients: The gradients instead of the weights.

    Raises:
        ValueError: if the blocks of the encoder are of different widths.
    """
    check_widths(parts.encoder.config)
    out: dict[str, Tensor] = {}
    modules = {"": (parts.encoder, _encoder(parts.encoder))}
    for name, head in parts.heads.items():
        modules[name] = (head, layer("", name, axes=0))  # type: ignore[assignment]
    for name, (module, table) in modules.items():
        tensors: Mapping[str, Tensor] = module.state_dict()
        if gradients:
            tensors = {
                key: torch.zeros_like(p) if p.grad is None else p.grad
                for key, p in module.named_parameters()
            }
        out |= to_theirs(table, {f".{k}" if name else k: v for k, v in tensors.items()})
    return out


def _linear(state: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = state[f"{name}.weight"]
    head = nn.Linear(weight.size(1), weight.size(0))
    head.load_state_dict({"weight": weight, "bias": state[f"{name}.bias"]})
    return head


def _encoder(encoder: HiTRS) -> list[Weight]:
    depth = len(encoder.frame.stack.blocks)
    table = [
        *layer("frame.embedding.0", "s_input_map.0", axes=0),
        *layer("frame.embedding.2", "s_input_map.2", axes=0),
        rows("frame.joint.weight", ["s_pe.pe"]),
        *_stack("frame", "s_enc", depth),
        *layer("clip.embedding", "c_input_map", axes=0),
        rows("clip.place", ["c_pe.pe"]),
        _token("clip.token", "clip_fuse_token"),
        *_stack("clip", "c_enc", depth),
        *layer("video.embedding", "v_input_map", axes=0),
        rows("video.place", ["v_pe.pe"]),
        _token("video.token", "video_fuse_token"),
        *_stack("video", "v_enc", depth),
    ]
    return table if encoder.head is None else [*table, *layer("head", "v_cls", axes=0)]


def _token(ours: str, theirs: str) -> Weight:
    return Weight(ours, (theirs,), lambda value: [value[None, None]], lambda parts: parts[0][0, 0])


def _stack(ours: str, theirs: str, depth: int) -> list[Weight]:
    out = []
    for i in range(depth):
        mine, published = f"{ours}.stack.blocks.{i}", f"{theirs}.layer_stack.{i}"
        out += layer(f"{mine}.norm1", f"{published}.self_attn_norm", axes=0)
        names = [f"{published}.slf_attn.w_{part}s.weight" for part in "qkv"]
        out.append(_thirds(f"{mine}.qkv.weight", names))
        out.append(rows(f"{mine}.proj.weight", [f"{published}.slf_attn.fc.weight"]))
        out += layer(f"{mine}.norm2", f"{published}.pff_norm", axes=0)
        out += layer(f"{mine}.fc1", f"{published}.pos_ffn.w_1", axes=0)
        out += layer(f"{mine}.fc2", f"{published}.pos_ffn.w_2", axes=0)
    return out


def _thirds(ours: str, theirs: list[str]) -> Weight:
    """Queries, keys and values, which we hold as one."""

    def split(value: Tensor) -> list[Tensor]:
        return list(value.chunk(3))

    return Weight(ours, tuple(theirs), split, lambda parts: torch.cat(list(parts)))
