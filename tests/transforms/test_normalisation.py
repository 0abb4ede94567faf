"""Centres and scales that a reader can check by hand."""

from __future__ import annotations

import pytest
import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import (
    CenterJoint,
    NormaliseRange,
    NormaliseScale,
    PreNormalise2D,
    PreNormalise3D,
    Standardise,
)
from stgraph.transforms.rotations import align_direction
from tests.transforms.samples import chain, recording


def test_every_pose_is_centred_on_its_own_joint() -> None:
    data = chain([[[1, 1], [2, 3], [0, 1]], [[5, 1], [4, 3], [1, 5]]])
    assert CenterJoint()(data).folded("pos").tolist() == [
        [[0, 0], [1, 2], [-1, 0]],
        [[0, 0], [-1, 2], [-4, 4]],
    ]
    middle = CenterJoint(["left_hand", "right_hand"])(data).folded("pos")
    assert middle[0].tolist() == [[0, -1], [1, 1], [-1, -1]]


def test_a_recording_is_centred_on_its_first_person_first_pose() -> None:
    # person 1 is stored first; person 0 comes back in a later track
    data = chain(
        [[[9, 9]] * 3, [[1, 2], [3, 3], [4, 4]], [[5, 5], [6, 6], [7, 7]]],
        track_length=[1, 1, 1],
        person=[1, 0, 0],
        frame=[0, 3, 8],
    )
    found = CenterJoint(of="first")(data).folded("pos")
    assert found[:, 0].tolist() == [[8, 7], [0, 0], [4, 3]]


def test_a_missing_centre_is_taken_from_the_pose_before_else_after_else_the_mean() -> None:
    pos = [[[0, 0], [2, 2], [4, 2]], [[1, 1], [2, 2], [4, 2]], [[0, 0], [2, 2], [4, 2]]]
    score = [[0, 1, 1], [1, 1, 1], [0, 1, 1]]
    found = CenterJoint()(chain(pos, score)).folded("pos")
    assert found[0].tolist() == found[2].tolist() == [[0, 0], [1, 1], [3, 1]]
    alone = CenterJoint()(chain(pos[:1], score[:1])).folded("pos")
    assert alone[0].tolist() == [[0, 0], [-1, 0], [1, 0]]
    first = CenterJoint(of="first")(chain(pos, score)).folded("pos")
    assert first[1, 0].tolist() == [0, 0]


def test_a_layout_without_a_centre_needs_a_joint() -> None:
    data = recording([2], [0], [0], seed=1, layout="coco_17")
    data.layout = type(data.layout)("plain", data.layout.joints, data.layout.bones)
    with pytest.raises(ValueError, match="layout 'plain' has no centre"):
        CenterJoint()(data)
    with pytest.raises(ValueError, match="no joint 'tail'"):
        CenterJoint("tail")(data)
    with pytest.raises(ValueError, match=r"joints 0\.\.\.16 \(got 17\)"):
        CenterJoint(17)(data)


def test_the_scale_is_the_median_length_of_the_torso() -> None:
    data = chain([[[0, 0], [1, 0], [9, 9]], [[0, 0], [2, 0], [9, 9]], [[0, 0], [7, 0], [9, 9]]])
    found = NormaliseScale("hip", "left_hand")(data)
    assert torch.equal(found.pos, data.pos / 2)


def test_without_a_torso_the_spread_is_the_scale() -> None:
    data = chain([[[0, 0], [6, 8], [0, 0]]], [[1, 1, 0]])
    found = NormaliseScale("hip", "right_hand")(data)
    assert torch.equal(found.pos, data.pos / 5)
    point = chain([[[3, 4]] * 3])
    assert torch.equal(NormaliseScale(0, 1)(point).pos, point.pos)


def test_torso_lengths_of_2d_and_3d_bodies_compare() -> None:
    data = recording([9], [0], [0], seed=1, missing=0.0)
    found = NormaliseScale()(data)
    large = data.__copy__()
    large.pos = data.pos * 1000
    torch.testing.assert_close(NormaliseScale()(large).pos, found.pos)


