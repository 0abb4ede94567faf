"""Charts of forecasts over their horizons, and of which levels were pre-trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stgraph.viz.style import BLUE, CYCLE, INK, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Which levels were pre-trained: frames (F), clips (C), videos (V).
LEVELS = ("none", "F", "C", "V", "F+C", "F+V", "C+V", "all")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#9AA1A6"


def draw_horizons(
    rows: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    baselines: Collection[str] = (),
    label: str = "MPJPE (mm)",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Errors over the horizon: a line a method through the mean over seeds, a band of their range.

    Args:
        rows: For each method and each horizon in milliseconds one error a seed. A method may lack
            some horizons.
        baselines: Methods that the others have to beat; their lines are grey and dashed.
        label: What the errors are.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no error at all, a horizon has none, or a baseline is no method.
    """
    _check_rows(rows, baselines)
    own = [name for name in rows if name not in baselines]
    horizons = sorted({float(ms) for errors in rows.values() for ms in errors})
    order = sorted(rows, key=lambda name: -np.mean(rows[name][max(rows[name])]))
    with house_style():
        figure, (ax,) = new_figure(
            6.6, 3.7 + 0.35 * bool(title or synthetic), title=title, synthetic=synthetic
        )
        for name in order:  # the legend stands in the order of the lines' ends
            places = sorted(rows[name])
            mean = [np.mean(rows[name][ms]) for ms in places]
            if name in baselines:
                number = [other for other in rows if other in baselines].index(name)
                colour, marker, width = QUIET, MARKERS[number % len(MARKERS)], 1.3
            else:
                number = own.index(name)
                colour, marker, width = _colour(number), MARKERS[number % len(MARKERS)], 1.9
            low = [min(rows[name][ms]) for ms in places]
            high = [max(rows[name][ms]) for ms in places]
            if low != high:
                ax.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
            ax.plot(
                places,
                mean,
                color=colour,
                linewidth=width,
                linestyle=(0, (4, 2)) if name in baselines else "-",
                marker=marker,
                markersize=4.5,
                markeredgecolor="white",
                markeredgewidth=0.5,
                label=name,
            )
        ax.set_xlabel("horizon (ms)")
        ax.set_ylabel(label)
        ax.grid(axis="y")
        ax.set_ylim(bottom=0)
        ax.set_xticks(_apart(horizons), [f"{ms:g}" for ms in _apart(horizons)])
        figure.legend(loc="outside right center")
    return figure


def _colour(number: int) -> str:
    return (*CYCLE[:6], INK)[number % 7]


def _check_rows(
    rows: Mapping[str, Mapping[float, Sequence[float]]], baselines: Collection[str]
) -> None:
    if not rows:
        raise ValueError("'draw_horizons' expected at least one method (got none)")
    for name, errors in rows.items():
        empty = [ms for ms, seeds in errors.items() if not len(seeds)]
        if empty or not errors:
            where = f" at {empty[0]:g} ms" if empty else ""
            raise ValueError(f"'draw_horizons' expected errors of {name!r}{where} (got none)")
    unknown = sorted(set(baselines) - set(rows))
    if unknown:
        raise ValueError(
            f"'draw_horizons' expected baselines among {', '.join(rows)} (got {unknown[0]!r})"
        )


def _apart(horizons: Sequence[float]) -> list[float]:
    """Those of the horizons whose numbers have room on the axis, the last one among them."""
    room = (horizons[-1] - horizons[0]) / 14
    kept = [horizons[-1]]
    for ms in reversed(horizons[:-1]):
        if kept[-1] - ms >= room:
            kept.append(ms)
    return kept[::-1]


def draw_levels(
    rows: Mapping[str, Sequence[float]],
    *,
    label: str = "accuracy",
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Bars of mean scores by the levels that were pre-trained, each with the point of every seed.

    Args:
        rows: One score a seed for ``"none"``, ``"F"``, ``"C"``, ``"V"``, ``"F+C"``, ``"F+V"``,
            ``"C+V"``, ``"all"`` (frames, clips, videos) or some of them; drawn in this order.
            ``"none"`` is grey, and a dashed line at its mean runs through all bars.
        label: What the scores are.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if levels are unknown, or one has no score.
    """
    unknown = [name for name in rows if name not in LEVELS]
    if unknown or not rows:
        got = repr(unknown[0]) if unknown else "none"
        raise ValueError(f"'draw_levels' expected levels {', '.join(LEVELS)} (got {got})")
    empty = [name for name, scores in rows.items() if not len(scores)]
    if empty:
        raise ValueError(f"'draw_levels' expected scores of {empty[0]!r} (got none)")
    names = [name for name in LEVELS if name in rows]
    with house_style():
        figure, (ax,) = new_figure(
            max(4.6, 1.0 + 0.72 * len(names)),
            3.3 + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
        )
        for place, name in enumerate(names):
            values = np.asarray(rows[name], dtype=float)
            colour = GREY if name == "none" else BLUE
            ax.bar(place, values.mean(), width=0.66, color=colour, alpha=0.45, zorder=2)
            spread = np.linspace(-0.16, 0.16, values.size) if values.size > 1 else np.zeros(1)
            ax.scatter(
                place + spread, values, s=15, color=colour, edgecolor="white", linewidth=0.5,
                zorder=5,
            )  # fmt: skip
            ax.annotate(
                f"{values.mean():.3f}" if abs(values.mean()) < 10 else f"{values.mean():.1f}",
                (place, 0),  # where no other value, point or line stands
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        if "none" in rows:
            mean = float(np.mean(rows["none"]))
            ax.axhline(mean, color=QUIET, linestyle=(0, (4, 3)), linewidth=0.9, zorder=4)
        ax.set_xticks(range(len(names)), names)
        ax.set_xlabel("pre-trained levels: F frames, C clips, V videos")
        ax.set_ylabel(label)
        ax.margins(y=0.12)
        ax.tick_params(axis="x", length=0)
        ax.grid(axis="y")
    return figure
