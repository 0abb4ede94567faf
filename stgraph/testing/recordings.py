"""Recordings for tests: random ones, and the lengths of the reference workloads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout

SHARE_OF_PAIRS = 0.18


def random_layout(num_joints: int = 5, generator: torch.Generator | None = None) -> SkeletonLayout:
    """A layout whose bones are a random tree, with a centre and, from three joints on, a pair.

    Args:
        num_joints: Number V of joints.
        generator: Source of randomness.
    """
    bones = [
        (int(torch.randint(joint, (1,), generator=generator)), joint)
        for joint in range(1, num_joints)
    ]
    return SkeletonLayout(
        name=f"random_{num_joints}",
        joints=[f"joint_{i}" for i in range(num_joints)],
        bones=bones,
        centre=int(torch.randint(num_joints, (1,), generator=generator)),
        left_right=[(num_joints - 2, num_joints - 1)] if num_joints > 2 else [],
    )


def random_skeleton_graph(
    layout: SkeletonLayout | str = "kinect_v2_25",
    track_length: Sequence[int] = (5,),
    num_dims: int = 3,
    *,
    missing: float = 0.0,
    dtype: torch.dtype = torch.float32,
    generator: torch.Generator | None = None,
    **kwargs: Any,
) -> SkeletonGraph:
    """A recording with normally distributed coordinates.

    Args:
        layout: The joints.
        track_length: Number of poses of each track; none for an empty recording.
        num_dims: Number D of coordinates.
        missing: Share of joints without a position (coordinates 0, score 0).
        dtype: Of coordinates and scores. A graph is built in float32; float64 is for tests.
        generator: Source of randomness.
        **kwargs: Further arguments of :class:`SkeletonGraph`.
    """
    joints = resolve_layout(layout)
    nodes = sum(track_length) * joints.num_joints
    pos = torch.randn(nodes, num_dims, generator=generator)
    if missing:
        found = torch.rand(nodes, generator=generator) >= missing
        pos = pos * found[:, None]
        kwargs.setdefault("score", found.float())
    graph = SkeletonGraph(pos, layout=joints, track_length=list(track_length), **kwargs)
    return to_dtype(graph, dtype)


def random_batch(
    lengths: Sequence[Sequence[int]],
    layout: SkeletonLayout | str | Sequence[SkeletonLayout | str] = "kinect_v2_25",
    num_classes: int | None = None,
    *,
    generator: torch.Generator | None = None,
    **kwargs: Any,
) -> Batch:
    """A batch of random recordings.

    Args:
        lengths: Number of poses of each track of each recording.
        layout: One for all recordings, or one each.
        num_classes: Draw a label ``y`` for each recording.
        generator: Source of randomness.
        **kwargs: Further arguments of :func:`random_skeleton_graph`.
    """
    single = isinstance(layout, str | SkeletonLayout)
    layouts: list[Any] = [layout] * len(lengths) if single else list(layout)  # type: ignore[arg-type]
    graphs = []
    for own, tracks in zip(layouts, lengths, strict=True):
        extra = dict(kwargs)
        if num_classes is not None:
            extra["y"] = int(torch.randint(num_classes, (1,), generator=generator))
        graphs.append(random_skeleton_graph(own, tracks, generator=generator, **extra))
    return Batch.from_data_list(graphs)


def to_dtype(graph: SkeletonGraph, dtype: torch.dtype) -> SkeletonGraph:
    """The graph or batch with its floating-point attributes in another precision."""
    return graph.apply(lambda t: t.to(dtype) if t.is_floating_point() else t)


def ntu_like_lengths(
    num_recordings: int, generator: torch.Generator | None = None, quantiles: bool = False
) -> list[list[int]]:
    """Track lengths of the reference workload "NTU-like".

    One person in 82 % of the recordings and two in 18 %; a track has 100 frames with probability
    0.25, else uniformly 35...99.

    Args:
        num_recordings: B.
        generator: Source of randomness.
        quantiles: The lengths at evenly spaced quantiles instead of a draw; ``generator`` then
            only shuffles them.
    """

    def length(u: float) -> int:
        return 100 if u >= 0.75 else 35 + int(u / 0.75 * 65)

    return _lengths(num_recordings, length, generator, quantiles)


def natural_lengths(
    num_recordings: int, generator: torch.Generator | None = None, quantiles: bool = False
) -> list[list[int]]:
    """Track lengths of the reference workload "natural".

    Log-normal with median 70 and sigma 0.5, clipped to 20...300; persons as in
    :func:`ntu_like_lengths`.

    Args:
        num_recordings: B.
        generator: Source of randomness.
        quantiles: See :func:`ntu_like_lengths`.
    """
    normal = torch.distributions.Normal(0.0, 1.0)

    def length(u: float) -> int:
        z = float(normal.icdf(torch.tensor(min(max(u, 1e-6), 1 - 1e-6))))
        return min(max(round(70 * math.exp(0.5 * z)), 20), 300)

    return _lengths(num_recordings, length, generator, quantiles)


def _lengths(
    num_recordings: int,
    length: Callable[[float], int],
    generator: torch.Generator | None,
    quantiles: bool,
) -> list[list[int]]:
    if quantiles:
        pairs = round(num_recordings * SHARE_OF_PAIRS)
        two = [i < pairs for i in range(num_recordings)]
        n = num_recordings + pairs
        order = torch.randperm(n, generator=generator).tolist()
        draws = [(i + 0.5) / n for i in order]
    else:
        two = (torch.rand(num_recordings, generator=generator) < SHARE_OF_PAIRS).tolist()
        draws = torch.rand(num_recordings + sum(two), generator=generator).tolist()
    rest = iter(draws)
    return [[length(next(rest)) for _ in range(1 + pair)] for pair in two]
