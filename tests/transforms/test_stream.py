"""Joint, bone and the motions."""

from __future__ import annotations

import torch

from stgraph.transforms import Stream
from stgraph.transforms.stream import STREAMS
from tests.transforms.samples import chain, recording

# two poses of one track, then a track of a single pose
POS = [[[1, 1], [2, 3], [0, 1]], [[2, 1], [4, 3], [1, 5]], [[9, 9], [8, 8], [7, 7]]]
SCORE = [[1, 0.5, 1], [1, 0, 0.5], [1, 1, 1]]


def stream(name: str | list[str], with_score: bool = False, **kwargs: object) -> list:
    data = chain(POS, SCORE, track_length=[2, 1], **kwargs)
    return Stream(name, score=with_score)(data).folded("x").tolist()


def test_a_joint_stream_is_the_position_and_zero_where_there_is_none() -> None:
    found = stream("joint")
    assert found[0] == [[1, 1], [2, 3], [0, 1]]
    assert found[1] == [[2, 1], [0, 0], [1, 5]]


def test_a_bone_is_child_less_parent_and_zero_at_the_root_and_without_an_end() -> None:
    assert stream("bone") == [
        [[0, 0], [1, 2], [-1, 0]],
        [[0, 0], [0, 0], [-1, 4]],
        [[0, 0], [-1, -1], [-2, -2]],
    ]


def test_motion_is_the_next_pose_less_this_one_and_ends_with_the_track() -> None:
    assert stream("joint_motion") == [
        [[1, 0], [0, 0], [1, 4]],
        [[0, 0], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [0, 0]],
    ]
    assert stream("bone_motion") == [
        [[0, 0], [0, 0], [0, 4]],
        [[0, 0], [0, 0], [0, 0]],
        [[0, 0], [0, 0], [0, 0]],
    ]


def test_a_relative_position_is_that_from_the_mean_of_the_joints_that_are_seen() -> None:
    expected = [
        [[0, -2 / 3], [1, 4 / 3], [-1, -2 / 3]],
        [[0.5, -2], [0, 0], [-0.5, 2]],
        [[1, 1], [0, 0], [-1, -1]],
    ]
    assert torch.allclose(torch.tensor(stream("relative")), torch.tensor(expected))
    found = stream("relative_motion")
    assert torch.allclose(
        torch.tensor(found[0]), torch.tensor([[0.5, -4 / 3], [0.0, 0.0], [0.5, 8 / 3]])
    )


def test_a_person_who_glides_has_the_same_relative_positions() -> None:
    data = recording([5, 3], [0, 1], [0, 0], seed=1)
    moved = data.clone()
    moved.pos = data.pos + data.pose[:, None].float()
    same, other = (Stream("relative")(graph).x for graph in (data, moved))
    assert torch.allclose(same, other, atol=1e-5)
    assert same.abs().max() > 0.1


def test_scores_of_bones_and_motions_are_means() -> None:
    def scores(name: str) -> list:
        return [[joint[2] for joint in pose] for pose in stream(name, with_score=True)]

    assert scores("joint") == SCORE
    assert scores("bone") == [[1, 0.75, 1], [1, 0.5, 0.75], [1, 1, 1]]
    assert scores("joint_motion") == [[1, 0.25, 0.75], [0, 0, 0], [0, 0, 0]]
    assert scores("bone_motion") == [[1, 0.625, 0.875], [0, 0, 0], [0, 0, 0]]


def test_centred_motion_is_zero_at_both_ends_of_a_track() -> None:
    steps = [[[float(t * t)]] * 3 for t in range(4)]
    data = chain(steps + steps[:2], track_length=[4, 2])
    found = Stream("centred_motion")(data).folded("x")[:, 0, 0].tolist()
    # t^2 - ((t-1)^2 + (t+1)^2) / 2 = -1
    assert found == [0, -1, -1, 0, 0, 0]


def test_streams_stand_side_by_side() -> None:
    data = recording([5, 3], [0, 1], [0, 0], seed=1)
    both = Stream(["bone", "joint_motion"], score=True)(data).x
    apart = [Stream(name, score=True)(data).x for name in ("bone", "joint_motion")]
    assert torch.equal(both, torch.cat(apart, dim=1))


def test_no_gradient_reaches_a_missing_joint() -> None:
    data = recording([5, 3], [0, 1], [0, 0], seed=1)
    data.pos = data.pos.clone().requires_grad_()
    Stream(STREAMS)(data).x.square().sum().backward()
    assert data.pos.grad is not None
    assert not data.pos.grad[data.score == 0].any()
