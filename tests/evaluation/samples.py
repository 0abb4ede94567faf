"""A comparison small enough for a test: two classes, a handful of recordings."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Batch

from stgraph.evaluation import ComparisonSets, Recipe, prepare_poses
from stgraph.io import Store
from stgraph.skeleton import SkeletonGraph, resolve_layout
from stgraph.viz import rest_pose

CLASSES = ("still", "moving")
TINY = Recipe(width=2, epochs=1, batch_size=4, dropout=0.0)


def person(y: int, seed: int, video: str, poses: int = 8, layout: str = "openpose_coco_18"):
    """Somebody who stands or walks to the right, in pixels, with jitter."""
    generator = torch.Generator().manual_seed(seed)
    body = 60 * rest_pose(layout) + torch.tensor([40.0, 20.0])
    pos = body + torch.randn(poses, len(body), 2, generator=generator)
    pos[:, :, 0] += 8 * y * torch.arange(poses)[:, None]
    score = (torch.rand(poses, len(body), generator=generator) > 0.1).float()
    return SkeletonGraph(
        pos.flatten(0, 1) * score.flatten()[:, None],
        layout=layout,
        score=score.flatten(),
        fps=8.0,
        y=y,
        video=video,
        name=f"{video}_{seed}",
    )


def absent(y: int, video: str) -> SkeletonGraph:
    """A recording without a pose."""
    graph = SkeletonGraph.from_dense(
        torch.zeros(1, 4, 18, 2), "openpose_coco_18", fps=8.0, y=y, video=video
    )
    graph.name = f"{video}_none"
    return graph


def tiny_graphs(seed: int, count: int = 6) -> list[SkeletonGraph]:
    """Recordings of both classes, two a video."""
    return [person(i % 2, 100 * seed + i, f"v{seed}_{i // 4}_{i % 2}") for i in range(count)]


class Source:
    """What a data set offers to a comparison."""

    def __init__(self, graphs: list[SkeletonGraph]) -> None:
        self.store = Store.from_graphs(graphs, class_names=CLASSES)
        self.class_names = CLASSES
        self.y = self.store.y

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, i: int) -> SkeletonGraph:
        return self.store[i]

    def batch(self, indices: Any) -> Any:
        return self.store.batch(indices)


def tiny_sets(key: str = "kth_synthetic", **changed: list[SkeletonGraph]) -> ComparisonSets:
    """The sets of a comparison; parts can be replaced by name."""
    graphs = {part: tiny_graphs(seed) for seed, part in enumerate(("train", "val", "test"))}
    graphs |= changed
    raw = {part: Source(own) for part, own in graphs.items()}
    prepare = prepare_poses()
    prepared = {
        part: Store.from_graphs([prepare(g) for g in own], class_names=CLASSES)
        for part, own in graphs.items()
    }
    both = [prepare(g) for g in graphs["train"] + graphs["val"]]
    prepared["trainval"] = Store.from_graphs(both, class_names=CLASSES)
    assert resolve_layout("openpose_coco_18") == prepared["train"].layout
    return ComparisonSets(key, "official", "Tiny", raw, prepared, 0.05, {"dataset": key})


def recording(
    generator: torch.Generator, poses: int = 12, y: int = 0, shift: float = 0.0, tracks: int = 2
) -> SkeletonGraph:
    """Random poses in tracks with a gap between, a fifth of the joints missing."""
    pos = torch.randn(poses, 13, 2, generator=generator) + shift * torch.arange(13)[:, None]
    score = (torch.rand(poses, 13, generator=generator) > 0.2).float()
    length = torch.full((tracks,), poses // tracks)
    frame = torch.arange(poses) + 5 * (torch.arange(poses) // (poses // tracks))
    return SkeletonGraph(
        pos * score[..., None],
        layout="penn_13",
        score=score,
        frame=frame,
        track_length=length,
        person=torch.zeros(tracks, dtype=torch.long),
        y=torch.tensor([y]),
    )


def empty(y: int = 0) -> SkeletonGraph:
    """A recording in which nobody was found."""
    nothing = torch.zeros(0, dtype=torch.long)
    return SkeletonGraph(
        torch.zeros(0, 2),
        layout="penn_13",
        score=torch.zeros(0),
        frame=nothing,
        track_length=nothing,
        person=nothing,
        y=torch.tensor([y]),
    )


def classes(generator: torch.Generator, each: int, empties: int = 0) -> Batch:
    """Two classes that differ in their mean pose."""
    graphs = [recording(generator, y=y, shift=0.5 * y) for y in (0, 1) for _ in range(each)]
    return Batch.from_data_list([*graphs, *(empty() for _ in range(empties))])
