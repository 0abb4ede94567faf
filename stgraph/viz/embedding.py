"""Embeddings of recordings, coloured by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stgraph.viz.style import CYCLE, FAINT, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Shapes that tell classes apart once colours come again.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw_embedding(
    points: Any,
    y: Any,
    class_names: Sequence[str],
    *,
    classes: Sequence[int] | None = None,
    title: str | None = None,
    subtitle: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """A scatter plot of embedded recordings in a plane or in space.

    Args:
        points: [n, 2] or [n, 3].
        y: Classes, [n].
        class_names: Names of the classes.
        classes: Classes to show in colour, the others in pale grey; by default all.
        title: Heading.
        subtitle: A line under it.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not fit.
    """
    points, y = np.asarray(points, dtype=float), np.asarray(y)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or len(y) != len(points):
        raise ValueError(
            f"'draw_embedding' expected [n, 2] or [n, 3] points and n classes (got "
            f"{list(points.shape)} and {list(y.shape)})"
        )
    solid = points.shape[1] == 3
    shown = sorted(set(y[y >= 0].tolist())) if classes is None else list(classes)
    with house_style():
        figure, (ax,) = new_figure(
            6.6,
            4.6 + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
            subplot_kw={"projection": "3d"} if solid else {},
        )
        rest = ~np.isin(y, shown)
        scatter: Any = ax.scatter
        if rest.any():
            scatter(*points[rest].T, s=7, color=FAINT, linewidths=0, label="others")
        for number, label in enumerate(shown):
            mine = y == label
            scatter(
                *points[mine].T,
                s=15,
                alpha=0.85,
                color=(*CYCLE, INK)[number % (len(CYCLE) + 1)],
                marker=MARKERS[number // (len(CYCLE) + 1) % len(MARKERS)],
                edgecolors="white",
                linewidths=0.3,
                label=class_names[label].replace("_", " "),
            )
        _no_scale(ax, solid)
        if subtitle:
            ax.set_title(subtitle, fontsize=8.5, fontweight="normal", color=QUIET)
        figure.legend(loc="outside right center", markerscale=1.4)
    return figure


def _no_scale(ax: Axes, solid: bool) -> None:
    """Distances have no unit: no numbers, the same length along all axes."""
    ax.set_xticks([])
    ax.set_yticks([])
    if solid:
        ax.set_zticks([])  # type: ignore[attr-defined]
        ax.set_box_aspect((1, 1, 1), zoom=1.0)  # type: ignore[arg-type, call-arg]
        axes: Any = (ax.xaxis, ax.yaxis, ax.zaxis)  # type: ignore[attr-defined]
        for axis in axes:
            axis.pane.set_facecolor("white")
            axis.pane.set_edgecolor(FAINT)
    else:
        ax.set_aspect("equal", adjustable="datalim")
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color(FAINT)
