"""Which edges and joints of a skeleton a network kept, and how much it uses them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from stgraph.skeleton import (
    Partition,
    PartitionStrategy,
    SkeletonLayout,
    resolve_layout,
    resolve_partition,
)
from stgraph.viz.partition import _type_names
from stgraph.viz.rest_pose import rest_pose
from stgraph.viz.skeleton import _clean_axes, to_plane
from stgraph.viz.style import CYCLE, FAINT, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colour of what was cut.
CUT = "#9AA1A6"


class KeptEdges(NamedTuple):
    """What one panel of :func:`draw_kept_edges` shows.

    Attributes:
        edges: All edges before anything was cut: finished ones, a name or a strategy.
        kept: Which of them are left, bool [E]; None for all.
        scores: How much each is used, at least 0, [E]; None for alike.
        joints: Which joints are left, bool [V]; None for all.
        joint_scores: How much each is used, at least 0, [V]; None for alike.
    """

    edges: str | PartitionStrategy | Partition
    kept: Tensor | None = None
    scores: Tensor | None = None
    joints: Tensor | None = None
    joint_scores: Tensor | None = None


def draw_kept_edges(
    layout: SkeletonLayout | str,
    panels: KeptEdges | Mapping[str, KeptEdges],
    pose: Tensor | None = None,
    *,
    names: bool | Sequence[int] = False,
    type_names: Sequence[str] | None = None,
    title: str | None = None,
    synthetic: bool = False,
    y_down: bool | None = None,
) -> Figure:
    """Draws the graph that a network was left with, one panel or several with one legend.

    A kept edge has the colour of its type and is as wide as its score; an arrowhead says where it
    goes, and an edge from a joint to itself is a ring around it. Messages in both directions run
    beside each other. What was cut is dashed; a joint that was cut is hollow.

    Args:
        layout: The layout.
        panels: What to show, by heading; widths compare between panels.
        pose: [V, D]; by default :func:`~stgraph.viz.rest_pose`.
        names: Write joint names: all, none, or those of some joints.
        type_names: What the types mean; by default as the strategy says.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.
        y_down: See :func:`~stgraph.viz.to_plane`.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no panel, or a tensor does not fit the edges or the joints.
    """
    layout = resolve_layout(layout)
    chosen = {"": panels} if isinstance(panels, KeptEdges) else dict(panels)
    if not chosen:
        raise ValueError("'draw_kept_edges' expected at least one panel (got none)")
    shown = {heading: _Shown.of(layout, panel) for heading, panel in chosen.items()}
    first = next(iter(chosen.values())).edges
    strategy = None if isinstance(first, Partition) else resolve_partition(first)
    kinds = max(panel.edges.num_types for panel in shown.values())
    if type_names is None:
        type_names = _type_names(strategy, next(iter(shown.values())).edges)
    elif len(type_names) < kinds:
        raise ValueError(f"'draw_kept_edges' expected {kinds} type names (got {len(type_names)})")
    plane = to_plane(rest_pose(layout) if pose is None else torch.as_tensor(pose), 0.0, y_down)
    width, height = (plane.amax(0) - plane.amin(0)).tolist()
    wide, tall = 2.9, min(max(2.6 * height / max(width, 1e-6), 2.6), 4.9)
    most = max((float(p.scores[p.kept].max()) for p in shown.values() if p.kept.any()), default=1)
    heaviest = max(float(panel.joint_scores.max()) for panel in shown.values())
    with house_style():
        figure, axes = new_figure(
            max(wide * len(shown), 3.4),
            tall + 0.85 + 0.3 * bool(title or synthetic),
            1,
            len(shown),
            title,
            synthetic,
        )
        for ax, (heading, panel) in zip(axes, shown.items(), strict=True):
            ax = _clean_axes(ax, wide, tall)
            _draw(ax, layout, panel, plane, max(most, 1e-12), max(heaviest, 1e-12))
            _name(ax, layout, plane, names)
            if heading:
                ax.set_title(heading, loc="center")
        _legend(figure, list(type_names), list(shown.values()))
    return figure


class _Shown(NamedTuple):
    """A panel with every field filled in."""

    edges: Partition
    kept: Tensor
    scores: Tensor
    joints: Tensor
    joint_scores: Tensor

    @classmethod
    def of(cls, layout: SkeletonLayout, panel: KeptEdges) -> _Shown:
        edges = panel.edges
        if not isinstance(edges, Partition):
            edges = resolve_partition(edges)(layout)
        e, v = edges.num_edges, layout.num_joints
        if edges.num_joints != v:
            raise ValueError(
                f"'draw_kept_edges' expected edges of the {v} joints of layout {layout.name!r} "
                f"(got {edges.num_joints})"
            )
        fields = []
        for name, value, size in (
            ("kept", panel.kept, e),
            ("scores", panel.scores, e),
            ("joints", panel.joints, v),
            ("joint_scores", panel.joint_scores, v),
        ):
            flag = "scores" not in name
            value = torch.ones(size) if value is None else torch.as_tensor(value).detach().cpu()
            if value.shape != (size,):
                raise ValueError(
                    f"'draw_kept_edges' expected {name!r} as [{size}] (got {list(value.shape)})"
                )
            if not flag and not (torch.isfinite(value).all() and (value >= 0).all()):
                raise ValueError(f"'draw_kept_edges' expected finite {name!r} of at least 0")
            fields.append(value.bool() if flag else value.float())
        kept, scores, joints, joint_scores = fields
        kept = kept & joints[edges.edge_index].all(dim=0)
        return cls(edges, kept, scores, joints, joint_scores)


def _draw(
    ax: Axes, layout: SkeletonLayout, panel: _Shown, plane: Tensor, most: float, heaviest: float
) -> None:
    for a, b in layout.bones:
        ax.plot(plane[[a, b], 0], plane[[a, b], 1], color="#EEF0F1", linewidth=6.5, zorder=1,
                solid_capstyle="round")  # fmt: skip
    source, target = panel.edges.edge_index.tolist()
    kinds = panel.edges.edge_type.tolist()
    kept, scores = panel.kept.tolist(), panel.scores.tolist()
    rings: dict[int, list[tuple[str, float]]] = {}
    bones = {frozenset(bone) for bone in layout.bones}
    alive = {(s, t) for s, t, on in zip(source, target, kept, strict=True) if on}
    sizes = _joint_sizes(panel, heaviest)
    seen: dict[tuple[int, int], int] = {}
    order = sorted(range(len(kept)), key=lambda e: (kept[e], scores[e]))
    for e in order:
        s, t = source[e], target[e]
        if s == t:
            if kept[e]:
                rings.setdefault(t, []).append((CYCLE[kinds[e] % len(CYCLE)], scores[e] / most))
            continue
        if not kept[e]:
            # one dash for both directions, and none where an edge is left or no bone is
            if (s, t) not in alive and frozenset((s, t)) in bones:
                _dash(ax, plane, s, t)
            continue
        lane = seen.get((s, t), 0)
        seen[s, t] = lane + 1
        gaps = (math.sqrt(sizes[s]) / 2 + 1, math.sqrt(sizes[t]) / 2 + 1.5)
        colour = CYCLE[kinds[e] % len(CYCLE)]
        _arrow(ax, plane, (s, t), colour, scores[e] / most, lane, gaps, frozenset((s, t)) in bones)
    _joints(ax, panel, plane, sizes, rings)


def _arrow(
    ax: Axes,
    plane: Tensor,
    ends: tuple[int, int],
    colour: str,
    share: float,
    lane: int,
    gaps: tuple[float, float],
    bone: bool,
) -> None:
    """An arrow on the right-hand side of its way, so that both directions are seen."""
    from matplotlib.patches import FancyArrowPatch

    (ax0, ay0), (bx, by) = (tuple(plane[j].tolist()) for j in ends)
    bend = 0.16 + 0.12 * lane if bone else 0.24 + 0.05 * lane
    ax.add_patch(
        FancyArrowPatch(
            (ax0, ay0),
            (bx, by),
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>,head_length=0.42,head_width=0.2",
            mutation_scale=5 + 4 * share,
            shrinkA=gaps[0],
            shrinkB=gaps[1],
            color=colour,
            linewidth=0.6 + 2.4 * share,
            alpha=0.95 if bone else 0.6,
            zorder=3 if bone else 2,
            joinstyle="miter",
            capstyle="butt",
        )
    )


def _dash(ax: Axes, plane: Tensor, s: int, t: int) -> None:
    ax.plot(plane[[s, t], 0], plane[[s, t], 1], color=CUT, linewidth=0.9, linestyle=(0, (2.5, 2)),
            zorder=1.5)  # fmt: skip


def _joint_sizes(panel: _Shown, heaviest: float) -> list[float]:
    """Area of each joint's dot in square points."""
    shares = (panel.joint_scores / heaviest).tolist()
    kept = panel.joints.tolist()
    return [10 + 40 * share if on else 16 for share, on in zip(shares, kept, strict=True)]


