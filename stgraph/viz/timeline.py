"""When actions happen in a recording, and when a detector says they do."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from stgraph.viz.style import BLUE, FAINT, QUIET, VERMILLION, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stgraph.metrics import Segments

TRUTH = "#7A8289"
#: Colour of a lane where nothing happens.
EMPTY = "#F1F3F4"
Lanes = tuple[tuple[float, float], tuple[float, float]]
#: Top and bottom of the two lanes of a row, which is 1 high.
LANES: Lanes = ((-0.40, -0.06), (0.02, 0.40))
#: The same where nobody knows what is true: the proposals have the row to themselves.
ALONE: Lanes = ((0.0, 0.0), (-0.38, 0.38))
#: A segment is drawn at least this share of the time axis wide.
THINNEST = 1 / 320
#: Overlapping segments of one lane are stacked up to this number; further ones cover each other.
STACKED = 3
#: A curve of more frames is drawn from the maxima of this number of stretches.
CURVE_POINTS = 1500
#: More rows than this have the time axis at both ends.
TALL = 12


def draw_detections(
    truth: Segments | None,
    proposals: Segments,
    class_names: Sequence[str],
    *,
    num_frames: int | None = None,
    fps: float | None = None,
    scores: Any = None,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """The timeline of a recording: a row an action, above what is true, below what is proposed.

    Only actions that occur have a row, in the order of their first appearance; background stays
    empty. The surer a proposal, the stronger its colour; confidences outside of 0...1 are scaled to
    it.

    Args:
        truth: What is true, in frame numbers; the last frame is included. None: nobody knows.
        proposals: What a detector proposes, likewise.
        class_names: Names of the classes from 1 on; background has none.
        num_frames: Length of the recording; by default up to the last segment or score.
        fps: Frames per second, for an axis in seconds; minutes from five minutes on.
        scores: Probability of background and of each class in each frame, [T, C + 1], drawn as a
            curve in the lane of the proposals.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if the segments are of several recordings or of unknown classes, the scores do
            not fit, or a length or speed is not above 0.
    """
    lanes = ALONE if truth is None else LANES
    known_truth = truth is not None
    truth = proposals.take(proposals.label < 0) if truth is None else truth
    curves = _checked(truth, proposals, class_names, num_frames, fps, scores)
    both = [_columns(truth), _columns(proposals)]
    labels = list(dict.fromkeys(int(n) for part in both for n in part["label"]))
    start = float(np.concatenate([part["start"] for part in both]).min(initial=0))
    known = max(1, num_frames or 0, 0 if curves is None else len(curves))
    end = float(np.concatenate([part["end"] for part in both]).max(initial=known))
    tall = (0.20 if not known_truth else 0.30 if len(labels) > TALL else 0.38) + 0.08 * (
        curves is not None
    )
    with house_style():
        figure, (ax,) = new_figure(
            9.0,
            1.05 + tall * max(len(labels), 1) + 0.35 * bool(title or synthetic),
            title=title,
            synthetic=synthetic,
        )
        ax.set(xlim=(start, end), ylim=(max(len(labels), 1) - 0.5, -0.5))
        _draw_lanes(ax, len(labels), start, end, lanes)
        for lane, part in enumerate(both):
            _draw_segments(ax, part, labels, lane, lanes)
        if curves is not None:
            for row, label in enumerate(labels):
                _draw_curve(ax, curves[:, label], row, lanes)
        names = [class_names[label - 1].replace("_", " ") for label in labels]
        names = ["\n".join(wrap(name, 30, max_lines=2, placeholder=" …")) for name in names]
        ax.set_yticks(range(len(labels)), names)
        _time_axis(ax, start, end, fps)
        if len(labels) > TALL:
            ax.tick_params(axis="x", top=True, labeltop=True)
        if not labels:
            what = "no action, true or proposed" if known_truth else "no action proposed"
            ax.set_title(what, fontweight="normal", color=QUIET)
        _legend(figure, known_truth, both[1]["confidence"], curves is not None)
    return figure


def _checked(
    truth: Segments,
    proposals: Segments,
    class_names: Sequence[str],
    num_frames: int | None,
    fps: float | None,
    scores: Any,
) -> np.ndarray | None:
    """The scores as an array; complains as :func:`draw_detections` says."""
    videos = sorted({*truth.video.tolist(), *proposals.video.tolist()})
    if len(videos) > 1:
        raise ValueError(
            f"'draw_detections' expected segments of one recording (got {len(videos)}); take one: "
            f"truth.take(truth.video == {videos[0]})"
        )
    most = max([0, *truth.label.tolist(), *proposals.label.tolist()])
    if most > len(class_names):
        raise ValueError(
            f"'draw_detections' expected labels up to {len(class_names)}, the number of class "
            f"names (got {most})"
        )
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"'draw_detections' expected num_frames >= 1 (got {num_frames})")
    if fps is not None and not fps > 0:
        raise ValueError(f"'draw_detections' expected more than 0 frames per second (got {fps})")
    if scores is None:
        return None
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or not len(table) or table.shape[1] != len(class_names) + 1:
        raise ValueError(
            f"'draw_detections' expected scores [frames, {len(class_names) + 1}], background first "
            f"(got {list(table.shape)})"
        )
    return table


def _columns(segments: Segments) -> dict[str, np.ndarray]:
    """Columns of the actions, by time; the end is that of the last frame."""
    kept = segments.take(segments.label > 0)
    kept = kept.take(kept.start.argsort(stable=True))
    columns = {name: column.cpu().numpy() for name, column in kept._asdict().items()}
    columns["end"] = columns["end"] + 1
    return columns


def _stacked(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level of each segment, apart from others of its level, and number of levels at its place."""
    levels, counts = np.zeros(len(start), dtype=int), np.ones(len(start), dtype=int)
    free: list[float] = []  # when each level of the present run ends
    run = 0
    for i, (first, last) in enumerate(zip(start, end, strict=True)):
        if free and first >= max(free):
            run, free = i, []
        level = next((k for k, since in enumerate(free) if since <= first), len(free))
        level = min(level, STACKED - 1)
        if level == len(free):
            free.append(last)
        free[level] = max(free[level], last)
        levels[i] = level
        counts[run : i + 1] = len(free)
    return levels, counts


