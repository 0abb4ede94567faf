"""Dense frames of one recording to a :class:`SkeletonGraph`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgraph.skeleton import SkeletonGraph, SkeletonLayout, annotated_actions

__all__ = ["GUESSED_SCORE", "clip_frames", "clip_segments", "graph_from_frames"]

#: Score of a joint whose position is a guess of the annotator or the sensor.
GUESSED_SCORE = 0.01


def graph_from_frames(
    pos: NDArray[np.float32],
    layout: SkeletonLayout,
    *,
    score: NDArray[Any],
    frame: Sequence[int] | NDArray[np.int64] | None = None,
    fps: float | None = None,
    y: int | None = None,
    **extra: Any,
) -> SkeletonGraph:
    """A graph of the poses that exist.

    A person exists in a frame if one of its joints has a score above 0. A track ends where the
    person is absent or where frame numbers jump; the same person then comes back in a new track.

    Args:
        pos: Coordinates [M, T, V, D] of M persons, in any unit, kept as they are.
        layout: Joints of the V columns.
        score: Confidence [M, T, V]; 0 where there is no position.
        frame: Number of each of the T frames, increasing; ``0..T-1`` by default.
        fps: Frames a second, where frame numbers count frames of this rate.
        y: Class number.
        **extra: Further attributes such as `name` or `subject`.
    """
    frames, dims = pos.shape[1], pos.shape[3]
    numbers = np.arange(frames) if frame is None else np.asarray(frame, dtype=np.int64)
    person, when = np.nonzero((score > 0).any(axis=-1))
    number = numbers[when]
    starts = np.ones(len(person), dtype=bool)
    starts[1:] = (person[1:] != person[:-1]) | (number[1:] != number[:-1] + 1)
    first = np.flatnonzero(starts)
    length = np.diff(np.append(first, len(person)))
    return SkeletonGraph(
        pos=torch.from_numpy(pos[person, when].reshape(-1, dims)),
        layout=layout,
        score=torch.from_numpy(score[person, when].reshape(-1).astype(np.float32)),
        frame=torch.from_numpy(number.astype(np.int64)),
        fps=None if fps is None else torch.tensor([fps], dtype=torch.float32),
        track_length=torch.from_numpy(length.astype(np.int64)),
        person=torch.from_numpy(person[first].astype(np.int64)),
        y=None if y is None else torch.tensor([y]),
        **extra,
    )


def clip_frames(graph: SkeletonGraph, first: int, last: int, **extra: Any) -> SkeletonGraph:
    """The part of one recording whose frame numbers lie in `first` to `last`, both included.

    Args:
        graph: One recording; may lose all of its poses.
        first: First frame number to keep.
        last: Last frame number to keep.
        **extra: Attributes to set on the clip.
    """
    frame: Tensor = graph.frame
    kept = ((frame >= first) & (frame <= last)).nonzero().flatten()
    tracks = graph.track_length.numel()
    counts = torch.bincount(
        torch.repeat_interleave(torch.arange(tracks), graph.track_length)[kept], minlength=tracks
    )
    alive = counts.nonzero().flatten()
    clip = graph.take_poses(kept, counts[alive], alive)
    for key, value in extra.items():
        clip[key] = value
    return clip


def clip_segments(graph: SkeletonGraph) -> list[SkeletonGraph]:
    """The annotated actions of one recording as recordings of their own.

    Each has ``y``, the class counted from 0, `sequence`, the name of the whole, and a name with
    its number (``s01_e01_03``), and no ``segments``. One in which nobody was seen has no poses.

    Args:
        graph: One recording with ``segments`` and a `name`.

    Raises:
        ValueError: if it has no ``segments``.
    """
    clips = []
    for number, row in enumerate(zip(*annotated_actions(graph)[1:], strict=True), start=1):
        label, start, end = (float(value) for value in row)
        name = f"{graph.name}_{number:02d}"
        whole = {"sequence": graph.name, "name": name, "y": torch.tensor([int(label) - 1])}
        clip = clip_frames(graph, math.ceil(start), math.floor(end), **whole)
        del clip["segments"]
        clips.append(clip)
    return clips
