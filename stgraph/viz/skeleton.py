"""One pose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout
from stgraph.viz.rest_pose import rest_pose
from stgraph.viz.style import BLUE, INK, QUIET, VERMILLION, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of the person's left, right, and middle.
SIDES = {"left": BLUE, "right": VERMILLION, "middle": INK}


def joint_sides(layout: SkeletonLayout) -> list[str]:
    """``"left"``, ``"right"`` or ``"middle"`` for each joint, from names and mirror pairs."""
    sides = ["middle"] * layout.num_joints
    for first, second in layout.left_right:
        swapped = (layout.canonical[first] or layout.joints[first]).startswith("right")
        sides[first], sides[second] = ("right", "left") if swapped else ("left", "right")
    return sides


def to_plane(pos: Tensor, turn: float = 0.0, y_down: bool | None = None) -> Tensor:
    """Coordinates of a drawing.

    Args:
        pos: [..., D], D = 2 or 3.
        turn: Degrees by which 3-D bodies are turned about the vertical axis.
        y_down: Whether y points down; by default what a recording says of itself, else in 2-D
            (pictures) and not in 3-D.

    Returns:
        [..., 2], x right, y down.
    """
    y_down = pos.size(-1) == 2 if y_down is None else y_down
    x, y = pos[..., 0], pos[..., 1]
    if pos.size(-1) > 2:
        angle = torch.tensor(turn).deg2rad()
        x = x * angle.cos() + pos[..., 2] * angle.sin()
    return torch.stack([x, y if y_down else -y], dim=-1)


def looks_down(recording: SkeletonGraph, y_down: bool | None) -> bool | None:
    """Whether y points down: what is said, else what the recording says of itself (``y_down``)."""
    own = getattr(recording, "y_down", None)
    return y_down if y_down is not None or own is None else bool(int(own))


def typical_pose(recordings: SkeletonGraph, average: int = 1) -> Tensor:
    """The complete pose that is nearest to the mean of all complete poses, [V, D].

    Poses are compared centred and at equal size.

    Args:
        recordings: One recording or a batch, of one layout.
        average: Mean of so many nearest poses instead of the very nearest, at its place and size:
            it smooths positions that were read off a coarse grid.

    Returns:
        A pose in the units of the recordings.

    Raises:
        ValueError: if no pose shows all joints.
    """
    pos = recordings.folded("pos")
    complete = (recordings.folded_score() > 0).all(dim=1)
    if not complete.any():
        raise ValueError("'typical_pose' expected a pose in which every joint is seen (got none)")
    pos = pos[complete]
    centre = pos.mean(dim=1, keepdim=True)
    size = (pos - centre).square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-6)
    shape = (pos - centre) / size
    order = (shape - shape.mean(dim=0)).square().sum(dim=(1, 2)).argsort(stable=True)
    if average == 1:
        return pos[order[0]]
    return shape[order[:average]].mean(dim=0) * size[order[0]] + centre[order[0]]


def draw_skeleton(
    layout: SkeletonLayout | str,
    pose: Tensor | None = None,
    score: Tensor | None = None,
    *,
    ax: Axes | None = None,
    names: bool | Sequence[int] = False,
    size: float = 1.0,
    turn: float = 0.0,
    y_down: bool | None = None,
    title: str | None = None,
    colours: dict[str, str] | None = None,
    alpha: float = 1.0,
) -> Axes:
    """Draws the joints and bones of one pose, sides by colour.

    A joint with score 0 is left out with its bones; a guessed one (score below 0.2) is hollow.

    Args:
        layout: The layout.
        pose: [V, D]; by default :func:`rest_pose`.
        score: [V].
        ax: Where to draw; by default a new figure.
        names: Write joint names: all, none, or those of some joints.
        size: Factor of joints and bones.
        turn: See :func:`to_plane`.
        y_down: See :func:`to_plane`.
        title: Heading of the axes.
        colours: Colours of left, right and middle.
        alpha: Opacity.

    Returns:
        The axes; ``ax.figure`` is the figure.

    Raises:
        ValueError: if the pose does not have the layout's joints.
    """
    layout = resolve_layout(layout)
    pose = rest_pose(layout) if pose is None else torch.as_tensor(pose)
    if pose.dim() != 2 or pose.size(0) != layout.num_joints:
        raise ValueError(
            f"'draw_skeleton' expected a pose [{layout.num_joints}, D] for layout "
            f"{layout.name!r} (got {list(pose.shape)})"
        )
    plane = to_plane(pose, turn, y_down)
    score = torch.ones(layout.num_joints) if score is None else score
    colours = colours or SIDES
    sides = joint_sides(layout)
    with house_style():
        ax = _clean_axes(ax, 2.6, 3.6)
        for a, b in layout.bones:
            if score[a] > 0 and score[b] > 0:
                side = next((s for s in (sides[a], sides[b]) if s != "middle"), "middle")
                ax.plot(
                    plane[[a, b], 0],
                    plane[[a, b], 1],
                    color=colours[side],
                    linewidth=2.2 * size,
                    solid_capstyle="round",
                    alpha=alpha,
                    zorder=2,
                )
        for joint in range(layout.num_joints):
            if score[joint] > 0:
                colour = colours[sides[joint]]
                guessed = bool(score[joint] < 0.2)
                ax.scatter(
                    float(plane[joint, 0]),
                    float(plane[joint, 1]),
                    s=20 * size**2,
                    facecolor="white" if guessed else colour,
                    edgecolor=colour if guessed else "white",
                    linewidth=0.8 * size,
                    alpha=alpha,
                    zorder=3,
                )
        chosen = range(layout.num_joints) if names is True else names or ()
        for joint in chosen:
            right = plane[joint, 0] >= plane[:, 0].median()
            ax.annotate(
                layout.joints[joint].replace("_", " "),
                (float(plane[joint, 0]), float(plane[joint, 1])),
                xytext=(5 if right else -5, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                fontsize=7,
                color=QUIET,
                annotation_clip=False,
            )
        if title:
            ax.set_title(title, loc="center")
    return ax


def _clean_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Axes of equal aspect, y down, without frame and ticks."""
    if ax is None:
        ax = new_figure(width, height)[1][0]
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_axis_off()
    ax.margins(0.08)
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    return ax


def frame_limits(plane: Tensor, margin: float = 0.06) -> dict[str, Any]:
    """Limits that show all points [..., 2], for ``ax.set``; y down."""
    low, high = plane.reshape(-1, 2).amin(0), plane.reshape(-1, 2).amax(0)
    pad = margin * float((high - low).max().clamp(min=1e-6))
    return {
        "xlim": (float(low[0]) - pad, float(high[0]) + pad),
        "ylim": (float(high[1]) + pad, float(low[1]) - pad),
    }
