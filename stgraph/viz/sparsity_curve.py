"""Charts of accuracy against sparsity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stgraph.viz.style import CYCLE, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw_sparsity_curve(
    rows: Mapping[str, Mapping[float, Sequence[float]]],
    dense: Sequence[float] = (),
    *,
    label: str = "accuracy",
    what: str = "weights",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Accuracy against what is kept: a line a method through the mean over seeds, a band of their
    range; the dense network is a grey line with its band.

    Args:
        rows: For each method and each sparsity, in (0, 1), one accuracy a seed. A method may lack
            some sparsities.
        dense: Accuracies of the dense network, one a seed; none to leave it out.
        label: What the accuracies are.
        what: What is cut.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is nothing to draw, a sparsity has no accuracy or is none.
    """
    _check(rows)
    levels = sorted({s for accuracies in rows.values() for s in accuracies})
    with house_style():
        figure, (ax,) = new_figure(
            6.8, 3.7 + 0.35 * bool(title or synthetic), title=title, synthetic=synthetic
        )
        if len(dense):
            mean = float(np.mean(dense))
            if len(dense) > 1:
                ax.axhspan(min(dense), max(dense), color=QUIET, alpha=0.15, linewidth=0)
            ax.axhline(mean, color=QUIET, linestyle=(0, (4, 2)), linewidth=1.3, label="dense")
        for number, (name, accuracies) in enumerate(rows.items()):
            sparsities = sorted(accuracies)
            places = [1 - s for s in sparsities]
            colour = (*CYCLE[:6], INK)[number % 7]
            low = [min(accuracies[s]) for s in sparsities]
            high = [max(accuracies[s]) for s in sparsities]
            if low != high:
                ax.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
            ax.plot(
                places,
                [np.mean(accuracies[s]) for s in sparsities],
                color=colour,
                linewidth=1.9,
                marker=MARKERS[number % len(MARKERS)],
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                label=name,
            )
        ax.set_xscale("log")
        ax.set_xlim(1.15 * max(1 - s for s in levels), 0.85 * min(1 - s for s in levels))
        ax.set_xticks([1 - s for s in levels], [f"{100 * (1 - s):.3g} %" for s in levels])
        ax.minorticks_off()
        ax.set_xlabel(f"{what} that are kept")
        ax.set_ylabel(label)
        ax.grid(axis="y")
        figure.legend(loc="outside right center")
    return figure


def _check(rows: Mapping[str, Mapping[float, Sequence[float]]]) -> None:
    if not rows:
        raise ValueError("'draw_sparsity_curve' expected at least one method (got none)")
    for name, accuracies in rows.items():
        if not accuracies:
            raise ValueError(f"'draw_sparsity_curve' expected accuracies of {name!r} (got none)")
        for sparsity, seeds in accuracies.items():
            if not 0 < sparsity < 1:
                raise ValueError(
                    f"'draw_sparsity_curve' expected sparsities between 0 and 1 (got {sparsity} of "
                    f"{name!r})"
                )
            if not len(seeds):
                raise ValueError(
                    f"'draw_sparsity_curve' expected accuracies of {name!r} at {sparsity} (got "
                    "none)"
                )
