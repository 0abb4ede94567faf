"""The JSON form of Northwestern-UCLA recordings."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, number_table, parse_json
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_nw_ucla"]

_NAME = re.compile(r"^a(\d{1,9})_s(\d{1,9})_e(\d{1,9})_v(\d{1,9})$")


def read_nw_ucla(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> SkeletonGraph:
    """One recording: keys `file_name`, `skeletons` (T lists of 20 [x, y, z]) and `label` (1..10).

    Besides ``y = label - 1`` the graph carries `name`, `action`, `subject`, `repetition`,
    `camera` (from the name ``aAA_sSS_eEE_vVV``) and `digest`, the SHA-256 of the coordinates in
    double precision, by which exact copies are found. Joints at (0, 0, 0) get score 0.

    Units: metres, camera coordinates (x to the right of a person who faces the camera, y up, z
    away from the camera), 30 frames a second.

    Raises:
        RecordingError: if the file is missing, corrupt, has another joint count, or NaN.
    """
    content, file = read_bytes(source, name)
    document = parse_json(content, file)
    if not isinstance(document, Mapping) or not {"file_name", "skeletons", "label"} <= set(
        document
    ):
        raise RecordingError(file, "expected the keys file_name, skeletons and label")
    title = str(document["file_name"])
    parts = _NAME.match(title)
    if parts is None:
        raise RecordingError(
            file, f"expected a name aAA_sSS_eEE_vVV (got {title[:60]!r})", place="key 'file_name'"
        )
    label = document["label"]
    if isinstance(label, bool) or not isinstance(label, int) or not 1 <= label <= 10:
        raise RecordingError(file, f"expected a label 1..10 (got {label!r})", place="key 'label'")
    frames = document["skeletons"]
    layout = resolve_layout("kinect_v1_20")
    for number, frame in enumerate(frames if isinstance(frames, list) else []):
        if not isinstance(frame, list) or len(frame) != layout.num_joints:
            got = len(frame) if isinstance(frame, list) else type(frame).__name__
            raise RecordingError(
                file, f"expected {layout.num_joints} joints (got {got})", place=f"frame {number}"
            )
    table = number_table(frames, file, "key 'skeletons'")
    if table.ndim != 3 or not len(table) or table.shape[2] != 3:
        raise RecordingError(
            file,
            f"expected frames of {layout.num_joints} joints of 3 numbers (got {table.shape})",
            place="key 'skeletons'",
        )
    action, subject, repetition, camera = (int(part) for part in parts.groups())
    return graph_from_frames(
        finite(table, file)[None],
        layout,
        score=(table != 0).any(axis=-1)[None].astype(np.float32),
        fps=30.0,
        y=label - 1,
        name=Path(title).name,
        action=action,
        subject=subject,
        repetition=repetition,
        camera=camera,
        digest=hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest(),
    )
