"""Detectors of actions measured: choosing how segments are found, figures, a simple rival."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from stgraph.metrics import detection_scores, join_segments, mean_2d_ap
from stgraph.nn import frames_of
from stgraph.ops import sliding_windows
from stgraph.skeleton import SkeletonGraph, pose_labels
from stgraph.tasks import Detected, FrameScores, SegmentFinder
from stgraph.tasks.detection import each_recording, labels_at, true_segments

__all__ = [
    "FINDERS",
    "WindowNeighbours",
    "choose_finder",
    "detected_by",
    "detection_figures",
    "fuse_detected",
]

#: What :func:`choose_finder` tries by default.
FINDERS: tuple[SegmentFinder, ...] = (
    SegmentFinder.published(),
    *(
        SegmentFinder("argmax", smoothing=width, min_length=least, max_gap=gap, nms=1.0)
        for width, least, gap in product((1, 5, 9, 15), (3, 6), (0, 3))
    ),
    *(
        SegmentFinder("threshold", levels, smoothing=width, min_length=least, max_gap=0, nms=nms)
        for levels, width, least, nms in product(
            ((0.1, 0.3, 0.5), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)), (1, 5, 9, 15), (3, 6), (0.2, 0.5)
        )
    ),
)


def choose_finder(
    found: Detected,
    candidates: Iterable[SegmentFinder] = FINDERS,
    iou: Sequence[float] = (0.1, 0.3, 0.5),
    num_classes: int | None = None,
    by: Sequence[str] = ("map_a",),
) -> SegmentFinder:
    """The finder with the greatest mean of some figures over temporal IoUs.

    Args:
        found: In validation recordings; never in those that are reported.
        candidates: Finders to try; of equal ones the first.
        iou: Temporal IoUs.
        num_classes: Classes without background.
        by: Figures: ``"map_a"``, ``"map_v"``, ``"f1"``. By mAP_a alone many unsure proposals win,
            which cost it nothing; with F1 beside it few enough to read.

    Raises:
        ValueError: if there is no candidate, or a figure is unknown.
    """
    if not by or not set(by) <= {"map_a", "map_v", "f1"}:
        raise ValueError(f"'choose_finder' knows the figures map_a, map_v and f1 (got {list(by)})")
    best: tuple[float, SegmentFinder] | None = None
    for finder in candidates:
        proposals = found.proposals(finder)
        each = [detection_scores(proposals, found.truth, at, num_classes=num_classes) for at in iou]
        value = sum(float(getattr(scores, name)) for scores in each for name in by)
        if best is None or value > best[0]:
            best = value, finder
    if best is None:
        raise ValueError("'choose_finder' expected at least one candidate")
    return best[1]


def detection_figures(
    found: Detected,
    finder: SegmentFinder,
    iou: Sequence[float] = (0.1, 0.3, 0.5),
    num_classes: int | None = None,
) -> dict[str, float]:
    """Frame accuracy, and mAP_a, mAP_v and F1 at temporal IoUs, by name (``map_a@0.5``, ...).

    Args:
        found: In the recordings to report.
        finder: How segments are found.
        iou: Temporal IoUs.
        num_classes: Classes without background.
    """
    proposals = found.proposals(finder)
    out = {"frames": found.frame_accuracy}
    videos = len(found.scores)
    for at in iou:
        scores = detection_scores(
            proposals, found.truth, at, num_videos=videos, num_classes=num_classes
        )
        for name in ("map_a", "map_v", "f1"):
            out[f"{name}@{at:g}"] = getattr(scores, name)
    out["2d_ap"] = mean_2d_ap(proposals, found.truth)
    return out


def fuse_detected(parts: Sequence[Detected]) -> Detected:
    """Detectors of several streams as one: the mean of their probabilities.

    Args:
        parts: What each found in the same recordings.

    Raises:
        ValueError: if there is none, or they looked at other frames.
    """
    if not parts:
        raise ValueError("'fuse_detected' expected at least one detector (got none)")
    first, scores = parts[0], []
    for each in zip(*(part.scores for part in parts), strict=True):
        if not all(torch.equal(one.frame, each[0].frame) for one in each):
            raise ValueError("'fuse_detected' expected detectors of the same recordings")
        share = torch.stack([one.probability for one in each]).mean(dim=0)
        scores.append(FrameScores(each[0].frame, share))
    return first._replace(scores=scores)


class WindowNeighbours:
    """Gives every frame the class of the training frame whose window of raw poses is most alike.

    A window is centred on the layout's centre in its middle pose; windows are compared by the
    cosine. Of several persons the first one counts.

    Args:
        train: Annotated training recordings.
        num_classes: Classes C without background.
        window: Poses of a window.
        dilation: Poses from one step to the next.
        transform: Applied to every recording.

    Raises:
        ValueError: if no training recording has a pose.
    """

    def __init__(
        self,
        train: Any,
        num_classes: int,
        window: int = 7,
        dilation: int = 1,
        transform: Callable[[SkeletonGraph], SkeletonGraph] | None = None,
    ) -> None:
        self.num_classes, self.window, self.dilation = num_classes, window, dilation
        self.transform = transform
        parts = [self._windows(graph) for graph in each_recording(train) if graph.num_poses]
        if not parts:
            raise ValueError("'WindowNeighbours' expected training recordings with poses")
        self.bank = torch.cat([rows for rows, _, _ in parts])
        self.label = torch.cat([label for _, label, _ in parts])

    def score(self, graph: SkeletonGraph) -> FrameScores:
        """Frames of a recording, each with probability 1 for one class."""
        if not graph.num_poses:
            return FrameScores(graph.frame, torch.zeros(0, self.num_classes + 1))
        rows, _, frame = self._windows(graph)
        nearest = torch.cat([(part @ self.bank.T).argmax(dim=1) for part in rows.split(1024)])
        label = self.label[nearest]
        return FrameScores(frame, torch.nn.functional.one_hot(label, self.num_classes + 1).float())

    def _windows(self, graph: SkeletonGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Windows of length 1 with their classes and frames."""
        label = pose_labels(graph)
        seen = graph if self.transform is None else self.transform(graph)
        windows = sliding_windows(seen.track_length, self.window, 1, self.dilation)
        pos = seen.folded()
        joints = list(seen.layouts[0].centre) or list(range(seen.num_joints))
        centre = pos[windows.centre][:, joints].mean(dim=1)
        rows = (pos[windows.pose] - centre[:, None, None]).flatten(1)
        _, frame, owner = frames_of(graph)
        first = torch.full((len(frame),), len(owner)).scatter_reduce(
            0, owner, torch.arange(len(owner)), "amin"
        )
        rows = torch.nn.functional.normalize(rows[first], dim=1)
        return rows, label[first], frame


def detected_by(score: Callable[[SkeletonGraph], FrameScores], source: Any) -> Detected:
    """What any function of recordings finds in annotated ones.

    Args:
        score: Gives the frames of a recording, such as :meth:`WindowNeighbours.score`.
        source: A data set, a store, or a list of graphs, with ``segments``.
    """
    graphs = list(each_recording(source))
    scores = [score(graph) for graph in graphs]
    truth = [true_segments(graph, number) for number, graph in enumerate(graphs)]
    label = [labels_at(g, s.frame) for g, s in zip(graphs, scores, strict=True)]
    return Detected(scores, join_segments(truth), label)
