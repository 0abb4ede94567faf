"""Which edges and joints of a skeleton a network kept, and how much it uses them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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
from stgraph.viz.skeleton import _clean_axes, frame_limits, to_plane
from stgraph.viz.style import CYCLE, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours of what was cut and of the bones behind all edges.
CUT, GROUND = "#868E94", "#EEF0F1"
DASHES = (0, (2.5, 2.0))


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
        type_names += [f"type {kind}" for kind in range(len(type_names), kinds)]
    elif len(type_names) < kinds:
        raise ValueError(f"'draw_kept_edges' expected {kinds} type names (got {len(type_names)})")
    plane = to_plane(rest_pose(layout) if pose is None else torch.as_tensor(pose), 0.0, y_down)
    width, height = (plane.amax(0) - plane.amin(0)).tolist()
    wide, tall = 2.9, min(max(2.6 * height / max(width, 1e-6), 2.6), 4.9)
    most = max(float(p.scores[p.kept].max()) if p.kept.any() else 0.0 for p in shown.values())
    heaviest = max(float(panel.joint_scores.max()) for panel in shown.values())
    with house_style():
        figure, axes = new_figure(
            max(wide * len(shown), 3.4),
            tall + 0.85 + 0.3 * bool(title or synthetic) + 0.15 * synthetic,
            1,
            len(shown),
            title,
            synthetic,
        )
        if synthetic:  # headings stay clear of the mark
            engine: Any = figure.get_layout_engine()
            engine.set(rect=(0, 0, 1, 1 - 0.15 / figure.get_figheight()))
        for ax, (heading, panel) in zip(axes, shown.items(), strict=True):
            ax = _clean_axes(ax, wide, tall)
            ax.set_aspect("equal", adjustable="box")
            ax.set(**frame_limits(plane, 0.05))
            pen = _Pen(ax, plane, 72 * min(wide / max(width, 1e-6), tall / max(height, 1e-6)))
            reach = _draw(pen, layout, panel, max(most, 1e-12), max(heaviest, 1e-12))
            _name(pen, layout, range(layout.num_joints) if names is True else names or (), reach)
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
    scored: bool
    joints_scored: bool

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
        scored = panel.scores is not None, panel.joint_scores is not None
        return cls(edges, kept, scores, joints, joint_scores, *scored)


class _Pen(NamedTuple):
    """Where to draw: the axes, the place of each joint [V, 2], and points a unit of it."""

    ax: Axes
    plane: Tensor
    scale: float

    def at(self, joint: int) -> tuple[float, float]:
        return float(self.plane[joint, 0]), float(self.plane[joint, 1])

    def line(self, a: int, b: int, **style: Any) -> None:
        self.ax.plot(self.plane[[a, b], 0], self.plane[[a, b], 1], **style)

    def dot(self, joint: int, radius: float, **style: Any) -> None:
        self.ax.scatter(*self.at(joint), s=(2 * radius) ** 2, **style)


def _draw(
    pen: _Pen, layout: SkeletonLayout, panel: _Shown, most: float, heaviest: float
) -> list[float]:
    """Draws one panel; returns how far each joint reaches with its rings, in points."""
    for a, b in layout.bones:
        pen.line(a, b, color=GROUND, linewidth=6.5, zorder=1, solid_capstyle="round")
    source, target = panel.edges.edge_index.tolist()
    kinds, kept = panel.edges.edge_type.tolist(), panel.kept.tolist()
    shares = (panel.scores / most if panel.scored else torch.full((len(kept),), 0.35)).tolist()
    colours = [CYCLE[kind % len(CYCLE)] for kind in kinds]
    reach = _draw_joints(pen, panel, heaviest, [
        (target[e], shares[e], colours[e])
        for e in range(len(kept)) if kept[e] and source[e] == target[e]
    ])  # fmt: skip
    bones = {frozenset(bone) for bone in layout.bones}
    ends = list(zip(source, target, strict=True))
    alive = {pair for pair, on in zip(ends, kept, strict=True) if on}
    # a bone is dashed where a message along it is gone, once for both directions
    cut = {frozenset(pair) for pair in ends if pair not in alive} & bones
    for a, b in sorted(tuple(sorted(pair)) for pair in cut):
        pen.line(a, b, color=CUT, linewidth=0.9, linestyle=DASHES, zorder=1.5)
    lanes: dict[tuple[int, int], int] = {}
    for e in sorted(range(len(kept)), key=lambda e: -shares[e]):
        s, t = ends[e]
        if kept[e] and s != t:
            lane = lanes[s, t] = lanes.get((s, t), -1) + 1
            along = frozenset((s, t)) in bones
            _arrow(pen, (s, t), colours[e], shares[e], lane, (reach[s], reach[t]), along)
    return reach


def _arrow(
    pen: _Pen,
    ends: tuple[int, int],
    colour: str,
    share: float,
    lane: int,
    reach: tuple[float, float],
    along: bool,
) -> None:
    """An arrow that bends to one side of its way, so that both directions are seen."""
    from matplotlib.patches import FancyArrowPatch

    start, end = (pen.at(joint) for joint in ends)
    length = math.dist(start, end) * pen.scale
    # between close joints an arrow begins and ends on their rings rather than vanish
    fit = min(1.0, 0.45 * length / (sum(reach) + 1e-6))
    pen.ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={0.14 + 0.12 * lane if along else 0.22 + 0.05 * lane}",
            arrowstyle="-|>,head_length=0.42,head_width=0.2",
            mutation_scale=(5 + 4 * share) * min(1.0, 0.5 + length / 40),
            shrinkA=reach[0] * fit,
            shrinkB=reach[1] * fit,
            color=colour,
            linewidth=(0.7 if along else 0.45) + 2.2 * share,
            alpha=0.95 if along else 0.55,
            zorder=3 if along else 2,
            joinstyle="miter",
            capstyle="butt",
        )
    )


def _draw_joints(
    pen: _Pen, panel: _Shown, heaviest: float, loops: list[tuple[int, float, str]]
) -> list[float]:
    """Dots and their rings; returns how far each joint reaches, in points."""
    shares = (panel.joint_scores / heaviest).sqrt()
    sizes = (1.5 + 2.1 * (shares if panel.joints_scored else shares.clamp(max=0.5))).tolist()
    reach = []
    for joint, on in enumerate(panel.joints.tolist()):
        radius = sizes[joint] if on else 2.0
        colours = {"facecolor": INK if on else "white", "edgecolor": "white" if on else CUT}
        pen.dot(joint, radius, **colours, linewidth=0.6 if on else 1.1, zorder=5)
        # from the inside outwards, the strongest first
        own = sorted((loop for loop in loops if loop[0] == joint), key=lambda loop: -loop[1])
        for _, share, colour in own:
            wide = 0.6 + 1.8 * share
            radius += 0.8 + wide / 2
            pen.dot(joint, radius, facecolor="none", edgecolor=colour, linewidth=wide, zorder=4)
            radius += wide / 2
        reach.append(radius + 1.2)
    return reach


def _name(pen: _Pen, layout: SkeletonLayout, joints: Sequence[int], reach: list[float]) -> None:
    from matplotlib.patheffects import withStroke

    written: list[tuple[bool, float, float]] = []  # side and place in points, from the top down
    for joint in sorted(joints, key=lambda joint: pen.at(joint)[1]):
        right = bool(pen.plane[joint, 0] >= pen.plane[:, 0].median())
        away = reach[joint] + 2
        x, y = (pen.scale * place for place in pen.at(joint))
        close = [b for side, a, b in written if side == right and abs(a - x) < 60]
        low = max([y, *(b + 8 for b in close)])
        written.append((right, x, low))
        pen.ax.annotate(
            layout.joints[joint].replace("_", " "),
            pen.at(joint),
            xytext=(away if right else -away, y - low),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=7,
            color=INK,
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
            zorder=3.5,  # over edges, under joints
        )


def _legend(figure: Figure, names: list[str], panels: list[_Shown]) -> None:
    """One legend below all panels: types, widths, what was cut."""
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    def line(colour: str, width: float, style: Any = "solid") -> Line2D:
        return Line2D([], [], color=colour, linewidth=width, linestyle=style)

    def ring(size: float, colour: str, width: float) -> Line2D:
        return Line2D([], [], marker="o", linestyle="none", markersize=size, markeredgewidth=width,
                      markerfacecolor="none", markeredgecolor=colour)  # fmt: skip

    used = sorted({int(kind) for p in panels for kind in p.edges.edge_type[p.kept].tolist()})
    entries: list[tuple[str, Any]] = [
        (names[kind], line(CYCLE[kind % len(CYCLE)], 2.4)) for kind in used
    ]
    if any(bool((p.edges.edge_index[0] == p.edges.edge_index[1])[p.kept].any()) for p in panels):
        entries.append(("from a joint to itself", ring(7, QUIET, 1.6)))
    if any(p.scored for p in panels):
        entries.append(("low, high score", (line(QUIET, 0.8), line(QUIET, 2.9))))
    if any(not bool(p.kept.all()) for p in panels):
        entries.append(("cut", line(CUT, 0.9, DASHES)))
    if any(not bool(p.joints.all()) for p in panels):
        entries.append(("joint cut", ring(4.5, CUT, 1.1)))
    longest = max((len(label) for label, _ in entries), default=1)
    fit = int(figure.get_figwidth() / (0.42 + 0.055 * longest))
    figure.legend(
        [handle for _, handle in entries],
        [label for label, _ in entries],
        loc="outside lower center",
        ncols=len(entries) if len(panels) > 2 else max(1, min(fit, len(entries))),
        columnspacing=1.4,
        handlelength=2.0,
        handletextpad=0.5,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.5)},
    )
