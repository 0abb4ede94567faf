"""Charts of results: scores with their spread over seeds, learning curves, confusion matrices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stgraph.viz.style import BLUE, CYCLE, FAINT, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scores = Mapping[str, Sequence[float]]


def draw_scores(
    panels: Mapping[str, Scores],
    *,
    reference: Mapping[str, Mapping[str, float]] | None = None,
    reference_name: str = "published",
    controls: Sequence[str] = (),
    level: Mapping[str, tuple[str, float]] | None = None,
    label: str = "accuracy",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Bars of mean scores, each with the point of every seed.

    Args:
        panels: For each panel (``"validation"``, ``"test"``) the rows: name to one score a seed,
            as fractions. Rows appear in the order of the first panel that has them.
        reference: For each panel published figures of some rows, drawn as diamonds.
        reference_name: What the diamonds are.
        controls: Rows drawn in grey: what the others have to beat.
        level: For each panel a name and a score, drawn as a dashed line through all rows.
        label: What the scores are.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.
    """
    rows = list(dict.fromkeys(row for scores in panels.values() for row in scores))
    with house_style():
        figure, axes = new_figure(
            2.0 + 3.4 * len(panels),
            0.9 + 0.31 * len(rows) + 0.35 * bool(title or synthetic) + 0.25 * bool(reference),
            1,
            len(panels),
            title,
            synthetic,
            sharey=True,
        )
        for ax, (panel, scores) in zip(axes, panels.items(), strict=True):
            _draw_bars(ax, rows, scores, controls)
            for row, value in (reference or {}).get(panel, {}).items():
                if row in rows:
                    ax.plot(
                        value,
                        rows.index(row),
                        "D",
                        markersize=5,
                        markerfacecolor="white",
                        markeredgecolor=INK,
                        markeredgewidth=1.0,
                        zorder=6,
                        clip_on=False,
                    )
            if level and panel in level:
                name, value = level[panel]
                ax.axvline(value, color=QUIET, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
                ax.annotate(
                    name,
                    (value, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                    color=QUIET,
                )
            ax.set_title(panel, pad=14 if level else 8)
            ax.set_xlabel(label)
        axes[0].set_yticks(range(len(rows)), rows)
        axes[0].invert_yaxis()
        _score_legend(figure, bool(reference), reference_name, bool(controls))
    return figure


def _draw_bars(ax: Axes, rows: Sequence[str], scores: Scores, controls: Sequence[str]) -> None:
    for place, row in enumerate(rows):
        values = np.asarray(scores.get(row, ()), dtype=float)
        if not values.size:
            continue
        colour = "#9AA1A6" if row in controls else BLUE
        ax.barh(place, values.mean(), height=0.62, color=colour, alpha=0.45, zorder=2)
        ax.plot(
            [values.mean()] * 2, [place - 0.31, place + 0.31], color=colour, linewidth=2, zorder=3
        )
        spread = np.linspace(-0.14, 0.14, values.size) if values.size > 1 else np.zeros(1)
        ax.scatter(
            values, place + spread, s=13, color=colour, edgecolor="white", linewidth=0.5, zorder=5
        )
        text = f"{values.mean():.3f}"
        if values.size > 1:
            text += f" ± {values.std(ddof=1):.3f}"
        ax.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7.5
        )
    ax.set_xlim(0, 1)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _score_legend(figure: Figure, reference: bool, reference_name: str, controls: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=BLUE, alpha=0.45, label="mean over seeds"),
        Line2D([], [], marker="o", linestyle="none", color=BLUE, markersize=4, label="one seed"),
    ]
    if controls:
        handles.append(Patch(facecolor="#9AA1A6", alpha=0.45, label="control"))
    if reference:
        handles.append(
            Line2D(
                [],
                [],
                marker="D",
                linestyle="none",
                markersize=5,
                markerfacecolor="white",
                markeredgecolor=INK,
                label=reference_name,
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _places(at: Sequence[float] | None, number: int) -> np.ndarray:
    return np.arange(1, number + 1) if at is None else np.asarray(at[:number])


def draw_learning_curves(
    panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    marks: Mapping[str, Sequence[int]] | None = None,
    controls: Collection[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    at: Sequence[float] | None = None,
    label: str = "epoch",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Curves over epochs: the mean over seeds, and each seed in a thin line.

    Args:
        panels: For each panel (``"validation accuracy"``) the curves: name to one sequence a seed.
        marks: For each curve the epoch (from 0) at which each seed was kept; a point there.
        controls: Names of curves that the others have to beat; they are grey.
        limits: Limits of the vertical axis of some panels.
        at: Where the values of all curves stand; by default at 1, 2, and so on.
        label: What that is.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    palette, styles = [*CYCLE[:6], INK], ("-", (0, (5, 2)), ":", (0, (5, 2, 1, 2)))
    own = [name for name in names if name not in controls]
    # past the palette colours come again, dashed and dotted
    colours = {name: palette[i % len(palette)] for i, name in enumerate(own)}
    lines = {name: styles[i // len(palette) % len(styles)] for i, name in enumerate(own)}
    for i, name in enumerate(name for name in names if name in controls):
        colours[name], lines[name] = QUIET, styles[i % len(styles)]
    with house_style():
        figure, axes = new_figure(
            4.3 * len(panels) + 0.2,
            3.7 + 0.35 * bool(title or synthetic),
            1,
            len(panels),
            title,
            synthetic,
        )
        for number, (ax, (panel, curves)) in enumerate(zip(axes, panels.items(), strict=True)):
            for name, seeds in curves.items():
                for seed, values in enumerate(seeds):
                    places = _places(at, len(values))
                    ax.plot(places, values, color=colours[name], linewidth=0.7, alpha=0.35)
                    kept = (marks or {}).get(name, ())
                    if number == 0 and seed < len(kept) and 0 <= kept[seed] < len(values):
                        ax.plot(
                            places[kept[seed]],
                            values[kept[seed]],
                            "o",
                            markersize=4,
                            color=colours[name],
                            markeredgecolor="white",
                            markeredgewidth=0.5,
                        )
                if len(seeds):
                    shortest = min(len(values) for values in seeds)
                    mean = np.mean([values[:shortest] for values in seeds], axis=0)
                    ax.plot(
                        _places(at, shortest),
                        mean,
                        color=colours[name],
                        linewidth=1.9,
                        linestyle=lines[name],
                        marker="o" if shortest == 1 else None,
                        label=name if number == 0 else None,
                    )
            ax.set_title(panel)
            ax.set_xlabel(label)
            ax.grid(axis="y")
            ax.margins(x=0.02)
            _whole_ticks(ax)
            if limits and panel in limits:
                ax.set_ylim(*limits[panel])
        figure.legend(loc="outside lower center", ncols=min(4, len(names)))
    return figure


def _whole_ticks(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def draw_confusion(
    counts: Any,
    class_names: Sequence[str],
    *,
    title: str | None = None,
    subtitle: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """A confusion matrix: shares of each true class by colour, counts in the cells.

    Args:
        counts: [C, C] (or [C, C + 1], the last column being "nothing predicted"), row the true
            class.
        class_names: Names of the C classes.
        title: Heading.
        subtitle: A line under it.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not fit.
    """
    table = np.asarray(counts, dtype=float)
    columns = list(class_names)
    if table.ndim == 2 and table.shape[1] == len(class_names) + 1:
        columns.append("(no pose)")
    if table.shape != (len(class_names), len(columns)):
        raise ValueError(
            f"'draw_confusion' expected counts of {len(class_names)} classes (got {table.shape})"
        )
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 1.7 + 0.52 * len(class_names)
    with house_style():
        figure, (ax,) = new_figure(
            max(side + 0.9, 4.6),
            side + 0.2 + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
        )
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1.1, aspect="equal")
        for i in range(table.shape[0]):
            for j in range(table.shape[1]):
                if table[i, j]:
                    ax.text(
                        j,
                        i,
                        f"{table[i, j]:.0f}",
                        ha="center",
                        va="center",
                        fontsize=8,
                        fontweight="bold" if i == j else "normal",
                        color="white" if share[i, j] > 0.55 else INK,
                    )
        plain = [name.replace("_", " ") for name in columns]
        ax.set_xticks(range(len(columns)), plain, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(
            range(len(class_names)),
            [f"{name}  {s:.2f}" for name, s in zip(plain, np.diag(share), strict=False)],
        )
        ax.set_xlabel("predicted")
        ax.set_ylabel("true class, and its share predicted right")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(len(class_names) + 1) - 0.5, minor=True)
        ax.grid(which="minor", color=FAINT, linewidth=0.6)
        ax.tick_params(which="minor", length=0)
        if subtitle:
            ax.set_title(subtitle, fontsize=8.5, fontweight="normal", color=QUIET)
    return figure
