"""OpenPose JSON: folders of per-frame files and single files, BODY_25 and COCO-18."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, number_table, parse_json
from stgraph.io.source import iter_files, read_all, read_bytes
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout

__all__ = ["read_openpose", "read_openpose_folder"]

#: Joints by the number of values of one person (x, y and confidence of each).
LAYOUTS = {75: "openpose_body_25", 54: "openpose_coco_18"}
#: Largest frame number that fits an int64, with the count of frames that follows from it.
MAX_FRAME = 2**63 - 2
PEOPLE = ("first", "largest", "all")
_KEYS = ("pose_keypoints_2d", "pose_keypoints")
#: The persons found in each frame of a video, [V, 3] (x, y, confidence) each.
Detections = dict[int, list[NDArray[np.float32]]]
_FRAME = re.compile(r"(\d+)(?:_keypoints)?\.json$")


def read_openpose(
    source: str | os.PathLike[str] | bytes,
    *,
    name: str | None = None,
    people: str = "largest",
    layout: str | SkeletonLayout | None = None,
    fps: float | None = None,
    y: int | None = None,
    **extra: Any,
) -> SkeletonGraph:
    """One OpenPose JSON file: one frame, or a list of frames, as a recording.

    Args:
        source: Path or contents of the file.
        name: Name of the file in messages, and of the recording.
        people: ``"largest"`` person of each frame, ``"first"`` in the file (OpenPose lists them in
            no order that stays from frame to frame), or ``"all"`` (persons of
            neighbouring frames are linked by nearness).
        layout: Joints; by default from the number of values (75: BODY_25, 54: COCO-18).
        fps: Frames a second of the video, which the files do not tell.
        y: Class number.
        **extra: Further attributes of the recording.

    Units: pixels of the video, x right, y down; confidence, cut to 0...1, becomes the score.

    Raises:
        RecordingError: if the file is missing, corrupt, has another number of values, or NaN.
        ValueError: if `people` is unknown.
    """
    content, file = read_bytes(source, name)
    document = parse_json(content, file)
    frames = document if isinstance(document, list) else [document]
    found = {i: _people(frame, file, f"frame {i}") for i, frame in enumerate(frames)}
    extra.setdefault("name", Path(file).stem)
    return assemble(found, file, people, layout, fps=fps, y=y, **extra)


def read_openpose_folder(
    path: str | os.PathLike[str] | Iterable[tuple[str, bytes]],
    *,
    name: str | None = None,
    people: str = "largest",
    layout: str | SkeletonLayout | None = None,
    fps: float | None = None,
    y: int | None = None,
    skip_bad: bool = False,
    **extra: Any,
) -> SkeletonGraph:
    """A folder of per-frame OpenPose files of one video as a recording.

    The frame number is the last number of a file's name (``…_000000000012_keypoints.json``); a
    number without a file is a frame without a person, and so is an empty list of people.

    Args:
        path: The folder, its tar archive, or pairs of file name and contents.
        name: Name of the recording; the folder's by default.
        people: As in :func:`read_openpose`.
        layout: As in :func:`read_openpose`; BODY_25 if no frame has a person.
        fps: Frames a second.
        y: Class number.
        skip_bad: Whether bad files count as frames without a person, with a warning.
        **extra: Further attributes of the recording.

    Raises:
        RecordingError: for a bad file (unless `skip_bad`), for two files of one frame (two videos
            in one folder), and for files of different layouts.
    """
    if isinstance(path, str | os.PathLike):
        files: Iterable[tuple[str, bytes]] = iter_files(path, r"\.json$")
        name, file = name or Path(path).stem, str(path)
    else:
        files, name = path, name or "openpose"
        file = name
    try:
        parsed, _ = read_all(files, parse_frame, skip_bad=skip_bad)
    except RecordingError as error:
        if not isinstance(path, str | os.PathLike) or error.file == file:
            raise
        # frames are named alike in all folders
        frame = Path(path) / error.file
        raise RecordingError(frame, error.problem, place=error.place, remedy=error.remedy) from None
    found: Detections = {}
    for number, persons in parsed:
        if number in found:
            raise RecordingError(
                file,
                f"frame {number} comes twice",
                remedy="give each video a folder of its own",
            )
        found[number] = persons
    if not found and not skip_bad:
        raise RecordingError(file, "expected OpenPose JSON files (got none)", remedy="check it")
    extra.setdefault("name", name)
    return assemble(found, file, people, layout, fps=fps, y=y, **extra)


def parse_frame(content: bytes, name: str) -> tuple[int, list[NDArray[np.float32]]]:
    """Number and persons of a per-frame file."""
    number = _FRAME.search(name)
    if number is None:
        raise RecordingError(
            name, "expected a frame number at the end of the name", remedy="rename the file"
        )
    digits = number.group(1).lstrip("0") or "0"
    if len(digits) > 19 or int(digits) > MAX_FRAME:
        raise RecordingError(
            name,
            f"expected a frame number up to {MAX_FRAME} (got {digits[:40]})",
            remedy="rename it",
        )
    return int(digits), _people(parse_json(content, name), name, "")


def _people(document: Any, file: str, place: str) -> list[NDArray[np.float32]]:
    """The persons of a frame that have at least one joint, [V, 3] each."""
    if not isinstance(document, Mapping) or not isinstance(document.get("people"), list):
        raise RecordingError(file, "expected an object with the list 'people'", place=place)
    persons = []
    for number, person in enumerate(document["people"]):
        where = f"{place} person {number}".strip()
        key = next((k for k in _KEYS if isinstance(person, Mapping) and k in person), None)
        if key is None:
            raise RecordingError(file, "expected the key 'pose_keypoints_2d'", place=where)
        values = number_table(person[key], file, f"{where}, key {key!r}")
        if values.size == 0:
            continue
        if values.ndim != 1 or values.size not in LAYOUTS:
            raise RecordingError(
                file,
                f"expected 75 values (BODY_25) or 54 (COCO-18), three a joint (got {values.size})",
                place=f"{where}, key {key!r}",
            )
        table = finite(values.reshape(-1, 3), file, f"{where}, joint")
        table[:, 2] = table[:, 2].clip(0, 1)
        if table[:, 2].any():
            persons.append(table)
    return persons


def assemble(
    found: Detections,
    file: str,
    people: str,
    layout: str | SkeletonLayout | None,
    **fields: Any,
) -> SkeletonGraph:
    """A recording of the persons found in each frame; arguments as :func:`read_openpose`."""
    _check_names(fields)
    if people not in PEOPLE:
        raise ValueError(f"unknown people {people!r}; known are {', '.join(PEOPLE)}")
    counts = {len(person): number for number, persons in found.items() for person in persons}
    if len(counts) > 1:
        raise RecordingError(
            file,
            f"expected one layout (got people of {' and '.join(map(str, sorted(counts)))} joints)",
            place=f"frame {max(counts.values())}",
        )
    joints = next(iter(counts), None)
    if layout is None:
        layout = LAYOUTS[75 if joints is None else joints * 3]
    skeleton: SkeletonLayout = resolve_layout(layout)
    if joints not in (None, skeleton.num_joints):
        raise RecordingError(
            file, f"expected {skeleton.num_joints} joints of {skeleton.name!r} (got {joints})"
        )
    frames = sorted(found)
    if people == "all":
        rows = _link([(number, found[number]) for number in frames])
    else:
        rows = {(0, number): _choose(found[number], people) for number in frames if found[number]}
    persons = 1 + max((person for person, _ in rows), default=0)
    column = {number: t for t, number in enumerate(frames)}
    dense = np.zeros((persons, len(frames), skeleton.num_joints, 3), dtype=np.float32)
    for (person, number), table in rows.items():
        dense[person, column[number]] = table
    return graph_from_frames(dense[..., :2], skeleton, score=dense[..., 2], frame=frames, **fields)


def _check_names(fields: Mapping[str, Any]) -> None:
    """Refuses attributes that are options written wrong."""
    options = set(inspect.signature(read_openpose_folder).parameters) - {"path", "extra"}
    for name in fields.keys() - {"name", "fps", "y"}:  # those were handed on by the readers
        meant = difflib.get_close_matches(name, sorted(options), 1, 0.75)
        if meant:
            hint = "this reader does not take it" if meant == [name] else f"{meant[0]!r} is known"
            raise TypeError(f"unexpected argument {name!r}: {hint}")


def _choose(persons: list[NDArray[np.float32]], people: str) -> NDArray[np.float32]:
    if people == "first":
        return persons[0]
    return max(persons, key=_area)


def _area(person: NDArray[np.float32]) -> float:
    points = person[person[:, 2] > 0, :2]
    return float(np.prod(points.max(axis=0) - points.min(axis=0)))


def _link(
    frames: list[tuple[int, list[NDArray[np.float32]]]], patience: int = 25, reach: float = 0.5
) -> dict[tuple[int, int], NDArray[np.float32]]:
    """Greedy tracking: the nearest pair of a known person and a detection is linked first.

    A link needs a mean joint distance below `reach` body sizes; a person unseen for more than
    `patience` frames is forgotten.
    """
    rows: dict[tuple[int, int], NDArray[np.float32]] = {}
    known: dict[int, tuple[int, NDArray[np.float32]]] = {}
    newcomers = 0
    for number, persons in frames:
        known = {p: seen for p, seen in known.items() if number - seen[0] <= patience}
        pairs = sorted(
            (distance, who, i)
            for who, (_, last) in known.items()
            for i, person in enumerate(persons)
            if (distance := _distance(last, person)) < reach
        )
        linked: dict[int, int] = {}
        for _, who, i in pairs:
            if i not in linked and who not in linked.values():
                linked[i] = who
        for i, person in enumerate(persons):
            if i not in linked:
                linked[i] = newcomers
                newcomers += 1
            rows[linked[i], number] = person
            known[linked[i]] = (number, person)
    return rows


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    both = (a[:, 2] > 0) & (b[:, 2] > 0)
    size = max(_area(a), _area(b), 1.0) ** 0.5
    if both.any():
        return float(np.linalg.norm(a[both, :2] - b[both, :2], axis=1).mean() / size)
    centre = [p[p[:, 2] > 0, :2].mean(axis=0) for p in (a, b)]
    return float(np.linalg.norm(centre[0] - centre[1]) / size)
