"""How well true sequences are told from ones with two parts exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from stgraph.viz.style import INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Names of the classes in the order in which they are drawn: class 1, then class 0.
NAMES = ("true order", "exchanged")


def draw_order_confusion(
    panels: Mapping[str, Any],
    *,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """A confusion of two classes a panel: counts in the cells, and the share of each true class.

    Args:
        panels: For each panel (``"clips"``, ``"videos"``) the counts [2, 2], row the true class;
            class 0 is exchanged, class 1 the true order, as in
            :func:`~stgraph.objectives.order_loss`. The true order is drawn first.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no panel, or counts are not [2, 2] and at least 0.
    """
    if not panels:
        raise ValueError("'draw_order_confusion' expected at least one panel (got none)")
    tables = {}
    for panel, counts in panels.items():
        table = np.asarray(counts, dtype=float)
        if table.shape != (2, 2) or not (table >= 0).all():
            raise ValueError(
                f"'draw_order_confusion' expected counts [2, 2] of at least 0 in panel {panel!r} "
                f"(got {table.tolist()})"
            )
        tables[panel] = table[::-1, ::-1]
    with house_style():
        figure, axes = new_figure(
            1.2 + 2.6 * len(tables),
            3.2 + 0.35 * bool(title or synthetic),
            1,
            len(tables),
            title,
            synthetic,
            sharey=True,
        )
        for ax, (panel, table) in zip(axes, tables.items(), strict=True):
            _draw_table(ax, panel, table)
        axes[0].set_ylabel("what it is")
    return figure


def _draw_table(ax: Axes, panel: str, table: np.ndarray) -> None:
    total = table.sum()
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.1, aspect="equal")
    for i, j in np.ndindex(2, 2):
        colour = "white" if share[i, j] > 0.65 else INK
        ax.text(
            j,
            i - 0.06,
            f"{table[i, j]:,.0f}",
            ha="center",
            va="center",
            fontsize=13,
            fontweight="bold" if i == j else "normal",
            color=colour,
        )
        if table[i].sum():
            ax.text(
                j, i + 0.2, f"{share[i, j]:.1%}", ha="center", va="center", fontsize=8, color=colour
            )
    right = f"{np.trace(table) / total:.1%} of {total:,.0f} right" if total else "none seen"
    ax.set_title(panel, loc="center", pad=20)
    ax.annotate(
        right,
        (0.5, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=QUIET,
    )
    ax.set_xticks(range(2), NAMES)
    ax.set_yticks(range(2), NAMES, rotation=90, va="center")
    ax.set_xlabel("what it was taken for")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.axhline(0.5, color="white", linewidth=2)
    ax.axvline(0.5, color="white", linewidth=2)
