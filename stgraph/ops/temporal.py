"""Convolution along time on ragged tracks: nothing leaks from one track into another.

Poses of all tracks lie one after another. Before a kernel runs over them, each track gets a slot
with as many blank poses behind it as the kernel reaches, so that one dense convolution serves the
whole batch; afterwards the real poses are read back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from stgraph.ops.track import TrackChunks


class TemporalPlan(NamedTuple):
    """Where the poses of a batch go for one temporal operation; tensors only.

    Attributes:
        slot: Position of each pose among the slots, int64 [P].
        blank: True where no pose lies, bool [W]; W is a multiple of the stride.
        out: Position of each remaining pose in the strided output, int64 [P'].
        keep: The pose under the kernel's centre for each remaining pose, int64 [P'].
        track: Track of each pose, int64 [P].
        length: Number of poses of each track, int64 [M].
        chunks: The tracks cut into chunks, for layers that look at whole tracks; else None.
    """

    slot: Tensor
    blank: Tensor
    out: Tensor
    keep: Tensor
    track: Tensor
    length: Tensor
    chunks: TrackChunks | None = None

    def unstrided(self) -> TemporalPlan:
        """The same plan for an operation of stride 1 on the same poses."""
        poses = torch.arange(self.slot.size(0), device=self.slot.device)
        return self._replace(out=self.slot, keep=poses)


def make_temporal_plan(track_length: Tensor, reach: int, stride: int = 1) -> TemporalPlan:
    """The plan for kernels that reach ``reach`` poses to either side.

    Args:
        track_length: Number of poses of each track, int64 [M].
        reach: ``dilation * (kernel - 1) // 2`` of the widest kernel that will use the plan.
        stride: Every ``stride``-th pose of each track remains, the first one included.
    """
    device = track_length.device
    num_poses = int(track_length.sum())
    tracks = torch.arange(track_length.numel(), device=device)

    def spread(lengths: Tensor, total: int) -> tuple[Tensor, Tensor]:
        """The track of each element and its number within the track."""
        track = tracks.repeat_interleave(lengths, output_size=total)
        first = (lengths.cumsum(0) - lengths)[track]
        return track, torch.arange(total, device=device) - first

    slot_length = (track_length + reach + stride - 1) // stride * stride
    slot_start = slot_length.cumsum(0) - slot_length
    track, time = spread(track_length, num_poses)
    slot = slot_start[track] + time
    num_slots = bucket_size(int(slot_length.sum()))
    blank = torch.ones(-(-num_slots // stride) * stride, dtype=torch.bool, device=device)
    blank[slot] = False
    remaining = (track_length + stride - 1) // stride
    kept_track, kept_time = spread(remaining, int(remaining.sum()))
    out = slot_start[kept_track] // stride + kept_time
    keep = (track_length.cumsum(0) - track_length)[kept_track] + kept_time * stride
    return TemporalPlan(slot, blank, out, keep, track, track_length)


def bucket_size(size: int) -> int:
    """The next of a few sizes, at most a sixteenth larger (small ones: multiples of 32).

    CPU convolutions compile a kernel for each shape that they meet; ragged batches would meet a new
    one at every step.
    """
    step = max(32, 1 << max(size.bit_length() - 5, 0))
    return -(-size // step) * step


def temporal_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    plan: TemporalPlan,
    stride: int = 1,
    dilation: int = 1,
    backend: str = "slots",
) -> Tensor:
    r"""Convolution along each track with zeros beyond its ends.

    Args:
        x: [V, P, C_in].
        weight: [C_out, C_in, kernel], the kernel odd.
        bias: [C_out] or None.
        plan: A plan of the same stride whose reach is at least that of this kernel.
        stride: Every ``stride``-th pose of a track remains.
        dilation: Distance between the taps.
        backend: ``"slots"``, or the slow ``"reference"``, a loop over tracks.

    Returns:
        [V, P', C_out], contiguous.
    """
    kernel = weight.size(2)
    if kernel == 1 and stride == 1:
        return pointwise(x, weight[:, :, 0], bias)
    if kernel == 1:
        return pointwise(x.index_select(1, plan.keep), weight[:, :, 0], bias)
    pad = dilation * (kernel - 1) // 2
    if backend == "reference":
        tracks = x.split(plan.length.tolist(), dim=1)
        done = [
            F.conv1d(track.transpose(1, 2), weight, bias, stride, pad, dilation).transpose(1, 2)
            for track in tracks
        ]
        return torch.cat(done, dim=1)
    if backend != "slots":
        raise ValueError(f"unknown backend {backend!r}; known are slots, reference")
    image = as_images(into_slots(x, plan))
    y = F.conv2d(image, weight.unsqueeze(2), bias, (1, stride), (0, pad), (1, dilation))
    return from_images(y).index_select(1, plan.out)


def temporal_max_pool(x: Tensor, plan: TemporalPlan, kernel: int = 3, stride: int = 1) -> Tensor:
    """Maximum over ``kernel`` neighbouring poses of the same track: [V, P, C] to [V, P', C]."""
    slots = into_slots(x, plan, fill=float("-inf"))
    y = F.max_pool2d(as_images(slots), (1, kernel), (1, stride), (0, kernel // 2))
    return from_images(y).index_select(1, plan.out)


def into_slots(x: Tensor, plan: TemporalPlan, fill: float = 0.0) -> Tensor:
    """The poses [V, P, C] in their slots [V, W, C], ``fill`` elsewhere."""
    slots = x.new_full((x.size(0), plan.blank.size(0), x.size(2)), fill)
    return slots.index_copy(1, plan.slot, x)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear map of the channels: [V, P, C_in] with weight [C_out, C_in] to [V, P, C_out]."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and x.size(2) >= 16:
        # the convolution kernels of CPUs outrun their matrix products here
        weight = weight[:, :, None, None]
        if torch.compiler.is_compiling():
            return from_images(F.conv2d(as_images(x), weight, bias))
        poses = x.size(1)
        x = F.pad(x, (0, 0, 0, bucket_size(poses) - poses))
        return from_images(F.conv2d(as_images(x), weight, bias))[:, :poses]
    return F.linear(x, weight, bias)


def as_images(x: Tensor) -> Tensor:
    """[V, P, C] as V channels-last images of one row, [V, C, 1, P], a view.

    Time runs along the row, not down a column: CPU kernels block over it, which is worth a factor
    of two to four.
    """
    return x.permute(0, 2, 1).unsqueeze(2)


def from_images(y: Tensor) -> Tensor:
    """[V, C, 1, P] as [V, P, C], a view."""
    return y.squeeze(2).permute(0, 2, 1)


def track_mean(x: Tensor, plan: TemporalPlan) -> Tensor:
    """Mean over the poses of each track: [V, P, C] to [V, M, C]."""
    m = plan.length.size(0)
    total = x.new_zeros(x.size(0), m, x.size(2)).index_add(1, plan.track, x)
    return total / plan.length.clamp(min=1)[:, None].to(x.dtype)
