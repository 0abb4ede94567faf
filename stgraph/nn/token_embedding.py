"""What enters a transformer: values, joint and time of each token in one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgraph.nn.joint_identity import GraphJointEmbedding, JointEmbedding
from stgraph.skeleton import SkeletonLayout


def sinusoids(time: Tensor, width: int, base: float = 10000.0) -> Tensor:
    r"""Sines and cosines of a time, from `"Attention Is All You Need"
    <https://arxiv.org/abs/1706.03762>`_.

    Args:
        time: [K].
        width: D, even.
        base: The longest wave has :math:`2 \pi` times this length.

    Returns:
        [K, D], sines first.
    """
    half = torch.arange(width // 2, device=time.device, dtype=time.dtype)
    rate = torch.exp(-math.log(base) / (width // 2) * half)
    angle = time[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class PlaceEmbedding(nn.Module):
    """Joint and time of each token.

    Args:
        width: D.
        layout: Layout whose joints have a vector each; None: any layouts, see
            :class:`GraphJointEmbedding`.
        num_times: Number of patches that have a learned vector each, as published networks have;
            None: sines and cosines of the time, for any length, with a learned scale.
        joint_names: See :class:`GraphJointEmbedding`.

    Raises:
        ValueError: if the width is odd where sines and cosines need pairs.
    """

    def __init__(
        self,
        width: int,
        layout: SkeletonLayout | None = None,
        num_times: int | None = None,
        joint_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if num_times is None and width % 2:
            raise ValueError(f"'PlaceEmbedding' expected an even width (got {width})")
        self.width = width
        self.num_times = num_times
        self.joint: JointEmbedding | GraphJointEmbedding
        if layout is None:
            self.joint = GraphJointEmbedding(width, joint_names)
        else:
            self.joint = JointEmbedding(layout.num_joints, width)
        shape = (1,) if num_times is None else (num_times, width)
        self.time = nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Learned times: truncated normal of deviation 0.02; scale of the waves: 0.1."""
        self.joint.reset_parameters()
        if self.num_times is None:
            nn.init.constant_(self.time, 0.1)
        else:
            nn.init.trunc_normal_(self.time, std=0.02)

    def forward(self, description: Tensor, site: Tensor, time: Tensor) -> Tensor:
        """[K, D].

        Args:
            description: Of the joints, see ``joint.describe``.
            site: Row of the description for each token, int64 [K].
            time: In patches, [K].

        Raises:
            ValueError: if a recording is longer than the learned times.
        """
        joint = self.joint(description)[site]
        if self.num_times is None:
            return joint + self.time * sinusoids(time.to(joint.dtype), self.width)
        return joint + self.time[time.round().long()]

    def check_times(self, time: Tensor) -> None:
        """Raises a ValueError for a time without a learned vector."""
        if self.num_times is None or not time.numel():
            return
        last = int(time.max().round())
        if last >= self.num_times:
            raise ValueError(
                f"this encoder has learned the times of {self.num_times} patches, and a recording "
                f"goes up to patch {last + 1}; sample it to fewer frames (ResampleTime), or build "
                "the encoder with num_times=None for any length"
            )


class TokenEmbedding(nn.Module):
    r"""A linear map of a token's poses, and a learned vector for each pose that is missing.

    .. math::
        \mathbf{e} = \mathbf{W} [\mathbf{x}_1, \dots, \mathbf{x}_l] + \mathbf{b} +
        \sum_{i \text{ missing}} \mathbf{m}_i

    Args:
        patch_size: Poses of a token, l.
        in_channels: C.
        width: D.
    """

    def __init__(self, patch_size: int, in_channels: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(patch_size * in_channels, width)
        self.missing = nn.Parameter(torch.empty(patch_size, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The linear map as torch has it; missing poses: truncated normal of deviation 0.02."""
        self.linear.reset_parameters()
        nn.init.trunc_normal_(self.missing, std=0.02)

    def forward(self, values: Tensor, found: Tensor) -> Tensor:
        """Values (K, l, C), 0 where missing, and what was found (K, l) to (K, D)."""
        return self.linear(values.flatten(1)) + (~found).to(values.dtype) @ self.missing
