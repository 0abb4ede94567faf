"""What a masked autoencoder has to fill in."""

from __future__ import annotations

import pytest
import torch

from stgraph import SkeletonGraph
from stgraph.nn import make_tokens
from stgraph.objectives import Bones, Coordinates, Motion, TargetValues, normalise_tokens
from tests.laws.encoders import BODY
from tests.objectives.samples import recordings


def slow_motion(batch: SkeletonGraph, stride: int) -> dict[tuple[int, int], torch.Tensor]:
    """Displacement of (pose, joint) where both ends exist."""
    pos, score = batch.folded("pos"), batch.folded_score()
    track = batch.track
    out = {}
    for pose in range(batch.num_poses - stride):
        for joint in range(6):
            there = pose + stride
            if track[there] == track[pose] and score[pose, joint] > 0 and score[there, joint] > 0:
                out[pose, joint] = pos[there, joint] - pos[pose, joint]
    return out


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_motion_is_that_of_a_loop_over_poses(stride, missing):
    batch = recordings(missing)
    tokens = make_tokens(batch, 2)
    found = Motion(stride, "none")(batch, tokens)
    expected = slow_motion(batch, stride)
    for i in range(tokens.num_tokens):
        for step in range(2):
            node = int(tokens.node[i, step])
            known = expected.get((node // 6, node % 6)) if tokens.found[i, step] else None
            assert bool(found.valid[i, step]) is (known is not None)
            if known is not None:
                torch.testing.assert_close(found.value[i, step], known)
            else:
                assert found.value[i, step].abs().sum() == 0


def test_published_ends_move_by_zero():
    batch = recordings()
    tokens = make_tokens(batch, 2)
    found = Motion(1, "none", keep_ends=True)(batch, tokens)
    assert torch.equal(found.valid, tokens.found)
    last = batch.first_pose + batch.track_length - 1
    ends = torch.isin(tokens.node // 6, last) & tokens.found
    assert found.value[ends].abs().sum() == 0


def test_bones_lead_to_the_parent_and_roots_ask_for_nothing():
    batch = recordings(missing=0.3)
    tokens = make_tokens(batch, 2)
    found = Bones()(batch, tokens)
    pos, score = batch.folded("pos"), batch.folded_score()
    for i in range(tokens.num_tokens):
        joint, parent = int(tokens.site[i]), BODY.parents[int(tokens.site[i])]
        for step in range(2):
            pose = int(tokens.node[i, step]) // 6
            exists = bool(tokens.found[i, step]) and parent != joint and score[pose, parent] > 0
            assert bool(found.valid[i, step]) is bool(exists)
            if exists:
                expected = pos[pose, joint] - pos[pose, parent]
                torch.testing.assert_close(found.value[i, step], expected)


def test_coordinates_are_those_of_the_nodes():
    batch = recordings(missing=0.3)
    tokens = make_tokens(batch, 2)
    found = Coordinates()(batch, tokens)
    torch.testing.assert_close(found.value[found.valid], batch.pos[tokens.node[found.valid]])
    assert torch.equal(found.valid, tokens.found)
    assert Coordinates().size(2, 3) == 6


def test_a_token_is_normalised_over_its_valid_numbers_alone():
    value, valid = torch.randn(5, 4, 3), torch.rand(5, 4) > 0.3
    valid[0] = False
    value = torch.where(valid[:, :, None], value, 0.0)
    found = normalise_tokens(TargetValues(value, valid)).value
    for i in range(5):
        mine = value[i][valid[i]].flatten()
        if len(mine):
            expected = (mine - mine.mean()) / (mine.var(unbiased=True) + 1e-6).sqrt()
            torch.testing.assert_close(found[i][valid[i]].flatten(), expected)
        assert found[i][~valid[i]].abs().sum() == 0


def test_a_constant_token_becomes_zero():
    target = TargetValues(torch.full((1, 2, 3), 7.0), torch.ones(1, 2, dtype=torch.bool))
    assert normalise_tokens(target).value.abs().sum() == 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"stride of at least 1 .got 0"):
        Motion(0)
    with pytest.raises(ValueError, match="unknown normalisation 'video'; known are none, token"):
        Coordinates("video")


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize(
    "target",
    [
        Coordinates(),
        Coordinates("token"),
        Motion(1),
        Motion(2, "none"),
        Motion(3, "none"),
        Motion(1, keep_ends=True),
        Bones(),
        Bones("token"),
    ],
    ids=repr,
)
def test_a_perfect_prediction_puts_joints_where_they_are(target, missing):
    batch = recordings(missing)
    tokens = make_tokens(batch, 3)
    pos = target.positions(target(batch, tokens).value, batch, tokens)
    assert torch.allclose(pos, batch.pos, atol=1e-4)


def test_a_wrong_prediction_moves_what_hangs_on_it():
    batch = recordings()
    tokens = make_tokens(batch, 2)
    shift = torch.tensor([0.1, 0.0, 0.0])
    target = Motion(1, "none")
    pos = target.positions(target(batch, tokens).value + shift, batch, tokens)
    # the second pose of a token follows from its first; the next token begins where it was
    moved = (pos - batch.pos).view(batch.num_poses, -1, 3)[: int(batch.track_length[0])]
    expected = torch.zeros_like(moved)
    expected[1::2] = shift
    assert torch.allclose(moved, expected, atol=1e-6)
    bones = Bones()
    pos = bones.positions(bones(batch, tokens).value + shift, batch, tokens)
    depth = torch.tensor([chain(joint) for joint in range(6)])
    moved = (pos - batch.pos).view(batch.num_poses, 6, 3)
    assert torch.allclose(moved, (depth[:, None] * shift).expand_as(moved), atol=1e-5)


def chain(joint: int) -> int:
    """Bones between a joint and its root."""
    parent = BODY.parents[joint]
    return 0 if parent == joint else 1 + chain(parent)
