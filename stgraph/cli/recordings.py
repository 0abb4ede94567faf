"""Recordings from files of any format that we read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch_geometric.data import Batch

from stgraph import io
from stgraph.cli.show import recording_name
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

Reader = Callable[[Path, SkeletonLayout | None], Any]


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        suffix: How its files end.
        joints: Numbers of joints that it has; empty: any, as the layout says.
        read: Path and layout to one or several recordings.
        name: Regular expression of its files' names, where other formats have the same suffix and
            number of joints.
    """

    suffix: str
    joints: tuple[int, ...]
    read: Reader
    name: str = ""


def _openpose(path: Path, layout: SkeletonLayout | None) -> Any:
    read = io.read_openpose_folder if path.is_dir() else io.read_openpose
    graph = read(path)
    if not graph.num_poses and layout is not None and layout.num_joints in OPENPOSE_JOINTS:
        graph = read(path, layout=layout)  # where nobody is, nobody tells the joints
    return graph


def _numpy(path: Path, layout: SkeletonLayout | None) -> Any:
    if layout is None:
        raise ValueError(f"'{path}' is an array: the model has no layout to read it by")
    return io.read_numpy(path, layout)


def _store(path: Path, layout: SkeletonLayout | None) -> list[SkeletonGraph]:
    store = io.Store.open(path)
    return [store[i] for i in range(len(store))]


OPENPOSE_JOINTS = (18, 25)
FORMATS = {
    "openpose": Format(".json", OPENPOSE_JOINTS, _openpose),
    "nw_ucla": Format(".json", (20,), lambda path, layout: io.read_nw_ucla(path)),
    "kth_poses": Format(".npz", (18,), lambda path, layout: io.read_kth_poses(path)),
    "numpy": Format(".npy", (), _numpy),
    "penn_action": Format(".mat", (13,), lambda path, layout: io.read_penn_action(path)),
    "utd_mhad": Format(".mat", (20,), lambda path, layout: io.read_utd_mhad(path)),
    "sbu": Format(".txt", (15,), lambda path, layout: io.read_sbu(path), r"^skeleton_pos\.txt$"),
    "msr_action3d": Format(
        ".txt", (20,), lambda path, layout: io.read_msr_action3d(path), r"_skeleton3D\.txt$"
    ),
    "utkinect": Format(
        ".txt", (20,), lambda path, layout: io.read_utkinect(path), r"^joints_s\d+_e\d+\.txt$"
    ),
    "pku_mmd": Format(".txt", (25,), lambda path, layout: io.read_pku_mmd(path), r"-[LMR]\.txt$"),
    "store": Format(".safetensors", (), _store),
}


def choose_format(path: Path, layout: SkeletonLayout | None) -> str:
    """The format of a file, from its suffix, the joints that the model knows, and its name.

    Raises:
        RecordingError: if that does not decide.
    """
    if path.is_dir():
        return "openpose"
    fitting = [name for name, known in FORMATS.items() if known.suffix == path.suffix.lower()]
    if not fitting:
        suffixes = ", ".join(dict.fromkeys(known.suffix for known in FORMATS.values()))
        raise io.RecordingError(
            path,
            f"no reader for files that end in {path.suffix!r} (known: {suffixes})",
            remedy="name one with --format, or skip it with skip_bad=True",
        )
    named = [n for n in fitting if FORMATS[n].name and re.search(FORMATS[n].name, path.name)]
    if len(fitting) > 1 and len(named) == 1:
        return named[0]
    if layout is not None and len(fitting) > 1:
        v = layout.num_joints
        fitting = [n for n in fitting if v in FORMATS[n].joints or not FORMATS[n].joints] or fitting
    if len(fitting) > 1:
        raise io.RecordingError(
            path, f"it may be {' or '.join(fitting)}", remedy="say which with --format"
        )
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
    check_format(format)
    found = FORMATS[format].read(path, layout)
    graphs = [found] if isinstance(found, SkeletonGraph) else list(found)
    for graph in graphs:
        conflict = None if layout is None else layout.joint_conflict(graph.layouts[0])
        if layout is not None and conflict is not None:
            raise io.RecordingError(
                path,
                f"it has the joints of {graph.layouts[0].name!r} and the model expects those of "
                f"{layout.name!r} ({conflict})",
                remedy="use a model for these joints",
            )
    return graphs


def check_format(format: str | None) -> None:
    """Refuses a format that there is not.

    Raises:
        ValueError: lists those that there are.
    """
    if format is not None and format not in FORMATS:
        raise ValueError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")


def picture_names(recordings: Sequence[tuple[Path, SkeletonGraph]]) -> list[str]:
    """Names of files for recordings; those that share a name are numbered, so that none is lost."""
    names: list[str] = []
    for path, graph in recordings:
        name = word = recording_name(path, graph).replace("/", "_")
        number = 2
        while word in names:
            word, number = f"{name}-{number}", number + 1
        names.append(word)
    return names


def check_channels(path: Path, graphs: Sequence[SkeletonGraph], task: Any) -> None:
    """Refuses recordings whose coordinates the model was not made for, 3-D ones beside 2-D ones.

    Raises:
        RecordingError: if the model's transform makes another number of channels of them.
    """
    config = getattr(task.network, "config", {})
    expected = config.get("in_channels", (config.get("encoder_kwargs") or {}).get("in_channels"))
    posed = {graph.num_dims: graph for graph in graphs if graph.num_poses}
    for dims, graph in posed.items():
        batch = task.prepare(Batch.from_data_list([graph]))
        x = getattr(batch, "x", None)
        channels = (batch.pos if x is None else x).size(1)
        if expected not in (None, channels):
            raise io.RecordingError(
                path,
                f"its {dims} coordinates a joint become {channels} channels, and the model expects "
                f"{expected}",
                remedy="use a model for such recordings, or skip it with skip_bad=True",
            )


@contextmanager
def skipping(skip_bad: bool) -> Iterator[None]:
    """Turns the error of a bad recording into a warning, if that was asked for."""
    try:
        yield
    except io.RecordingError as error:
        if not skip_bad:
            raise
        print(f"warning: {error}", file=sys.stderr)


def expand(paths: Iterable[str], format: str | None = None) -> list[Path]:
    """Files and folders; a folder without OpenPose frames stands for the files in it.

    Args:
        paths: What the user named.
        format: The format that the user named, if any.

    Raises:
        RecordingError: if a folder holds nothing to read.
    """
    out: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir() and not any(path.glob("*_keypoints.json")):
            found = sorted(p for p in path.iterdir() if p.is_dir() or _may_hold(p, format))
            if not found:
                raise io.RecordingError(
                    path, "the folder holds no file of a known format", remedy="check the path"
                )
            out += found
        else:
            out.append(path)
    return out


def _may_hold(path: Path, format: str | None) -> bool:
    """Whether a file of a folder may hold a recording: of text files the name tells."""
    fitting = [form for form in FORMATS.values() if form.suffix == path.suffix.lower()]
    if format is not None or not all(form.name for form in fitting):
        return bool(fitting)
    return any(re.search(form.name, path.name) for form in fitting)