def _joints(
    ax: Axes,
    panel: _Shown,
    plane: Tensor,
    sizes: list[float],
    rings: dict[int, list[tuple[str, float]]],
) -> None:
    for joint, on in enumerate(panel.joints.tolist()):
        place = float(plane[joint, 0]), float(plane[joint, 1])
        edge = sizes[joint]
        # rings from the inside outwards, the strongest first
        radius = math.sqrt(edge) / 2 + 1.2
        for colour, share in sorted(rings.get(joint, []), key=lambda ring: -ring[1]):
            wide = 0.6 + 2.0 * share
            radius += wide / 2
            ax.scatter(*place, s=(2 * radius) ** 2, facecolor="none", edgecolor=colour,
                       linewidth=wide, zorder=4)  # fmt: skip
            radius += wide / 2 + 0.7
        ax.scatter(
            *place,
            s=edge,
            facecolor=INK if on else "white",
            edgecolor="white" if on else CUT,
            linewidth=0.6 if on else 1.1,
            zorder=5,
        )


def _name(ax: Axes, layout: SkeletonLayout, plane: Tensor, names: bool | Sequence[int]) -> None:
    chosen = range(layout.num_joints) if names is True else names or ()
    for joint in chosen:
        right = plane[joint, 0] >= plane[:, 0].median()
        ax.annotate(
            layout.joints[joint].replace("_", " "),
            (float(plane[joint, 0]), float(plane[joint, 1])),
            xytext=(9 if right else -9, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=7,
            color=QUIET,
            annotation_clip=False,
            zorder=6,
        )


def _legend(figure: Figure, names: list[str], panels: list[_Shown]) -> None:
    """One legend below all panels: types, widths, what was cut."""
    from matplotlib.lines import Line2D

    used = sorted({int(k) for p in panels for k in p.edges.edge_type.unique().tolist()})
    handles = [Line2D([], [], color=CYCLE[kind % len(CYCLE)], linewidth=2.4) for kind in used]
    labels = [names[kind] for kind in used]
    if any(bool((p.edges.edge_index[0] == p.edges.edge_index[1])[p.kept].any()) for p in panels):
        handles.append(
            Line2D([], [], marker="o", linestyle="none", markersize=7, markerfacecolor="none",
                   markeredgecolor=QUIET, markeredgewidth=1.6)  # fmt: skip
        )
        labels.append("from a joint to itself")
    if any(not bool(p.kept.all()) for p in panels):
        handles.append(Line2D([], [], color=CUT, linewidth=0.9, linestyle=(0, (2.5, 2))))
        labels.append("cut")
    if any(not bool(p.joints.all()) for p in panels):
        handles.append(
            Line2D([], [], marker="o", linestyle="none", markersize=5, markerfacecolor="white",
                   markeredgecolor=CUT)  # fmt: skip
        )
        labels.append("joint cut")
    columns = min(len(handles), max(2, 2 * len(panels)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.4,
        handlelength=1.6, handletextpad=0.5, labelcolor=INK,
    )  # fmt: skip
