"""The MATLAB label files of Penn Action."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from stgraph.io.build import GUESSED_SCORE, graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, parse_mat
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_penn_action"]


def read_penn_action(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> SkeletonGraph:
    """One recording: variables `action`, `pose`, `x`, `y`, `visibility` [T, 13], `train`.

    Visible joints get score 1, invisible ones, whose position the annotators guessed,
    ``GUESSED_SCORE``, and fillers, invisible at (1, 1) or (0, 0), score 0. The columns that the
    data set calls left hold the person's right side; columns stay as they are, and the layout's
    canonical names say which side they truly show. The graph carries `name`, `action` (str),
    `facing` (str: front, back, left or right) and `official_train` (bool), and no `y`.

    Units: pixels, x right, y down; the frame rate is not in the files.

    Raises:
        RecordingError: if the file is missing, corrupt, lacks a variable, has another joint count,
            or NaN.
    """
    content, file = read_bytes(source, name, max_bytes=8 * 2**20)
    variables = parse_mat(content, file)
    missing = {"action", "pose", "x", "y", "visibility", "train"} - set(variables)
    if missing:
        raise RecordingError(file, f"expected the variables {', '.join(sorted(missing))}")
    layout = resolve_layout("penn_13")
    tables = {}
    for key in ("x", "y", "visibility"):
        table = np.asarray(variables[key])
        if table.ndim != 2 or table.shape[1] != layout.num_joints or table.dtype.kind not in "bfiu":
            raise RecordingError(
                file,
                f"expected numbers [T, {layout.num_joints}] (got {table.dtype} {table.shape})",
                place=f"variable {key!r}",
            )
        tables[key] = finite(table, file, f"variable {key!r}, frame")
    if len({table.shape for table in tables.values()}) > 1:
        shapes = ", ".join(f"{key} {table.shape}" for key, table in tables.items())
        raise RecordingError(file, f"expected equal numbers of frames (got {shapes})")
    pos = np.stack([tables["x"], tables["y"]], axis=-1)
    visible = tables["visibility"] > 0
    filler = ~visible & ((pos == 1).all(axis=-1) | (pos == 0).all(axis=-1))
    score = np.where(visible, 1.0, np.where(filler, 0.0, GUESSED_SCORE))
    train = np.asarray(variables["train"])
    if train.size != 1 or train.dtype.kind not in "biuf":
        raise RecordingError(file, "expected 1 or -1", place="variable 'train'")
    words = {}
    for key in ("action", "pose"):
        value = np.asarray(variables[key])
        if value.size != 1 or value.dtype.kind != "U":
            raise RecordingError(file, "expected a word", place=f"variable {key!r}")
        words[key] = str(value.item())
    return graph_from_frames(
        pos[None],
        layout,
        score=score[None],
        name=Path(file).stem,
        action=words["action"],
        facing=words["pose"],
        official_train=bool(train.item() > 0),
    )