def test_ranges_are_over_joints_that_are_seen() -> None:
    data = chain(
        [[[0, 10], [4, 10], [99, 99]], [[2, 10], [4, 10], [1, 10]]], [[1, 1, 0], [1, 1, 1]]
    )
    found = NormaliseRange()(data).folded("pos")
    assert found.tolist() == [[[-1, 0], [1, 0], [0, 0]], [[0, 0], [1, 0], [-0.5, 0]]]
    wide = chain([[[0, 0], [4, 1], [2, 2]]])
    common = NormaliseRange(per_coordinate=False)(wide).folded("pos")
    assert common.tolist() == [[[-1, -0.5], [1, 0], [0, 0.5]]]


def test_standardised_recordings_have_mean_zero_and_deviation_one() -> None:
    data = recording([7, 3], [0, 1], [0, 0], seed=1)
    found = Standardise()(data)
    shown = found.pos[data.score > 0]
    torch.testing.assert_close(shown.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(shown.std(dim=0, correction=0), torch.ones(3))
    assert not found.pos[data.score == 0].any()
    still = chain([[[5, 5]] * 3])
    assert not Standardise()(still).pos.any()


def test_pixels_are_mapped_by_the_picture_or_by_their_range() -> None:
    data = chain([[[0, 0], [100, 50], [50, 25]]], [[1, 0.5, 0.005]])
    fixed = PreNormalise2D((100, 50))(data)
    assert fixed.pos.tolist() == [[-1, -1], [1, 1], [0, 0]]
    assert fixed.score.tolist() == [1, 0.5, 0]
    auto = PreNormalise2D()(chain([[[10, 10], [50, 30], [30, 20]]]))
    assert auto.pos.tolist() == [[-1, -1], [1, 1], [0, 0]]
    narrow = chain([[[10, 10], [50, 15], [30, 12]]])
    assert torch.equal(PreNormalise2D()(narrow).pos, narrow.pos)


def test_the_main_person_stands_upright_and_frames_without_it_go() -> None:
    data = recording([4, 3, 9], [0, 0, 1], [2, 9, 0], seed=1, layout="kinect_v2_25", missing=0.0)
    found = PreNormalise3D()(data)
    # person 1 has 9 poses, person 0 has 7, one of which (frame 9..11) nobody shares
    assert found.track_length.tolist() == [4, 9]
    first = found.folded("pos")[found.first_pose[1]]
    assert first[1].tolist() == [0, 0, 0]
    line = first[4] - first[8]
    torch.testing.assert_close(-line / line.norm(), torch.tensor([1.0, 0, 0]), atol=1e-5, rtol=0)
    lengths = found.folded("pos")[:, 3] - found.folded("pos")[:, 2]
    kept = data.folded("pos")[torch.cat([torch.arange(4), torch.arange(7, 16)])]
    torch.testing.assert_close(lengths.norm(dim=1), (kept[:, 3] - kept[:, 2]).norm(dim=1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_direction_turns_onto_an_axis(axis: int) -> None:
    direction = torch.randn(5, 3, dtype=torch.float64)
    turned = (align_direction(direction, axis) @ direction.unsqueeze(-1)).squeeze(-1)
    expected = torch.zeros(5, 3, dtype=torch.float64)
    expected[:, axis] = direction.norm(dim=1)
    torch.testing.assert_close(turned, expected)
    assert torch.equal(align_direction(torch.zeros(3), axis), torch.eye(3))


def test_a_person_who_is_not_there_changes_nothing() -> None:
    alone = recording([9], [0], [0], seed=1, layout="kinect_v2_25")
    dense = torch.zeros(2, 9, 25, 3)
    dense[0] = alone.folded("pos")
    both = SkeletonGraph.from_dense(dense, "kinect_v2_25")
    torch.testing.assert_close(PreNormalise3D()(both).pos, PreNormalise3D()(alone).pos)
