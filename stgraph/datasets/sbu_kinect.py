"""SBU Kinect Interaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from stgraph.datasets.base import PathLike, SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import iter_files, read_all, read_sbu
from stgraph.skeleton import SkeletonGraph

__all__ = ["SBUKinect"]


class SBUKinect(SkeletonDataset):
    r"""SBU Kinect Interaction: 282 recordings of 8 interactions of two persons, 2 x 15 joints.

    Protocol ``five_fold``: the pair folders in five fixed folds of 55, 52, 56, 54 and 65
    recordings; `fold` is the test part, the other four are training. Validation is all recordings
    of some pairs of people of the training folds (who is first does not matter). The official
    folds part pairs, not subjects: one person occurs in training and test.

    Args:
        path: Folder or archive `sbu_kinect`.
        split: As :class:`~stgraph.datasets.SkeletonDataset`.
        fold: Test fold, 0 to 4.
        metres: Whether to undo the normalisation of the axes, see :func:`stgraph.io.read_sbu`.
        **kwargs: As :class:`~stgraph.datasets.SkeletonDataset`.
    """

    key = "sbu_kinect"
    title = "SBU Kinect Interaction"
    class_names = (
        "approaching",
        "departing",
        "kicking",
        "pushing",
        "shaking hands",
        "hugging",
        "exchanging objects",
        "punching",
    )
    citation = (
        "Yun, Honorio, Chattopadhyay, Berg, Samaras: Two-person Interaction Detection Using "
        "Body-Pose Features and Multiple Instance Learning. CVPRW 2012."
    )
    where = "https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/ (clean skeletons)"
    protocols = ("five_fold",)
    folds: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("s01s02", "s03s04", "s05s02", "s06s04"),
        ("s02s03", "s02s07", "s03s05", "s05s03"),
        ("s01s03", "s01s07", "s07s01", "s07s03"),
        ("s02s01", "s02s06", "s03s02", "s03s06"),
        ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03"),
    )

    def __init__(
        self,
        path: PathLike,
        split: str = "train",
        *,
        fold: int = 0,
        metres: bool = False,
        **kwargs: Any,
    ) -> None:
        if not 0 <= fold < len(self.folds):
            raise ValueError(f"'SBUKinect' expected a fold 0..{len(self.folds) - 1} (got {fold})")
        self.fold, self.metres = fold, metres
        super().__init__(path, split, **kwargs)

    def _options(self) -> Mapping[str, Any]:
        return {"metres": self.metres}

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        files = iter_files(self.path, r"(^|/)s\d\ds\d\d/\d\d/\d+/skeleton_pos\.txt$")
        graphs, bad = read_all(
            files,
            lambda content, name: read_sbu(content, name=name, metres=self.metres),
            skip_bad=skip_bad,
        )
        return sorted(graphs, key=lambda graph: graph.name), bad

    def _test(self) -> Tensor:
        pair = self.store.column("pair").astype(str)
        return torch.from_numpy(np.isin(pair, self.folds[self.fold]))

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        pairs = self.store.column("pair")[trainval.numpy()].tolist()
        people = [tuple(sorted((pair[:3], pair[3:]))) for pair in pairs]
        y = self.store.y[trainval]
        val[trainval] = hold_out_groups(y, people, self.val_fraction, self.seed)
        return val
