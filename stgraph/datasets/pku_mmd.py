"""PKU-MMD, part I."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

import torch
from torch import Tensor

from stgraph.datasets.base import PathLike, SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import (
    RecordingError,
    Store,
    clip_segments,
    iter_files,
    read_all,
    read_pku_mmd,
    read_pku_mmd_labels,
)
from stgraph.skeleton import SkeletonGraph

__all__ = ["PKUMMD"]

_LABELS = r"(?i:label)[^/]*/(.*/)?\w+-[LMR]\.txt$"
_SKELETONS = r"^(?!.*(?i:label)[^/]*/)(.*/)?\w+-[LMR]\.txt$"


class PKUMMD(SkeletonDataset):
    r"""PKU-MMD, part I: 1,076 recordings of minutes, 51 actions, up to two persons, 25 joints.

    Protocols:
        - ``cross_subject``: the lists of ``cross-subject.txt``;
        - ``cross_view``: the lists of ``cross-view.txt``; where that file is missing, the left
          camera tests, the middle and the right one train.

    The lists lie in the folder ``split``: a line with the word "training" begins the names that
    train, one with "validation" (as the authors call it) or "test" those that test. Recordings of
    no list are left out. Validation is whole takes of the training part, with all their cameras;
    who a subject is is not in the files, so that one may occur on both of its sides.

    Recordings as they are have ``segments`` (class from 1, first and last frame) and no ``y``:
    they are for detection. With `trimmed`, each segment is a recording with ``y`` (from 0) and the
    column `sequence`, the name of the whole.

    Args:
        path: Folder or archive with ``skeleton/NAME.txt``, ``label/NAME.txt`` and ``split/``, or
            with the authors' names ``Data/PKU_Skeleton_Renew``, ``Label/Train_Label_PKU_final``
            and ``Split``: what lies in a folder whose name holds "label" are labels.
        split: As :class:`~stgraph.datasets.SkeletonDataset`.
        trimmed: Whether each segment is a recording of its own.
        **kwargs: As :class:`~stgraph.datasets.SkeletonDataset`.
    """

    key = "pku_mmd"
    title = "PKU-MMD"
    class_names = (
        "bow",
        "brushing hair",
        "brushing teeth",
        "check time (from watch)",
        "cheer up",
        "clapping",
        "cross hands in front (say stop)",
        "drink water",
        "drop",
        "eat meal/snack",
        "falling",
        "giving something to other person",
        "hand waving",
        "handshaking",
        "hopping (one foot jumping)",
        "hugging other person",
        "jump up",
        "kicking other person",
        "kicking something",
        "make a phone call/answer phone",
        "pat on back of other person",
        "pickup",
        "playing with phone/tablet",
        "point finger at the other person",
        "pointing to something with finger",
        "punching/slapping other person",
        "pushing other person",
        "put on a hat/cap",
        "put something inside pocket",
        "reading",
        "rub two hands together",
        "salute",
        "sitting down",
        "standing up",
        "take off a hat/cap",
        "take off glasses",
        "take off jacket",
        "take out something from pocket",
        "taking a selfie",
        "tear up paper",
        "throw",
        "touch back (backache)",
        "touch chest (stomachache/heart pain)",
        "touch head (headache)",
        "touch neck (neckache)",
        "typing on a keyboard",
        "use a fan (with hand or paper)/feeling warm",
        "wear jacket",
        "wear on glasses",
        "wipe face",
        "writing",
    )
    citation = (
        "Liu, Hu, Li, Song, Liu: PKU-MMD: A Large Scale Benchmark for Continuous Multi-Modal Human "
        "Action Understanding. ACM Multimedia workshop 2017."
    )
    where = "https://www.icst.pku.edu.cn/struct/Projects/PKUMMD.html (phase 1: skeleton, label)"
    protocols = ("cross_subject", "cross_view")
    #: Cameras that test where there is no list of ``cross_view``.
    test_cameras: ClassVar[tuple[str, ...]] = ("L",)

    def __init__(
        self, path: PathLike, split: str = "train", *, trimmed: bool = False, **kwargs: Any
    ) -> None:
        self.trimmed = trimmed
        super().__init__(path, split, **kwargs)

    def _options(self) -> Mapping[str, Any]:
        return {"trimmed": self.trimmed}

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        parts = self._lists()
        tables, bad = read_all(
            iter_files(self.path, _LABELS),
            lambda content, name: (
                PurePosixPath(name).stem,
                read_pku_mmd_labels(content, name=name),
            ),
            skip_bad=skip_bad,
        )
        labels = dict(tables)

        def read(content: bytes, name: str) -> SkeletonGraph:
            recording = PurePosixPath(name).stem
            if recording not in labels:
                raise RecordingError(
                    name,
                    f"there are no labels {recording}.txt in a folder 'label'",
                    remedy="fetch them, or skip it with skip_bad=True",
                )
            graph = read_pku_mmd(content, labels[recording], name=name)
            for protocol in self.protocols:
                graph[protocol] = parts[protocol].get(recording, "")
            return graph

        graphs, worse = read_all(iter_files(self.path, _SKELETONS), read, skip_bad=skip_bad)
        graphs = sorted(graphs, key=lambda graph: graph.name)
        if self.trimmed:
            graphs = [clip for graph in graphs for clip in clip_segments(graph)]
        return graphs, bad + worse

    def _lists(self) -> dict[str, dict[str, str]]:
        """``"train"`` or ``"test"`` of each recording, by protocol."""
        lists: dict[str, dict[str, str]] = {protocol: {} for protocol in self.protocols}
        for name, content in iter_files(self.path, r"(?i)(^|/)cross[-_](subject|view)\.txt$"):
            protocol = PurePosixPath(name).stem.lower().replace("-", "_")
            lists[protocol] = read_split_lists(content, name)
        return lists

    def _narrow(self, store: Store) -> Store:
        listed = torch.from_numpy(store.column(self.protocol) != "")
        return store.select(listed.nonzero().flatten()) if bool(listed.any()) else store

    def _test(self) -> Tensor:
        part = self.store.column(self.protocol)
        if (part != "").any():
            return torch.from_numpy(part == "test")
        if self.protocol == "cross_view":
            cameras = self.store.column("camera").tolist()
            return torch.tensor([camera in self.test_cameras for camera in cameras])
        raise RecordingError(
            self.path,
            "there is no split/cross-subject.txt that names its recordings, so that nobody knows "
            "which test",
            remedy="fetch cross-subject.txt, which the authors give beside the skeletons, or take "
            "protocol='cross_view' or split='all'",
        )

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        takes = self.store.column("take")[trainval.numpy()].tolist()
        y = self.store.y[trainval]
        val[trainval] = hold_out_groups(y, takes, self.val_fraction, self.seed)
        return val


def read_split_lists(content: bytes, name: str) -> dict[str, str]:
    """``"train"`` or ``"test"`` of each recording that a file of lists names.

    Args:
        content: The file: headings with "train", "val" or "test" in them, each before its names,
            which commas or blanks part.
        name: Path in messages.

    Raises:
        RecordingError: if it is no text, a name comes before any heading or in both parts, or one
            part is empty.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(name, "expected plain text", place=f"byte {error.start}") from None
    found: dict[str, str] = {}
    part = ""
    for number, line in enumerate(lines, start=1):
        heading = re.search(r"train|val|test", line, re.IGNORECASE)
        if heading:
            part = "train" if heading[0].lower() == "train" else "test"
            continue
        for word in re.split(r"[\s,]+", line.strip(" \t,")):
            recording = word.removesuffix(".txt")
            if not recording:
                continue
            if not part or found.get(recording, part) != part:
                problem = f"{recording[:40]!r} comes before a heading such as 'Training videos:'"
                if part:
                    problem = f"{recording[:40]!r} is in both parts"
                raise RecordingError(name, problem, place=f"line {number}")
            found[recording] = part
    if set(found.values()) != {"train", "test"}:
        raise RecordingError(
            name,
            "expected names after a heading 'Training videos:' and after one 'Validation videos:'",
            remedy="fetch the list again",
        )
    return found
