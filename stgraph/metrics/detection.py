"""How well actions are found in videos: average precisions and F1 at a temporal IoU."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from stgraph.metrics.segments import Segments, join_segments, temporal_iou

__all__ = [
    "DetectionRules",
    "DetectionScores",
    "SegmentScores",
    "average_precision",
    "detection_scores",
    "match_segments",
    "mean_2d_ap",
]


@dataclass(frozen=True)
class DetectionRules:
    """What the evaluation script of PKU-MMD does otherwise; all off by default.

    Attributes:
        cut_lag: Precision is measured only right after a hit was dropped, and once with all.
        ties_by_order: Equal confidences are ordered by listing, the last one the most confident.
        absent_classes_zero: mAP_a divides by the number of all classes, those without ground truth
            count as 0.
        missing_file_drops_ground: The ground truth of videos without a proposal file vanishes.
        groundless_video_zero: Videos without ground truth enter mAP_v as 0.
        background_in_pooled: Label 0 takes part in AP, F1, mAP_v and 2D-AP.
        f1_division: F1 without any hit is NaN, where the script stops.
    """

    cut_lag: bool = False
    ties_by_order: bool = False
    absent_classes_zero: bool = False
    missing_file_drops_ground: bool = False
    groundless_video_zero: bool = False
    background_in_pooled: bool = False
    f1_division: bool = False

    @classmethod
    def published(cls) -> DetectionRules:
        """All of them, as the script."""
        return cls(**{field.name: True for field in dataclasses.fields(cls)})


class DetectionScores(NamedTuple):
    """Scores at one temporal IoU; fractions 0...1, NaN where there is nothing to find.

    Attributes:
        ap: Average precision of all proposals together.
        map_a: Mean over classes (mAP_a).
        map_v: Mean over videos (mAP_v).
        f1: F1 of all proposals.
        ap_per_class: Of labels 1...C, float64 [C].
        ap_per_video: Of every video, float64 [videos].
    """

    ap: float
    map_a: float
    map_v: float
    f1: float
    ap_per_class: Tensor
    ap_per_video: Tensor


def match_segments(proposals: Segments, truth: Segments, iou: float) -> Tensor:
    """The action that each proposal finds, int64 [n]; -1 for none.

    It is the one of its video and class that it overlaps most (of several, the last listed), if
    they overlap enough. Several proposals may find the same one.

    Args:
        proposals: n segments.
        truth: m segments.
        iou: Least temporal IoU.
    """
    match = torch.full((proposals.size,), -1)
    if not proposals.size or not truth.size:
        return match
    keys = [torch.stack([s.video, s.label]) for s in (proposals, truth)]
    _, group = torch.cat(keys, dim=1).unique(dim=1, return_inverse=True)
    mine, theirs = group[: proposals.size], group[proposals.size :]
    by_group = [_rows_by_group(part, int(group.max()) + 1) for part in (mine, theirs)]
    for rows, others in zip(*by_group, strict=True):
        if not len(rows) or not len(others):
            continue
        others = others.flip(0)  # of equal overlaps the last listed is found first
        overlap = temporal_iou(
            proposals.start[rows], proposals.end[rows], truth.start[others], truth.end[others]
        )
        best, place = overlap.max(dim=1)
        match[rows] = torch.where(best >= iou, others[place], -1)
    return match


def average_precision(
    confidence: Tensor,
    match: Tensor,
    num_truth: int,
    rules: DetectionRules | None = None,
) -> float:
    r"""Area under the curve of precision over recall, each precision the best at no less recall.

    .. math::
        \sum_k (r_k - r_{k-1}) \max_{j \ge k} p_j

    over cuts k of the list by confidence; an action counts once, further proposals on it are false
    alarms.

    Args:
        confidence: Of the proposals, [n]. Proposals of one confidence stand or fall together.
        match: Action that each finds, -1 for none, int64 [n].
        num_truth: Actions to find.
        rules: Of the published script.

    Returns:
        A fraction; NaN if there is nothing to find.
    """
    rules = DetectionRules() if rules is None else rules
    if num_truth == 0:
        return 0.0 if rules.groundless_video_zero or rules.absent_classes_zero else float("nan")
    n = confidence.numel()
    if n == 0:
        return 0.0
    # most confident first; of equal ones the last listed
    order = confidence.flip(0).argsort(descending=True, stable=True)
    order = n - 1 - order
    sure, found = confidence[order], match[order]
    hits = _distinct_so_far(found)
    cut = torch.ones(n, dtype=torch.bool)
    if not rules.ties_by_order:
        cut[:-1] = sure[1:] != sure[:-1]
    rank = torch.arange(1, n + 1, dtype=torch.float64)
    if not rules.cut_lag:
        recall = hits[cut] / num_truth
        precision = hits[cut] / rank[cut]
        best = precision.flip(0).cummax(0).values.flip(0)
        step = recall.diff(prepend=recall.new_zeros(1))
        return float((step * best).sum())
    return _lagging_precision(found, hits, rank, cut, num_truth)


def _lagging_precision(
    found: Tensor, hits: Tensor, rank: Tensor, cut: Tensor, num_truth: int
) -> float:
    """The script's sum: groups are dropped from the least confident on."""
    ends = cut.nonzero().flatten().tolist()
    first = [0, *(end + 1 for end in ends[:-1])]
    best = float(hits[-1] / rank[-1])
    recall, total = float(hits[-1]), 0.0
    for start, end in zip(reversed(first), reversed(ends), strict=True):
        if not bool((found[start : end + 1] >= 0).any()):
            continue
        left = float(hits[start - 1]) if start else 0.0
        best = max(best, left / start if start else 0.0)
        total += best * (recall - left)
        recall = left
    return total / num_truth


