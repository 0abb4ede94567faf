"""The text files of SBU Kinect Interaction: two persons a frame."""

from __future__ import annotations

import os
import re

import numpy as np

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, text_table
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_sbu"]

_PATH = re.compile(r"(s(\d{1,9})s(\d{1,9}))/(\d{1,9})/(\d{1,9})/skeleton_pos\.txt$")


def read_sbu(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None, metres: bool = False
) -> SkeletonGraph:
    """One recording: lines of a frame number and 2 persons x 15 joints x (x, y, z).

    Pair, class and number come from the path ``sAAsBB/CC/NNN/skeleton_pos.txt``: the graph carries
    ``y = CC - 1``, `name` (``sAAsBB_CC_NNN``), `pair` (str), `subject` (the first person's), and
    `y_down`, which says pictures which way is up.

    Args:
        source: Path or contents of the file.
        name: Path in messages, needed with contents.
        metres: Whether to undo the normalisation of the axes, which have three scales: then
            x = 1.28 - 2.56 x, y = 0.96 - 1.92 y, z = 1.28 z in metres, y up. Otherwise
            coordinates are as read: x about 0..1, y down.

    15 frames a second.

    Raises:
        RecordingError: if the file is missing, corrupt, truncated, under another path, or NaN.
    """
    content, file = read_bytes(source, name)
    parts = _PATH.search(file.replace(os.sep, "/"))
    if parts is None or not 1 <= int(parts.group(4)) <= 8:
        raise RecordingError(
            file, "expected a path sAAsBB/CC/NNN/skeleton_pos.txt", remedy="keep the folders"
        )
    table = text_table(content, file, columns=91, delimiter=",")
    finite(table, file, "line", first=1)
    odd = np.flatnonzero((table[:, 0] != np.floor(table[:, 0])) | (np.abs(table[:, 0]) >= 2**31))
    if len(odd):
        problem = f"expected whole frame numbers (got {table[odd[0], 0]})"
        raise RecordingError(file, problem, place=f"line {odd[0] + 1}")
    frame = table[:, 0].astype(np.int64)
    if (np.diff(frame) <= 0).any():
        line = int(np.flatnonzero(np.diff(frame) <= 0)[0]) + 2
        raise RecordingError(file, "expected increasing frame numbers", place=f"line {line}")
    pos = table[:, 1:].reshape(-1, 2, 15, 3).transpose(1, 0, 2, 3)
    score = (pos != 0).any(axis=-1).astype(np.float32)
    if metres:
        pos = pos * np.array([-2.56, -1.92, 1.28]) + np.array([1.28, 0.96, 0.0])
        pos = np.where(score[..., None] > 0, pos, 0.0)
    return graph_from_frames(
        pos.astype(np.float32),
        resolve_layout("sbu_15"),
        score=score,
        frame=frame,
        fps=15.0,
        y=int(parts.group(4)) - 1,
        name=f"{parts.group(1)}_{parts.group(4)}_{parts.group(5)}",
        pair=parts.group(1),
        subject=int(parts.group(2)),
        y_down=int(not metres),
    )
