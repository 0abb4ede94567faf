"""Northwestern-UCLA Multiview Action 3D."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from stgraph.datasets.base import PathLike, SkeletonDataset
from stgraph.datasets.splits import hold_out_groups
from stgraph.io import iter_files, read_all, read_nw_ucla
from stgraph.skeleton import SkeletonGraph

__all__ = ["NWUCLA"]


class NWUCLA(SkeletonDataset):
    r"""Northwestern-UCLA: 1484 recordings, 10 actions, 10 subjects, 3 Kinect cameras, 20 joints.

    95 of the 464 test recordings are exact copies of training recordings: all test recordings of
    classes 2 and 3 (position in :attr:`class_names` 1 and 2). :attr:`copies` marks them, found by
    equal hashes of their coordinates. Report results on all 464 and on the clean 369.

    Protocols:
        - ``official``: train on cameras 1 and 2 (1020), test on camera 3 (464);
        - ``copies_removed``: the same without the copied recordings in training (925), test 464.

    Splits: ``train``, ``val``, ``trainval`` (1020 or 925), ``test`` (464), ``test_clean`` (369),
    ``test_copies`` (95), ``all``.

    Validation comes from the training cameras alone: all recordings of some subjects
    (``val_by="subject"``, so that no event and no overlapping recording is on both sides; class
    proportions as near as the subjects allow), or camera 2 (``val_by="camera"``, as unlike training
    as test is, but with the same events on both sides). Both cameras film the same event, so a
    random part of the recordings would leak; it is not offered.

    Args:
        path: Folder or archive `nw_ucla`.
        split: See above.
        val_by: ``"subject"`` or ``"camera"``.
        **kwargs: As :class:`~stgraph.datasets.SkeletonDataset`.
    """

    key = "nw_ucla"
    title = "Northwestern-UCLA Multiview Action 3D"
    class_names = (
        "pick up with one hand",
        "pick up with two hands",
        "drop trash",
        "walk around",
        "sit down",
        "stand up",
        "donning",
        "doffing",
        "throw",
        "carry",
    )
    citation = (
        "Wang, Nie, Xia, Wu, Zhu: Cross-view Action Modeling, Learning and Recognition. CVPR 2014. "
        "JSON form: Chen et al.: Channel-wise Topology Refinement Graph Convolution. ICCV 2021."
    )
    where = "all_sqe folder named by the CTR-GCN repository (Uason-Chen/CTR-GCN)"
    protocols = ("official", "copies_removed")
    splits = ("train", "val", "trainval", "test", "test_clean", "test_copies", "all")
    test_camera: ClassVar[int] = 3

    def __init__(
        self, path: PathLike, split: str = "train", *, val_by: str = "subject", **kwargs: Any
    ) -> None:
        if val_by not in ("subject", "camera"):
            raise ValueError(f"unknown val_by {val_by!r}; known are subject, camera")
        self.val_by = val_by
        super().__init__(path, split, **kwargs)

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        files = iter_files(self.path, r"(^|/)a\d+_s\d+_e\d+_v\d+\.json$")
        graphs, bad = read_all(
            files, lambda content, name: read_nw_ucla(content, name=name), skip_bad=skip_bad
        )
        return sorted(graphs, key=lambda graph: graph.name), bad

    def _copied(self) -> Tensor:
        """Recordings of which another, of another kind of part (training, test), is a copy."""
        digest = self.store.column("digest").astype(str)
        test = self.store.column("camera") == self.test_camera
        shared = np.intersect1d(digest[test], digest[~test])
        return torch.from_numpy(np.isin(digest, shared))

    @property
    def copies(self) -> Tensor:
        """Whether each recording of the split has an exact copy across the split, bool [R]."""
        return self._copied()[list(self.indices())]

    def _test(self) -> Tensor:
        return torch.from_numpy(self.store.column("camera") == self.test_camera)

    def _trainval(self) -> Tensor:
        trainval = ~self._test()
        return trainval & ~self._copied() if self.protocol == "copies_removed" else trainval

    def _mask(self, split: str) -> Tensor:
        if split == "test_clean":
            return self._test() & ~self._copied()
        if split == "test_copies":
            return self._test() & self._copied()
        return super()._mask(split)

    def _val(self, trainval: Tensor) -> Tensor:
        if self.val_by == "camera":
            return torch.from_numpy(self.store.column("camera") == 2)
        # of all training recordings, so that both protocols hold out the same subjects
        official = ~self._test()
        val = torch.zeros_like(official)
        val[official] = hold_out_groups(
            self.store.y[official],
            self.store.column("subject")[official.numpy()].tolist(),
            self.val_fraction,
            self.seed,
        )
        return val
