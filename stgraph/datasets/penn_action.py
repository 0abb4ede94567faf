"""Penn Action."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.datasets.base import SkeletonDataset
from stgraph.datasets.splits import hold_out
from stgraph.io import RecordingError, iter_files, read_all, read_penn_action
from stgraph.skeleton import SkeletonGraph

__all__ = ["PennAction"]


class PennAction(SkeletonDataset):
    r"""Penn Action: 2326 videos of 15 actions, 13 joints in pixels, with occlusions.

    Protocol ``official``: the `train` flag of the files, 1258 training and 1068 test recordings.
    Validation is a seeded, stratified random part of the training recordings (the files name no
    subject).

    Args: as :class:`~stgraph.datasets.SkeletonDataset`, with `path` the folder or archive
    `penn_action`.
    """

    key = "penn_action"
    title = "Penn Action"
    class_names = (
        "baseball_pitch",
        "baseball_swing",
        "bench_press",
        "bowl",
        "clean_and_jerk",
        "golf_swing",
        "jump_rope",
        "jumping_jacks",
        "pullup",
        "pushup",
        "situp",
        "squat",
        "strum_guitar",
        "tennis_forehand",
        "tennis_serve",
    )
    citation = "Zhang, Zhu, Derpanis: From Actemes to Action. ICCV 2013."
    where = "http://dreamdragon.github.io/PennAction/ (the folder labels)"
    protocols = ("official",)

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        files = iter_files(self.path, r"(^|/)\d{4}\.mat$", max_bytes=8 * 2**20)
        graphs, bad = read_all(files, _read, skip_bad=skip_bad)
        return sorted(graphs, key=lambda graph: graph.name), bad

    def _test(self) -> Tensor:
        return ~torch.from_numpy(self.store.column("official_train").copy())

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        val[trainval] = hold_out(self.store.y[trainval], self.val_fraction, self.seed)
        return val


def _read(content: bytes, name: str) -> SkeletonGraph:
    graph = read_penn_action(content, name=name)
    if graph.action not in PennAction.class_names:
        raise RecordingError(name, f"unknown action {graph.action!r}", place="variable 'action'")
    graph.y = torch.tensor([PennAction.class_names.index(graph.action)])
    return graph