def detection_scores(
    proposals: Segments,
    truth: Segments,
    iou: float = 0.5,
    *,
    num_videos: int | None = None,
    num_classes: int | None = None,
    answered: Tensor | None = None,
    rules: DetectionRules | None = None,
    as_published: bool = False,
) -> DetectionScores:
    """The scores of PKU-MMD at one temporal IoU.

    Args:
        proposals: What was found, with confidences.
        truth: What is there.
        iou: Least temporal IoU of a hit.
        num_videos: Videos, numbered from 0; by default up to the last that is mentioned.
        num_classes: Classes C, numbered from 1; likewise.
        answered: Whether the detector gave any answer for a video, bool [videos]; only the
            published script asks.
        rules: Some quirks of the script.
        as_published: All of them.

    Raises:
        ValueError: if the IoU is not within (0, 1] or a number is out of range.
    """
    rules = DetectionRules.published() if as_published else rules or DetectionRules()
    if not 0 < iou <= 1:
        raise ValueError(f"'detection_scores' expected an IoU within (0, 1] (got {iou})")
    videos = _count("videos", num_videos, proposals.video, truth.video, 1)
    classes = _count("classes", num_classes, proposals.label, truth.label, 0)
    if not rules.background_in_pooled:
        proposals, truth = (s.take(s.label > 0) for s in (proposals, truth))
    shown = torch.ones(videos, dtype=torch.bool)
    if rules.missing_file_drops_ground and answered is not None:
        shown = answered.bool()
        truth = truth.take(shown[truth.video])
    match = match_segments(proposals, truth, iou)

    def ap(mine: Tensor, theirs: Tensor) -> float:
        return average_precision(proposals.confidence[mine], match[mine], int(theirs.sum()), rules)

    # the script's list of all runs label by label
    by_label = proposals.label.argsort(stable=True)
    pooled = ap(by_label, torch.ones_like(truth.label, dtype=torch.bool))
    by_class = [ap(proposals.label == c, truth.label == c) for c in range(1, classes + 1)]
    by_video = [ap(proposals.video == v, truth.video == v) for v in range(videos)]
    per_class = torch.tensor(by_class, dtype=torch.float64)
    per_video = torch.tensor(by_video, dtype=torch.float64)
    there = torch.bincount(truth.label, minlength=classes + 1)[1:] > 0
    per_class[~there] = 0.0 if rules.absent_classes_zero else torch.nan
    filled = torch.bincount(truth.video, minlength=videos) > 0
    per_video[~filled] = 0.0 if rules.groundless_video_zero else torch.nan
    per_video = per_video[shown]
    return DetectionScores(
        pooled,
        float(per_class.nanmean()),
        float(per_video.nanmean()),
        _f1(match, truth.size, rules),
        per_class,
        per_video,
    )


