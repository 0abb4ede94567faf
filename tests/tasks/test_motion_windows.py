"""What is observed and what follows, against a slow reference."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph
from stgraph.tasks import cut_windows, last_stretches
from stgraph.testing import random_batch
from stgraph.transforms import Stream

LAYOUT = "utd_mhad_20"


def recordings(generator, **options) -> Batch:
    lengths = [[7, 2], [], [3], [9, 4, 12]]
    return random_batch(lengths, LAYOUT, missing=0.4, generator=generator, **options)


def slow(batch: SkeletonGraph, observed: int, future: int, stride: int):
    """Positions and scores of each window, and what counts of its future."""
    pos, found = batch.folded("pos"), batch.folded_score() > 0
    rows = zip(
        batch.first_pose.tolist(),
        batch.track_length.tolist(),
        batch.track_batch.tolist(),
        strict=True,
    )
    for first, length, recording in rows:
        for begin in range(0, length - observed, stride):
            here = range(first + begin, first + begin + observed)
            target = torch.zeros(future, pos.size(1), pos.size(2))
            valid = torch.zeros(future, pos.size(1), dtype=torch.bool)
            for step in range(future):
                pose = here.stop + step
                if pose < first + length:
                    valid[step] = found[pose] & found[list(here)].any(dim=0)
                    target[step] = pos[pose] * valid[step][:, None]
            yield recording, pos[list(here)], found[list(here)], target, valid


@pytest.mark.parametrize("observed", [1, 3])
@pytest.mark.parametrize("future", [1, 5])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_windows_equal_a_slow_reference(observed, future, stride, generator):
    batch = recordings(generator)
    windows = cut_windows(batch, observed, future, stride)
    expected = list(slow(batch, observed, future, stride))
    assert windows.recording.tolist() == [row[0] for row in expected]
    pos = windows.observed.folded("pos").unflatten(0, (-1, observed))
    found = (windows.observed.folded_score() > 0).unflatten(0, (-1, observed))
    for name, got, k in (
        ("pos", pos, 1),
        ("found", found, 2),
        ("target", windows.target, 3),
        ("valid", windows.valid, 4),
    ):
        assert torch.equal(got, torch.stack([row[k] for row in expected])), name


def test_a_window_is_a_recording_of_one_track_with_pyg_s_bookkeeping(generator):
    batch = recordings(generator, fps=30.0)
    observed = cut_windows(batch, 3, 2).observed
    again = Batch.from_data_list(observed.to_data_list())
    assert observed.tracks_per_recording.tolist() == [1] * observed.num_recordings
    assert observed.layout == again.layout
    for key in ("pos", "score", "frame", "fps", "track_length", "person", "batch", "ptr"):
        assert torch.equal(observed[key], again[key]), key
    for key, slices in again._slice_dict.items():
        assert torch.equal(observed._slice_dict[key], slices), key


def test_the_future_is_not_in_what_is_observed(generator):
    graph = random_batch([[9]], LAYOUT, generator=generator)
    streamed = Stream("joint_motion")(graph)  # the last motion knows the pose after it
    observed = cut_windows(streamed, 4, 2, stride=9).observed
    assert set(observed.keys()) >= {"pos", "frame"}
    assert "x" not in observed


def test_one_window_of_each_long_track_is_drawn_by_the_generator(generator):
    batch = recordings(generator)
    seen = set()
    for seed in range(40):
        draw = torch.Generator().manual_seed(seed)
        windows = cut_windows(batch, 3, 2, None, draw)
        assert windows.recording.tolist() == [0, 3, 3, 3]
        first = windows.observed.frame[windows.observed.first_pose].tolist()
        again = cut_windows(batch, 3, 2, None, torch.Generator().manual_seed(seed))
        assert torch.equal(again.observed.pos, windows.observed.pos)
        seen.add(first[0])
    assert seen == {0, 1, 2, 3}  # of 7 poses, with at least one to predict


def test_recordings_too_short_give_nothing(generator):
    for batch in (random_batch([[3], [2, 3]], LAYOUT), random_batch([[], []], LAYOUT)):
        for stride in (1, None):
            windows = cut_windows(batch, 3, 4, stride, generator)
            assert windows.target.shape == (0, 4, 20, 3)
            assert windows.valid.shape == (0, 4, 20)
            assert windows.observed.num_recordings == 0


def test_the_last_poses_of_each_person_go_on():
    pos = torch.arange(9.0)[:, None, None].expand(9, 20, 3)
    # person 5 vanishes and comes back; person 2 has two poses only
    graph = SkeletonGraph(
        pos,
        layout=LAYOUT,
        track_length=[3, 2, 4],
        person=[5, 2, 5],
        frame=[0, 1, 2, 0, 1, 4, 5, 6, 7],
    )
    observed = last_stretches(graph, 3)
    assert observed.track_length.tolist() == [2, 3]
    assert observed.person.tolist() == [2, 5]
    assert observed.frame.tolist() == [0, 1, 5, 6, 7]
    assert observed.folded("pos")[:, 0, 0].tolist() == [3, 4, 6, 7, 8]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 1, 1), r"num_observed >= 1 \(got 0\)"),
        ((1, 0, 1), r"num_future >= 1 \(got 0\)"),
        ((1, 1, 0), r"stride >= 1 \(got 0\)"),
    ],
)
def test_numbers_that_make_no_sense_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        cut_windows(random_batch([[3]], LAYOUT), *numbers)


def test_a_batch_has_no_single_end():
    with pytest.raises(ValueError, match=r"one recording \(got a batch of 2\)"):
        last_stretches(random_batch([[3], [3]], LAYOUT), 2)
    with pytest.raises(ValueError, match=r"num_observed >= 1 \(got 0\)"):
        last_stretches(random_batch([[3]], LAYOUT), 0)
