"""The MATLAB skeleton files of UTD-MHAD."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, parse_mat
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_utd_mhad"]

_NAME = re.compile(r"a(\d{1,9})_s(\d{1,9})_t(\d{1,9})_skeleton(?:\.mat)?$")


def read_utd_mhad(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> SkeletonGraph:
    """One recording: variable `d_skel` [20, 3, T], in a file named ``aA_sS_tT_skeleton.mat``.

    The graph carries ``y = A - 1``, `name`, `subject` and `repetition`.

    Units: metres, x to the right of a person who faces the camera, y up, z away from the camera,
    30 frames a second.

    Raises:
        RecordingError: if the file is missing, corrupt, has another name or shape, or NaN.
    """
    content, file = read_bytes(source, name, max_bytes=32 * 2**20)
    parts = _NAME.search(file)
    if parts is None or not 1 <= int(parts.group(1)) <= 27:
        raise RecordingError(
            file, "expected a name aA_sS_tT_skeleton.mat with action 1..27", remedy="rename it"
        )
    variables = parse_mat(content, file)
    layout = resolve_layout("utd_mhad_20")
    table = np.asarray(variables.get("d_skel", np.zeros(0)))
    if table.ndim != 3 or table.shape[:2] != (20, 3) or not table.shape[2]:
        raise RecordingError(
            file, f"expected [20, 3, T] (got {table.shape})", place="variable 'd_skel'"
        )
    if table.dtype.kind != "f":
        raise RecordingError(
            file, f"expected numbers (got {table.dtype})", place="variable 'd_skel'"
        )
    pos = finite(table.transpose(2, 0, 1), file)
    action, subject, repetition = (int(part) for part in parts.groups())
    return graph_from_frames(
        pos[None],
        layout,
        score=(pos != 0).any(axis=-1)[None].astype(np.float32),
        fps=30.0,
        y=action - 1,
        name=Path(file).stem.removesuffix("_skeleton"),
        subject=subject,
        repetition=repetition,
    )
