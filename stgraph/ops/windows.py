"""Sliding windows over tracks, counted where they are and no further."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """Windows over the tracks of a batch, ordered by track, then time; tensors only.

    Attributes:
        pose: Pose of each step, int64 [W, w]; outside of its track the nearest pose of it.
        exists: Whether the step lies inside of its track, bool [W, w].
        track: Track of each window, int64 [W].
        length: Windows of each track, int64 [M].
    """

    pose: Tensor
    exists: Tensor
    track: Tensor
    length: Tensor

    @property
    def centre(self) -> Tensor:
        """Pose in the middle of each window, int64 [W]."""
        return self.pose[:, self.pose.size(1) // 2]

    @property
    def number(self) -> Tensor:
        """Place of each window among those of its track, from 0, int64 [W]."""
        first = self.length.cumsum(0) - self.length
        return torch.arange(self.track.numel(), device=self.track.device) - first[self.track]


def check_window(size: int, stride: int, dilation: int, who: str) -> None:
    """Refuses windows that there cannot be.

    Raises:
        ValueError: if a number is below 1.
    """
    for name, value in (("window", size), ("stride", stride), ("dilation", dilation)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{who} expected a {name} of at least 1 (got {value!r})")


def sliding_windows(
    track_length: Tensor, size: int, stride: int = 1, dilation: int = 1, margin: int = 0
) -> Windows:
    r"""Windows centred on poses 0, stride, 2 stride, ... of each track.

    Step :math:`i` of a window around pose :math:`c` is pose :math:`c + d (i - \lfloor w/2 \rfloor)`
    of the same track, if the track has it: nothing is padded at the ends.

    Args:
        track_length: Number of poses of each track, int64 [M], all >= 1.
        size: Steps w of a window.
        stride: Poses from one centre to the next.
        dilation: Poses d from one step to the next.
        margin: Poses at both ends of every track that are no centres, but may be steps.

    Raises:
        ValueError: if a number is below 1.
    """
    check_window(size, stride, dilation, "'sliding_windows'")
    device = track_length.device
    count = (track_length - 2 * margin + stride - 1) // stride
    track = torch.arange(track_length.numel(), device=device).repeat_interleave(count)
    number = torch.arange(track.numel(), device=device) - (count.cumsum(0) - count)[track]
    step = dilation * (torch.arange(size, device=device) - size // 2)
    place = (margin + number * stride)[:, None] + step
    last = (track_length - 1)[track][:, None]
    exists = (place >= 0) & (place <= last)
    first = (track_length.cumsum(0) - track_length)[track][:, None]
    pose = first + torch.minimum(place.clamp(min=0), last)
    return Windows(pose, exists, track, count)


def take_windows(windows: Windows, keep: Tensor) -> Windows:
    """Some of the windows, in their order.

    Args:
        windows: W windows.
        keep: Which to take, bool [W].
    """
    track = windows.track[keep]
    length = torch.bincount(track, minlength=windows.length.numel())
    return Windows(windows.pose[keep], windows.exists[keep], track, length)
