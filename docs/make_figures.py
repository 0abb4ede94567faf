"""Draw every figure of the documentation: `python docs/make_figures.py`.

Most need nothing but the library. The picture of the README shows one pose of a real recording and
is drawn only when its file is named; otherwise the committed one stays:

    python docs/make_figures.py --utd-mhad path/to/utd_mhad
    python docs/make_figures.py --only batch graph
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from stgraph import SkeletonGraph, SkeletonLayout, resolve_layout, resolve_partition
from stgraph.transforms import Stream
from stgraph.viz import (
    draw_partition,
    draw_partitions,
    draw_skeleton,
    house_style,
    new_figure,
    rest_pose,
    to_plane,
)
from stgraph.viz.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, QUIET, VERMILLION

FIGURES = Path(__file__).resolve().parent / "figures"
WIDTH = 7.4  # inches; a page shows them at about 100 pixels an inch
PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_GREY = "#DCEBF5", "#FBEFD3", "#D9F0E8", "#F1F3F4"
TRACKS = (BLUE, ORANGE, GREEN, PURPLE)


# --- a body to draw -------------------------------------------------------------------------------
def striding_pose(phase: float, arms: float = 1.0) -> Tensor:
    """A person walking to the right, seen from the front right: BODY_25, [25, 2], y down.

    Args:
        phase: Place in the cycle of two steps, in turns.
        arms: How far the arms swing.
    """
    swing = math.sin(2 * math.pi * phase)

    def chain(start: Sequence[float], *steps: tuple[float, float]) -> list[tuple[float, float]]:
        x, y = start
        places = []
        for length, angle in steps:  # angle from straight down, forwards
            x, y = x + length * math.sin(angle), y + length * math.cos(angle)
            places.append((x, y))
        return places

    hip, neck = (0.0, 0.0), (0.03, -0.31)
    places: dict[str, tuple[float, float]] = {"pelvis": hip, "neck": neck}
    places["nose"] = (neck[0] + 0.055, neck[1] - 0.095)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        leg, arm = 0.40 * swing * sign, -0.50 * swing * sign * arms
        places[f"{side}_hip"] = (0.06 * sign, 0.015)
        places[f"{side}_shoulder"] = (neck[0] + 0.105 * sign, neck[1] + 0.015)
        bend = 0.10 + max(0.0, -0.50 * swing * sign)
        knee, ankle = chain(places[f"{side}_hip"], (0.23, leg), (0.23, leg - bend))
        places[f"{side}_knee"], places[f"{side}_ankle"] = knee, ankle
        tilt = 0.05 * min(0.0, swing * sign)
        places[f"{side}_heel"] = (ankle[0] - 0.03, ankle[1] + 0.028 + tilt)
        places[f"{side}_big_toe"] = (ankle[0] + 0.085, ankle[1] + 0.030 - tilt)
        places[f"{side}_small_toe"] = (ankle[0] + 0.070 + 0.018 * sign, ankle[1] + 0.048 - tilt)
        elbow, wrist = chain(
            places[f"{side}_shoulder"], (0.16, arm - 0.05), (0.15, arm + 0.35 + 0.2 * abs(arm))
        )
        places[f"{side}_elbow"], places[f"{side}_wrist"] = elbow, wrist
        places[f"{side}_eye"] = (places["nose"][0] + 0.022 * sign - 0.012, neck[1] - 0.118)
        places[f"{side}_ear"] = (places["nose"][0] + 0.042 * sign - 0.045, neck[1] - 0.100)
    layout = resolve_layout("openpose_body_25")
    return torch.tensor([places[name or ""] for name in layout.canonical])


# --- things to draw with --------------------------------------------------------------------------
def canvas(height: float) -> tuple[Figure, Axes]:
    """A figure with one axes that measures in inches from the upper left corner, y down."""
    figure, (ax,) = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, WIDTH), ylim=(height, 0))
    ax.set_axis_off()
    return figure, ax


def box(
    ax: Axes,
    x: float,
    y: float,
    w: float,
    h: float,
    text: str = "",
    *,
    fill: str = "white",
    edge: str = QUIET,
    size: float = 8.5,
    **kwargs: Any,
) -> None:
    """A box with round corners, its upper left corner at (x, y)."""
    shape = f"round,pad=0,rounding_size={min(0.07, h / 3)}"
    ax.add_patch(
        FancyBboxPatch((x, y), w, h, boxstyle=shape, facecolor=fill, edgecolor=edge, linewidth=0.9)
    )
    if text:
        write(ax, x + w / 2, y + h / 2, text, size=size, **kwargs)


def write(ax: Axes, x: float, y: float, text: str, **kwargs: Any) -> None:
    """Text; centred unless told otherwise."""
    options = {"ha": "center", "va": "center", "fontsize": kwargs.pop("size", 8.5), "color": INK}
    ax.text(x, y, text, **{**options, **kwargs})


def code(ax: Axes, x: float, y: float, text: str, **kwargs: Any) -> None:
    """Text in the type of programs, from the left."""
    write(ax, x, y, text, **{"ha": "left", "family": "DejaVu Sans Mono", "size": 8, **kwargs})


def arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    curve: float = 0.0,
    **kwargs: Any,
) -> None:
    """An arrow between two points."""
    options = {"arrowstyle": "-|>", "mutation_scale": 9, "color": QUIET, "linewidth": 1.1}
    options |= {"shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={curve}"}
    ax.add_patch(FancyArrowPatch(start, end, **{**options, **kwargs}))


def figurine(
    ax: Axes,
    pose: Tensor,
    x: float,
    y: float,
    height: float,
    colour: str = INK,
    size: float = 0.5,
    alpha: float = 1.0,
) -> None:
    """A small person in one colour, centred on x, with the feet at y."""
    layout = resolve_layout("openpose_body_25")
    scale = height / 1.0
    plane = pose * scale
    plane = plane + torch.tensor([x, y]) - torch.tensor([0.0, float(plane[:, 1].max())])
    ax.plot(
        *segments(plane, layout),
        color=colour,
        linewidth=1.9 * size,
        alpha=alpha,
        solid_capstyle="round",
    )
    ax.plot(plane[:, 0], plane[:, 1], "o", color=colour, markersize=2.6 * size, alpha=alpha)


def segments(plane: Tensor, layout: SkeletonLayout) -> tuple[list[float], list[float]]:
    """All bones as one broken line."""
    xs: list[float] = []
    ys: list[float] = []
    for a, b in layout.bones:
        xs += [float(plane[a, 0]), float(plane[b, 0]), math.nan]
        ys += [float(plane[a, 1]), float(plane[b, 1]), math.nan]
    return xs, ys


# --- the figures ----------------------------------------------------------------------------------
def draw_layout() -> Figure:
    """What a layout says: joints and bones, sides and centre, hops, mirror."""
    layout = resolve_layout("openpose_body_25")
    pose = rest_pose(layout)
    figure, axes = new_figure(WIDTH, 3.75, 1, 3)
    name_of = {joint: number for number, joint in enumerate(layout.canonical)}

    draw_skeleton(layout, pose, ax=axes[0], size=0.95, title="joints, bones, sides")
    pelvis, knee = (name_of[j] for j in ("pelvis", "right_knee"))
    x, y = pose[pelvis].tolist()
    axes[0].scatter(
        x,
        y,
        s=150,
        facecolor="none",
        edgecolor=INK,
        linestyle=(0, (2, 1.3)),
        zorder=6,
    )
    thigh = (pose[name_of["left_hip"]] + pose[name_of["left_knee"]]) / 2
    for text, place, offset in (
        ("joint", pose[knee], (-30, 0)),
        ("bone", thigh, (28, 0)),
        ("centre", pose[pelvis], (0, -34)),
    ):
        axes[0].annotate(
            text,
            (float(place[0]), float(place[1])),
            xytext=offset,
            textcoords="offset points",
            ha="right" if offset[0] < 0 else "left" if offset[0] > 0 else "center",
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.8, "shrinkB": 6},
        )
    sides = [("right", VERMILLION), ("middle", INK), ("left", BLUE)]
    handles = [Line2D([], [], color=c, linewidth=2.2, marker="o", markersize=4) for _, c in sides]
    axes[0].legend(
        handles,
        [side for side, _ in sides],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.02),
        ncols=3,
        handlelength=1.1,
        columnspacing=1.0,
        handletextpad=0.4,
    )

    shades = mpl.colormaps["cividis"]
    hops = layout.centre_hops
    grey = dict.fromkeys(("left", "right", "middle"), FAINT)
    draw_skeleton(layout, pose, ax=axes[1], size=0.95, colours=grey, title="hops to the centre")
    for joint in range(layout.num_joints):
        far = int(hops[joint])
        shade = shades(far / int(hops.max()))
        axes[1].scatter(
            pose[joint, 0], pose[joint, 1], s=95, color=[shade], edgecolor="white", zorder=4
        )
        axes[1].annotate(
            str(far),
            (float(pose[joint, 0]), float(pose[joint, 1])),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if far < 3 else "black",
            zorder=5,
        )
    draw_skeleton(layout, pose, ax=axes[2], size=0.95, colours=grey, title="mirror")
    for left, right in layout.left_right:
        axes[2].plot(*zip(*pose[[left, right]].tolist(), strict=True), color=PURPLE, linewidth=0.9)
    pairs = pose[[joint for pair in layout.left_right for joint in pair]]
    axes[2].scatter(
        pairs[:, 0], pairs[:, 1], s=22, color=PURPLE, edgecolor="white", linewidth=0.6, zorder=4
    )
    for ax, text in ((axes[1], "from the mid-hip, 0, outwards"), (axes[2], "pairs swap places")):
        ax.text(
            0.5,
            -0.035,
            text,
            transform=ax.transAxes,
            ha="center",
            va="top",
            fontsize=8,
            color=QUIET,
        )
    return figure


def draw_partition_page() -> Figure:
    """The four strategies on a walking person."""
    return draw_partitions(
        "openpose_body_25",
        {
            "uniform": "uniform",
            "distance": "distance",
            "spatial": "spatial",
            "symmetrical": "symmetrical",
        },
        striding_pose(0.22),
        root="left_knee",
    )


def draw_graph() -> Figure:
    """One recording: people, tracks, a gap, and the flat arrays that hold it."""
    figure, ax = canvas(4.0)
    people = [(0, range(5)), (0, range(8, 12)), (1, range(3, 9))]
    left, step, rows = 1.25, 0.475, {0: 1.05, 1: 2.05}
    for person, ground in rows.items():
        write(ax, 0.15, ground - 0.28, f"person {person}", ha="left", fontweight="bold")
        ax.plot([left - 0.2, left + 12 * step], [ground + 0.06] * 2, color=FAINT, linewidth=0.8)
    for frame in range(12):
        write(ax, left + (frame + 0.3) * step, 0.15, str(frame), size=8, color=QUIET)
    write(ax, 0.15, 0.15, "video frame", ha="left", size=8, color=QUIET)
    for (person, frames), colour in zip(people, TRACKS, strict=False):
        for frame in frames:
            x = left + (frame + 0.3) * step
            figurine(ax, striding_pose(0.13 * frame + 0.3 * person), x, rows[person], 0.78, colour)
    x = left + 6.8 * step
    box(ax, left + 5 * step, 0.42, 3 * step - 0.07, 0.55, fill=PALE_GREY, edge=FAINT)
    write(ax, x - 0.17, 0.62, "out of the picture:", size=7.5, color=QUIET)
    write(ax, x - 0.17, 0.79, "the track ends", size=7.5, color=QUIET)

    # the arrays
    start, cell, top = 1.25, 0.38, 2.55
    rows_text = ["pose", "frame", "track_length", "person"]
    for row, text in enumerate(rows_text):
        code(ax, 0.15, top + 0.16 + 0.31 * row, text, color=QUIET if row == 0 else INK)
    pose = 0
    for number, ((person, frames), colour) in enumerate(zip(people, TRACKS, strict=False)):
        first = start + pose * cell
        for frame in frames:
            x = start + pose * cell
            pad = 0.015
            tone: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 1.0}
            ax.add_patch(Rectangle((x + pad, top + 0.03), cell - 2 * pad, 0.26, **tone))
            write(ax, x + cell / 2, top + 0.16, str(pose), size=8, color="white", fontweight="bold")
            write(ax, x + cell / 2, top + 0.47, str(frame), size=8)
            pose += 1
        wide = cell * len(frames)
        for row, value in ((2, len(frames)), (3, person)):
            y = top + 0.16 + 0.31 * row
            ax.plot(
                [first + 0.04, first + wide - 0.04], [y + 0.13] * 2, color=colour, linewidth=1.6
            )
            write(ax, first + wide / 2, y, str(value), size=8)
        write(ax, first + wide / 2, top + 1.33, f"track {number}", size=8, color=QUIET, va="center")
    return figure


def draw_batch() -> Figure:
    """The same recordings padded to the longest, and one behind the other."""
    lengths = [[9], [5, 5], [12], [4]]
    longest, people = 12, 2
    cell, row_height = 0.185, 0.2
    figure, ax = canvas(3.0)
    colours = TRACKS
    left, top = 1.05, 0.62
    write(ax, 0.15, 0.2, "padded array", ha="left", size=10, fontweight="bold")
    code(ax, 0.15, 0.41, "[N, persons, frames, V, C]", color=QUIET)
    filled = 0
    for number, tracks in enumerate(lengths):
        block = top + 0.06 + number * (people * row_height + 0.1)
        write(ax, left - 0.12, block + row_height, f"recording {number}", ha="right", size=8)
        for person in range(people):
            long = tracks[person] if person < len(tracks) else 0
            filled += long
            for frame in range(longest):
                here = frame < long
                ax.add_patch(
                    Rectangle(
                        (left + frame * cell, block + person * row_height),
                        cell,
                        row_height,
                        facecolor=colours[number] if here else "#E4E7E9",
                        edgecolor="white",
                        linewidth=0.8,
                    )
                )
    cells = len(lengths) * longest * people
    bottom = top + 0.06 + len(lengths) * (people * row_height + 0.1)
    write(
        ax,
        left,
        bottom + 0.1,
        f"{filled} poses in {cells} places; grey: zeros",
        ha="left",
        size=8.5,
        color=QUIET,
    )

    x0 = 4.05
    ax.plot([3.72, 3.72], [0.15, 2.85], color=FAINT, linewidth=0.9)
    write(ax, x0, 0.2, "ragged batch", ha="left", size=10, fontweight="bold")
    code(ax, x0, 0.41, "pos [P*V, D]", color=QUIET)
    pose = 0
    per_row = 14
    wide = 3.1 / per_row
    for number, tracks in enumerate(lengths):
        for long in tracks:
            for frame in range(long):
                line, place = divmod(pose, per_row)
                ax.add_patch(
                    Rectangle(
                        (x0 + place * wide, top + 0.06 + line * 0.31),
                        wide,
                        0.23,
                        facecolor=colours[number],
                        edgecolor="white",
                        linewidth=0.8,
                    )
                )
                if frame == 0:
                    ax.plot(
                        [x0 + place * wide + 0.012] * 2,
                        [top + 0.03 + line * 0.31, top + 0.32 + line * 0.31],
                        color=INK,
                        linewidth=1.8,
                    )
                pose += 1
    flat = [(long, number) for number, tracks in enumerate(lengths) for long in tracks]
    write(ax, x0, top + 1.13, "a black line: a new track begins", ha="left", size=8, color=QUIET)
    names = [
        ("track_length", [long for long, _ in flat]),
        ("track_batch", [number for _, number in flat]),
    ]
    for row, (name, values) in enumerate(names):
        y = top + 1.45 + 0.31 * row
        code(ax, x0, y, name)
        for i, (value, (_, number)) in enumerate(zip(values, flat, strict=True)):
            x = x0 + 1.15 + 0.38 * i
            box(ax, x, y - 0.125, 0.33, 0.25, fill="white", edge=colours[number])
            write(ax, x + 0.165, y, str(value), size=8)
    write(
        ax, x0, bottom + 0.1, f"{filled} poses in {filled} places", ha="left", size=8.5, color=QUIET
    )
    return figure


def draw_encoder() -> Figure:
    """What happens to a batch: unpack, core, pooling."""
    figure, ax = canvas(2.95)
    y, h = 0.62, 0.72
    box(ax, 0.12, y, 0.95, h, "batch", fill=PALE_BLUE, edge=BLUE, fontweight="bold")
    write(ax, 0.6, y + h + 0.16, "SkeletonGraph", size=7.5, color=QUIET)
    box(ax, 1.45, y, 0.85, h, "unpack", edge=QUIET)
    ax.add_patch(
        FancyBboxPatch(
            (2.66, 0.12),
            2.6,
            1.72,
            boxstyle="round,pad=0,rounding_size=0.09",
            facecolor=PALE_GREY,
            edgecolor=QUIET,
            linewidth=0.9,
            linestyle=(0, (4, 2.5)),
        )
    )
    write(ax, 3.96, 0.29, "core: tensors alone, compiles and exports", size=7.5, color=QUIET)
    for i, (text, fill, edge) in enumerate(
        (
            ("spatial:\nwithin a pose", PALE_ORANGE, ORANGE),
            ("temporal:\nalong a track", PALE_GREEN, GREEN),
        )
    ):
        box(ax, 2.82 + 1.19 * i, y, 1.08, h, text, fill=fill, edge=edge, size=8.5)
    arrow(ax, (4.55, y + h + 0.05), (3.36, y + h + 0.05), curve=-0.28)
    write(ax, 3.96, y + h + 0.32, "block after block", size=7.5, color=QUIET)
    box(ax, 5.6, y, 0.72, h, "pool", edge=QUIET)
    box(ax, 6.62, y, 0.66, h, "[B, D]", fill=PALE_BLUE, edge=BLUE, fontweight="bold")
    write(ax, 6.95, y + h + 0.16, "one row a", size=7.5, color=QUIET)
    write(ax, 6.95, y + h + 0.29, "recording", size=7.5, color=QUIET)
    mid = y + h / 2
    for a, b in ((1.07, 1.45), (2.30, 2.66), (3.90, 4.01), (5.26, 5.6), (6.32, 6.62)):
        arrow(ax, (a + 0.02, mid), (b - 0.02, mid))

    # what the plan and the pool are
    low = 2.22
    ax.plot([1.87, 1.87], [y + h + 0.03, low - 0.13], color=FAINT, linewidth=0.9)
    code(ax, 0.12, low, "x     [V, P, C]", size=8)
    write(ax, 1.87, low, "features, joint after joint", ha="left", size=8, color=QUIET)
    code(ax, 0.12, low + 0.24, "plan", size=8)
    write(ax, 1.87, low + 0.24, "typed edges of a pose;", ha="left", size=8, color=QUIET)
    write(ax, 1.87, low + 0.42, "where tracks end; shares", ha="left", size=8, color=QUIET)

    ax.plot([5.96, 5.96], [y + h + 0.03, low - 0.13], color=FAINT, linewidth=0.9)
    x = 4.45
    for lane, (poses, colour) in enumerate(((5, BLUE), (3, BLUE), (4, ORANGE))):
        for p in range(poses):
            ax.add_patch(
                Rectangle(
                    (x + 0.14 * p, low - 0.09 + 0.2 * lane),
                    0.14,
                    0.15,
                    facecolor=colour,
                    edgecolor="white",
                    linewidth=0.7,
                )
            )
    write(ax, x - 0.08, low + 0.08, "person 0", ha="right", size=7.5, color=QUIET)
    write(ax, x - 0.08, low + 0.385, "person 1", ha="right", size=7.5, color=QUIET)
    for i, (colour, at) in enumerate(((BLUE, low + 0.08), (ORANGE, low + 0.385))):
        ax.add_patch(Circle((5.55, at), 0.075, facecolor=colour, edgecolor="white"))
        arrow(ax, (5.2 - 0.02 * i, at), (5.45, at))
    ax.add_patch(Circle((6.3, low + 0.23), 0.1, facecolor=INK, edgecolor="white"))
    arrow(ax, (5.65, low + 0.09), (6.19, low + 0.21))
    arrow(ax, (5.65, low + 0.375), (6.19, low + 0.25))
    write(ax, 6.47, low + 0.15, "mean of poses,", ha="left", size=7.5, color=QUIET)
    write(ax, 6.47, low + 0.31, "then of persons", ha="left", size=7.5, color=QUIET)
    return figure


def draw_objective() -> Figure:
    """From a batch to a loss and to figures."""
    figure, ax = canvas(2.2)
    y, h = 0.42, 0.55
    steps = [
        (0.12, 0.85, "batch", PALE_BLUE, BLUE),
        (1.32, 0.95, "augment", "white", QUIET),
        (2.62, 0.98, "transform", "white", QUIET),
        (3.95, 0.95, "network", PALE_ORANGE, ORANGE),
        (5.25, 0.8, "logits", PALE_BLUE, BLUE),
    ]
    for x, w, text, fill, edge in steps:
        box(ax, x, y, w, h, text, fill=fill, edge=edge)
    for (x, w, *_), (nx, *_) in itertools.pairwise(steps):
        arrow(ax, (x + w + 0.03, y + h / 2), (nx - 0.03, y + h / 2))
    box(ax, 6.4, 0.1, 0.88, 0.5, "loss", fill=PALE_GREEN, edge=GREEN, fontweight="bold")
    box(ax, 6.4, 0.8, 0.88, 0.5, "metrics", fill=PALE_GREEN, edge=GREEN, fontweight="bold")
    arrow(ax, (6.08, y + h / 2 - 0.04), (6.37, 0.37))
    arrow(ax, (6.08, y + h / 2 + 0.04), (6.37, 1.03))
    for x, text in ((1.795, "random,\ntraining only"), (3.11, "streams,\nscale, centre")):
        write(ax, x, y + h + 0.22, text, size=7.5, color=QUIET)
    low = 1.62
    ax.plot([0.12, WIDTH - 0.12], [low - 0.12] * 2, color=FAINT, linewidth=0.9)
    write(ax, 0.12, low + 0.17, "A recording without a pose", ha="left", size=8.5)
    rows = [
        ("training", "left out: there is nothing to learn from"),
        ("validation, test", "counted as wrong: n stays the official number"),
    ]
    for i, (when, what) in enumerate(rows):
        write(ax, 2.62, low + 0.17 + 0.26 * i, when, ha="left", size=8.5, fontweight="bold")
        write(ax, 3.95, low + 0.17 + 0.26 * i, what, ha="left", size=8.5, color=QUIET)
    return figure


def draw_unrolled() -> Figure:
    """Edges that repeat in every pose, and the plain graph that `unroll` writes."""
    layout = SkeletonLayout(
        "small", ["head", "neck", "l", "r", "hip"], [(0, 1), (1, 2), (1, 3), (1, 4)], centre=4
    )
    pose = torch.tensor([[0.0, 0.0], [0.0, 0.33], [0.36, 0.62], [-0.36, 0.74], [0.0, 1.0]])
    figure, ax = canvas(2.35)
    write(ax, 0.15, 0.2, "folded", ha="left", size=10, fontweight="bold")
    write(ax, 0.15, 0.4, "edges of one pose, shared by all", ha="left", size=8, color=QUIET)
    write(ax, 3.35, 0.2, "unrolled", ha="left", size=10, fontweight="bold")
    write(ax, 3.35, 0.4, "a plain PyG graph: all edges written out", ha="left", size=8, color=QUIET)
    ax.plot([3.02, 3.02], [0.15, 2.2], color=FAINT, linewidth=0.9)

    def place(x: float) -> Tensor:
        return pose * 1.25 * torch.tensor([0.75, 1.0]) + torch.tensor([x, 0.75])

    one = place(0.75)
    ax.plot(*segments(one, layout), color=ORANGE, linewidth=2)
    ax.plot(one[:, 0], one[:, 1], "o", color=INK, markersize=6)
    for i in range(3):
        x = 1.62 + 0.13 * i
        ax.add_patch(
            Rectangle((x, 0.82 + 0.1 * i), 0.62, 0.85, facecolor="white", edgecolor=QUIET, zorder=2)
        )
        for j in range(5):
            ax.plot(
                [x + 0.06, x + 0.56],
                [0.9 + 0.1 * i + 0.17 * j] * 2,
                color=(BLUE, GREEN, PURPLE)[i],
                linewidth=4,
                solid_capstyle="butt",
                zorder=2,
            )
    write(ax, 2.06, 2.07, "x [V, P, C]", size=8, family="DejaVu Sans Mono")
    poses = [place(3.75 + 0.88 * t) for t in range(4)]
    for t, now in enumerate(poses):
        ax.plot(*segments(now, layout), color=ORANGE, linewidth=2, zorder=2)
        if t + 1 < len(poses):
            for a, b in zip(now, poses[t + 1], strict=True):
                ax.plot(
                    [float(a[0]), float(b[0])],
                    [float(a[1]), float(b[1])],
                    color=BLUE,
                    linewidth=0.9,
                    alpha=0.7,
                    zorder=1,
                )
        ax.plot(now[:, 0], now[:, 1], "o", color=INK, markersize=5, zorder=3)
        write(ax, 3.75 + 0.88 * t, 2.2, f"pose {t}", size=7.5, color=QUIET)
    handles = [Line2D([], [], color=ORANGE, linewidth=2), Line2D([], [], color=BLUE, linewidth=1)]
    ax.legend(
        handles,
        ["bone", "time"],
        loc="upper right",
        bbox_to_anchor=(1.0, 0.98),
        bbox_transform=ax.transAxes,
        ncols=2,
        handlelength=1.4,
    )
    return figure


def draw_own_partition() -> Figure:
    """The strategy of the page on partitions of one's own."""
    figure, axes = new_figure(WIDTH, 3.1, 1, 2)

    def within_or_across(layout: SkeletonLayout, target: int, source: int) -> int | None:
        if layout.hops[target, source] > 1:
            return None
        if target == source:
            return 0
        together = any(target in part and source in part for part in layout.parts.values())
        return 1 if together else 2

    for ax, layout in zip(axes, ("kinect_v2_25", "hand_21"), strict=True):
        draw_partition(layout, resolve_partition(within_or_across), ax=ax, legend=False)
        ax.set_title(layout, loc="center")
    handles = [
        Line2D([], [], marker="o", linestyle="none", markersize=6, color=colour)
        for colour in (BLUE, ORANGE, GREEN)
    ]
    names = ["0: the joint itself", "1: within a body part", "2: across"]
    figure.legend(handles, names, loc="outside lower center", ncols=3, handletextpad=0.2)
    return figure


