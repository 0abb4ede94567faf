"""How much of each layer of a sparse network is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from stgraph.viz.style import BLUE, FAINT, INK, QUIET, VERMILLION, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches of a bar and the gap below it.
ROW = 0.19


def draw_densities(
    layers: Mapping[str, tuple[int, int]],
    *,
    label: str = "kept",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draws a bar a layer: the share of its entries that is kept, and how many these are.

    A dashed line is the share of all layers together. Layers stand in their order, from input to
    output, and what all names begin and end with is left out.

    Args:
        layers: Entries that are kept and entries in all, by the name of the layer.
        label: What is kept.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no layer, or one keeps more than it has.
    """
    if not layers:
        raise ValueError("'draw_densities' expected at least one layer (got none)")
    for name, (kept, total) in layers.items():
        if not 0 <= kept <= total or total == 0:
            raise ValueError(
                f"'draw_densities' expected a part of the entries of {name!r} (got {kept} of "
                f"{total})"
            )
    shares = [kept / total for kept, total in layers.values()]
    mean = sum(kept for kept, _ in layers.values()) / sum(total for _, total in layers.values())
    places = range(len(layers))
    with house_style():
        figure, (ax,) = new_figure(
            6.6, 1.0 + ROW * len(layers) + 0.3 * bool(title or synthetic), title=title,
            synthetic=synthetic,
        )  # fmt: skip
        ax.barh(places, 1.0, height=0.72, color=FAINT, alpha=0.6)
        ax.barh(places, shares, height=0.72, color=BLUE)
        ax.axvline(mean, color=VERMILLION, linestyle=(0, (4, 3)), linewidth=1.1)
        ax.annotate(
            f"all: {_percent(mean)}",
            (mean, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="left" if mean < 0.1 else "right" if mean > 0.9 else "center",
            fontsize=8,
            color=VERMILLION,
        )
        for place, (kept, total) in zip(places, layers.values(), strict=True):
            ax.annotate(
                f"{_percent(kept / total)} of {total:,}",
                (1, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=INK if kept else QUIET,
                annotation_clip=False,
            )
        ax.set_yticks(places, _short(list(layers)), fontsize=7)
        ax.set_ylim(len(layers) - 0.4, -0.6)
        ax.set_xlim(0, 1)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        ax.set_xlabel(label)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    return figure


def _percent(value: float) -> str:
    """A share in percent, with a place more where it is small."""
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


def _short(names: list[str]) -> list[str]:
    """Names without the words that all of them begin or end with."""
    words = [name.split(".") for name in names]
    while len(words) > 1 and all(len(w) > 1 and w[0] == words[0][0] for w in words):
        words = [w[1:] for w in words]
    while len(words) > 1 and all(len(w) > 1 and w[-1] == words[0][-1] for w in words):
        words = [w[:-1] for w in words]
    return [".".join(w) for w in words]
