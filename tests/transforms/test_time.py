"""Other frames of the same recording."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import (
    BridgeGaps,
    CropResize,
    FillMissing,
    RandomSpeed,
    RandomTimeCrop,
    ResampleTime,
    SelectPersons,
    TimeCrop,
    UniformSample,
)
from stgraph.transforms.timeline import timeline
from stgraph.transforms.uniform_sample import (
    central_places,
    even_places,
    repeated_places,
    uniform_places,
)
from tests.transforms.samples import chain, recording


def line(times: list, score: list | None = None, **kwargs: Any) -> SkeletonGraph:
    """All joints at x = the given numbers."""
    return chain([[[float(t)]] * 3 for t in times], score, **kwargs)


def along(data: SkeletonGraph, joint: int = 0) -> list[float]:
    return data.folded("pos")[:, joint, 0].tolist()


def test_frames_without_anybody_do_not_exist() -> None:
    data = line([0, 1, 2, 3, 4], track_length=[2, 2, 1], frame=[5, 6, 20, 21, 6], person=[0, 0, 1])
    place, length = timeline(data)
    assert place.tolist() == [0, 1, 2, 3, 1]
    assert length.tolist() == [4]


def test_resampling_is_linear_with_half_pixel_centres() -> None:
    data = line([0, 10], fps=30)
    found = ResampleTime(num_frames=4)(data)
    assert along(found) == [0, 2.5, 7.5, 10]
    assert found.frame.tolist() == [0, 1, 2, 3]
    assert found.fps.tolist() == [60]
    assert along(ResampleTime(num_frames=1)(data)) == [5]
    assert along(ResampleTime(factor=1.5)(data)) == [0, 5, 10]
    assert along(ResampleTime(num_frames=3)(line([7]))) == [7, 7, 7]


def test_every_second_frame_keeps_tracks_whole() -> None:
    data = line([0, 1, 2, 3, 4, 5], track_length=[4, 2], frame=[0, 1, 2, 3, 3, 4], fps=30)
    found = ResampleTime(every=2)(data)
    assert along(found) == [0, 2, 5]
    assert found.track_length.tolist() == [2, 1]
    assert found.frame.tolist() == [0, 1, 2]
    assert found.fps.tolist() == [15]


def test_interpolation_does_not_reach_across_tracks() -> None:
    data = line([0, 10, 100, 110], track_length=[2, 2], frame=[0, 1, 7, 8], person=[0, 0])
    found = ResampleTime(num_frames=8)(data)
    assert found.track_length.tolist() == [4, 4]
    assert along(found) == [0, 2.5, 7.5, 10, 100, 102.5, 107.5, 110]


def test_people_keep_their_places_in_time() -> None:
    data = line([0, 1, 2, 3, 52], track_length=[4, 1], frame=[0, 1, 2, 3, 2], person=[0, 1])
    found = ResampleTime(num_frames=8)(data)
    assert found.track_length.tolist() == [8, 2]
    assert found.frame[8:].tolist() == [4, 5]


def test_a_joint_is_mixed_only_where_both_poses_show_it() -> None:
    data = line([0, 10], [[1, 0, 1], [0.5, 1, 0]])
    found = ResampleTime(num_frames=4)(data)
    assert along(found, 0) == [0, 2.5, 7.5, 10]
    assert found.folded_score()[:, 0].tolist() == [1, 0.875, 0.625, 0.5]
    assert found.folded_score()[:, 1].tolist() == [0, 0, 1, 1]
    assert along(found, 1)[2:] == [10, 10]
    assert found.folded_score()[:, 2].tolist() == [1, 1, 0, 0]
    assert along(found, 2)[:2] == [0, 0]


@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 5))
def test_resampled_recordings_have_the_frames_asked_for(
    length: int, wanted: int, seed: int
) -> None:
    data = recording([length, 3, 2], [0, 0, 1], [0, length + 4, 1], seed=seed)
    found = ResampleTime(num_frames=wanted)(data)
    assert found.frame.unique().tolist() == list(range(wanted))
    assert int(found.track_length.min()) >= 1
    assert (found.frame.diff() == 1).sum() == found.num_poses - found.num_tracks or (
        found.num_tracks > 1
    )
    low, high = data.pos.amin(), data.pos.amax()
    assert low - 1e-3 <= found.pos.amin() <= found.pos.amax() <= high + 1e-3


def test_a_crop_is_taken_from_the_middle() -> None:
    data = line(list(range(8)))
    assert along(CropResize(4, part=0.5)(data)) == [2, 3, 4, 5]
    assert along(CropResize(8, part=1.0)(data)) == list(range(8))


def test_a_stretch_lies_where_it_is_asked_for() -> None:
    data = line(list(range(7)))
    assert along(TimeCrop(0.5, at=0.0)(data)) == [0, 1, 2, 3]
    assert along(TimeCrop(0.5)(data)) == [2, 3, 4, 5]
    assert along(TimeCrop(0.5, at=1.0)(data)) == [3, 4, 5, 6]
    assert along(TimeCrop(0.01, at=1.0)(data)) == [6]
    assert along(TimeCrop(1.0, at=0.3)(data)) == list(range(7))


def test_who_goes_twice_as_fast_needs_half_the_frames() -> None:
    data = line(list(range(8)))
    data.fps = 25.0
    fast = RandomSpeed((2.0, 2.0), p=1.0)(data)
    assert along(fast) == [0.5, 2.5, 4.5, 6.5]
    assert float(fast.fps) == 25.0
    assert RandomSpeed((0.5, 0.5), p=1.0)(data).num_poses == 16
    assert along(RandomSpeed((2.0, 2.0), p=0.0)(data)) == along(data)
    assert RandomSpeed((9.0, 9.0), p=1.0)(line([3, 4])).num_poses == 1


def test_speeds_lie_in_their_interval_and_vary() -> None:
    data = line(list(range(100)))
    speed = RandomSpeed((0.8, 1.25), generator=torch.Generator().manual_seed(0))
    lengths = [speed(data).num_poses for _ in range(100)]
    assert 80 <= min(lengths) < 100 < max(lengths) <= 125
    assert 30 < lengths.count(100) < 70


def test_a_random_crop_has_a_length_in_the_interval() -> None:
    data = line(list(range(100)))
    generator = torch.Generator().manual_seed(0)
    lengths = set()
    for _ in range(50):
        found = RandomTimeCrop((0.3, 0.5), generator=generator)(data)
        values = along(found)
        assert values == list(range(int(values[0]), int(values[0]) + len(values)))
        lengths.add(len(values))
    assert min(lengths) >= 30
    assert max(lengths) <= 50
    assert len(lengths) > 5
    assert RandomTimeCrop(num_frames=7)(data).num_poses == 7
    assert RandomTimeCrop(num_frames=700)(data).num_poses == 100


@given(st.lists(st.integers(1, 90), min_size=1, max_size=6), st.integers(1, 20), st.integers(0, 9))
def test_uniform_places_follow_the_three_rules(lengths: list[int], n: int, seed: int) -> None:
    length = torch.tensor(lengths)
    table = uniform_places(length, n, torch.Generator().manual_seed(seed))
    assert table.shape == (len(lengths), n)
    for places, frames in zip(table.tolist(), lengths, strict=True):
        assert all(0 <= place < frames for place in places)
        if frames >= n:
            assert places == sorted(set(places))
        if frames >= 2 * n:
            edges = [i * frames // n for i in range(n + 1)]
            assert all(a <= p < b for a, p, b in zip(edges[:-1], places, edges[1:], strict=True))
        if frames < n:
            assert places == [(places[0] + i) % frames for i in range(n)]


def test_uniform_places_reach_every_choice_equally_often() -> None:
    table = uniform_places(torch.full((4000,), 5), 4, torch.Generator().manual_seed(0))
    _, counts = table.unique(dim=0, return_counts=True)
    # one of five positions is skipped, the last one skipped being "none before it"
    assert len(counts) == 5
    assert (counts / 4000 - 0.2).abs().max() < 0.03
    first = uniform_places(torch.full((4000,), 3), 4, torch.Generator().manual_seed(0))[:, 0]
    assert (first.bincount() / 4000 - 1 / 3).abs().max() < 0.03


def test_even_and_central_places() -> None:
    length = torch.tensor([1, 3, 10])
    assert even_places(length, 4).tolist() == [[0, 0, 0, 0], [0, 0, 1, 2], [0, 3, 6, 9]]
    assert central_places(torch.tensor([4, 8]), 4).tolist() == [[0, 1, 2, 3], [1, 3, 5, 7]]
    assert even_places(length, 1).tolist() == [[0], [0], [0]]


def test_repeated_places_are_a_sorted_sample() -> None:
    length = torch.tensor([1, 2, 40])
    table = repeated_places(length, 52, torch.Generator().manual_seed(0))
    assert table.shape == (3, 52)
    assert (table.diff(dim=1) >= 0).all()
    assert (table < length[:, None]).all()
    many = repeated_places(torch.full((2000,), 4), 10, torch.Generator().manual_seed(0))
    share = many.flatten().bincount() / many.numel()
    assert (share - 0.25).abs().max() < 0.01


def test_short_recordings_are_kept_or_filled() -> None:
    data = line([0, 1, 2])
    assert along(UniformSample(5)(data)) == [0, 1, 2]
    filled = UniformSample(5, short="fill", generator=torch.Generator().manual_seed(0))(data)
    assert filled.track_length.tolist() == [5]
    assert filled.frame.tolist() == [0, 1, 2, 3, 4]
    assert sorted(set(along(filled))) == [0, 1, 2]


def test_gaps_are_bridged_with_poses_that_show_nothing() -> None:
    data = line(
        [50, 0, 1, 4, 99],
        [[1, 1, 1]] * 2 + [[1, 0, 1]] + [[1, 1, 1]] * 2,
        track_length=[1, 2, 1, 1],
        frame=[0, 0, 1, 4, 90],
        person=[1, 0, 0, 0],
    )
    found = BridgeGaps(max_gap=5)(data)
    assert found.person.tolist() == [0, 0, 1]
    assert found.track_length.tolist() == [5, 1, 1]
    assert found.frame.tolist() == [0, 1, 2, 3, 4, 90, 0]
    assert found.folded_score()[:, 0].tolist() == [1, 1, 0, 0, 1, 1, 1]
    assert along(found) == [0, 1, 0, 0, 4, 99, 50]
    guessed = BridgeGaps(max_gap=5, fill="interpolate", score=0.25)(data)
    assert along(guessed, 0) == [0, 1, 2, 3, 4, 99, 50]
    assert guessed.folded_score()[:, 0].tolist() == [1, 1, 0.25, 0.25, 1, 1, 1]
    # the left hand is not seen at the near end of the gap
    assert guessed.folded_score()[:, 1].tolist() == [1, 0, 0, 0, 1, 1, 1]
    assert BridgeGaps()(data).track_length.tolist() == [91, 1]


def test_time_stamps_for_frame_numbers_are_bridged_or_refused_in_words() -> None:
    stamps = [0, 33, 67]
    data = line([0, 1, 2], track_length=[1, 1, 1], frame=stamps, person=[0, 0, 0])
    assert BridgeGaps()(data).track_length.tolist() == [68]
    for far in (4 * 10**9, 2**63 - 2):
        data = line([0, 1], track_length=[1, 1], frame=[0, far], person=[0, 0], name="clip")
        with pytest.raises(ValueError, match=r"at most 250,000 frames to fill .* in clip\)\. Are"):
            BridgeGaps()(data)
        assert BridgeGaps(max_gap=50)(data).track_length.tolist() == [1, 1]


def test_time_stamps_of_many_recordings_keep_their_frames_apart() -> None:
    far = 2**63 - 2
    graphs = [
        line([0, 1], track_length=[1, 1], frame=[start, far], person=[0, 0]) for start in range(7)
    ]
    batch = Batch.from_data_list(graphs)
    out = UniformSample(2)(batch)
    assert out.frame.tolist() == [0, 1] * 7
    assert out.poses_per_recording.tolist() == [2] * 7


def test_tracks_of_one_person_that_overlap_stay_apart() -> None:
    data = line([0, 1, 2, 3], track_length=[2, 2], frame=[0, 1, 1, 2], person=[0, 1])
    data.person = torch.tensor([0, 0])  # as no reader leaves them, but a transform may
    assert BridgeGaps()(data).track_length.tolist() == [2, 2]


def test_missing_joints_are_filled_within_their_track() -> None:
    score = [[1, 0, 1], [0, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]]
    data = line([0, 10, 20, 30, 900], score, track_length=[4, 1])
    found = FillMissing(score=0.25)(data)
    assert along(found, 0) == [0, 10, 20, 30, 900]
    assert found.folded_score()[:, 0].tolist() == [1, 0.25, 0.25, 1, 1]
    assert found.folded_score()[:, 1].tolist() == [0, 1, 1, 1, 1]
    held = FillMissing(hold=True)(data)
    assert along(held, 1)[:2] == [10, 10]
    assert along(held, 2)[2:4] == [20, 20]
    assert FillMissing(max_gap=1)(data).folded_score()[:, 0].tolist() == [1, 0, 0, 1, 1]


def test_time_between_frames_weighs() -> None:
    data = line([0, 7, 10], [[1, 1, 1], [0, 1, 1], [1, 1, 1]])
    data.frame = torch.tensor([0, 1, 5])  # as after a transform that leaves frames out
    assert along(FillMissing()(data), 0) == [0, 2, 10]


@pytest.mark.parametrize(("by", "kept"), [("motion", 2), ("score", 1), ("length", 0)])
def test_the_people_who_matter_stay(by: str, kept: int) -> None:
    data = line(
        [0, 0, 0, 0, 5, 5, 5, 0, 9],
        [[0.1] * 3] * 4 + [[1] * 3] * 3 + [[0.5] * 3] * 2,
        track_length=[2, 2, 3, 2],
        person=[0, 0, 1, 2],
        frame=[0, 1, 5, 6, 0, 1, 2, 0, 1],
    )
    found = SelectPersons(1, by=by)(data)
    assert set(found.person.tolist()) == {kept}
    assert SelectPersons(3, by=by)(data).num_poses == 9
