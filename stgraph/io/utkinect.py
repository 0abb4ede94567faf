"""The text files of UTKinect-Action3D: whole recordings, and the list of the actions in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, text_table
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["UTKINECT_ACTIONS", "read_utkinect", "read_utkinect_labels"]

#: Actions as the list of labels calls them; the first is class 1 of ``segments``.
UTKINECT_ACTIONS = (
    "walk",
    "sitDown",
    "standUp",
    "pickUp",
    "carry",
    "throw",
    "push",
    "pull",
    "waveHands",
    "clapHands",
)
#: The frame numbers count so many frames a second.
_RATE = 30
#: A larger jump of the frame numbers ends a track.
_LARGEST_STEP = 30
_NAME = re.compile(r"(?:^|[\\/])joints_(s(\d{1,9})_e(\d{1,9}))(?:\.txt)?$")
_RECORDING = re.compile(r"s\d{1,9}_e\d{1,9}")
_ACTION = re.compile(r"(\w+)\s*:\s*(\S+)\s+(\S+)")

Labels = Mapping[str, NDArray[np.float64]]


def read_utkinect(
    source: str | os.PathLike[str] | bytes,
    labels: str | os.PathLike[str] | bytes | Labels | None = None,
    *,
    name: str | None = None,
    every: int | None = 4,
) -> SkeletonGraph:
    """One recording of ``joints_sSS_eEE.txt``: a frame number and 20 x (x, y, z) a line.

    The frame numbers have steps of mostly 2 to 8, and some come twice: the first pose counts. A
    step of more than 30 ends the track; the same person then comes back in a new one. The graph
    carries `name` (``sSS_eEE``), `subject` and `repetition`.

    Args:
        source: Path or contents of the file.
        labels: Path or contents of the list of labels, or what :func:`read_utkinect_labels` made
            of it. The graph then has ``segments``, float32 [S, 3]: class (1..10), first and last
            frame, both in the numbers of the graph's `frame`, where they need not be whole.
        name: Path in messages, needed with contents.
        every: Poses are interpolated at the multiples of this number, so that they are equally
            spaced: `frame` is the file's number / `every`, and there are 30 / `every` frames a
            second. None: poses as read, `frame` counts them (one number is left out where a track
            ends), the file's numbers are in `pose_number`, there is no rate, and segments without
            a pose are left out.

    A joint at (0, 0, 0) has no position, and a line of such joints is nobody. A joint is
    interpolated where both neighbours show it, else taken from the nearer one.

    Units: metres, y up, z away from the camera.

    Raises:
        RecordingError: if the file is missing, corrupt, truncated, of another name, or NaN, if
            its frame numbers fall, or the labels do not know it.
        ValueError: if `every` is not a whole number 1..30.
    """
    if every is not None and (isinstance(every, bool) or every not in range(1, _LARGEST_STEP + 1)):
        raise ValueError(
            f"'read_utkinect' expected every=None or a whole number 1..{_LARGEST_STEP} "
            f"(got {every!r})"
        )
    content, file = read_bytes(source, name)
    parts = _NAME.search(file)
    if parts is None:
        raise RecordingError(file, "expected a name joints_sSS_eEE.txt", remedy="rename it")
    number, pos = _poses(content, file)
    segments = None if labels is None else _segments_of(labels, parts.group(1), file)
    jump = np.diff(number, prepend=number[:1]) > _LARGEST_STEP
    run = jump.astype(np.int64).cumsum()
    extra: dict[str, Any] = {}
    if every is None:
        frame = np.arange(len(number)) + run
        extra["pose_number"] = torch.from_numpy(number)
        if segments is not None:
            segments = _counted(segments, number, frame)
    else:
        frame, pos = _interpolated(number, pos, run, every)
        if segments is not None:
            segments = segments / np.array([1, every, every])
    if segments is not None:
        extra["segments"] = torch.from_numpy(segments.astype(np.float32))
    return graph_from_frames(
        pos.astype(np.float32)[None],
        resolve_layout("kinect_v1_20"),
        score=(pos != 0).any(axis=-1)[None].astype(np.float32),
        frame=frame,
        fps=None if every is None else _RATE / every,
        name=parts.group(1),
        subject=int(parts.group(2)),
        repetition=int(parts.group(3)),
        **extra,
    )


def read_utkinect_labels(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """The list ``actionLabel_modified.txt`` (or ``actionLabel.txt``) of what happens when.

    A line ``s01_e01`` begins a recording, lines ``action: first last`` follow; ``NaN NaN`` means
    that there is no such segment.

    Args:
        source: Path or contents of the list.
        name: Path in messages.

    Returns:
        Tables [S, 3] by recording: class (1..10), first and last frame number, by first number,
        so that the later segment wins where two overlap.

    Raises:
        RecordingError: if the list is missing, empty or no such list, a recording comes twice, an
            action is unknown, a number is none, or an end comes before its start.
    """
    content, file = read_bytes(source, name)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(file, "expected plain text", place=f"byte {error.start}") from None
    found: dict[str, list[tuple[int, float, float]]] = {}
    rows: list[tuple[int, float, float]] | None = None
    for number, line in enumerate(lines, start=1):
        place, text = f"line {number}", line.strip()
        if _RECORDING.fullmatch(text):
            if text in found:
                raise RecordingError(file, f"{text} comes twice", place=place)
            rows = found[text] = []
        elif text:
            if rows is None:
                problem = f"expected the name of a recording such as s01_e01 (got {text[:40]!r})"
                raise RecordingError(file, problem, place=place)
            rows += _action(text, file, place)
    if not found:
        raise RecordingError(file, "expected the names of recordings such as s01_e01 (got none)")
    return {
        key: np.array(sorted(rows, key=lambda row: row[1]), dtype=np.float64).reshape(-1, 3)
        for key, rows in found.items()
    }


def _action(text: str, file: str, place: str) -> list[tuple[int, float, float]]:
    """The segment of a line, or none."""
    parts = _ACTION.fullmatch(text)
    if parts is None:
        problem = f"expected 'action: first last' (got {text[:40]!r})"
        raise RecordingError(file, problem, place=place)
    if parts.group(1) not in UTKINECT_ACTIONS:
        problem = f"unknown action {parts.group(1)!r}; known are {', '.join(UTKINECT_ACTIONS)}"
        raise RecordingError(file, problem, place=place)
    words = parts.group(2, 3)
    if all(word.lower() == "nan" for word in words):
        return []
    if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
        problem = f"expected two whole frame numbers or NaN NaN (got {' '.join(words)[:40]!r})"
        raise RecordingError(file, problem, place=place)
    first, last = map(int, words)
    if last < first:
        problem = f"expected an end that is no earlier than the start (got {first} {last})"
        raise RecordingError(file, problem, place=place, remedy="correct the line")
    return [(UTKINECT_ACTIONS.index(parts.group(1)) + 1, first, last)]


def _segments_of(
    labels: str | os.PathLike[str] | bytes | Labels, recording: str, file: str
) -> NDArray[np.float64]:
    known = labels if isinstance(labels, Mapping) else read_utkinect_labels(labels)
    if recording not in known:
        raise RecordingError(
            file,
            f"the labels do not know {recording}",
            remedy="use the list of labels that came with the file, or labels=None",
        )
    return known[recording]


def _poses(content: bytes, file: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Increasing frame numbers [T] and coordinates [T, 20, 3] of the poses that exist."""
    table = text_table(content, file, columns=61)
    finite(table, file, "line", first=1)
    odd = np.flatnonzero((table[:, 0] != np.floor(table[:, 0])) | (np.abs(table[:, 0]) >= 2**31))
    if len(odd):
        problem = f"expected whole frame numbers (got {table[odd[0], 0]})"
        raise RecordingError(file, problem, place=f"line {odd[0] + 1}")
    number = table[:, 0].astype(np.int64)
    step = np.diff(number)
    if (step < 0).any():
        line = int(np.flatnonzero(step < 0)[0]) + 2
        problem = f"expected frame numbers that do not fall (got {number[line - 1]} after "
        raise RecordingError(file, f"{problem}{number[line - 2]})", place=f"line {line}")
    kept = np.append(True, step > 0)
    pos = table[:, 1:].reshape(-1, 20, 3)
    kept &= (pos != 0).any(axis=(1, 2))
    return number[kept], pos[kept]