def draw_streams() -> Figure:
    """Joint, bone and their motions on one pose."""
    graph = SkeletonGraph(
        torch.stack([striding_pose(0.10), striding_pose(0.17)]), layout="openpose_body_25"
    )
    now, after = graph.folded("pos")
    layout = graph.layouts[0]
    figure, axes = new_figure(WIDTH, 2.75, 1, 4)
    grey = dict.fromkeys(("left", "right", "middle"), FAINT)
    for ax, stream in zip(axes, ("joint", "bone", "joint_motion", "bone_motion"), strict=True):
        draw_skeleton(layout, now, ax=ax, size=0.7, colours=grey, title=stream.replace("_", " "))
        value = Stream(stream)(graph).folded("x")[0]
        if stream == "joint":
            ax.scatter(now[:, 0], now[:, 1], s=20, color=BLUE, zorder=4)
            continue
        if "motion" in stream:
            draw_skeleton(layout, after, ax=ax, size=0.5, colours=grey, alpha=0.55)
        tail = now - value if stream == "bone" else now
        if stream == "bone_motion":
            tail = (now + now[list(layout.parents)]) / 2
        for joint in range(layout.num_joints):
            if float(value[joint].norm()) > 0.008:
                arrow(
                    ax,
                    tuple(tail[joint].tolist()),
                    tuple((tail[joint] + value[joint]).tolist()),
                    color=ORANGE if stream == "bone" else GREEN,
                    linewidth=1.2,
                    mutation_scale=6,
                    zorder=5,
                )
    both = torch.cat([now, after])
    for ax in axes:
        ax.set(
            xlim=(float(both[:, 0].min()) - 0.06, float(both[:, 0].max()) + 0.06),
            ylim=(float(both[:, 1].max()) + 0.04, float(both[:, 1].min()) - 0.04),
        )
        ax.set_aspect("equal", adjustable="box")
    return figure


