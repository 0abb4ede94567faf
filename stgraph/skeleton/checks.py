"""What a recording has to obey; checked once, when a user makes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.levels import level_of

if TYPE_CHECKING:
    from stgraph.skeleton.graph import SkeletonGraph


def fractions(name: str, value: Any) -> Tensor:
    """Numbers as float32.

    Raises:
        ValueError: if they are none, or rows differ in length.
    """
    try:
        return torch.as_tensor(value, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"'SkeletonGraph' expected numbers in {name!r} (got {type(value).__name__}: {error})"
        ) from None


def positions(pos: Any, layout: SkeletonLayout) -> Tensor:
    """Coordinates as float32 [P*V, D].

    Raises:
        ValueError: if they do not fit the layout or are not finite.
    """
    v = layout.num_joints
    given = fractions("pos", pos)
    pos = given.flatten(0, 1) if given.dim() == 3 and given.size(1) == v else given
    if pos.dim() != 2 or pos.size(0) % v or not pos.size(1):
        raise ValueError(
            f"'SkeletonGraph' expected 'pos' as [poses*{v}, dims] or [poses, {v}, dims] for "
            f"layout {layout.name!r} (got {list(given.shape)}). Were joints dropped, or is it "
            "another layout?"
        )
    if not torch.isfinite(pos).all():
        bad = int((~torch.isfinite(pos)).any(dim=1).nonzero()[0])
        raise ValueError(
            f"'SkeletonGraph' expected finite coordinates (joint {layout.joints[bad % v]!r} of "
            f"pose {bad // v} is not); set missing joints to 0 with score 0"
        )
    return pos


def features(x: Any) -> Tensor:
    """Node features as they are.

    Raises:
        ValueError: if they are no tensor with a row a joint, or one is not finite.
    """
    value = x if isinstance(x, Tensor) else fractions("x", x)
    if not value.dim():
        raise ValueError("'SkeletonGraph' expected 'x' with one row a joint (got one number)")
    if not torch.isfinite(value).all():
        raise ValueError("'SkeletonGraph' expected finite features in 'x' (got NaN or infinity)")
    return value


def whole(name: str, value: Any) -> Tensor:
    """Whole numbers as int64 [n].

    Raises:
        ValueError: if there are others among them.
    """
    try:
        given = torch.as_tensor(value)
        numbers = given.long()
        exact = not given.is_floating_point() or torch.equal(numbers.to(given.dtype), given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f"'SkeletonGraph' expected whole numbers in {name!r} (got {value!r})")
    return numbers.reshape(-1)


def scores(value: Any) -> Tensor:
    """Scores as float32, of any shape.

    Raises:
        ValueError: if one is not within 0...1.
    """
    score = fractions("score", value)
    if score.numel():
        low, high = score.aminmax()  # NaN if one is
        if not (low >= 0 and high <= 1):
            bad = score[~((score >= 0) & (score <= 1))][0]
            raise ValueError(
                f"'SkeletonGraph' expected scores within 0...1 (got {float(bad):g}); clip or "
                "rescale them, and give missing joints 0"
            )
    return score


def rate(fps: Any) -> Tensor:
    """Frames a second as float32 [1].

    Raises:
        ValueError: if it is not one number above 0.
    """
    value = fractions("fps", fps).reshape(-1)
    if value.numel() != 1 or not 0 < float(value) < math.inf:
        raise ValueError(f"'SkeletonGraph' expected 'fps' above 0 (got {fps!r}); leave out unknown")
    return value


def track_lengths(value: Any, poses: int) -> Tensor:
    """Lengths of the tracks, int64 [M].

    Raises:
        ValueError: if one is below 1 or they do not add up to the poses.
    """
    length = whole("track_length", value)
    if int(length.sum()) != poses or (length.numel() and int(length.min()) < 1):
        raise ValueError(
            f"'SkeletonGraph' expected track lengths >= 1 that add up to {poses} poses "
            f"(got {length.tolist()[:8]})"
        )
    return length


def check_sizes(graph: SkeletonGraph) -> None:
    """Every attribute of nodes, poses and tracks has one entry for each of them.

    Raises:
        ValueError: naming the first that has not.
    """
    sizes = {
        "node": (graph.pos.size(0), "joints"),
        "pose": (graph.pos.size(0) // graph.layout.num_joints, "poses"),
        "track": (graph.track_length.numel(), "tracks"),
    }
    for name, value in graph.stores[0].items():
        size, what = sizes.get(level_of(name, value), (None, ""))
        if size is not None and value.size(0) != size:
            raise ValueError(
                f"'SkeletonGraph' expected {size} entries in {name!r}, one for each of the "
                f"{what} (got {value.size(0)})"
            )


def check_frames(frame: Tensor, track_length: Tensor, person: Tensor) -> None:
    """Frame numbers rise by one within a track, and nobody is twice in a frame.

    Raises:
        ValueError: with the first place where that is not so.
    """
    if not frame.numel():
        return
    end = track_length.cumsum(0)
    gap = frame.diff() != 1
    gap[end[:-1] - 1] = False
    if bool(gap.any()):
        pose = int(gap.nonzero()[0])
        track = int(torch.bucketize(pose, end, right=True))
        raise ValueError(
            f"'SkeletonGraph' expected frame numbers that rise by one within a track (track "
            f"{track} goes from {int(frame[pose])} to {int(frame[pose + 1])}); a gap ends a track: "
            "let a new one of the same person begin there"
        )
    if track_length.numel() == 1:
        return
    first, last = frame[end - track_length], frame[end - 1]
    order = first.argsort(stable=True)
    order = order[person[order].argsort(stable=True)]
    before, after = order[:-1], order[1:]
    twice = (person[before] == person[after]) & (first[after] <= last[before])
    if bool(twice.any()):
        at = after[twice][0]
        raise ValueError(
            f"'SkeletonGraph' expected each person once in a frame (two tracks of person "
            f"{int(person[at])} have frame {int(first[at])}); give other people other numbers"
        )
