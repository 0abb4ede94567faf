"""Where joints were last seen, and the baselines that know no more than that."""

from __future__ import annotations

import pytest
import torch

from stgraph.nn import (
    body_frame,
    constant_velocity,
    last_seen,
    recent_motion,
    zero_velocity,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.testing import random_batch

PAIR = SkeletonLayout("pair", ["hip", "hand"], [(0, 1)], centre=0)


def walk(*rows: tuple[float, float], score: list[list[float]] | None = None) -> SkeletonGraph:
    """A hip and a hand on a line, pose by pose."""
    pos = torch.tensor(rows)[..., None]
    return SkeletonGraph(pos, layout=PAIR, score=score)


def slow_last_seen(batch: SkeletonGraph):
    pos, found = batch.folded("pos"), batch.folded_score() > 0
    for first, length in zip(batch.first_pose.tolist(), batch.track_length.tolist(), strict=True):
        for joint in range(found.size(1)):
            seen = [t for t in range(first, first + length) if found[t, joint]]
            if not seen:
                yield torch.zeros(pos.size(2)), False, 0, torch.zeros(pos.size(2))
                continue
            velocity = torch.zeros(pos.size(2))
            if len(seen) > 1:
                velocity = (pos[seen[-1], joint] - pos[seen[-2], joint]) / (seen[-1] - seen[-2])
            yield pos[seen[-1], joint], True, first + length - 1 - seen[-1], velocity


def test_the_last_sight_equals_a_slow_reference(generator):
    batch = random_batch([[5, 3], [], [1], [9]], missing=0.5, generator=generator)
    pos, known, age, velocity = last_seen(batch)
    expected = list(slow_last_seen(batch))
    assert torch.equal(pos.flatten(0, 1), torch.stack([row[0] for row in expected]))
    assert known.flatten().tolist() == [row[1] for row in expected]
    assert age.flatten().tolist() == [row[2] for row in expected]
    torch.testing.assert_close(velocity.flatten(0, 1), torch.stack([row[3] for row in expected]))


def test_baselines_by_hand():
    graph = walk((0, 10), (1, 12), (3, 13))
    assert zero_velocity(graph, 2).flatten(1).tolist() == [[3, 13, 3, 13]]
    assert constant_velocity(graph, 2).flatten(1).tolist() == [[5, 14, 7, 15]]


def test_a_joint_goes_on_from_where_it_was_last_seen():
    # the hand is seen in the first and the third pose of four
    graph = walk((0, 10), (0, 99), (0, 14), (0, 99), score=[[1, 1], [1, 0], [1, 1], [1, 0]])
    assert zero_velocity(graph, 1)[0, 0, 1].item() == 14
    assert constant_velocity(graph, 2)[0, :, 1, 0].tolist() == [18, 20]
    once = walk((0, 10), (0, 99), score=[[1, 1], [1, 0]])
    assert constant_velocity(once, 1)[0, 0, 1].item() == 10


def test_recent_motion_by_hand():
    graph = walk((0, 10), (1, 12), (3, 13), score=[[1, 1], [1, 1], [0.5, 0]])
    moved = recent_motion(graph, 3)
    assert moved.shape == (1, 2, 3, 1)
    assert moved[0, :, :, 0].tolist() == [[2, 1, 0], [0, 2, 0]]


@pytest.mark.parametrize("normalise", ["body", "root", "none"])
def test_the_frame_of_a_body_is_left_as_it_was_entered(normalise, generator):
    batch = random_batch([[5], [3]], missing=0.3, generator=generator)
    frame = body_frame(batch, last_seen(batch), normalise)
    pos = batch.folded("pos")
    inside = frame.enter(pos, batch.track)
    for track in range(2):
        mine = batch.track == track
        back = frame.leave(inside[mine][None].expand(2, -1, -1, -1))[track]
        torch.testing.assert_close(back, pos[mine])


def test_a_body_is_centred_and_as_large_as_its_joints_are_apart():
    frame = body_frame(walk((0, 2), (5, 9)), last_seen(walk((0, 2), (5, 9))))
    assert frame.origin.tolist() == [[5]]
    assert frame.size.item() == pytest.approx(((1 + 1 + 4 + 4) / 4) ** 0.5)


def test_errors_say_what_to_do():
    graph = walk((0, 1), (1, 2))
    with pytest.raises(ValueError, match="unknown normalisation 'torso'; known are body, root"):
        body_frame(graph, last_seen(graph), "torso")
    two = random_batch([[2, 2]])
    for baseline in (zero_velocity, constant_velocity):
        with pytest.raises(ValueError, match=r"one track each \(got one of 2\); cut them"):
            baseline(two, 3)