def _interpolated(
    number: NDArray[np.int64], pos: NDArray[np.float64], run: NDArray[np.int64], every: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Multiples of `every` within the runs, divided by it, and the poses there."""
    frames, poses = [np.zeros(0, dtype=np.int64)], [np.zeros((0, *pos.shape[1:]))]
    for which in np.unique(run):
        known, shown = number[run == which], pos[run == which]
        frame = np.arange(-(-known[0] // every), known[-1] // every + 1)
        upper = np.searchsorted(known, frame * every).clip(max=len(known) - 1)
        lower = np.maximum(upper - (known[upper] > frame * every), 0)
        span = np.maximum(known[upper] - known[lower], 1)
        share = ((frame * every - known[lower]) / span)[:, None, None]
        a, b = shown[lower], shown[upper]
        both = (a != 0).any(axis=-1, keepdims=True) & (b != 0).any(axis=-1, keepdims=True)
        mixed = (1 - share) * a + share * b
        frames.append(frame)
        poses.append(np.where(both, mixed, np.where(share < 0.5, a, b)))
    return np.concatenate(frames), np.concatenate(poses)


def _counted(
    segments: NDArray[np.float64], number: NDArray[np.int64], frame: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Segments in the count of the poses; those without a pose are left out."""
    first = np.searchsorted(number, segments[:, 1])
    last = np.searchsorted(number, segments[:, 2], side="right") - 1
    seen = first <= last
    rows = [segments[seen, 0], frame[first[seen]], frame[last[seen]]]
    return np.stack(rows, axis=1).astype(np.float64)
