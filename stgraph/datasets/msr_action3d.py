"""MSR-Action3D."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from stgraph.datasets.base import SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import Store, iter_files, read_all, read_msr_action3d
from stgraph.skeleton import SkeletonGraph

__all__ = ["MSRAction3D"]

#: Recordings that the usual protocol leaves out (567 - 10 = 557).
EXCLUDED = frozenset(
    {
        "a02_s03_e02",
        "a04_s03_e01",
        "a07_s04_e01",
        "a13_s09_e01",
        "a13_s09_e02",
        "a13_s09_e03",
        "a14_s03_e01",
        "a20_s07_e01",
        "a20_s07_e03",
        "a20_s10_e03",
    }
)


class MSRAction3D(SkeletonDataset):
    r"""MSR-Action3D: 567 recordings of 20 actions by 10 subjects, 20 joints with confidences.

    Protocols:
        - ``cross_subject``: of the usual 557 recordings, odd subjects train (284), even test (273);
        - ``AS1``, ``AS2``, ``AS3``: the action sets, eight classes each (numbered 0..7), train
          114/116/111 and test 105/112/111.

    ``split="all"`` shows the 557 (or those of the action set). Validation is whole training
    subjects (one of the five at the default `val_fraction`).

    Args: as :class:`~stgraph.datasets.SkeletonDataset`, with `path` the folder or archive
    `msr_action3d`.
    """

    key = "msr_action3d"
    title = "MSR-Action3D"
    class_names = (
        "high arm wave",
        "horizontal arm wave",
        "hammer",
        "hand catch",
        "forward punch",
        "high throw",
        "draw x",
        "draw tick",
        "draw circle",
        "hand clap",
        "two hand wave",
        "side boxing",
        "bend",
        "forward kick",
        "side kick",
        "jogging",
        "tennis swing",
        "tennis serve",
        "golf swing",
        "pickup and throw",
    )
    citation = "Li, Zhang, Liu: Action Recognition Based on A Bag of 3D Points. CVPRW 2010."
    where = "the authors' page https://wangjiangb.github.io/my_data.html"
    protocols = ("cross_subject", "AS1", "AS2", "AS3")
    #: Actions, numbered from 1, of each action set.
    action_sets: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "AS1": (2, 3, 5, 6, 10, 13, 18, 20),
        "AS2": (1, 4, 7, 8, 9, 11, 12, 14),
        "AS3": (6, 14, 15, 16, 17, 18, 19, 20),
    }

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        files = iter_files(self.path, r"(^|/)a\d+_s\d+_e\d+_skeleton3D\.txt$")
        graphs, bad = read_all(
            files, lambda content, name: read_msr_action3d(content, name=name), skip_bad=skip_bad
        )
        return sorted(graphs, key=lambda graph: graph.name), bad

    def _narrow(self, store: Store) -> Store:
        kept = torch.tensor([name not in EXCLUDED for name in store.column("name")])
        if self.protocol == "cross_subject":
            return store.select(kept.nonzero().flatten())
        actions = torch.tensor(self.action_sets[self.protocol]) - 1
        store = store.select((kept & torch.isin(store.y, actions)).nonzero().flatten())
        names = [type(self).class_names[action] for action in actions.tolist()]
        return store.with_labels(torch.searchsorted(actions, store.y), names)

    def _test(self) -> Tensor:
        return torch.from_numpy(self.store.column("subject") % 2 == 0)

    def _val(self, trainval: Tensor) -> Tensor:
        val = torch.zeros_like(trainval)
        subjects = self.store.column("subject")[np.asarray(trainval)].tolist()
        y = self.store.y[trainval]
        val[trainval] = hold_out_groups(y, subjects, self.val_fraction, self.seed)
        return val
