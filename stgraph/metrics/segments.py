"""Stretches of time with a class: what a detector proposes, and what is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Segments", "join_segments", "make_segments", "temporal_iou"]


class Segments(NamedTuple):
    """Actions of videos, in any order.

    Attributes:
        video: Number of the video, int64 [n].
        label: Class, int64 [n]; 0 is background, classes count from 1.
        start: First frame number, or seconds, float64 [n].
        end: Last one, float64 [n].
        confidence: How sure a detector is, float64 [n]; 1 for what is true.
    """

    video: Tensor
    label: Tensor
    start: Tensor
    end: Tensor
    confidence: Tensor

    def take(self, rows: Tensor) -> Segments:
        """Some of them: by mask or by number."""
        return Segments(*(column[rows] for column in self))

    @property
    def size(self) -> int:
        """How many there are."""
        return self.video.numel()


def make_segments(
    video: Iterable[int],
    label: Iterable[int],
    start: Iterable[float],
    end: Iterable[float],
    confidence: Iterable[float] | None = None,
) -> Segments:
    """Segments from columns of numbers.

    Args:
        video: Number of the video of each.
        label: Class of each; 0 is background.
        start: First frame number or second of each.
        end: Last one of each.
        confidence: How sure a detector is; by default 1.

    Raises:
        ValueError: if the columns differ in length, a number is not finite, a label is negative, or
            a segment ends before it starts.
    """

    def whole(column: Iterable[int]) -> Tensor:
        return torch.as_tensor(_listed(column), dtype=torch.long)

    def exact(column: Iterable[float]) -> Tensor:
        return torch.as_tensor(_listed(column), dtype=torch.float64)

    first = exact(start)
    sure = torch.ones_like(first) if confidence is None else exact(confidence)
    found = Segments(whole(video), whole(label), first, exact(end), sure)
    names = Segments._fields
    sizes = {column.shape for column in found}
    if len(sizes) > 1 or found.video.dim() != 1:
        got = ", ".join(f"{n} {list(c.shape)}" for n, c in zip(names, found, strict=True))
        raise ValueError(f"segments expected columns of one length (got {got})")
    for name, column in zip(names, found, strict=True):
        if not bool(column.isfinite().all()):
            raise ValueError(f"segments expected finite numbers (got others in {name!r})")
    if found.size and int(found.label.min()) < 0:
        raise ValueError(f"segments expected labels of at least 0 (got {int(found.label.min())})")
    wrong = (found.end < found.start).nonzero().flatten()
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"segment {i} ends before it starts ({float(found.start[i])} to {float(found.end[i])})"
        )
    return found


def join_segments(parts: Sequence[Segments]) -> Segments:
    """All segments of several parts, in their order."""
    if not parts:
        return make_segments([], [], [], [])
    return Segments(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def temporal_iou(start: Tensor, end: Tensor, other_start: Tensor, other_end: Tensor) -> Tensor:
    r"""Intersection over union of stretches of time; below 0 for those apart.

    .. math::
        \frac{\min(e, e') - \max(s, s')}{\max(e, e') - \min(s, s')}

    A stretch without length meets itself at 1.

    Args:
        start: [n].
        end: [n].
        other_start: [m].
        other_end: [m].

    Returns:
        [n, m].
    """
    shared = torch.minimum(end[:, None], other_end) - torch.maximum(start[:, None], other_start)
    whole = torch.maximum(end[:, None], other_end) - torch.minimum(start[:, None], other_start)
    return torch.where(whole > 0, shared / whole.clamp(min=1e-300), 1.0)


def _listed(column: Iterable[float]) -> Tensor | list[float]:
    return column if isinstance(column, Tensor) else list(column)
