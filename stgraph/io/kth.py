"""The KTH pose files and the list of frame ranges."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, parse_npz
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["read_kth_poses", "read_kth_sequences"]

#: Frames a second of the KTH videos; frame ranges count these.
VIDEO_FPS = 25.0
_LINE = re.compile(r"^(person\d{1,10}_[a-z]+_d\d)\s+frames\s*(.*)$")
_RANGE = re.compile(r"^(\d{1,10})-(\d{1,10})$")


def read_kth_poses(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> SkeletonGraph:
    """One video: arrays `poses` [T, 18, 2], `timestamps` [T] in seconds and `meta` (JSON text).

    Frames count the sampled ones, 0, 1, ...: frame n is video frame ``n * step`` (from 0), with
    `frame_step` (3 in nearly all files) on the graph, beside `name` and `clip_length`, the number
    of sampled frames including those without a pose. A joint at (0, 0) is missing: score 0.

    Units: pixels of the 160 x 120 video, x right, y down; ``fps = 25 / step``.

    Raises:
        RecordingError: if the file is missing, corrupt, lacks an array, has another joint count,
            NaN, or unequally spaced times.
    """
    content, file = read_bytes(source, name)
    arrays = parse_npz(content, file)
    missing = {"poses", "timestamps"} - set(arrays)
    if missing:
        raise RecordingError(file, f"expected the arrays {', '.join(sorted(missing))}")
    layout = resolve_layout("openpose_coco_18")
    poses, times = arrays["poses"], arrays["timestamps"]
    if poses.ndim != 3 or poses.shape[1:] != (18, 2) or poses.dtype.kind != "f":
        raise RecordingError(
            file, f"expected [T, 18, 2] (got {poses.dtype} {poses.shape})", place="array 'poses'"
        )
    if times.shape != poses.shape[:1] or times.dtype.kind != "f":
        raise RecordingError(
            file, f"expected {len(poses)} times (got {times.shape})", place="array 'timestamps'"
        )
    video = np.rint(finite(times, file, "time").astype(np.float64) * VIDEO_FPS).astype(np.int64)
    step = int(video[1]) if len(video) > 1 else 1
    if step < 1 or not np.array_equal(video, np.arange(len(video)) * step):
        raise RecordingError(file, "expected equally spaced times from 0", place="timestamps")
    pos = finite(poses, file)
    return graph_from_frames(
        pos[None],
        layout,
        score=(pos != 0).any(axis=-1)[None].astype(np.float32),
        fps=VIDEO_FPS / step,
        name=_title(arrays, file),
        frame_step=step,
        clip_length=len(poses),
    )


def _title(arrays: Mapping[str, Any], file: str) -> str:
    try:
        return str(json.loads(str(arrays["meta"]))["video_id"])
    except (KeyError, ValueError, TypeError, RecursionError):
        return Path(file).stem


def read_kth_sequences(
    source: str | os.PathLike[str] | bytes, *, name: str | None = None
) -> dict[str, list[tuple[int, int]]]:
    """The frame ranges of `00sequences.txt`: video name to (first, last), from 1, both included.

    Lines that do not begin with ``person`` are comments; ranges come in the order of the file,
    which is not always that of time. A line without ranges is a video that does not exist.

    Raises:
        RecordingError: with the line whose ranges are no ranges, or if there is none at all.
    """
    content, file = read_bytes(source, name)
    ranges: dict[str, list[tuple[int, int]]] = {}
    for number, line in enumerate(content.decode("latin-1").splitlines(), start=1):
        line = line.strip()
        if not line.startswith("person"):
            continue
        match = _LINE.match(line)
        if match is not None and not match.group(2):
            continue
        found = [_RANGE.match(part.strip()) for part in match.group(2).split(",")] if match else []
        pairs = [(int(r.group(1)), int(r.group(2))) for r in found if r is not None]
        if (
            match is None
            or len(pairs) != len(found)
            or any(not 1 <= a <= b < 2**31 for a, b in pairs)
        ):
            raise RecordingError(
                file,
                f"expected 'personNN_action_dN frames a-b, c-d' (got {line[:60]!r})",
                place=f"line {number}",
            )
        ranges[match.group(1)] = pairs
    if not ranges:
        raise RecordingError(file, "expected lines 'personNN_action_dN frames a-b' (got none)")
    return ranges
