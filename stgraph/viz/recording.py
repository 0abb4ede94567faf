"""Recordings: a film strip and an animation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph
from stgraph.viz.skeleton import _clean_axes, draw_skeleton, frame_limits, looks_down, to_plane
from stgraph.viz.style import QUIET, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _planes(recording: SkeletonGraph, turn: float, y_down: bool | None) -> tuple[Tensor, Tensor]:
    """Drawing coordinates [P, V, 2] and scores [P, V].

    Raises:
        ValueError: if it is a batch, or holds no pose.
    """
    if isinstance(recording, Batch):
        raise ValueError("expected one recording (got a batch); take one of batch.to_data_list()")
    if not (recording.folded_score() > 0).any():
        raise ValueError("expected a recording in which somebody is seen (got none)")
    y_down = looks_down(recording, y_down)
    return to_plane(recording.folded("pos"), turn, y_down), recording.folded_score()


def _draw_frame(
    ax: Axes, recording: SkeletonGraph, plane: Tensor, score: Tensor, frame: int, size: float
) -> None:
    for number, pose in enumerate((recording.frame == frame).nonzero().flatten().tolist()):
        draw_skeleton(
            recording.layouts[0],
            plane[pose],
            score[pose],
            ax=ax,
            size=size,
            y_down=True,
            alpha=1.0 if number == 0 else 0.6,
        )


def _caption(recording: SkeletonGraph, frame: int) -> str:
    fps = getattr(recording, "fps", None)
    first = int(recording.frame.min())
    return f"frame {frame}" if fps is None else f"{(frame - first) / float(fps):.2f} s"


def draw_recording(
    recording: SkeletonGraph,
    num_frames: int = 8,
    *,
    follow: bool | None = None,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """A film strip: frames at equal distances, all people in them, one scale.

    Args:
        recording: One recording.
        num_frames: Number of pictures.
        follow: Whether each picture moves with its people instead of standing still; by default
            where they walk more than their own height.
        turn: See :func:`~stgraph.viz.to_plane`.
        y_down: See :func:`~stgraph.viz.to_plane`.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if it is a batch, or holds no pose.
    """
    plane, score = _planes(recording, turn, y_down)
    whole = frame_limits(plane[score > 0])
    width, height = _extent(whole)
    if follow is None:
        follow = width > 1.2 * height
    frames = recording.frame.unique()
    chosen = frames[torch.linspace(0, len(frames) - 1, min(num_frames, len(frames))).long()]
    views = [frame_limits(_people(recording, plane, score, f)) for f in chosen.tolist()]
    if follow:
        width = max(0.5 * height, *(_extent(view)[0] for view in views))
    tall = 1.9
    with house_style():
        figure, axes = new_figure(
            max(tall * min(max(width / height, 0.35), 1.6) * len(chosen), 4.0),
            tall + 0.4 + 0.35 * bool(title or synthetic),
            1,
            len(chosen),
            title,
            synthetic,
        )
        for ax, frame, view in zip(axes, chosen.tolist(), views, strict=True):
            _clean_axes(ax, 1, 1)
            _draw_frame(ax, recording, plane, score, frame, size=0.6)
            middle = sum(view["xlim"]) / 2
            across = (middle - width / 2, middle + width / 2) if follow else whole["xlim"]
            ax.set(xlim=across, ylim=whole["ylim"])
            ax.set_aspect("equal", adjustable="box")
            ax.set_title(
                _caption(recording, frame),
                loc="center",
                fontsize=8,
                fontweight="normal",
                color=QUIET,
            )
    return figure


def _people(recording: SkeletonGraph, plane: Tensor, score: Tensor, frame: int) -> Tensor:
    """Points that are seen in a frame, [n, 2]; those of the whole recording if there are none."""
    here = (recording.frame == frame)[:, None] & (score > 0)
    return plane[here] if here.any() else plane[score > 0]


def _extent(limits: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Width and height of limits with y down."""
    return limits["xlim"][1] - limits["xlim"][0], limits["ylim"][0] - limits["ylim"][1]


def write_gif(
    recording: SkeletonGraph,
    figure: Figure,
    axes: Sequence[Axes],
    draw: Callable[[int, Axes, int], None],
    limits: dict[str, tuple[float, float]],
    path: Path,
    fps: float | None,
    dpi: int,
    caption: Callable[[SkeletonGraph, int], str] = _caption,
) -> Path:
    """Animates the frames of a recording; the file appears when all is done.

    Args:
        recording: One recording.
        figure: The figure.
        axes: Its axes, each with the same limits.
        draw: Called with the number of the axes, the axes, and the frame.
        limits: Limits of the axes.
        path: File to write.
        fps: Frames per second; None: the recording's, else 15.
        dpi: Dots an inch.
        caption: Says when a frame is; by default in seconds since the first one.

    Raises:
        ValueError: if the speed is not above 0.
    """
    from matplotlib.animation import PillowWriter

    own = getattr(recording, "fps", None)
    speed = float(fps if fps is not None else own if own is not None else 15.0)
    if not speed > 0:
        raise ValueError(f"an animation expected more than 0 frames per second (got {speed})")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        temporary = Path(folder) / "animation.gif"
        writer = PillowWriter(fps=speed)  # type: ignore[arg-type]
        with writer.saving(figure, str(temporary), dpi):
            for frame in recording.frame.unique().tolist():
                for number, ax in enumerate(axes):
                    ax.clear()
                    _clean_axes(ax, 1, 1)
                    draw(number, ax, frame)
                    ax.set(**limits)  # type: ignore[arg-type]
                    ax.set_aspect("equal", adjustable="box")
                axes[0].text(
                    0.02,
                    0.98,
                    caption(recording, frame),
                    transform=axes[0].transAxes,
                    va="top",
                    fontsize=8,
                    color=QUIET,
                )
                writer.grab_frame()
        temporary.replace(path)
    return path


def animate(
    recording: SkeletonGraph,
    path: str | Path,
    *,
    fps: float | None = None,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
    dpi: int = 90,
) -> Path:
    """Writes a recording as an animated GIF.

    Args:
        recording: One recording.
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
        ValueError: if it is a batch, or holds no pose.
    """
    plane, score = _planes(recording, turn, y_down)
    limits = frame_limits(plane[score > 0])
    width, height = _extent(limits)
    wide = 4.2 * min(max(width / height, 0.6), 1.6)

    def draw(number: int, ax: Axes, frame: int) -> None:
        _draw_frame(ax, recording, plane, score, frame, size=1.0)

    with house_style():
        figure, axes = new_figure(wide, 4.2, title=title, synthetic=synthetic)
        return write_gif(recording, figure, axes, draw, limits, Path(path), fps, dpi)
