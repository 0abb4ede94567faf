"""Batch norms of what enters a network, bound to joints or to persons."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stgraph.nn.temporal import PoseNorm

DATA_NORMS = ("joint", "person_joint", "channel", "none")


class JointNorm(nn.BatchNorm1d):
    """Batch norm of each channel of each joint over all poses: (V, P, C) to (V, P, C).

    Args:
        num_joints: V.
        num_channels: C.
    """

    def __init__(self, num_joints: int, num_channels: int) -> None:
        super().__init__(num_joints * num_channels)
        self.num_joints = num_joints

    def forward(self, x: Tensor, slot: Tensor | None = None) -> Tensor:
        v, p, c = x.shape
        if self.training and p == 1:
            raise ValueError(
                "a training step on one pose has no spread to normalise by; give it more recordings"
            )
        flat = super().forward(x.transpose(0, 1).reshape(p, v * c))
        return flat.view(p, v, c).transpose(0, 1).contiguous()

    def of_joints(self, tensor: Tensor, joints: Tensor) -> Tensor:
        """What a parameter or a statistic holds for some joints, in their order, flat."""
        shape = (-1, self.num_joints, self.num_features // self.num_joints)
        if isinstance(self, PersonJointNorm):
            shape = (self.num_persons, self.num_joints, -1)
        return tensor.view(shape)[:, joints.to(tensor.device)].flatten()

    @torch.no_grad()
    def permute_joints(self, order: Tensor) -> None:
        """The same norm for joints in another order: new joint i is the old ``order[i]``."""
        for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
            assert tensor is not None
            tensor.copy_(self.of_joints(tensor, order))


class PersonJointNorm(JointNorm):
    """Batch norm of each channel of each joint of each person slot, as some published networks
    have it (CTR-GCN, PYSKL's ``MVC``).

    It tells the first person from the second, so outputs depend on the order of persons, and every
    recording needs as many persons as there are slots: models with this norm are exempt from the
    law that the order of tracks does not matter.

    Args:
        num_persons: M.
        num_joints: V.
        num_channels: C.
    """

    def __init__(self, num_persons: int, num_joints: int, num_channels: int) -> None:
        super().__init__(num_joints, num_persons * num_channels)
        self.num_persons = num_persons

    def forward(self, x: Tensor, slot: Tensor | None = None) -> Tensor:
        """(V, P, C) and the person slot of each pose (P) to (V, P, C)."""
        assert slot is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        v, p, c = x.shape
        flat = x.transpose(0, 1).reshape(p, v * c)
        mean, var = self.running_mean, self.running_var
        if self.training:
            blank = flat.new_zeros(self.num_persons, v * c)
            count = torch.bincount(slot, minlength=self.num_persons)[:, None].to(x.dtype)
            seen = count.clamp(min=1)
            mean = blank.index_add(0, slot, flat) / seen
            var = blank.index_add(0, slot, (flat - mean[slot]).square()) / seen
            self._track(mean, var * count / (count - 1).clamp(min=1), count > 0)
        mean, var = mean.view(self.num_persons, -1), var.view(self.num_persons, -1)
        scale = self.weight.view_as(mean) * torch.rsqrt(var + self.eps)
        shift = self.bias.view_as(mean) - mean * scale
        flat = flat * scale[slot] + shift[slot]
        return flat.view(p, v, c).transpose(0, 1).contiguous()

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, present: Tensor) -> None:
        """Running statistics of the persons that are present."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        rate = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        for running, now in ((self.running_mean, mean), (self.running_var, var)):
            assert running is not None
            shaped = running.view_as(now)
            shaped.copy_(torch.where(present, shaped + rate * (now - shaped), shaped))


class ChannelNorm(PoseNorm):
    """Batch norm of each channel over all joints of all poses; bound to no layout."""

    def forward(self, x: Tensor, slot: Tensor | None = None) -> Tensor:
        return super().forward(x)


class NoNorm(nn.Module):
    """No norm."""

    def forward(self, x: Tensor, slot: Tensor | None = None) -> Tensor:
        return x


def make_data_norm(
    kind: str, num_channels: int, num_joints: int | None, num_persons: int
) -> nn.Module:
    """The norm of a network's input; see :class:`STGCN` for the kinds.

    Raises:
        ValueError: if the kind is unknown, or bound to joints where there is no layout.
    """
    if kind not in DATA_NORMS:
        raise ValueError(f"unknown data_norm {kind!r}; known are {', '.join(DATA_NORMS)}")
    if kind == "none":
        return NoNorm()
    if kind == "channel":
        return ChannelNorm(num_channels)
    if num_joints is None:
        raise ValueError(f"data_norm={kind!r} needs a layout to bind parameters to")
    if kind == "joint":
        return JointNorm(num_joints, num_channels)
    return PersonJointNorm(num_persons, num_joints, num_channels)
