"""Names and shapes of what PYSKL's networks hold, written down from its code."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def convolution(name: str, out: int, inp: int, taps: int = 1) -> Shapes:
    return {f"{name}.weight": (out, inp, taps, 1), f"{name}.bias": (out,)}


def linear(name: str, out: int, inp: int) -> Shapes:
    return {f"{name}.weight": (out, inp), f"{name}.bias": (out,)}


def norm(name: str, channels: int) -> Shapes:
    keys = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.num_batches_tracked": (), **{f"{name}.{key}": (channels,) for key in keys}}


def temporal_branches(name: str, channels: int) -> Shapes:
    """Six branches, of which the first takes what the others leave."""
    share = channels // 6
    shapes: Shapes = {}
    for j, own in enumerate([channels - 5 * share] + [share] * 4):
        shapes |= convolution(f"{name}.branches.{j}.0", own, channels)
        shapes |= norm(f"{name}.branches.{j}.1", own)
        if j < 4:
            shapes |= convolution(f"{name}.branches.{j}.3.conv", own, own, 3)
    shapes |= convolution(f"{name}.branches.5", share, channels)
    shapes |= norm(f"{name}.transform.0", channels)
    shapes |= convolution(f"{name}.transform.2", channels, channels)
    return shapes | norm(f"{name}.bn", channels)


def shortcuts(unit: str, inp: int, out: int, stride: int, first: bool) -> Shapes:
    shapes: Shapes = {}
    if inp != out:
        shapes |= convolution(f"{unit}.gcn.down.0", out, inp) | norm(f"{unit}.gcn.down.1", out)
    if not first and (inp != out or stride != 1):
        shapes |= convolution(f"{unit}.residual.conv", out, inp)
        shapes |= norm(f"{unit}.residual.bn", out)
    return shapes


def aagcn(
    channels: Sequence[int],
    strides: Sequence[int],
    joints: int,
    in_channels: int = 3,
    persons: int = 1,
    classes: int = 4,
    attention: bool = True,
    branches: bool = False,
) -> Shapes:
    """``backbone=dict(type="AAGCN", gcn_attention=..., tcn_type=...)`` and its head."""
    k, inp = 3, in_channels
    shapes: Shapes = {"backbone.A": (k, joints, joints)}
    shapes |= norm("backbone.data_bn", persons * joints * in_channels)
    for i, (out, stride) in enumerate(zip(channels, strides, strict=True)):
        unit, graph = f"backbone.gcn.{i}", f"backbone.gcn.{i}.gcn"
        shapes |= {f"{graph}.A": (k, joints, joints), f"{graph}.alpha": (1,)}
        for j in range(k):
            shapes |= convolution(f"{graph}.conv_d.{j}", out, inp)
            shapes |= convolution(f"{graph}.conv_a.{j}", out // 4, inp)
            shapes |= convolution(f"{graph}.conv_b.{j}", out // 4, inp)
        if attention:
            odd = joints if joints % 2 else joints - 1
            shapes |= {f"{graph}.conv_ta.weight": (1, out, 9), f"{graph}.conv_ta.bias": (1,)}
            shapes |= {f"{graph}.conv_sa.weight": (1, out, odd), f"{graph}.conv_sa.bias": (1,)}
            shapes |= linear(f"{graph}.fc1c", out // 2, out)
            shapes |= linear(f"{graph}.fc2c", out, out // 2)
        shapes |= norm(f"{graph}.bn", out)
        if branches:
            shapes |= temporal_branches(f"{unit}.tcn", out)
        else:
            shapes |= convolution(f"{unit}.tcn.conv", out, out, 9) | norm(f"{unit}.tcn.bn", out)
        shapes |= shortcuts(unit, inp, out, stride, i == 0)
        inp = out
    return shapes | linear("cls_head.fc_cls", classes, inp)


def dgstgcn(
    channels: Sequence[int],
    strides: Sequence[int],
    joints: int,
    groups: int = 8,
    ratio: float = 0.125,
    in_channels: int = 3,
    persons: int = 1,
    classes: int = 4,
    coefficients: int = 25,
) -> Shapes:
    """``backbone=dict(type="DGSTGCN", gcn_ratio=..., tcn_num_joints=...)`` and its head."""
    inp = in_channels
    shapes = norm("backbone.data_bn", persons * joints * in_channels)
    for i, (out, stride) in enumerate(zip(channels, strides, strict=True)):
        unit, graph = f"backbone.gcn.{i}", f"backbone.gcn.{i}.gcn"
        inner = groups * int(ratio * out)
        shapes |= {f"{graph}.A": (groups, joints, joints)}
        shapes |= {f"{graph}.{gate}": (groups,) for gate in ("alpha", "beta")}
        shapes |= convolution(f"{graph}.pre.0", inner, inp) | norm(f"{graph}.pre.1", inner)
        shapes |= convolution(f"{graph}.conv1", inner, inp)
        shapes |= convolution(f"{graph}.conv2", inner, inp)
        shapes |= convolution(f"{graph}.post", out, inner) | norm(f"{graph}.bn", out)
        shapes |= {f"{unit}.tcn.add_coeff": (coefficients,)}
        shapes |= temporal_branches(f"{unit}.tcn", out)
        shapes |= shortcuts(unit, inp, out, stride, i == 0)
        inp = out
    return shapes | linear("cls_head.fc_cls", classes, inp)


def random_state(shapes: Shapes) -> dict[str, Tensor]:
    """Weights as after some training: none where it started, none that blows up."""
    state = {}
    for name, shape in shapes.items():
        fan_in = max(int(torch.tensor(shape[1:]).prod()), 1) if len(shape) > 1 else 10
        value = torch.randn(shape) / fan_in**0.5
        if name.endswith("num_batches_tracked"):
            value = torch.tensor(7)
        elif name.endswith("running_var"):
            value = 0.5 + torch.rand(shape)
        elif len(shape) == 1 and name.endswith((".weight", ".alpha", ".beta")):
            value = 1 + value  # scales of norms, and gates
        state[name] = value
    return state
