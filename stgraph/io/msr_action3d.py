"""The text files of MSR-Action3D in real-world coordinates."""

from __future__ import annotations

import os
import re

import numpy as np

from stgraph.io.build import GUESSED_SCORE, graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, text_table
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_msr_action3d"]

_NAME = re.compile(r"(a(\d{1,9})_s(\d{1,9})_e(\d{1,9}))_skeleton3D(?:\.txt)?$")


def read_msr_action3d(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> SkeletonGraph:
    """One recording: 20 lines a frame of x, y, z and confidence, in ``aAA_sSS_eEE_skeleton3D.txt``.

    Frames whose coordinates are all zero do not exist. Elsewhere the score is the confidence, at
    least ``GUESSED_SCORE``: a quarter of the joints has confidence 0 and a position nevertheless.
    The graph carries ``y = AA - 1``, `name`, `subject` and `repetition`.

    Units: metres, x to the right of a person who faces the camera, y up, z away from the camera,
    15 frames a second.

    Raises:
        RecordingError: if the file is missing, corrupt, truncated, of another name, or NaN.
    """
    content, file = read_bytes(source, name)
    parts = _NAME.search(file)
    if parts is None or not 1 <= int(parts.group(2)) <= 20:
        raise RecordingError(
            file, "expected a name aAA_sSS_eEE_skeleton3D.txt, action 1..20", remedy="rename it"
        )
    layout = resolve_layout("msr_action3d_20")
    table = text_table(content, file, columns=4)
    if len(table) % layout.num_joints:
        raise RecordingError(
            file,
            f"expected {layout.num_joints} lines a frame (got {len(table)} lines)",
            place=f"frame {len(table) // layout.num_joints}",
        )
    values = finite(table, file, "line", first=1).reshape(-1, layout.num_joints, 4)
    pos = values[..., :3]
    found = (pos != 0).any(axis=-1)
    score = np.where(found, values[..., 3].clip(GUESSED_SCORE, 1.0), 0.0)
    return graph_from_frames(
        pos[None],
        layout,
        score=score[None],
        fps=15.0,
        y=int(parts.group(2)) - 1,
        name=parts.group(1),
        subject=int(parts.group(3)),
        repetition=int(parts.group(4)),
    )
