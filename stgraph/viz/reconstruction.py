"""What a masked autoencoder saw, what it filled in, and what was there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.viz.recording import _caption, _extent, _people, write_gif
from stgraph.viz.skeleton import _clean_axes, draw_skeleton, frame_limits, looks_down, to_plane
from stgraph.viz.style import FAINT, QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREY = {"left": FAINT, "right": FAINT, "middle": FAINT}
#: Score below which ``draw_skeleton`` draws a joint hollow.
_GUESSED = 0.1
ROWS = ("What it saw", "What it filled in", "What was there")


class _Panels(NamedTuple):
    """Drawing coordinates [P, V, 2] of truth and prediction, and scores of the three panels."""

    truth: Tensor
    prediction: Tensor
    scores: tuple[Tensor, Tensor, Tensor]


def _panels(
    truth: SkeletonGraph,
    prediction: SkeletonGraph,
    hidden: Tensor,
    turn: float,
    y_down: bool | None,
) -> _Panels:
    """Coordinates and scores of the panels.

    Raises:
        ValueError: if it is several recordings, or nobody is seen.
    """
    nodes = truth.pos.size(0)
    if prediction.pos.shape != truth.pos.shape or hidden.shape != (nodes,):
        raise ValueError(
            f"expected a prediction {list(truth.pos.shape)} and hidden nodes [{nodes}] (got "
            f"{list(prediction.pos.shape)} and {list(hidden.shape)})"
        )
    if truth.num_recordings != 1:
        raise ValueError(f"expected one recording (got {truth.num_recordings})")
    score = truth.folded_score()
    if not (score > 0).any():
        raise ValueError("expected a recording in which somebody is seen (got none)")
    y_down = looks_down(truth, y_down)
    away = hidden.view_as(score)
    guessed = torch.where(away & (score > 0), _GUESSED, score)
    return _Panels(
        to_plane(truth.folded("pos"), turn, y_down),
        to_plane(prediction.folded("pos"), turn, y_down),
        (torch.where(away, 0.0, score), guessed, score),
    )


def _draw_panel(
    ax: Axes, recording: SkeletonGraph, panels: _Panels, panel: int, frame: int, size: float
) -> None:
    """One panel of one frame; the truth stands faintly behind the other two."""
    plane = panels.prediction if panel == 1 else panels.truth
    for pose in (recording.frame == frame).nonzero().flatten().tolist():
        if panel < 2:
            draw_skeleton(
                recording.layouts[0],
                panels.truth[pose],
                panels.scores[2][pose],
                ax=ax,
                size=0.6 * size,
                y_down=True,
                colours=_GREY,
            )
        draw_skeleton(
            recording.layouts[0],
            plane[pose],
            panels.scores[panel][pose],
            ax=ax,
            size=size,
            y_down=True,
        )


def _reach(
    truth: SkeletonGraph, panels: _Panels, frame: int, view: dict[str, tuple[float, float]]
) -> tuple[float, float]:
    """Width and height about the middle of a view that show the prediction too, if it is near."""
    guess = frame_limits(_people(truth, panels.prediction, panels.scores[2], frame))
    out = []
    for side, size in zip(("xlim", "ylim"), _extent(view), strict=True):
        middle = sum(view[side]) / 2
        wanted = 2 * max(abs(end - middle) for end in guess[side])
        out.append(min(max(size, wanted), 1.6 * size))
    return out[0], out[1]


def draw_reconstruction(
    truth: SkeletonGraph,
    prediction: SkeletonGraph,
    hidden: Tensor,
    num_frames: int = 6,
    *,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """Three film strips, one above the other: what was visible, what was filled in, the truth.

    Filled-in joints are hollow; the truth stands in grey behind the first two.

    Args:
        truth: One recording.
        prediction: The same with hidden joints where they were put, see
            :meth:`~stgraph.objectives.MaskedReconstruction.fill_in`.
        hidden: Which nodes were hidden, bool [N].
        num_frames: Number of pictures in a strip.
        turn: See :func:`~stgraph.viz.to_plane`.
        y_down: See :func:`~stgraph.viz.to_plane`.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if it is several recordings, or nobody is seen.
    """
    if num_frames < 1:
        raise ValueError(f"'draw_reconstruction' expected num_frames >= 1 (got {num_frames})")
    panels = _panels(truth, prediction, hidden, turn, y_down)
    frames = truth.frame.unique()
    chosen = frames[torch.linspace(0, len(frames) - 1, min(num_frames, len(frames))).long()]
    views = [
        frame_limits(_people(truth, panels.truth, panels.scores[2], f)) for f in chosen.tolist()
    ]
    reach = [_reach(truth, panels, f, view) for f, view in zip(chosen.tolist(), views, strict=True)]
    width = max(across for across, _ in reach)
    height = max(down for _, down in reach)
    tall = 1.8
    wide = max(tall * min(max(width / height, 0.4), 1.4) * len(chosen) + 0.4, 4.0)
    with house_style():
        figure, axes = new_figure(
            wide, 3 * tall + 0.4 + 0.35 * bool(title or synthetic), 3, len(chosen), title, synthetic
        )
        for number, ax in enumerate(axes):
            panel, column = divmod(number, len(chosen))
            frame, view = int(chosen[column]), views[column]
            _clean_axes(ax, 1, 1)
            _draw_panel(ax, truth, panels, panel, frame, size=0.6)
            middle = [sum(view[side]) / 2 for side in ("xlim", "ylim")]
            ax.set(
                xlim=(middle[0] - width / 2, middle[0] + width / 2),
                ylim=(middle[1] + height / 2, middle[1] - height / 2),
            )
            ax.set_aspect("equal", adjustable="box")
            if panel == 0:
                ax.set_title(
                    _caption(truth, frame),
                    loc="center",
                    fontsize=8,
                    fontweight="normal",
                    color=QUIET,
                )
            if column == 0:
                ax.text(
                    -0.04,
                    0.5,
                    ROWS[panel],
                    transform=ax.transAxes,
                    rotation=90,
                    ha="right",
                    va="center",
                    fontsize=9,
                    fontweight="bold",
                )
    return figure


def animate_reconstruction(
    truth: SkeletonGraph,
    prediction: SkeletonGraph,
    hidden: Tensor,
    path: str | Path,
    *,
    fps: float | None = None,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
    dpi: int = 80,
) -> Path:
    """Writes an animated GIF: visible joints, what was filled in, and the truth side by side.

    Args:
        truth: One recording.
        prediction: See :func:`draw_reconstruction`.
        hidden: See :func:`draw_reconstruction`.
        path: File to write.
        fps: Frames per second; by default the recording's, else 15.
        turn: See :func:`~stgraph.viz.to_plane`.
        y_down: See :func:`~stgraph.viz.to_plane`.
        title: Heading.
        synthetic: Whether to mark it as generated data.
        dpi: Dots an inch.

    Returns:
        The file.

    Raises:
        ValueError: if it is several recordings, or nobody is seen.
    """
    panels = _panels(truth, prediction, hidden, turn, y_down)
    limits = frame_limits(panels.truth[panels.scores[2] > 0])
    width, height = _extent(limits)
    wide = 3.4 * min(max(width / height, 0.6), 1.4)

    def draw(number: int, ax: Axes, frame: int) -> None:
        _draw_panel(ax, truth, panels, number, frame, size=0.9)
        ax.set_title(ROWS[number], loc="center", fontsize=9.5)

    tall = 3.8 + 0.3 * bool(title or synthetic)
    with house_style():
        figure, axes = new_figure(3 * wide, tall, 1, 3, title, synthetic)
        return write_gif(truth, figure, axes, draw, limits, Path(path), fps, dpi)
