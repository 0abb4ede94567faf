"""KTH actions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgraph.datasets.base import PathLike, SkeletonDataset
from stgraph.datasets.splits import partition_groups
from stgraph.io import (
    RecordingError,
    clip_frames,
    graphs_from_array,
    iter_files,
    read_all,
    read_kth_poses,
    read_kth_sequences,
)
from stgraph.io.kth import VIDEO_FPS
from stgraph.io.openpose import PEOPLE, Detections, assemble, parse_frame
from stgraph.io.parse import parse_npy, parse_npz
from stgraph.skeleton import SkeletonGraph

__all__ = ["KTH", "kth_parts", "official_ranges"]

CLASSES = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
OFFICIAL_SUBJECTS = {
    "train": (11, 12, 13, 14, 15, 16, 17, 18),
    "val": (19, 20, 21, 23, 24, 25, 1, 4),
    "test": (22, 2, 3, 5, 6, 7, 8, 9, 10),
}
PROTOCOLS = ("official", "15-5-5", "scenario", "stratified")
LEVELS = ("range", "video")
_VIDEO = re.compile(rf"person(\d\d)_({'|'.join(CLASSES)})_d([1-4])")
_LAYOUTS = {18: "openpose_coco_18", 25: "openpose_body_25"}


@cache
def official_ranges() -> Mapping[str, list[tuple[int, int]]]:
    """The official frame ranges of the 599 videos: first and last frame, from 1, at 25 a second."""
    text = resources.files("stgraph.datasets").joinpath("kth_ranges.json").read_text("utf-8")
    return {video: [(a, b) for a, b in pairs] for video, pairs in json.loads(text).items()}


def kth_parts(
    subject: NDArray[np.int64],
    scenario: NDArray[np.int64],
    video: NDArray[Any],
    y: Tensor,
    protocol: str = "official",
    seed: int = 0,
) -> Tensor:
    """Part of each recording: 0 training, 1 validation, 2 test.

    Args:
        subject: Subject 1..25 of each recording.
        scenario: Scenario 1..4 (d1 to d4).
        video: Name of its video; the ranges of a video stay together.
        y: Class numbers.
        protocol: ``"official"`` (8 / 8 / 9 subjects), ``"15-5-5"`` (subjects in ascending order),
            ``"scenario"`` (d1 and d2 / d3 / d4), or ``"stratified"`` (60 / 20 / 20 % of each
            class's videos, drawn by `seed`; subjects are on all sides).

    Raises:
        ValueError: if the protocol is unknown.
    """
    person = torch.from_numpy(subject.copy())
    if protocol == "official":
        table = torch.full((26,), 2)
        table[list(OFFICIAL_SUBJECTS["train"])] = 0
        table[list(OFFICIAL_SUBJECTS["val"])] = 1
        return table[person]
    if protocol == "15-5-5":
        return torch.bucketize(person, torch.tensor([15, 20]))
    if protocol == "scenario":
        return torch.tensor([0, 0, 0, 1, 2])[torch.from_numpy(scenario.copy())]
    if protocol == "stratified":
        return partition_groups(y, video.tolist(), (0.6, 0.2, 0.2), seed)
    raise ValueError(f"unknown protocol {protocol!r}; known are {', '.join(PROTOCOLS)}")


class KTH(SkeletonDataset):
    r"""KTH actions: six actions, 25 subjects, four scenarios, 599 videos in 2391 frame ranges.

    A recording is one official frame range (``level="range"``; `video` names its video, for votes)
    or a whole video. It carries `name`, `video`, `subject`, `scenario` (1..4), `repetition`,
    `clip_start` and `clip_length` (sampled frames from and in the clip, those without a pose
    included) and `frame_step` (video frames a sampled frame). Recordings without a pose are kept.

    The source, a folder, an archive or one file, may hold, by the extension of the files:
        - `.npz` pose files as :func:`stgraph.io.read_kth_poses` reads (18 joints, every third
          frame);
        - OpenPose `.json`, one a frame, with the video (``person01_boxing_d1``) in the name of
          folder or file and the frame number at its end; BODY_25 or COCO-18;
        - arrays: an `.npy` (or `.npz` of one array) a video, named after it, or one `.npz` whose
          keys name the videos; [T, V, C] or the report's [C, T, V] (a leading axis of 1 is
          dropped), V = 18 or 25, C = 2 or 3 (then with the confidence), row t being video frame
          ``t * frame_step``. Zeros are missing. Arrays from which frames were dropped no longer
          fit the ranges: read them with ``level="video"``.

    A `00sequences.txt` beside them replaces the official ranges shipped here.

    Protocols: ``official``, by subject, 8 / 8 / 9 (760, 768 and 863 ranges); ``15-5-5``,
    ``scenario`` and ``stratified``, see :func:`kth_parts`. Every protocol has a validation part of
    its own; ``trainval`` joins it to training.

    Args:
        path: See above.
        split: ``train``, ``val``, ``trainval``, ``test`` or ``all``.
        level: ``"range"`` or ``"video"``.
        people: Which person of OpenPose frames, see :func:`stgraph.io.read_openpose`.
        frame_step: Video frames a JSON frame or array row; pose files say their own.
        **kwargs: As :class:`~stgraph.datasets.SkeletonDataset`.
    """

    key = "kth"
    title = "KTH actions"
    class_names = CLASSES
    citation = (
        "Schuldt, Laptev, Caputo: Recognizing Human Actions: A Local SVM Approach. ICPR 2004."
    )
    where = (
        "videos at https://www.csc.kth.se/cvap/actions/; poses by OpenPose, or the pose files of "
        "monjar/Fall-detection-study"
    )
    protocols: ClassVar[tuple[str, ...]] = PROTOCOLS

    def __init__(
        self,
        path: PathLike,
        split: str = "train",
        *,
        level: str = "range",
        people: str = "largest",
        frame_step: int = 1,
        **kwargs: Any,
    ) -> None:
        for what, value, known in (("level", level, LEVELS), ("people", people, PEOPLE)):
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}; known are {', '.join(known)}")
        if frame_step < 1:
            raise ValueError(f"'KTH' expected a frame step >= 1 (got {frame_step})")
        self.level, self.people, self.frame_step = level, people, frame_step
        super().__init__(path, split, **kwargs)

    def _options(self) -> Mapping[str, Any]:
        return {"level": self.level, "people": self.people, "frame_step": self.frame_step}

    def _mask(self, split: str) -> Tensor:
        part = kth_parts(
            self.store.column("subject"),
            self.store.column("scenario"),
            self.store.column("video"),
            self.store.y,
            self.protocol,
            self.seed,
        )
        wanted = {"train": [0], "val": [1], "trainval": [0, 1], "test": [2]}[split]
        return torch.isin(part, torch.tensor(wanted))

    def _test(self) -> Tensor:
        return self._mask("test")

    def _val(self, trainval: Tensor) -> Tensor:
        return self._mask("val")

    # --- from files to ranges ---------------------------------------------------------------------
    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        ranges: dict[str, list[tuple[int, int]]] = {}
        frames: dict[str, Detections] = {}

        def read(content: bytes, name: str) -> list[SkeletonGraph]:
            if name.endswith("00sequences.txt"):
                ranges.update(read_kth_sequences(content, name=name))
            elif name.endswith(".json"):
                self._read_frame(content, name, frames)
            else:
                return self._read_arrays(content, name)
            return []

        pattern = rf"(^|/)00sequences\.txt$|\.np[yz]$|{_VIDEO.pattern}.*\.json$"
        found, bad = read_all(iter_files(self.path, pattern), read, skip_bad=skip_bad)
        videos = [graph for graphs in found for graph in graphs]
        videos += self._videos(frames, bad if skip_bad else None)
        return self._cut(videos, ranges or official_ranges()), bad

    def _read_frame(self, content: bytes, name: str, frames: dict[str, Detections]) -> None:
        video = _video(name)[0]
        number, persons = parse_frame(content, name)
        if number in frames.setdefault(video, {}):
            raise RecordingError(
                name, f"frame {number} of {video} comes twice", remedy="remove one of the files"
            )
        frames[video][number] = persons

    def _videos(self, frames: dict[str, Detections], bad: list[str] | None) -> list[SkeletonGraph]:
        """The videos of per-frame files; one in which nobody was found has the others' layout."""
        joints = {len(p) for found in frames.values() for people in found.values() for p in people}
        layout = _LAYOUTS[min(joints)] if len(joints) == 1 else None
        out = []
        for video, found in frames.items():
            try:
                graph = assemble(
                    found,
                    video,
                    self.people,
                    layout,
                    fps=VIDEO_FPS / self.frame_step,
                    name=video,
                    frame_step=self.frame_step,
                    clip_length=max(found) + 1,
                )
            except RecordingError as error:
                if bad is None:
                    raise
                bad.append(str(error))
            else:
                out.append(graph)
        return out

    def _read_arrays(self, content: bytes, name: str) -> list[SkeletonGraph]:
        if name.endswith(".npy"):
            return [self._from_array(parse_npy(content, name), name, name)]
        arrays = parse_npz(content, name)
        if "poses" in arrays:
            graph = read_kth_poses(content, name=name)
            graph.name = _video(graph.name)[0]
            return [graph]
        if len(arrays) == 1 and _VIDEO.search(name):
            return [self._from_array(array, name, name) for array in arrays.values()]
        return [self._from_array(array, key, name) for key, array in arrays.items()]

    def _from_array(self, array: NDArray[Any], title: str, file: str) -> SkeletonGraph:
        video = _video(title, file)[0]
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        forms = [
            (axes, joints)
            for axes in ("TVC", "CTV")
            for joints in _LAYOUTS
            if array.ndim == 3
            and array.shape[axes.index("V")] == joints
            and array.shape[axes.index("C")] in (2, 3)
        ]
        if len(forms) != 1:
            raise RecordingError(
                file,
                f"expected [T, V, C] or [C, T, V] with V = 18 or 25 and C = 2 or 3 "
                f"(got {array.shape})",
                place=f"array of {video}",
            )
        axes, joints = forms[0]
        graph = graphs_from_array(
            array,
            _LAYOUTS[joints],
            axes=axes,
            confidence=array.shape[axes.index("C")] == 3,
            file=file,
            fps=VIDEO_FPS / self.frame_step,
            name=video,
            frame_step=self.frame_step,
            clip_length=array.shape[axes.index("T")],
        )
        assert isinstance(graph, SkeletonGraph)
        return graph

    def _cut(
        self, videos: list[SkeletonGraph], ranges: Mapping[str, list[tuple[int, int]]]
    ) -> list[SkeletonGraph]:
        out: list[SkeletonGraph] = []
        seen: set[str] = set()
        for graph in sorted(videos, key=lambda graph: graph.name):
            video, subject, action, scenario = _video(graph.name)
            if video in seen:
                raise RecordingError(
                    self.path, f"video {video} comes twice", remedy="keep one form of it"
                )
            seen.add(video)
            facts: dict[str, Any] = {
                "y": torch.tensor([CLASSES.index(action)]),
                "video": video,
                "subject": subject,
                "scenario": scenario,
            }
            length, step = graph.clip_length, graph.frame_step
            if self.level == "video":
                clips = [(video, 0, length - 1)]
            else:
                clips = [
                    (f"{video}_r{i}", -((1 - a) // step), min((b - 1) // step, length - 1))
                    for i, (a, b) in enumerate(ranges.get(video, []), start=1)
                ]
            out += [
                clip_frames(
                    graph,
                    first,
                    last,
                    **facts,
                    name=name,
                    repetition=i,
                    clip_start=first,
                    clip_length=max(last - first + 1, 0),
                )
                for i, (name, first, last) in enumerate(clips, start=1)
            ]
        return out


def _video(text: str, file: str | None = None) -> tuple[str, int, str, int]:
    match = _VIDEO.search(text)
    if match is None or not 1 <= int(match.group(1)) <= 25:
        raise RecordingError(
            file or text,
            f"expected a name like person01_boxing_d1 (got {text[-60:]!r})",
            remedy="rename it after its video",
        )
    return match.group(0), int(match.group(1)), match.group(2), int(match.group(3))
