"""Tiny recordings, networks and tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from stgraph import STGCN, SkeletonGraph
from stgraph.tasks import Recognition

LAYOUT = "kinect_v1_20"


def make_graphs(number: int = 9, seed: int = 0, empty: tuple[int, ...] = ()) -> list[SkeletonGraph]:
    """Recordings of three classes that differ in their position; some without a pose."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 7, (number,), generator=generator).tolist()
    graphs = []
    for i, length in enumerate(lengths):
        poses = 0 if i in empty else length
        pos = torch.randn(poses, 20, 3, generator=generator) * 0.3 + i % 3
        graphs.append(SkeletonGraph(pos, layout=LAYOUT, y=i % 3, name=f"r{i}"))
    return graphs


def make_network(**options: Any) -> STGCN:
    """A network of one unit."""
    return STGCN(3, 3, layout=LAYOUT, **{"channels": [4], "temporal_kernel": 3, **options})


def make_task(**options: Any) -> Recognition:
    """A task on such a network."""
    return Recognition(make_network(), 3, **{"lr": 0.02, **options})


@pytest.fixture
def graphs() -> Callable[..., list[SkeletonGraph]]:
    """:func:`make_graphs`."""
    return make_graphs


@pytest.fixture
def network() -> Callable[..., STGCN]:
    """:func:`make_network`."""
    return make_network


@pytest.fixture
def task() -> Callable[..., Recognition]:
    """:func:`make_task`."""
    return make_task