def _draw_lanes(ax: Axes, rows: int, start: float, end: float, lanes: Lanes) -> None:
    for top, bottom in lanes:
        ax.barh(np.arange(rows) + top, end - start, bottom - top, start, align="edge", color=EMPTY)
    ax.grid(visible=rows > 0, axis="x")
    ax.set_axisbelow("line")  # type: ignore[arg-type]
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _draw_segments(
    ax: Axes, part: dict[str, np.ndarray], labels: Sequence[int], lane: int, lanes: Lanes
) -> None:
    """The segments of all rows in one of the two lanes; the surest lie on top."""
    from matplotlib.colors import to_rgba

    top, bottom = lanes[lane]
    first, last = ax.get_xlim()
    thinnest = (last - first) * THINNEST
    low, highest = part["confidence"].min(initial=0), part["confidence"].max(initial=1)
    for row, label in enumerate(labels):
        mine = np.flatnonzero(part["label"] == label)
        if not len(mine):
            continue
        start, end, sure = (part[name][mine] for name in ("start", "end", "confidence"))
        levels, counts = _stacked(start, end)
        high = (bottom - top) / counts
        alphas = 0.25 + 0.75 * (sure - low) / (highest - low) if lane else np.ones(len(mine))
        width = np.maximum(end - start, thinnest)
        order = sure.argsort(kind="stable")
        ax.barh(
            (row + top + high * levels)[order],
            width[order],
            (high * np.where(counts == 1, 1.0, 0.88))[order],
            ((start + end - width) / 2).clip(first, last - width)[order],
            align="edge",
            color=[to_rgba(BLUE if lane else TRUTH, float(alphas[i])) for i in order],
            edgecolor="white",
            linewidth=[0.6 if width[i] > 6 * thinnest else 0.0 for i in order],
            zorder=2,
        )


def _draw_curve(ax: Axes, values: np.ndarray, row: int, lanes: Lanes) -> None:
    """Probability of an action over time; of a long recording the highest of every stretch."""
    step = -(-len(values) // CURVE_POINTS)
    starts = np.arange(0, len(values), step)
    places = np.minimum(starts + step / 2, len(values))
    top, bottom = lanes[1]
    height = row + bottom - (bottom - top) * np.maximum.reduceat(values, starts).clip(0, 1)
    ax.plot(
        places,
        height,
        color=VERMILLION,
        linewidth=0.9 if step == 1 else 0.6,
        zorder=3,
        solid_joinstyle="round",
    )


def _time_axis(ax: Axes, start: float, end: float, fps: float | None) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if fps is None:
        ax.set_xlabel("frame")
        ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
        return
    minutes = (end - start) / fps >= 300
    unit = fps * (60 if minutes else 1)
    ax.set_xlabel("time (min)" if minutes else "time (s)")
    steps = MaxNLocator(nbins=8, steps=[1, 2, 3, 5, 10]).tick_values(start / unit, end / unit)
    ax.set_xticks([step * unit for step in steps if start <= step * unit <= end])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / unit:g}"))


def _legend(figure: Figure, truth: bool, confidence: np.ndarray, curve: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(color=TRUTH, label="true")] if truth else []
    if not len(confidence):
        handles.append(Patch(facecolor=EMPTY, edgecolor=FAINT, label="proposed: none"))
    else:
        handles.append(Patch(color=BLUE, label="proposed, sure"))
        handles.append(Patch(facecolor=BLUE, alpha=0.35, label="proposed, unsure"))
    if curve:
        handles.append(Line2D([], [], color=VERMILLION, linewidth=0.9, label="probability, 0 to 1"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
