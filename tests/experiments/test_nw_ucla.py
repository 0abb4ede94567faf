"""How the Northwestern-UCLA script prepares recordings, and how it averages views."""

from __future__ import annotations

import argparse
from typing import Any

import nw_ucla
import pytest
import torch

from stgraph.datasets import NWUCLA
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.tasks import Recognition, predict_views
from stgraph.testing import assert_close, random_skeleton_graph
from stgraph.transforms import Flip

LAYOUT = SkeletonLayout.named("kinect_v1_20")


class Ten:
    """As much of a data set as a network's shape needs."""

    num_classes = len(NWUCLA.class_names)
    class_names = NWUCLA.class_names


def recipe(name: str) -> dict[str, Any]:
    return nw_ucla.read_recipe(argparse.Namespace(recipe=name, width=4, epochs=None))


@pytest.fixture
def graphs(generator: torch.Generator) -> list[SkeletonGraph]:
    made = [random_skeleton_graph(LAYOUT, [n], generator=generator) for n in (5, 9, 70)]
    for graph in made:
        graph.y = 0
    return made


@pytest.fixture
def task() -> Recognition:
    return nw_ucla.make_task(recipe("nw_ucla"), Ten(), seed=0)


def test_a_quarter_turn_keeps_heights_and_turns_right_into_depth(
    graphs: list[SkeletonGraph],
) -> None:
    data = graphs[0]
    out = nw_ucla.turned(90, mirrored=False)(data)
    before = data.pos - data.folded("pos")[0, 1]
    assert_close(out.pos[:, 1], before[:, 1])
    assert_close(out.pos[:, 2], -before[:, 0], 1e-4)


def test_views_of_a_mirror_image_are_those_of_the_recording(
    graphs: list[SkeletonGraph], task: Recognition
) -> None:
    straight = predict_views(task, graphs, nw_ucla.VIEWS)
    mirrored = predict_views(task, [Flip()(graph) for graph in graphs], nw_ucla.VIEWS)
    assert_close(straight.logits.exp().sum(dim=1), torch.ones(3))
    assert_close(mirrored.logits, straight.logits, 1e-4)


@pytest.mark.parametrize("name", ["nw_ucla", "nw_ucla_ctrgcn"])
def test_recordings_are_sampled_and_fill_the_unit_cube(
    name: str, graphs: list[SkeletonGraph]
) -> None:
    augment, prepare = nw_ucla.transforms(recipe(name))
    for data in graphs:
        out = prepare(augment(data))
        assert out.num_poses == 52 if name.endswith("ctrgcn") else out.num_poses <= data.num_poses
        assert out.x.abs().max() <= 1 + 1e-5
        assert_close(out.x.amax(dim=0), torch.ones(3))