def draw_real_pose(utd_mhad: Path) -> Figure:
    """The picture of the README: partitions of one pose of a real recording."""
    from stgraph.io import read_utd_mhad

    (file,) = sorted(utd_mhad.rglob("a21_s2_t1_skeleton.mat"))
    recording = read_utd_mhad(file)
    pose = to_plane(recording.folded("pos")[42], turn=-15.0)
    figure = draw_partitions(
        recording.layout,
        {
            "uniform": "uniform",
            "distance": "distance",
            "spatial configuration": "spatial",
            "symmetrical": "symmetrical",
        },
        pose,
        root="right_elbow",
    )
    figure.set_size_inches(8.2, 6.0)
    return figure


DRAWINGS: dict[str, Callable[[], Figure]] = {
    "layout": draw_layout,
    "partition": draw_partition_page,
    "graph": draw_graph,
    "batch": draw_batch,
    "encoder": draw_encoder,
    "objective": draw_objective,
    "unrolled": draw_unrolled,
    "own_partition": draw_own_partition,
    "streams": draw_streams,
}


# --- files ---------------------------------------------------------------------------------------
def shortened(path: re.Match[str]) -> str:
    """The outline of a path with two decimals: more than any screen shows."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", path[0])


def save(figure: Figure, name: str) -> None:
    """Writes an SVG that is the same whenever it is drawn again."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.08, h_pad=0.1)
    with house_style(), mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        path = FIGURES / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
    text = re.sub(r'(?<= )d="[^"]*"', shortened, path.read_text(encoding="utf-8"))
    text = re.sub(r"<!-- .*? -->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    path.write_text(re.sub(r"\s*\n\s*", "\n", text), encoding="utf-8")
    sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*DRAWINGS], help="draw these alone")
    parser.add_argument("--utd-mhad", type=Path, help="folder of UTD-MHAD: draws the README's pose")
    options = parser.parse_args()
    FIGURES.mkdir(exist_ok=True)
    for name in options.only or DRAWINGS:
        with house_style():
            save(DRAWINGS[name](), name)
    if options.utd_mhad is not None:
        with house_style():
            save(draw_real_pose(options.utd_mhad), "real_pose")


if __name__ == "__main__":
    main()
