"""Partitions of a skeleton's edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stgraph.skeleton import (
    Partition,
    PartitionStrategy,
    SkeletonLayout,
    resolve_layout,
    resolve_partition,
)
from stgraph.viz.rest_pose import rest_pose
from stgraph.viz.skeleton import _clean_axes, to_plane
from stgraph.viz.style import CYCLE, FAINT, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What the types of the four strategies mean.
TYPE_NAMES: dict[str, tuple[str, ...]] = {
    "Uniform": ("all alike",),
    "Distance": ("the joint itself", "its neighbours"),
    "SpatialConfiguration": ("itself, or equally far", "nearer the centre", "farther out"),
    "Symmetrical": ("the joint itself", "neighbours and mirror images"),
    "InwardOutward": ("the joint itself", "its parent", "its children"),
    "Identity": ("the joint itself",),
}


def draw_partition(
    layout: SkeletonLayout | str,
    partition: str | PartitionStrategy | Partition,
    pose: Tensor | None = None,
    root: int | str | None = None,
    *,
    ax: Axes | None = None,
    legend: bool = True,
    title: str | None = None,
    size: float = 1.0,
    y_down: bool | None = None,
) -> Axes:
    """Draws which weight matrix each message uses, by colour.

    With a root joint: what that joint receives, an arrow from each neighbour. Without: all edges;
    the half of a bone next to a joint has the colour of what arrives there, a joint that of what
    it sends to itself, and an arc is a message along no bone.

    Args:
        layout: The layout.
        partition: A name, a strategy, or finished edges.
        pose: [V, D]; by default :func:`~stgraph.viz.rest_pose`.
        root: Joint that receives, by number or name; None for all.
        ax: Where to draw; by default a new figure.
        legend: Say below what the colours mean.
        title: Heading of the axes.
        size: Factor of joints and edges.
        y_down: See :func:`~stgraph.viz.to_plane`.

    Returns:
        The axes.
    """
    layout = resolve_layout(layout)
    strategy = None if isinstance(partition, Partition) else resolve_partition(partition)
    edges = partition if strategy is None else strategy(layout)
    assert isinstance(edges, Partition)
    plane = to_plane(rest_pose(layout) if pose is None else torch.as_tensor(pose), 0.0, y_down)
    root = layout.index(root) if isinstance(root, str) else root
    with house_style():
        ax = _clean_axes(ax, 2.6, 3.8)
        for a, b in layout.bones:
            ax.plot(
                plane[[a, b], 0],
                plane[[a, b], 1],
                color=FAINT,
                linewidth=3.0 * size,
                solid_capstyle="round",
                zorder=1,
            )
        if root is None:
            _draw_all(ax, layout, edges, plane, size)
        else:
            _draw_root(ax, edges, plane, root, size)
        if title:
            ax.set_title(title, loc="center")
        if legend:
            _draw_legend(ax, _type_names(strategy, edges))
    return ax


def _triples(edges: Partition) -> list[tuple[int, int, int]]:
    """(source, target, type) of every edge."""
    source, target = edges.edge_index.tolist()
    return list(zip(source, target, edges.edge_type.tolist(), strict=True))


def _point(plane: Tensor, joint: int) -> tuple[float, float]:
    return float(plane[joint, 0]), float(plane[joint, 1])


def _draw_all(
    ax: Axes, layout: SkeletonLayout, edges: Partition, plane: Tensor, size: float
) -> None:
    from matplotlib.patches import FancyArrowPatch

    bones = {frozenset(bone) for bone in layout.bones}
    own: dict[int, str] = {}
    halves = {(source, target): kind for source, target, kind in _triples(edges)}
    for source, target, kind in _triples(edges):
        colour = CYCLE[kind % len(CYCLE)]
        if source == target:
            own.setdefault(target, colour)
        elif frozenset((source, target)) in bones:
            # both halves of one colour are one line, or a seam would show
            whole = halves.get((target, source)) == kind
            middle = plane[source] if whole else (plane[source] + plane[target]) / 2
            ax.plot(
                [float(middle[0]), float(plane[target, 0])],
                [float(middle[1]), float(plane[target, 1])],
                color=colour,
                linewidth=2.6 * size,
                solid_capstyle="butt",
                zorder=3,
            )
        elif source < target:
            ax.add_patch(
                FancyArrowPatch(
                    _point(plane, source),
                    _point(plane, target),
                    connectionstyle="arc3,rad=0.18",
                    arrowstyle="-",
                    color=colour,
                    linewidth=0.8 * size,
                    alpha=0.55,
                    zorder=2,
                )
            )
    for joint in range(layout.num_joints):
        colour = own.get(joint, FAINT)
        ax.scatter(
            float(plane[joint, 0]),
            float(plane[joint, 1]),
            s=34 * size**2,
            color=colour,
            edgecolor="white",
            linewidth=0.9,
            zorder=4,
        )


def _draw_root(ax: Axes, edges: Partition, plane: Tensor, root: int, size: float) -> None:
    ax.scatter(plane[:, 0], plane[:, 1], s=16 * size**2, color=FAINT, zorder=2)
    # a type may hold what another one holds already; the first has the colour
    for source, target, kind in reversed(_triples(edges)):
        if target != root:
            continue
        colour = CYCLE[kind % len(CYCLE)]
        ax.scatter(
            float(plane[source, 0]),
            float(plane[source, 1]),
            s=52 * size**2,
            color=colour,
            edgecolor="white",
            linewidth=0.9,
            zorder=4,
        )
        if source != target:
            ax.annotate(
                "",
                xy=_point(plane, target),
                xytext=_point(plane, source),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": colour,
                    "linewidth": 1.8 * size,
                    "shrinkA": 3,
                    "shrinkB": 6,
                    "mutation_scale": 9 * size,
                },
                zorder=3,
            )
    ax.scatter(
        float(plane[root, 0]),
        float(plane[root, 1]),
        s=170 * size**2,
        facecolor="none",
        edgecolor=INK,
        linewidth=1.1,
        linestyle=(0, (2.2, 1.4)),
        zorder=5,
    )


def _type_names(strategy: PartitionStrategy | None, edges: Partition) -> list[str]:
    named = TYPE_NAMES.get(type(strategy).__name__, ())
    if len(named) == edges.num_types:
        return list(named)
    return [f"type {kind}" for kind in range(edges.num_types)]


def _draw_legend(ax: Axes, names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker="o", linestyle="none", markersize=6, color=CYCLE[kind % len(CYCLE)])
        for kind in range(len(names))
    ]
    ax.legend(
        handles,
        names,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        handletextpad=0.2,
        labelspacing=0.35,
        borderaxespad=0.2,
    )


def draw_partitions(
    layout: SkeletonLayout | str,
    partitions: Mapping[str, str | PartitionStrategy | Partition] | Sequence[str] = (
        "uniform",
        "distance",
        "spatial",
        "symmetrical",
    ),
    pose: Tensor | None = None,
    root: int | str | None = None,
    *,
    title: str | None = None,
    synthetic: bool = False,
    y_down: bool | None = None,
) -> Figure:
    """Several partitions of one skeleton side by side.

    Args:
        layout: The layout.
        partitions: Names, or a mapping of headings to what :func:`draw_partition` takes.
        pose: [V, D], see :func:`draw_partition`.
        root: See :func:`draw_partition`; with a joint there is a second row with what it receives.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.
        y_down: See :func:`~stgraph.viz.to_plane`.

    Returns:
        The figure.
    """
    layout = resolve_layout(layout)
    chosen = partitions if isinstance(partitions, Mapping) else {p: p for p in partitions}
    rows = 1 if root is None else 2
    plane = to_plane(rest_pose(layout) if pose is None else torch.as_tensor(pose), 0.0, y_down)
    width, height = (plane.amax(0) - plane.amin(0)).tolist()
    tall = min(max(1.9 * height / max(width, 1e-6), 1.8), 3.3)
    with house_style():
        figure, axes = new_figure(
            2.15 * len(chosen),
            tall * rows + 0.95 + 0.3 * bool(title or synthetic),
            rows,
            len(chosen),
            title,
            synthetic,
        )
        for column, (heading, partition) in enumerate(chosen.items()):
            shared = {"y_down": y_down, "size": 0.95}
            draw_partition(
                layout,
                partition,
                pose,
                ax=axes[column],
                title=heading,
                legend=root is None,
                **shared,  # type: ignore[arg-type]
            )
            if root is not None:
                draw_partition(
                    layout,
                    partition,
                    pose,
                    root,
                    ax=axes[len(chosen) + column],
                    **shared,  # type: ignore[arg-type]
                )
        if root is not None:
            number = layout.index(root) if isinstance(root, str) else root
            name = (layout.canonical[number] or layout.joints[number]).replace("_", " ")
            for row, text in enumerate(("all messages", f"what the {name} receives")):
                axes[row * len(chosen)].text(
                    -0.02,
                    0.5,
                    text,
                    transform=axes[row * len(chosen)].transAxes,
                    rotation=90,
                    ha="right",
                    va="center",
                    color=QUIET,
                    fontsize=8.5,
                )
    return figure
