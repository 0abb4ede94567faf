"""From a class for every frame to actions with a begin and an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stgraph.metrics import Segments, join_segments, make_segments, temporal_iou

METHODS = ("argmax", "threshold")


@dataclass(frozen=True)
class SegmentFinder:
    """How actions are found in probabilities of frames.

    Probabilities are smoothed; frames that belong together make a proposal, whose confidence is
    their mean probability; short proposals and those that overlap surer ones of their class are
    left out.

    Attributes:
        method: ``"argmax"``: runs of frames of one most probable class; ``"threshold"``: for each
            class the runs of frames whose probability is above ``threshold``.
        threshold: Of ``"threshold"``, one or several (each gives proposals).
        smoothing: Frames of a moving average of the probabilities; 1: none.
        max_gap: Frames between two runs of one class that are bridged.
        min_length: Least frames of a proposal.
        nms: Greatest temporal IoU of two proposals of one class; 1: all are kept.

    Raises:
        ValueError: if an option is out of range.
    """

    method: str = "threshold"
    threshold: float | tuple[float, ...] = (0.1, 0.3, 0.5)
    smoothing: int = 5
    max_gap: int = 0
    min_length: int = 3
    nms: float = 0.5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; known are {', '.join(METHODS)}")
        if not self.thresholds or not all(0 <= t < 1 for t in self.thresholds):
            raise ValueError(
                f"'SegmentFinder' expected thresholds in [0, 1) (got {self.threshold})"
            )
        for name, least in (("smoothing", 1), ("max_gap", 0), ("min_length", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"'SegmentFinder' expected {name} >= {least} (got {getattr(self, name)})"
                )
        if not 0 < self.nms <= 1:
            raise ValueError(f"'SegmentFinder' expected nms in (0, 1] (got {self.nms})")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds as a tuple."""
        single = isinstance(self.threshold, int | float)
        return (float(self.threshold),) if single else tuple(self.threshold)  # type: ignore[arg-type]

    @classmethod
    def published(cls) -> SegmentFinder:
        """Of FoundSkelModel: runs above 0.02 of each class, nothing smoothed or left out."""
        return cls("threshold", 0.02, smoothing=1, max_gap=0, min_length=1, nms=1.0)

    def __call__(self, frame: Tensor, probability: Tensor, video: int = 0) -> Segments:
        """The proposals in one recording; labels count from 1.

        Args:
            frame: Numbers of the frames in which somebody is, rising, int64 [F].
            probability: [F, C + 1]; column 0 is background.
            video: Number to give to the recording.

        Raises:
            ValueError: if the lengths differ.
        """
        if len(frame) != len(probability):
            raise ValueError(
                f"'SegmentFinder' expected a row for each of {len(frame)} frames (got "
                f"{len(probability)})"
            )
        if not len(frame):
            return make_segments([], [], [], [])
        share = smooth(frame, probability.double(), self.smoothing)
        parts = []
        if self.method == "argmax":
            best = share.argmax(dim=1)
            for label in best[best > 0].unique().tolist():
                parts.append(self._runs(frame, best == label, share[:, label], label, video))
        else:
            for threshold in self.thresholds:
                over = share > threshold
                for label in (over[:, 1:].any(dim=0).nonzero().flatten() + 1).tolist():
                    parts.append(self._runs(frame, over[:, label], share[:, label], label, video))
        return suppress(join_segments(parts), self.nms)

    def _runs(
        self, frame: Tensor, inside: Tensor, share: Tensor, label: int, video: int
    ) -> Segments:
        """The runs of frames that are inside."""
        rows = inside.nonzero().flatten()
        gap = frame[rows].diff() - 1
        new = torch.cat([gap.new_ones(1, dtype=torch.bool), gap > self.max_gap])
        run = new.long().cumsum(0) - 1
        count = torch.bincount(run)
        start = frame[rows[new]]
        last = torch.cat([new[1:], new.new_ones(1)])
        end = frame[rows[last]]
        sure = torch.zeros(len(count), dtype=share.dtype).index_add(0, run, share[rows]) / count
        keep = end - start + 1 >= self.min_length
        n = int(keep.sum())
        return make_segments([video] * n, [label] * n, start[keep], end[keep], sure[keep])


def smooth(frame: Tensor, value: Tensor, width: int) -> Tensor:
    """Mean over the frames at most ``width // 2`` away, [F, C].

    Args:
        frame: Numbers, rising, int64 [F].
        value: [F, C].
        width: Frames; 1: the values as they are.
    """
    if width <= 1:
        return value
    half = width // 2
    total = torch.nn.functional.pad(value.cumsum(0), (0, 0, 1, 0))
    low = torch.searchsorted(frame, frame - half)
    high = torch.searchsorted(frame, frame + half, right=True)
    return (total[high] - total[low]) / (high - low)[:, None]


def suppress(segments: Segments, iou: float) -> Segments:
    """Non-maximum suppression: the surest first, those that overlap it too much left out.

    Args:
        segments: Of one recording.
        iou: Greatest temporal IoU of two segments of one class.
    """
    if iou >= 1 or segments.size < 2:
        return segments
    order = segments.confidence.argsort(descending=True, stable=True)
    ranked = segments.take(order)
    overlap = temporal_iou(ranked.start, ranked.end, ranked.start, ranked.end)
    rivals = (overlap > iou) & (ranked.label[:, None] == ranked.label)
    keep = torch.ones(segments.size, dtype=torch.bool)
    for i in range(segments.size):
        if keep[i]:
            keep[i + 1 :] &= ~rivals[i, i + 1 :]
    return segments.take(order[keep].sort().values)


def finder_options(finder: SegmentFinder) -> dict[str, Any]:
    """The options as JSON can hold them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(finder).items()
    }
