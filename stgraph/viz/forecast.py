"""A forecast of poses beside what came."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.viz.forecast_poses import TRUTH, ForecastPoses
from stgraph.viz.recording import _extent, write_gif
from stgraph.viz.skeleton import SIDES, _clean_axes, frame_limits
from stgraph.viz.style import house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_forecast(
    observed: SkeletonGraph,
    future: SkeletonGraph | None,
    prediction: SkeletonGraph,
    *,
    horizons_ms: Sequence[float],
    mpjpe_mm: Sequence[float] | None = None,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
) -> Figure:
    """A strip: the last observed pose, then at each horizon the prediction over the grey truth.

    The first pose of ``future`` and of ``prediction`` comes one frame after the last observed one.
    At each horizon stands the pose nearest to it, and its own time is written above.

    Args:
        observed: What was seen of one person, one track.
        future: What came, or None.
        prediction: What was predicted, as long as ``future``. Joints of score 0 are left out.
        horizons_ms: Milliseconds after the last observed pose.
        mpjpe_mm: Mean error of each horizon in millimetres, written under it.
        turn: See :func:`~stgraph.viz.to_plane`.
        y_down: See :func:`~stgraph.viz.to_plane`.
        title: Heading.
        synthetic: Whether to mark the figure as generated data.

    Returns:
        The figure.

    Raises:
        ValueError: if it is not one track each, the lengths, layouts or dimensions differ, no
            frames per second are known, a horizon is not predicted, or the errors are not one a
            horizon.
    """
    story = ForecastPoses(observed, future, prediction, turn, y_down)
    poses = [round(ms * story.fps / 1000) - 1 for ms in horizons_ms]
    for ms, pose in zip(horizons_ms, poses, strict=True):
        if not 0 <= pose < story.length:
            reach = (1000 / story.fps, 1000 * story.length / story.fps)
            raise ValueError(
                f"'draw_forecast' expected horizons of {reach[0]:.0f} to {reach[1]:.0f} ms, which "
                f"were predicted (got {ms:g})"
            )
    if not poses or (mpjpe_mm is not None and len(mpjpe_mm) != len(poses)):
        got = "no horizon" if not poses else f"{len(mpjpe_mm or ())} errors"
        raise ValueError(
            f"'draw_forecast' expected horizons and one error for each of them (got {got})"
        )
    views = [frame_limits(story.points("observed", -1)), *(story.view(pose) for pose in poses)]
    width = max(_extent(view)[0] for view in views)
    floor = max(view["ylim"][0] for view in views)
    top = min(view["ylim"][1] for view in views)
    tall = 2.0
    wide = (tall * min(max(width / (floor - top), 0.45), 1.4) + 0.1) * len(views)
    with house_style():
        figure, axes = new_figure(
            max(wide, 4.0),
            tall + 0.7 + 0.15 * (mpjpe_mm is not None) + 0.45 * bool(title or synthetic),
            1,
            len(views),
            title,
            synthetic,
        )
        if title or synthetic:  # captions keep clear of the heading and the mark
            room = 1 - 0.15 / figure.get_figheight()
            figure.get_layout_engine().set(rect=(0, 0, 1, room))  # type: ignore[union-attr, call-arg]
        for number, (ax, view) in enumerate(zip(axes, views, strict=True)):
            _clean_axes(ax, 1, 1)
            if number == 0:
                story.draw(ax, "observed", -1, 0.65)
                caption = "last observed" + ("\n" if mpjpe_mm is not None else "")
            else:
                pose = poses[number - 1]
                for name in ("future", "prediction"):
                    if name in story.planes:
                        story.draw(ax, name, pose, 0.65)
                caption = f"{1000 * (pose + 1) / story.fps:.0f} ms"
                if mpjpe_mm is not None:
                    caption += f"\n{mpjpe_mm[number - 1]:.1f} mm"
            middle = sum(view["xlim"]) / 2
            ax.set(xlim=(middle - width / 2, middle + width / 2), ylim=(floor, top))
            ax.set_aspect("equal", adjustable="box", anchor="S")
            ax.set_title(caption, loc="center", fontsize=8.5, fontweight="normal")
        _legend(figure, future is not None, mpjpe_mm is not None)
    return figure


def _legend(figure: Figure, truth: bool, error: bool = False) -> None:
    from matplotlib.lines import Line2D

    colours = {"truth": TRUTH} if truth else {}
    colours |= {f"prediction, {side}": SIDES[side] for side in ("left", "right")}
    handles = [Line2D([], [], color=c, linewidth=2, label=name) for name, c in colours.items()]
    if error:
        handles.append(Line2D([], [], linestyle="none", label="in mm: MPJPE"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def animate_forecast(
    observed: SkeletonGraph,
    future: SkeletonGraph | None,
    prediction: SkeletonGraph,
    path: str | Path,
    *,
    fps: float | None = None,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    synthetic: bool = False,
    dpi: int = 90,
) -> Path:
    """Writes an animated GIF: the observed poses, then truth and prediction together.

    The milliseconds since the last observed pose run along.

    Args:
        observed: See :func:`draw_forecast`.
        future: See :func:`draw_forecast`.
        prediction: See :func:`draw_forecast`.
        path: File to write.
        fps: Pictures per second; by default those of the recording.
        turn: See :func:`~stgraph.viz.to_plane`.
        y_down: See :func:`~stgraph.viz.to_plane`.
        title: Heading.
        synthetic: Whether to mark it as generated data.
        dpi: Dots an inch.

    Returns:
        The file.

    Raises:
        ValueError: if it is not one track each, the lengths, layouts or dimensions differ, or no
            frames per second are known.
    """
    story = ForecastPoses(observed, future, prediction, turn, y_down)
    seen = observed.num_poses
    both = SkeletonGraph(  # frame 0 is the last observed one
        torch.cat([observed.pos, prediction.pos]),
        layout=story.layout,
        frame=torch.arange(1 - seen, story.length + 1),
        fps=story.fps,
    )
    views = [frame_limits(story.points("observed", slice(None))), story.view(slice(None))]
    limits = {
        "xlim": (min(v["xlim"][0] for v in views), max(v["xlim"][1] for v in views)),
        "ylim": (max(v["ylim"][0] for v in views), min(v["ylim"][1] for v in views)),
    }
    width, height = _extent(limits)

    def draw(number: int, ax: Axes, frame: int) -> None:
        if frame < 1:
            story.draw(ax, "observed", frame - 1, 1.0)
        else:
            for name in ("future", "prediction"):
                if name in story.planes:
                    story.draw(ax, name, frame - 1, 1.0)

    def caption(recording: SkeletonGraph, frame: int) -> str:
        since = f"{1000 * frame / story.fps:+.0f}".replace("-", "−") if frame else "0"
        return f"{'observed' if frame < 1 else 'predicted'}, {since} ms"

    with house_style():
        figure, axes = new_figure(
            max(4.2 * min(max(width / height, 0.6), 1.6), 3.9),
            4.6,
            title=title,
            synthetic=synthetic,
        )
        _legend(figure, future is not None)
        return write_gif(both, figure, axes, draw, limits, Path(path), fps, dpi, caption)
