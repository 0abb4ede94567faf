"""Detectors measured."""

from __future__ import annotations

import pytest
import torch

from stgraph.evaluation import (
    FINDERS,
    WindowNeighbours,
    choose_finder,
    detected_by,
    detection_figures,
    fuse_detected,
)
from stgraph.metrics import make_segments
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.tasks import Detected, FrameScores, SegmentFinder

BODY = SkeletonLayout("body", ["hip", "neck", "hand"], [(0, 1), (1, 2)], centre=0)


def moving(seed, length=40):
    """The hand goes up in frames 10-19 and the neck does in 25-34."""
    generator = torch.Generator().manual_seed(seed)
    pos = torch.tensor([[0.0, 0, 0], [0, 1, 0], [1, 1, 0]]).repeat(length, 1, 1)
    pos += 0.02 * torch.randn(pos.shape, generator=generator)
    pos[10:20, 2, 1] += 2.0
    pos[25:35, 1, 2] += 2.0
    pos += 5.0 * torch.rand(3, generator=generator)  # somewhere in the room
    table = torch.tensor([[1.0, 10, 19], [2.0, 25, 34]])
    return SkeletonGraph(pos.flatten(0, 1), layout=BODY, segments=table, name=f"m{seed}")


def test_neighbouring_windows_find_what_training_showed_wherever_somebody_stands():
    rival = WindowNeighbours([moving(0), moving(1)], 2, window=3)
    found = detected_by(rival.score, [moving(7), moving(8)])
    figures = detection_figures(found, SegmentFinder("argmax", min_length=3, nms=1.0))
    assert figures["frames"] > 0.95
    assert figures["map_a@0.5"] == 1.0
    assert set(figures) == {
        "frames",
        "2d_ap",
        *(f"{name}@{iou}" for name in ("map_a", "map_v", "f1") for iou in (0.1, 0.3, 0.5)),
    }


def test_the_finder_that_finds_the_truth_is_chosen():
    frame = torch.arange(30)
    label = torch.zeros(30, dtype=torch.long)
    label[5:15] = 1
    noisy = torch.nn.functional.one_hot(label, 2).float() * 0.6 + 0.2
    noisy[8], noisy[20] = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])
    found = Detected([FrameScores(frame, noisy)], make_segments([0], [1], [5], [14]), [label])
    rough = SegmentFinder("argmax", smoothing=1, min_length=1, nms=1.0)
    good = SegmentFinder("argmax", smoothing=5, min_length=3, nms=1.0)
    assert choose_finder(found, [rough, good], num_classes=1) == good
    assert choose_finder(found, num_classes=1) in FINDERS
    with pytest.raises(ValueError, match="at least one candidate"):
        choose_finder(found, [])


def test_what_a_finder_is_chosen_by_may_count_what_is_proposed_in_vain():
    frame = torch.arange(12)
    share = torch.tensor([0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.3, 0.1, 0.1, 0.3, 0.1])
    scores = [FrameScores(frame, torch.stack([1 - share, share], dim=1))]
    found = Detected(scores, make_segments([0], [1], [2], [4]), [(share > 0.5).long()])
    eager, strict = (SegmentFinder("threshold", t, 1, 0, 1) for t in (0.2, 0.5))
    # mAP does not mind what is less sure than the last hit
    assert choose_finder(found, [eager, strict]) == eager
    assert choose_finder(found, [eager, strict], by=("map_a", "f1")) == strict
    with pytest.raises(ValueError, match="map_a, map_v and f1"):
        choose_finder(found, by=("recall",))


def test_recordings_with_nobody_are_legal_to_ask_and_none_is_none_to_learn_from():
    nobody = SkeletonGraph(
        torch.zeros(0, 3), layout=BODY, segments=torch.zeros(0, 3), name="nobody"
    )
    rival = WindowNeighbours([moving(0), nobody], 2)
    assert len(rival.score(nobody).frame) == 0
    with pytest.raises(ValueError, match="with poses"):
        WindowNeighbours([nobody], 2)


def test_streams_together_have_the_mean_of_their_probabilities():
    frame, label = torch.arange(4), torch.tensor([0, 1, 1, 0])
    shares = [torch.tensor([[0.9, 0.1]] * 4), torch.tensor([[0.2, 0.8]] * 4)]
    parts = [
        Detected([FrameScores(frame, share)], make_segments([0], [1], [1], [2]), [label])
        for share in shares
    ]
    (found,) = fuse_detected(parts).scores
    torch.testing.assert_close(found.probability, torch.tensor([[0.55, 0.45]] * 4))
    other = parts[1]._replace(scores=[FrameScores(frame + 1, shares[1])])
    with pytest.raises(ValueError, match="same recordings"):
        fuse_detected([parts[0], other])
    with pytest.raises(ValueError, match="at least one"):
        fuse_detected([])
