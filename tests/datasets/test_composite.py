"""Sequences put together from recordings of one action: one person, smooth, told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from stgraph.datasets import UTKinect, composite_recordings
from stgraph.io import Store
from stgraph.skeleton import SkeletonGraph, pose_labels
from stgraph.testing import random_skeleton_graph

FPS = 10.0


def trimmed(number: int = 24, subjects: int = 3, **extra: Any) -> list[SkeletonGraph]:
    graphs = []
    for i in range(number):
        graph = random_skeleton_graph(
            "kinect_v1_20", [5 + i % 4], generator=torch.Generator().manual_seed(i)
        )
        graph.y, graph.subject, graph.name = torch.tensor([i % 5]), i % subjects + 1, f"r{i}"
        graph.fps = torch.tensor([FPS])
        for key, value in extra.items():
            graph[key] = value
        graphs.append(graph)
    return graphs


def test_every_recording_is_used_once_and_people_are_never_mixed() -> None:
    graphs = trimmed()
    made = composite_recordings(graphs, num_actions=(2, 4))
    who = {graph.name: graph.subject for graph in graphs}
    used: Counter[str] = Counter()
    for sequence in made:
        parts = sequence.parts.split()
        used.update(parts)
        assert {who[part] for part in parts} == {sequence.subject}
        assert 1 <= len(parts) <= 4
        assert len(sequence.segments) == len(parts)
        assert sequence.composite == 1
        assert sequence.name.startswith("COMPOSITE_")
        assert "y" not in sequence
    assert used == dict.fromkeys(who, 1)
    assert len({sequence.name for sequence in made}) == len(made)
    assert len(Store.from_graphs(made)) == len(made)


def test_a_seed_decides_everything() -> None:
    a, b, c = (composite_recordings(trimmed(), seed=seed) for seed in (1, 1, 2))
    assert [g.parts for g in a] == [g.parts for g in b] != [g.parts for g in c]
    assert all(torch.equal(x.pos, y.pos) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("transition", ["smooth", "linear"])
def test_actions_keep_their_shape_and_the_background_leads_from_one_to_the_next(
    transition: str,
) -> None:
    graphs = trimmed(6, 1)
    (made,) = composite_recordings(graphs, (6, 6), (0.5, 1.0), transition=transition)
    by_name = {graph.name: graph for graph in graphs}
    root = made.layout.index("hip_center")
    pos, labels = made.folded(), pose_labels(made)
    assert made.frame.tolist() == list(range(made.num_poses))
    assert made.fps.item() == FPS
    end = -1
    for part, (label, first, last) in zip(
        made.parts.split(), made.segments.long().tolist(), strict=True
    ):
        original = by_name[part]
        assert label == int(original.y) + 1
        assert last - first + 1 == original.num_poses
        assert (labels[first : last + 1] == label).all()
        moved = pos[first : last + 1] - original.folded()
        assert torch.allclose(moved, moved[0, 0].expand_as(moved), atol=1e-6)
        assert moved[..., 1].abs().max() < 1e-6  # the floor stays
        if end >= 0:
            gap = first - end - 1
            assert 5 <= gap <= 10
            assert (labels[end + 1 : first] == 0).all()
            assert torch.allclose(pos[end, root, [0, 2]], pos[first, root, [0, 2]], atol=1e-6)
            step = (pos[end : first + 1].diff(dim=0)).norm(dim=-1)
            if transition == "linear":
                assert torch.allclose(step, step[0].expand_as(step), atol=1e-5)
            else:
                assert (step[0] <= step[len(step) // 2] + 1e-6).all()
                assert (step[-1] <= step[len(step) // 2] + 1e-6).all()
        end = last


def test_a_joint_that_an_end_lacks_is_missing_in_between() -> None:
    graphs = trimmed(2, 1)
    for graph in graphs:
        graph.score = torch.ones(graph.num_poses, 20)
        graph.score[:, 7] = 0
        graph.pos.view(-1, 20, 3)[:, 7] = 0
        graph.score = graph.score.flatten()
    graphs[0].score.view(-1, 20)[:, 0] = 0  # the centre of one of them
    graphs[0].pos.view(-1, 20, 3)[:, 0] = 0
    (made,) = composite_recordings(graphs, (2, 2))
    score, pos = made.folded_score(), made.folded()
    assert (score[:, 7] == 0).all()
    assert (pos[:, 7] == 0).all()
    between = pose_labels(made) == 0
    assert between.any()
    assert (score[between][:, 0] == 0).all()
    assert (score[between][:, 1:7] == 1).all()


def test_of_several_people_the_one_with_most_poses_acts_and_gaps_stay() -> None:
    graph = random_skeleton_graph("kinect_v1_20", [3, 2, 4])
    graph.person = torch.tensor([0, 1, 1])
    graph.frame = torch.tensor([0, 1, 2, 0, 1, 5, 6, 7, 8])
    graph.y, graph.subject, graph.fps = 2, 4, torch.tensor([FPS])
    (made,) = composite_recordings([graph], (1, 1))
    assert torch.equal(made.folded(), graph.folded()[3:])
    assert made.frame.tolist() == [0, 1, 5, 6, 7, 8]
    assert made.track_length.tolist() == [2, 4]
    assert made.person.tolist() == [0, 0]
    assert made.segments.tolist() == [[3, 0, 8]]


def test_without_a_gap_actions_follow_each_other_and_empty_recordings_are_passed_over() -> None:
    graphs = trimmed(3, 1)
    empty = graphs[0].take_poses(*(torch.zeros(0, dtype=torch.long),) * 3)
    (made,) = composite_recordings([*graphs, empty], (4, 4), (0, 0))
    assert len(made.segments) == 3
    assert made.num_poses == sum(graph.num_poses for graph in graphs)
    assert (pose_labels(made) > 0).all()


def test_parts_of_a_store_are_never_joined() -> None:
    graphs = trimmed(12, 1, split="train")
    for graph in graphs[:5]:
        graph.split = "test"
    made = composite_recordings(Store.from_graphs(graphs), (3, 3))
    tests = {graph.name for graph in graphs[:5]}
    for sequence in made:
        parts = set(sequence.parts.split())
        assert parts <= tests if sequence.split == "test" else not parts & tests


def change(key: str, value: Any) -> Callable[[list[SkeletonGraph]], None]:
    def apply(graphs: list[SkeletonGraph]) -> None:
        if value is None:
            del graphs[1][key]
        else:
            graphs[1][key] = value

    return apply


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (change("subject", None), {}, r"recording 1 \(r1\) has no 'subject'"),
        (change("y", None), {}, r"recording 1 \(r1\) has no class"),
        (change("y", torch.tensor([-1])), {}, "has no class"),
        (change("fps", torch.tensor([25.0])), {}, r"one rate \(got 10, 25\)"),
        (change("fps", None), {}, r"one rate \(got none, 10\)"),
        (None, {"num_actions": (0, 3)}, "num_actions"),
        (None, {"num_actions": (5, 3)}, "num_actions"),
        (None, {"gap_seconds": (2, 1)}, "gap_seconds"),
        (None, {"gap_seconds": (0, float("inf"))}, "gap_seconds"),
        (None, {"transition": "cut"}, "it knows smooth, linear"),
        (None, {"fps": 0.0}, "a rate above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(spoil: Any, options: dict[str, Any], message: str) -> None:
    graphs = trimmed(8, 1)
    if spoil is not None:
        spoil(graphs)
    with pytest.raises(ValueError, match=message):
        composite_recordings(graphs, **{"num_actions": (8, 8), **options})


def test_a_rate_can_be_named() -> None:
    graphs = trimmed(4, 1)
    for graph in graphs:
        del graph["fps"]
    (made,) = composite_recordings(graphs, (4, 4), fps=20.0)
    assert made.fps.item() == 20


def test_real_parts_make_sequences_and_everything_at_once_is_refused(
    real: Callable[..., Any],
) -> None:
    part = real(UTKinect, "train", trimmed=True)
    made = composite_recordings(part)
    assert sum(len(sequence.segments) for sequence in made) == len(part)
    counts = torch.cat([sequence.segments[:, 0] for sequence in made]).long().bincount()
    assert torch.equal(counts[1:], part.y.bincount())
    with pytest.raises(ValueError, match="split='all', which would join"):
        composite_recordings(real(UTKinect, "all", trimmed=True))
