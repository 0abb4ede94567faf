"""Recordings from files of any format that we read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgraph import io
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

Reader = Callable[[Path, SkeletonLayout | None], Any]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        suffix: How its files end.
        joints: Numbers of joints that it has; empty: any, as the layout says.
        read: Path and layout to one or several recordings.
    """

    suffix: str
    joints: tuple[int, ...]
    read: Reader


def _openpose(path: Path, layout: SkeletonLayout | None) -> Any:
    return io.read_openpose_folder(path) if path.is_dir() else io.read_openpose(path)


def _numpy(path: Path, layout: SkeletonLayout | None) -> Any:
    if layout is None:
        raise ValueError(f"'{path}' is an array: the model has no layout to read it by")
    return io.read_numpy(path, layout)


def _store(path: Path, layout: SkeletonLayout | None) -> list[SkeletonGraph]:
    store = io.Store.open(path)
    return [store[i] for i in range(len(store))]


FORMATS = {
    "openpose": Format(".json", (18, 25), _openpose),
    "nw_ucla": Format(".json", (20,), lambda path, layout: io.read_nw_ucla(path)),
    "kth_poses": Format(".npz", (18,), lambda path, layout: io.read_kth_poses(path)),
    "numpy": Format(".npy", (), _numpy),
    "penn_action": Format(".mat", (13,), lambda path, layout: io.read_penn_action(path)),
    "utd_mhad": Format(".mat", (20,), lambda path, layout: io.read_utd_mhad(path)),
    "sbu": Format(".txt", (15,), lambda path, layout: io.read_sbu(path)),
    "msr_action3d": Format(".txt", (20,), lambda path, layout: io.read_msr_action3d(path)),
    "store": Format(".safetensors", (), _store),
}


def choose_format(path: Path, layout: SkeletonLayout | None) -> str:
    """The format of a file, from its suffix and the joints that the model knows.

    Raises:
        ValueError: if that does not decide.
    """
    if path.is_dir():
        return "openpose"
    fitting = [name for name, known in FORMATS.items() if known.suffix == path.suffix.lower()]
    if not fitting:
        suffixes = ", ".join(dict.fromkeys(known.suffix for known in FORMATS.values()))
        raise ValueError(
            f"'{path}': no reader for files that end in {path.suffix!r} (known: {suffixes}); name "
            "one with --format"
        )
    if layout is not None and len(fitting) > 1:
        v = layout.num_joints
        fitting = [n for n in fitting if v in FORMATS[n].joints or not FORMATS[n].joints] or fitting
    if len(fitting) > 1:
        raise ValueError(f"'{path}' may be {' or '.join(fitting)}: say which with --format")
    return fitting[0]


def read_recordings(
    path: Path, layout: SkeletonLayout | None, format: str | None = None
) -> list[SkeletonGraph]:
    """The recordings of a file.

    Args:
        path: A file, or a folder of OpenPose files of one recording.
        layout: The joints that the model knows; None: any.
        format: One of :data:`FORMATS`; by default :func:`choose_format` decides.

    Raises:
        RecordingError: if it cannot be read.
        ValueError: if the format is unknown or open, or the joints are not the model's.
    """
    if not path.exists():
        raise io.RecordingError(path, "there is no such file or folder", remedy="check the path")
    if format is None:
        format = choose_format(path, layout)
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")
    found = FORMATS[format].read(path, layout)
    graphs = [found] if isinstance(found, SkeletonGraph) else list(found)
    for graph in graphs:
        if layout is not None and graph.num_joints != layout.num_joints:
            raise io.RecordingError(
                path,
                f"it has {graph.num_joints} joints ({graph.layouts[0].name}) and the model expects "
                f"{layout.num_joints} ({layout.name})",
                remedy="use a model for these joints",
            )
    return graphs


def expand(paths: Iterable[str]) -> list[Path]:
    """Files and folders; a folder without OpenPose frames stands for the files in it."""
    out: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir() and not any(path.glob("*_keypoints.json")):
            known = {form.suffix for form in FORMATS.values()}
            out += sorted(p for p in path.iterdir() if p.is_dir() or p.suffix.lower() in known)
        else:
            out.append(path)
    return out
