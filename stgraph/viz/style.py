"""How all pictures look: colours that everybody can tell apart, small legible type, a mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stgraph.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILLION, YELLOW, BLACK = "#56B4E9", "#D55E00", "#F0E442", "#000000"

#: Colours of edge types and of curves, in their order.
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY, YELLOW)
INK, QUIET, FAINT = "#22262A", "#6B7278", "#D5D9DC"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 160,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's settings for our pictures, for as long as the block lasts."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        yield


def new_figure(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    title: str | None = None,
    synthetic: bool = False,
    **kwargs: Any,
) -> tuple[Figure, Sequence[Axes]]:
    """A figure that no global state knows, so that it needs no screen and leaks nothing.

    Args:
        width: Inches.
        height: Inches.
        rows: Rows of axes.
        columns: Columns of axes.
        title: Heading.
        synthetic: Whether to add the mark of generated data.
        **kwargs: Further arguments of ``Figure.subplots``.

    Returns:
        The figure and its axes, row by row.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    if title or synthetic:
        heading = title or " "
        figure.suptitle(heading, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
    if synthetic:
        mark_synthetic(figure)
    return figure, axes.ravel().tolist()


def mark_synthetic(figure: Figure) -> None:
    """Says in the upper right corner that the data were generated."""
    height = figure.get_figheight()
    figure.text(
        0.99,
        1 - 0.07 / height,
        "SYNTHETIC DATA",
        ha="right",
        va="top",
        fontsize=8.5,
        fontweight="bold",
        color="white",
        bbox={"boxstyle": "round,pad=0.35", "facecolor": "#B24A00", "edgecolor": "none"},
    )


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes a figure, whole or not at all; the folder is made if need be, the extension decides
    the format."""
    path = Path(path)
    with house_style(), replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or None)
    return path
