"""Recordings that a transform must survive: ragged, with gaps, single poses, and none at all."""

from __future__ import annotations

import pytest

from stgraph.skeleton import SkeletonGraph
from tests.transforms.samples import recording


@pytest.fixture
def recordings() -> list[SkeletonGraph]:
    """Two people, one of whom comes back; a single pose; nobody; one person; two in turns."""
    return [
        recording([6, 4, 9], [0, 0, 1], [0, 9, 2], seed=1),
        recording([1], [0], [7], seed=2),
        recording([], [], [], seed=3),
        recording([12], [4], [100], seed=4),
        recording([3, 2], [0, 1], [0, 3], seed=5),
    ]
