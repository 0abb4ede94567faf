"""Positions in body sizes, which a reader can check by hand."""

from __future__ import annotations

import pytest
import torch

from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.transforms import BodyUnits

STICK = SkeletonLayout("stick", ["a", "b"], [(0, 1)], centre=0)


def stick(*poses: list[list[float]], score: list[float] | None = None) -> SkeletonGraph:
    return SkeletonGraph(torch.tensor(poses), layout=STICK, score=score)


def test_a_body_has_the_size_one_about_its_centre() -> None:
    graph = stick([[0.0, 0.0], [4.0, 0.0]], [[2.0, 0.0], [6.0, 0.0]])
    expected = torch.tensor([[-1.5, 0.0], [0.5, 0.0], [-0.5, 0.0], [1.5, 0.0]])
    assert torch.equal(BodyUnits()(graph).pos, expected)
    each = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    assert torch.equal(BodyUnits("pose")(graph).pos, each)
    assert torch.equal(BodyUnits("pose", scale=False)(graph).pos, 2 * each)
    assert torch.equal(BodyUnits("none", scale=False)(graph).pos, graph.pos)


def test_a_missing_joint_counts_for_nothing_and_lies_in_the_centre() -> None:
    graph = stick([[0.0, 0.0], [4.0, 0.0]], [[9.0, 9.0], [4.0, 4.0]], score=[1.0, 1.0, 0.0, 1.0])
    out = BodyUnits("pose").forward(graph)
    assert out.pos[2].tolist() == [0.0, 0.0]
    moved = graph.clone()
    moved.pos[2] = -77.0
    assert torch.equal(BodyUnits("pose")(moved).pos, out.pos)
    assert torch.equal(BodyUnits()(moved).pos, BodyUnits()(graph).pos)


def test_an_unknown_centre_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown centre 'hip'; known are recording, pose, none"):
        BodyUnits("hip")
