"""What the benchmarks run on, and the networks that they compare."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from padded import padded_twin, to_padded
from torch import Tensor, nn
from torch_geometric.data import Batch

from stgraph.nn import STGCN
from stgraph.skeleton import SkeletonGraph
from stgraph.testing import (
    natural_lengths,
    ntu_like_lengths,
    random_skeleton_graph,
    randomise_norms,
)

LAYOUT = "kinect_v2_25"
NUM_CLASSES = 60
PHASES = ("train", "infer", "memory", "pretrain", "pretrain_memory", "pretrain_hitrs")
OTHERS = ("padded_eager", "padded_compiled", "naive_pyg")


class Workload(NamedTuple):
    """Recordings, and the array that a padded network needs for them.

    Attributes:
        name: As in the table.
        lengths: Number of poses of each track of each recording.
        num_frames: Frames of the padded array.
        num_persons: Persons of the padded array.
    """

    name: str
    lengths: list[list[int]]
    num_frames: int
    num_persons: int

    @property
    def num_poses(self) -> int:
        """Poses that exist."""
        return sum(map(sum, self.lengths))

    @property
    def padded_poses(self) -> int:
        """Poses of the padded array."""
        return len(self.lengths) * self.num_persons * self.num_frames

    def describe(self) -> str:
        """A line for people."""
        return (
            f"{self.name}: {len(self.lengths)} recordings, {self.num_poses} poses; padded "
            f"{self.num_frames} frames x {self.num_persons} persons = {self.padded_poses} poses "
            f"({self.padded_poses / self.num_poses:.2f} times as many)"
        )

    def graphs(self) -> list[SkeletonGraph]:
        """The recordings: normally distributed coordinates, labels in turn."""
        g = torch.Generator().manual_seed(0)
        return [
            random_skeleton_graph(LAYOUT, own, generator=g, y=i % NUM_CLASSES)
            for i, own in enumerate(self.lengths)
        ]


def make_workload(name: str, quick: bool = False) -> Workload:
    """A workload of fixed quantile lengths.

    Args:
        name: ``"ntu_like"``, ``"natural"`` or ``"full_length"`` (one person, every frame there).
        quick: A small batch.

    Raises:
        ValueError: if the name is unknown.
    """
    g = torch.Generator().manual_seed(0)
    if name == "ntu_like":
        return Workload(name, ntu_like_lengths(11 if quick else 33, g, quantiles=True), 100, 2)
    if name == "natural":
        return Workload(name, natural_lengths(5 if quick else 17, g, quantiles=True), 300, 2)
    if name == "full_length":
        return Workload(name, [[100] for _ in range(6 if quick else 32)], 100, 1)
    raise ValueError(f"unknown workload {name!r}; known are ntu_like, natural, full_length")


WORKLOADS = ("ntu_like", "natural", "full_length")


def make_network(width: int) -> STGCN:
    """The ragged ST-GCN, with statistics as after some training."""
    g = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = STGCN(3, NUM_CLASSES, layout=LAYOUT, width=width)
    randomise_norms(model, g)
    return model


class Side(NamedTuple):
    """A network with its input: what is timed.

    Attributes:
        name: As in the table.
        model: The network.
        inputs: Its argument.
        labels: Class numbers, [B].
    """

    name: str
    model: nn.Module
    inputs: Any
    labels: Tensor


def make_side(name: str, workload: Workload, width: int) -> Side:
    """Ours (``"ours"``) or one of :data:`OTHERS`, with its input ready.

    Raises:
        ValueError: if the name is unknown.
    """
    graphs = workload.graphs()
    batch = Batch.from_data_list(graphs)
    if name == "ours":
        return Side(name, make_network(width), batch, batch.y)
    if name == "naive_pyg":
        # edges written out for every pose, and a stock layer on them
        torch.manual_seed(0)
        model: nn.Module = STGCN(
            3, NUM_CLASSES, layout=LAYOUT, width=width, conv="RGCNConv", edge_importance=False
        )
        return Side(name, model, batch, batch.y)
    if name not in OTHERS:
        raise ValueError(f"unknown side {name!r}; known are ours, {', '.join(OTHERS)}")
    twin: Any = padded_twin(make_network(width))
    if name == "padded_compiled":
        twin = torch.compile(twin)
    dense = to_padded(graphs, workload.num_frames, workload.num_persons)
    return Side(name, twin, dense, batch.y)


def infer(side: Side) -> None:
    """One forward pass in eval mode."""
    side.model.eval()
    with torch.inference_mode():
        side.model(side.inputs)


def train(side: Side) -> None:
    """One training step: forward, backward, SGD."""
    side.model.train()
    optimizer = torch.optim.SGD(side.model.parameters(), lr=1e-4)
    loss = nn.functional.cross_entropy(side.model(side.inputs), side.labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


RUN: dict[str, Callable[[Side], None]] = {"infer": infer, "train": train}


def check_equal(width: int, tolerance: float = 1e-5) -> float:
    """Largest absolute difference of logits between the ragged and the padded network.

    On two recordings of two persons in all of 100 frames, with the same weights, in eval and in
    training mode.

    Raises:
        RuntimeError: if it exceeds ``tolerance`` times the largest logit (or ``tolerance``).
    """
    workload = Workload("full", [[100, 100]] * 2, 100, 2)
    worst = 0.0
    ours = make_side("ours", workload, width)
    padded = Side("padded", padded_twin(ours.model), to_padded(workload.graphs(), 100), ours.labels)  # type: ignore[arg-type]
    for training in (False, True):
        with torch.no_grad():
            a, b = (side.model.train(training)(side.inputs) for side in (ours, padded))
        error, limit = float((a - b).abs().max()), tolerance * max(1.0, float(b.abs().max()))
        if not error <= limit:
            raise RuntimeError(
                f"the ragged and the padded network differ by {error:.1e} (> {limit:.1e}) on the "
                "same full-length recordings: the comparison would be worthless"
            )
        worst = max(worst, error)
    return worst


def quiet() -> None:
    """Drops warnings of libraries that say nothing about the measurement."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)
