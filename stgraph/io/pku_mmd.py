"""The text files of PKU-MMD: long recordings of up to two persons, and the actions in them."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, text_table
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["PKU_MMD_NAME", "read_pku_mmd", "read_pku_mmd_labels"]

#: Number of classes of part I.
_NUM_CLASSES = 51
#: Name of a recording: the take and the camera (left, middle, right).
PKU_MMD_NAME = re.compile(r"(?:^|[\\/])((\w{1,32})-([LMR]))(?:\.txt)?$")


def read_pku_mmd(
    source: str | os.PathLike[str] | bytes,
    labels: str | os.PathLike[str] | bytes | NDArray[Any] | None = None,
    *,
    name: str | None = None,
) -> SkeletonGraph:
    """One recording of ``TAKE-CAMERA.txt``: a line a frame of 2 persons x 25 joints x (x, y, z).

    A person whose coordinates are all zero is absent; frames are numbered from 0. The graph carries
    `name` (``0002-L``), `take` (``0002``, the same of the three cameras) and `camera` (``L``,
    ``M`` or ``R``).

    Args:
        source: Path or contents of the skeleton file.
        labels: Path or contents of the label file, or what :func:`read_pku_mmd_labels` made of it;
            the graph then has ``segments``.
        name: Path in messages, needed with contents.

    Units: metres, y up, z away from the camera, 30 frames a second.

    Raises:
        RecordingError: if a file is missing, corrupt, truncated, of another name, or NaN, or an
            action begins after the last frame.
    """
    content, file = read_bytes(source, name)
    parts = PKU_MMD_NAME.search(file)
    if parts is None:
        problem = "expected a name TAKE-CAMERA.txt with the camera L, M or R, such as 0002-L.txt"
        raise RecordingError(file, problem, remedy="rename it")
    table = finite(text_table(content, file, columns=150), file, "line", first=1)
    pos = table.reshape(-1, 2, 25, 3).transpose(1, 0, 2, 3)
    extra: dict[str, Any] = {}
    if labels is not None:
        segments = labels if isinstance(labels, np.ndarray) else read_pku_mmd_labels(labels)
        late = np.flatnonzero(segments[:, 1] >= len(table))
        if len(late):
            problem = f"expected actions within {len(table)} frames (one begins at "
            problem += f"{segments[late[0], 1]:.0f})"
            raise RecordingError(file, problem, remedy="use the labels of this recording")
        extra["segments"] = torch.from_numpy(segments.astype(np.float32))
    return graph_from_frames(
        pos,
        resolve_layout("kinect_v2_25"),
        score=(pos != 0).any(axis=-1).astype(np.float32),
        fps=30.0,
        name=parts.group(1),
        take=parts.group(2),
        camera=parts.group(3),
        **extra,
    )


def read_pku_mmd_labels(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> NDArray[np.float64]:
    """The actions of one recording: lines ``label,start,end,confidence``.

    Args:
        source: Path or contents of the label file.
        name: Path in messages.

    Returns:
        A table [S, 3] of class (1..51), first and last frame as the file has them, by first frame.
        Where the end comes before the start, both are exchanged. The confidence is left out.

    Raises:
        RecordingError: if the file is missing, corrupt or truncated, or a number is none that it
            can be.
    """
    content, file = read_bytes(source, name)
    table = text_table(content, file, columns=4, delimiter=",")
    finite(table, file, "line", first=1)
    label, frames = table[:, 0], table[:, 1:3]
    whole = (table[:, :3] == np.floor(table[:, :3])).all(axis=1)
    known = (label >= 1) & (label <= _NUM_CLASSES)
    counted = ((frames >= 0) & (frames < 2**24)).all(axis=1)
    bad = np.flatnonzero(~(whole & known & counted))
    if len(bad):
        got = ",".join(f"{value:g}" for value in table[bad[0], :3])
        problem = f"expected a label 1..{_NUM_CLASSES} and two whole frame numbers (got {got})"
        raise RecordingError(file, problem, place=f"line {bad[0] + 1}")
    rows = np.column_stack([label, frames.min(axis=1), frames.max(axis=1)])
    return rows[np.argsort(rows[:, 1], kind="stable")]
