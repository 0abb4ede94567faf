"""UTD-MHAD."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from stgraph.datasets.base import SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import iter_files, read_all, read_utd_mhad
from stgraph.skeleton import SkeletonGraph

__all__ = ["UTDMHAD"]


class UTDMHAD(SkeletonDataset):
    r"""UTD-MHAD: 861 recordings of 27 actions by 8 subjects who face a Kinect, 20 joints.

    Protocol ``cross_subject``: subjects 1, 3, 5, 7 train (431), 2, 4, 6, 8 test (430). Validation
    is whole training subjects (one of the four at the default `val_fraction`).

    Args: as :class:`~stgraph.datasets.SkeletonDataset`, with `path` the folder or archive
    `utd_mhad`.
    """

    key = "utd_mhad"
    title = "UTD-MHAD"
    class_names = (
        "right arm swipe to the left",
        "right arm swipe to the right",
        "right hand wave",
        "two hand front clap",
        "right arm throw",
        "cross arms in the chest",
        "basketball shoot",
        "right hand draw x",
        "right hand draw circle (clockwise)",
        "right hand draw circle (counter clockwise)",
        "draw triangle",
        "bowling (right hand)",
        "front boxing",
        "baseball swing from right",
        "tennis right hand forehand swing",
        "arm curl (two arms)",
        "tennis serve",
        "two hand push",
        "right hand knock on door",
        "right hand catch an object",
        "right hand pick up and throw",
        "jogging in place",
        "walking in place",
        "sit to stand",
        "stand to sit",
        "forward lunge (left foot forward)",
        "squat (two arms stretch out)",
    )
    citation = (
        "Chen, Jafari, Kehtarnavaz: UTD-MHAD: A Multimodal Dataset for Human Action Recognition "
        "Utilizing a Depth Camera and a Wearable Inertial Sensor. ICIP 2015."
    )
    where = "https://personal.utdallas.edu/~kehtar/UTD-MHAD.html (the folder Skeleton)"
    protocols = ("cross_subject",)
    train_subjects: ClassVar[tuple[int, ...]] = (1, 3, 5, 7)

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        files = iter_files(self.path, r"(^|/)(?<!samples/)a\d+_s\d+_t\d+_skeleton\.mat$")
        graphs, bad = read_all(
            files, lambda content, name: read_utd_mhad(content, name=name), skip_bad=skip_bad
        )
        return sorted(graphs, key=lambda graph: graph.name), bad

    def _test(self) -> Tensor:
        subject = torch.from_numpy(self.store.column("subject").copy())
        return ~torch.isin(subject, torch.tensor(self.train_subjects))

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        subjects = self.store.column("subject")[trainval.numpy()].tolist()
        y = self.store.y[trainval]
        val[trainval] = hold_out_groups(y, subjects, self.val_fraction, self.seed)
        return val
