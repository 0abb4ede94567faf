"""Charts with a bar for every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from stgraph.viz.style import BLUE, INK, QUIET, VERMILLION, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: More classes than this are numbered instead of named.
NAMED = 60


def _bars(ax: Axes, values: Sequence[float], names: Sequence[str], colours: Sequence[str]) -> None:
    place = np.arange(len(values))
    ax.bar(place, values, width=0.8, color=colours)
    if len(values) <= NAMED:
        plain = [name.replace("_", " ") for name in names]
        ax.set_xticks(place, plain, rotation=40, ha="right", rotation_mode="anchor")
    else:
        ax.set_xlabel("class, in this order")
        ax.set_xticks([])
    ax.tick_params(axis="x", length=0)
    ax.grid(axis="y")
    ax.margins(x=0.01)


def draw_class_differences(
    accuracy: Sequence[float],
    class_names: Sequence[str],
    *,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """How far each class's accuracy lies from the mean over classes, best first.

    Args:
        accuracy: Of each class; not a number where it has no recording, which is left out.
        class_names: Names of the classes.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is not one accuracy a class.
    """
    if len(accuracy) != len(class_names):
        raise ValueError(
            f"'draw_class_differences' expected {len(class_names)} accuracies (got {len(accuracy)})"
        )
    known = [
        (value, name) for value, name in zip(accuracy, class_names, strict=True) if value == value
    ]
    known.sort(key=lambda pair: -pair[0])
    mean = float(np.mean([value for value, _ in known])) if known else 0.0
    values = [value - mean for value, _ in known]
    with house_style():
        figure, (ax,) = new_figure(
            max(4.6, 1.4 + 0.34 * min(len(values), NAMED)),
            3.3 + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
        )
        colours = [BLUE if value >= 0 else VERMILLION for value in values]
        _bars(ax, values, [name for _, name in known], colours)
        ax.axhline(0, color=INK, linewidth=0.8)
        spread = float(np.std(values)) if values else 0.0
        ax.set_ylabel("accuracy less the mean over classes")
        ax.set_title(
            f"mean {mean:.3f}, deviation {spread:.3f}",
            fontsize=8.5,
            fontweight="normal",
            color=QUIET,
        )
    return figure


def draw_class_frequencies(
    counts: Sequence[int],
    class_names: Sequence[str],
    *,
    accuracy: Sequence[float] | None = None,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """How many recordings each class has, the most frequent first: the long tail.

    Args:
        counts: Recordings of each class.
        class_names: Names of the classes.
        accuracy: Of each class; a point above its bar, on a scale of its own.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is not one number a class.
    """
    if len(counts) != len(class_names):
        raise ValueError(
            f"'draw_class_frequencies' expected {len(class_names)} numbers (got {len(counts)})"
        )
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    with house_style():
        figure, (ax,) = new_figure(
            max(4.6, 1.6 + 0.34 * min(len(counts), NAMED)),
            3.3 + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
        )
        _bars(ax, [counts[i] for i in order], [class_names[i] for i in order], [BLUE] * len(order))
        ax.set_ylabel("training recordings", color=BLUE)
        if accuracy is not None:
            other = ax.twinx()
            other.plot(
                np.arange(len(order)),
                [accuracy[i] for i in order],
                "o",
                color=VERMILLION,
                markersize=4,
                markeredgecolor="white",
                markeredgewidth=0.5,
            )
            other.set_ylim(0, 1.03)
            other.set_ylabel("accuracy", color=VERMILLION)
            other.spines["right"].set_visible(True)
    return figure
