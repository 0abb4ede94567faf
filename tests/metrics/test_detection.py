"""Scores of action detection, against slow references and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.metrics import (
    SegmentScores,
    average_precision,
    detection_scores,
    make_segments,
    match_segments,
    mean_2d_ap,
    temporal_iou,
)

TRUTH = make_segments([0, 0, 1], [1, 2, 1], [0, 20, 5], [10, 30, 15])


@st.composite
def segments(draw, most=8):
    n = draw(st.integers(0, most))
    rows = [
        (
            draw(st.integers(0, 2)),
            draw(st.integers(1, 3)),
            draw(st.integers(0, 20)),
            draw(st.integers(0, 10)),
            draw(st.integers(0, 4)) / 4,
        )
        for _ in range(n)
    ]
    video, label, start, length, sure = zip(*rows, strict=True) if rows else ([],) * 5
    ends = [a + b for a, b in zip(start, length, strict=True)]
    return make_segments(video, label, start, ends, sure)


def slow_match(proposals, truth, iou):
    """For each proposal the action it finds, by loops."""
    out = []
    for i in range(proposals.size):
        best, found = -math.inf, -1
        for j in range(truth.size):
            if proposals.video[i] != truth.video[j] or proposals.label[i] != truth.label[j]:
                continue
            ends = float(proposals.end[i]), float(truth.end[j])
            starts = float(proposals.start[i]), float(truth.start[j])
            whole = max(ends) - min(starts)
            overlap = (min(ends) - max(starts)) / whole if whole else 1.0
            if overlap >= best:
                best, found = overlap, j
        out.append(found if best >= iou else -1)
    return out


def slow_ap(confidence, match, num_truth):
    """Area under the best precision at no less recall, by all cuts."""
    cuts = []
    for cut in sorted(set(confidence), reverse=True):
        kept = [m for c, m in zip(confidence, match, strict=True) if c >= cut]
        hits = len({m for m in kept if m >= 0})
        cuts.append((hits / num_truth, hits / len(kept)))
    total, before = 0.0, 0.0
    for recall, _ in cuts:
        best = max(p for r, p in cuts if r >= recall)
        total += (recall - before) * best if recall > before else 0.0
        before = max(before, recall)
    return total


@given(segments(), segments(), st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_matches_and_precisions_equal_a_slow_reference(proposals, truth, iou):
    match = match_segments(proposals, truth, iou)
    assert match.tolist() == slow_match(proposals, truth, iou)
    if truth.size:
        found = average_precision(proposals.confidence, match, truth.size)
        expected = slow_ap(proposals.confidence.tolist(), match.tolist(), truth.size)
        assert found == pytest.approx(expected, abs=1e-12)


@given(segments(), segments(), st.randoms(use_true_random=False))
def test_the_order_of_segments_does_not_matter(proposals, truth, random):
    def shuffled(part):
        order = list(range(part.size))
        random.shuffle(order)
        return part.take(torch.tensor(order, dtype=torch.long))

    one = detection_scores(proposals, truth, 0.5, num_videos=3, num_classes=3)
    two = detection_scores(shuffled(proposals), shuffled(truth), 0.5, num_videos=3, num_classes=3)
    for a, b in zip(one, two, strict=True):
        a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (a, b))
        torch.testing.assert_close(a, b, equal_nan=True, rtol=1e-9, atol=1e-12)


def test_a_perfect_detector_has_all_scores_at_one():
    scores = detection_scores(TRUTH, TRUTH, 1.0)
    assert scores[:4] == (1.0, 1.0, 1.0, 1.0)
    assert mean_2d_ap(TRUTH, TRUTH) == 1.0


def test_by_hand_a_hit_above_a_false_alarm_and_a_missed_action():
    proposals = make_segments([0, 0, 1], [1, 1, 2], [0, 40, 5], [10, 50, 15], [0.9, 0.8, 0.7])
    scores = detection_scores(proposals, TRUTH, 0.5)
    assert scores.ap == pytest.approx(1 / 3)
    assert scores.ap_per_class.tolist() == [0.5, 0.0]
    assert scores.map_a == 0.25
    assert scores.ap_per_video.tolist() == [0.5, 0.0]
    assert scores.f1 == pytest.approx(2 / 6)


def test_two_proposals_on_one_action_are_one_hit_and_one_false_alarm():
    proposals = make_segments([0, 0], [1, 1], [0, 1], [10, 10], [0.9, 0.8])
    truth = make_segments([0, 0], [1, 1], [0, 50], [10, 60])
    assert detection_scores(proposals, truth).ap == 0.5
    assert detection_scores(proposals, truth).f1 == 0.5


def test_background_and_classes_that_never_occur_do_not_count():
    proposals = make_segments([0, 0, 0], [1, 0, 3], [0, 0, 0], [10, 99, 10], [0.9, 1.0, 0.1])
    truth = make_segments([0], [1], [0], [10])
    scores = detection_scores(proposals, truth, num_classes=3)
    assert scores.map_a == 1.0
    assert scores.ap == 1.0  # the false alarm of class 3 stands below the hit
    assert scores.ap_per_class[1:].isnan().all()


def test_nothing_found_is_zero_and_nothing_to_find_is_no_number():
    empty = make_segments([], [], [], [])
    assert detection_scores(empty, TRUTH)[:4] == (0.0, 0.0, 0.0, 0.0)
    assert math.isnan(detection_scores(TRUTH, empty).ap)
    assert detection_scores(TRUTH, empty).f1 == 0.0


def test_stretches_apart_overlap_below_zero_and_a_moment_meets_itself():
    a, b = torch.tensor([0.0, 5.0]), torch.tensor([2.0, 5.0])
    found = temporal_iou(a, b, torch.tensor([4.0, 5.0]), torch.tensor([8.0, 5.0]))
    assert found[0, 0] < 0
    assert found[1, 1] == 1


@given(st.lists(segments(4), min_size=1, max_size=3), st.lists(segments(4), min_size=3, max_size=3))
def test_the_accumulating_class_equals_the_function_on_everything(parts, truths):
    metric = SegmentScores((0.3,), num_classes=3)
    shifted = [
        [s._replace(video=s.video + 10 * i) for i, s in enumerate(group)]
        for group in (parts, truths[: len(parts)])
    ]
    for mine, theirs in zip(*shifted, strict=True):
        metric.update(mine, theirs)
    whole = [
        make_segments(*(torch.cat([s[i] for s in group]) for i in range(5))) for group in shifted
    ]
    expected = detection_scores(*whole, 0.3, num_classes=3)
    found = metric.compute()
    for name in ("ap", "map_a", "map_v", "f1"):
        assert found[f"{name}@0.3"] == pytest.approx(getattr(expected, name), nan_ok=True)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [1], [5], [4]), "ends before it starts"),
        (([0, 1], [1], [5], [6]), "one length"),
        (([0], [1], [math.nan], [4]), "finite"),
        (([0], [-1], [1], [4]), "labels of at least 0"),
    ],
)
def test_impossible_segments_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        make_segments(*columns)


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match="IoU within"):
        detection_scores(TRUTH, TRUTH, 0.0)
    with pytest.raises(ValueError, match="classes, not 1"):
        detection_scores(TRUTH, TRUTH, num_classes=1)
