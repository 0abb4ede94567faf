"""UTKinect-Action3D."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from stgraph.datasets.base import PathLike, SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import (
    RecordingError,
    clip_segments,
    iter_files,
    read_all,
    read_utkinect,
    read_utkinect_labels,
)
from stgraph.io.utkinect import UTKINECT_ACTIONS
from stgraph.skeleton import SkeletonGraph

__all__ = ["UTKinect"]


class UTKinect(SkeletonDataset):
    r"""UTKinect-Action3D: 20 recordings of ten actions in a row, 20 joints; 199 segments.

    Protocols:
        - ``cross_subject``: subjects 1 to 5 train, 6 to 10 test; validation is whole training
          subjects (one of the five at the default `val_fraction`);
        - ``leave_one_sequence_out``: recording `fold` is the test part, the other 19 train;
          validation is whole recordings of them. The subject of the test recording also trains.

    Recordings as they are have ``segments`` (class from 1, first and last frame) and no ``y``:
    they are for detection. With `trimmed`, each segment is a recording with ``y`` (from 0) and the
    column `sequence`, the name of the whole. The labels are those of ``actionLabel_modified.txt``,
    else of ``actionLabel.txt``.

    Args:
        path: Folder or archive `utkinect`.
        split: As :class:`~stgraph.datasets.SkeletonDataset`.
        trimmed: Whether each segment is a recording of its own.
        fold: Test recording of ``leave_one_sequence_out``, 0 to 19, in the order of the names.
        every: Spacing of the poses, see :func:`stgraph.io.read_utkinect`.
        **kwargs: As :class:`~stgraph.datasets.SkeletonDataset`.
    """

    key = "utkinect"
    title = "UTKinect-Action3D"
    class_names = UTKINECT_ACTIONS
    citation = (
        "Xia, Chen, Aggarwal: View Invariant Human Action Recognition Using Histograms of 3D "
        "Joints. CVPRW 2012."
    )
    where = "https://cvrc.ece.utexas.edu/KinectDatasets/HOJ3D.html (skeletal joint locations)"
    protocols = ("cross_subject", "leave_one_sequence_out")
    #: The recordings, in the order of the folds.
    sequences: ClassVar[tuple[str, ...]] = tuple(
        f"s{subject:02d}_e{repetition:02d}" for subject in range(1, 11) for repetition in (1, 2)
    )
    test_subjects: ClassVar[tuple[int, ...]] = (6, 7, 8, 9, 10)

    def __init__(
        self,
        path: PathLike,
        split: str = "train",
        *,
        trimmed: bool = False,
        fold: int = 0,
        every: int | None = 4,
        **kwargs: Any,
    ) -> None:
        if not 0 <= fold < len(self.sequences):
            last = len(self.sequences) - 1
            raise ValueError(f"'UTKinect' expected a fold 0..{last} (got {fold})")
        self.trimmed, self.fold, self.every = trimmed, fold, every
        super().__init__(path, split, **kwargs)

    def _options(self) -> Mapping[str, Any]:
        return {"trimmed": self.trimmed, "every": self.every}

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        labels = self._labels()
        graphs, bad = read_all(
            iter_files(self.path, r"(^|/)joints_s\d+_e\d+\.txt$"),
            lambda content, name: read_utkinect(content, labels, name=name, every=self.every),
            skip_bad=skip_bad,
        )
        graphs = sorted(graphs, key=lambda graph: graph.name)
        if self.trimmed:
            graphs = [clip for graph in graphs for clip in clip_segments(graph)]
        return graphs, bad

    def _labels(self) -> dict[str, NDArray[Any]]:
        files = dict(iter_files(self.path, r"(^|/)actionLabel(_modified)?\.txt$"))
        if not files:
            raise RecordingError(
                self.path,
                "there is neither actionLabel_modified.txt nor actionLabel.txt, which say what "
                "happens when",
                remedy="put the list of labels beside the recordings",
            )
        name = max(files, key=lambda name: name.endswith("_modified.txt"))
        return read_utkinect_labels(files[name], name=name)

    def _sequence(self) -> list[str]:
        return self.store.column("sequence" if self.trimmed else "name").tolist()

    def _test(self) -> Tensor:
        if self.protocol == "cross_subject":
            return torch.isin(
                torch.from_numpy(self.store.column("subject")), torch.tensor(self.test_subjects)
            )
        return torch.tensor([name == self.sequences[self.fold] for name in self._sequence()])

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        by_subject = self.protocol == "cross_subject"
        groups = self.store.column("subject").tolist() if by_subject else self._sequence()
        chosen = [group for group, trains in zip(groups, trainval.tolist(), strict=True) if trains]
        y = self.store.y[trainval]
        val[trainval] = hold_out_groups(y, chosen, self.val_fraction, self.seed)
        return val
