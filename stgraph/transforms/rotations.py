"""Rotation matrices as functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_2d(angle: Tensor) -> Tensor:
    """Matrices ``[..., 2, 2]`` that turn column vectors by ``angle`` radians from x towards y."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([cosine, -sine, sine, cosine], dim=-1).unflatten(-1, (2, 2))


def rotation_3d(angles: Tensor, order: str = "xyz") -> Tensor:
    """Matrices ``[..., 3, 3]`` that turn column vectors about the axes, right-handed.

    Args:
        angles: ``[..., 3]`` about x, y and z, in radians.
        order: The product of the three factors, read from left to right: ``"zyx"`` is Rz Ry Rx.
    """
    cosine, sine = angles.cos(), angles.sin()
    zero, one = torch.zeros_like(cosine[..., 0]), torch.ones_like(cosine[..., 0])

    def about(axis: str) -> Tensor:
        i = "xyz".index(axis)
        c, s = cosine[..., i], sine[..., i]
        rows = {
            "x": [one, zero, zero, zero, c, -s, zero, s, c],
            "y": [c, zero, s, zero, one, zero, -s, zero, c],
            "z": [c, -s, zero, s, c, zero, zero, zero, one],
        }[axis]
        return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))

    first, second, third = list(order)
    return about(first) @ about(second) @ about(third)


def align_direction(direction: Tensor, axis: int) -> Tensor:
    """Matrices that turn a direction onto a coordinate axis, by the shortest way.

    Args:
        direction: ``[..., 3]`` of any length.
        axis: 0, 1 or 2.

    Returns:
        ``[..., 3, 3]`` in the direction's dtype; the identity where the direction has no length
        or already lies on the axis, either way round.
    """
    d = direction.double()
    target = torch.zeros_like(d)
    target[..., axis] = 1
    normal = torch.linalg.cross(d, target, dim=-1)
    unit = d / d.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    angle = (unit * target).sum(dim=-1).clamp(-1, 1).acos()
    fixed = (normal.abs().sum(dim=-1) < 1e-6) | (d.abs().sum(dim=-1) < 1e-6) | (angle < 1e-6)
    k = normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    zero = torch.zeros_like(angle)
    cross = torch.stack(
        [zero, -k[..., 2], k[..., 1], k[..., 2], zero, -k[..., 0], -k[..., 1], k[..., 0], zero],
        dim=-1,
    ).unflatten(-1, (3, 3))
    sine, cosine = angle.sin()[..., None, None], angle.cos()[..., None, None]
    identity = torch.eye(3, dtype=torch.float64, device=d.device)
    turn = identity + sine * cross + (1 - cosine) * (cross @ cross)
    return torch.where(fixed[..., None, None], identity, turn).to(direction.dtype)
