"""What happens to recordings once, before a comparison trains on them: the same for every row."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.transforms import Compose

from stgraph.io import Store
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import BodyUnits, BridgeGaps, FillMissing, SkeletonTransform

__all__ = ["prepare_poses", "prepared_store"]


def prepare_poses(
    centre: str = "recording",
    scale: bool = True,
    bridge: bool = True,
    fill: bool = True,
    max_gap: int | None = None,
) -> Compose:
    """The preparation of a comparison, to apply once to whole sets.

    Args:
        centre: See :class:`~stgraph.transforms.BodyUnits`.
        scale: See :class:`~stgraph.transforms.BodyUnits`.
        bridge: Join the tracks of a person over frames in which nobody was found.
        fill: Interpolate joints that are missing between two times at which they were found, with
            a small score; the others stay missing.
        max_gap: Longest gap to bridge and to fill, in frames; by default any.
    """
    steps: list[SkeletonTransform] = []
    if bridge:
        steps.append(BridgeGaps(max_gap=max_gap))
    if fill:
        steps.append(FillMissing(max_gap=max_gap))
    return Compose([*steps, BodyUnits(centre, scale)])


def prepared_store(source: Any, transform: Any, batch_size: int = 512) -> Store:
    """All recordings of a data set's split, transformed, in memory.

    Args:
        source: A data set.
        transform: Deterministic; applied to batches.
        batch_size: Recordings to transform at a time.
    """
    graphs: list[SkeletonGraph] = []
    for start in range(0, len(source), batch_size):
        indices = torch.arange(start, min(start + batch_size, len(source)))
        graphs += transform(source.batch(indices)).to_data_list()
    return Store.from_graphs(graphs, class_names=source.class_names)