def mean_2d_ap(proposals: Segments, truth: Segments, **options: Any) -> float:
    """2D-AP: the mean average precision over temporal IoUs of 0.05, 0.1, ..., 1.

    Args:
        proposals: What was found.
        truth: What is there.
        **options: Of :func:`detection_scores`.
    """
    steps = [(i + 1) * 0.05 for i in range(20)]
    values = [detection_scores(proposals, truth, min(s, 1.0), **options).ap for s in steps]
    return sum(values) / len(values)


def _f1(match: Tensor, num_truth: int, rules: DetectionRules) -> float:
    hits = match[match >= 0].unique().numel()
    if not hits:
        return float("nan") if rules.f1_division else 0.0
    return 2 * hits / (match.numel() + num_truth)


def _count(what: str, given: int | None, mine: Tensor, theirs: Tensor, more: int) -> int:
    last = max((int(x.max()) for x in (mine, theirs) if x.numel()), default=-more)
    if given is None:
        return last + more
    if last + more > given:
        raise ValueError(f"'detection_scores' got segments of {last + more} {what}, not {given}")
    return given


def _rows_by_group(group: Tensor, num_groups: int) -> list[Tensor]:
    """The rows of each group, in their order."""
    order = group.argsort(stable=True)
    return list(order.split(torch.bincount(group, minlength=num_groups).tolist()))


def _distinct_so_far(found: Tensor) -> Tensor:
    """How many different actions the first rows have found, float64 [n]."""
    n = found.numel()
    row = torch.arange(n)
    size = int(found.max()) + 1 if n else 0
    first = torch.full((max(size, 1),), n)
    hit = found >= 0
    first = first.scatter_reduce(0, found[hit], row[hit], "amin")
    new = hit & (first[found.clamp(min=0)] == row)
    return new.double().cumsum(0)


class SegmentScores(Metric):
    """:func:`detection_scores` over all videos of all batches and processes.

    Args:
        iou: Temporal IoUs.
        num_classes: Number C of classes without background.
        as_published: With the quirks of the published script.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    proposals: list[Tensor]
    truth: list[Tensor]

    def __init__(
        self,
        iou: tuple[float, ...] = (0.1, 0.3, 0.5),
        num_classes: int | None = None,
        as_published: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.iou, self.num_classes, self.as_published = tuple(iou), num_classes, as_published
        self.add_state("proposals", [], dist_reduce_fx="cat")
        self.add_state("truth", [], dist_reduce_fx="cat")

    def update(self, proposals: Segments, truth: Segments) -> None:
        """Takes segments whose videos have numbers of their own through all batches."""
        for mine, given in ((self.proposals, proposals), (self.truth, truth)):
            mine.append(torch.stack([column.double() for column in given], dim=1))

    def compute(self) -> dict[str, float]:
        """``map_a``, ``map_v``, ``ap`` and ``f1`` at each IoU (``map_a@0.5``, ...)."""
        proposals, truth = (_unstacked(rows) for rows in (self.proposals, self.truth))
        # videos may have any numbers
        known = torch.cat([proposals.video, truth.video]).unique()
        proposals, truth = (
            s._replace(video=torch.searchsorted(known, s.video)) for s in (proposals, truth)
        )
        out = {}
        for iou in self.iou:
            found = detection_scores(
                proposals,
                truth,
                iou,
                num_classes=self.num_classes,
                as_published=self.as_published,
            )
            for name in ("map_a", "map_v", "ap", "f1"):
                out[f"{name}@{iou:g}"] = float(getattr(found, name))
        return out


def _unstacked(rows: list[Tensor] | Tensor) -> Segments:
    parts = [rows] if isinstance(rows, Tensor) else rows
    return join_segments(
        [
            Segments(p[:, 0].long(), p[:, 1].long(), p[:, 2], p[:, 3], p[:, 4])
            for p in parts
            if p.numel()
        ]
    )
