"""What all data sets share: parse once, keep a store, choose a split."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch, Dataset

from stgraph.io import RecordingError, Store, StoreLoader
from stgraph.io.source import fingerprint, warn_skipped
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

__all__ = ["SkeletonDataset", "cache_folder"]

PathLike = str | os.PathLike[str]


def cache_folder(folder: PathLike | None = None) -> Path:
    """Where parsed sets are kept: `folder`, else ``$STGRAPH_CACHE``, else ``~/.cache/stgraph``."""
    return Path(folder or os.environ.get("STGRAPH_CACHE") or Path.home() / ".cache" / "stgraph")


class SkeletonDataset(Dataset):
    r"""A named set of recordings: one split of it, as a PyG data set.

    ``dataset[i]`` is a :class:`~stgraph.skeleton.SkeletonGraph`; slices, lists, masks and
    `index_select` give subsets. The source is parsed once; the result is kept in the cache folder
    under a name made of the source's name, size and time and the reader's version.

    Splits are named alike in all sets: ``"test"`` is the official test part, ``"trainval"`` the
    whole official training part, ``"train"`` and ``"val"`` its two pieces, ``"all"`` everything.
    Where the authors name no validation part, `val_fraction` of training is carved out, never of
    test; how is said in each class.

    Args:
        path: The set's folder or its `.tar.xz`.
        split: Part to show.
        protocol: One of :attr:`protocols`; the first by default.
        transform: Applied to each recording when it is taken, and to each batch by :meth:`loader`.
        val_fraction: Share of training to carve out for validation.
        seed: Decides the carving.
        skip_bad: Whether files that cannot be read are left out, with a warning that lists them.
        cache_dir: Folder of parsed sets, see :func:`cache_folder`.
        force_reload: Whether to parse again.

    Raises:
        RecordingError: if the source is missing, holds no recording, or one is bad (unless
            `skip_bad`).
        ValueError: if split or protocol is unknown.
    """

    #: Word for the set in results files.
    key: ClassVar[str]
    title: ClassVar[str]
    class_names: Sequence[str]
    citation: ClassVar[str]
    where: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]]
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "trainval", "test", "all")
    #: Increase it when the parsed recordings change, so that old caches are not used.
    version: ClassVar[int] = 1

    def __init__(
        self,
        path: PathLike,
        split: str = "train",
        *,
        protocol: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        val_fraction: float = 0.2,
        seed: int = 0,
        skip_bad: bool = False,
        cache_dir: PathLike | None = None,
        force_reload: bool = False,
    ) -> None:
        super().__init__(transform=transform)
        self.path = Path(path)
        self.protocol = self.protocols[0] if protocol is None else protocol
        for what, value, known in (
            ("protocol", self.protocol, self.protocols),
            ("split", split, self.splits),
        ):
            if value not in known:
                raise ValueError(
                    f"{type(self).__name__!r} does not know the {what} {value!r}; "
                    f"it knows {', '.join(known)}"
                )
        self.split, self.val_fraction, self.seed = split, val_fraction, seed
        self.store = self._narrow(
            self._stored(skip_bad=skip_bad, cache_dir=cache_dir, force_reload=force_reload)
        )
        if self.store.class_names is not None:
            self.class_names = self.store.class_names
        mask = torch.ones(len(self.store), dtype=torch.bool)
        if split != "all":
            mask = self._mask(split)
        self._indices = mask.nonzero().flatten().tolist()

    # --- what each set says -----------------------------------------------------------------------
    @abstractmethod
    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        """All recordings in the order of their names, and messages about the bad files."""

    @abstractmethod
    def _test(self) -> Tensor:
        """Mask of the official test part."""

    @abstractmethod
    def _val(self, trainval: Tensor) -> Tensor:
        """Mask of the validation part, given that of the official training part."""

    def _stored(self, **kwargs: Any) -> Store:
        """The parsed set; a set that is not read from files makes its own."""
        return _load(self, **kwargs)

    def _narrow(self, store: Store) -> Store:
        """The part or relabelling of the parsed set that the protocol is about."""
        return store

    def _options(self) -> Mapping[str, Any]:
        """Arguments on which the parsed recordings depend; they go into the cache's name."""
        return {}

    def _trainval(self) -> Tensor:
        return ~self._test()

    def _mask(self, split: str) -> Tensor:
        if split == "test":
            return self._test()
        trainval = self._trainval()
        if split == "trainval":
            return trainval
        val = self._val(trainval) & trainval
        return val if split == "val" else trainval & ~val

    # --- PyG's data set ---------------------------------------------------------------------------
    def len(self) -> int:
        return len(self.store)

    def get(self, idx: int) -> SkeletonGraph:
        return self.store[idx]

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    # --- the split as arrays ----------------------------------------------------------------------
    @property
    def layout(self) -> SkeletonLayout:
        """Joints of the recordings."""
        return self.store.layout

    @property
    def y(self) -> Tensor:
        """Class number of each recording of the split, int64 [R]."""
        return self.store.y[list(self.indices())]

    @property
    def num_poses(self) -> Tensor:
        """Number of poses of each recording of the split, int64 [R]."""
        return self.store.num_poses[list(self.indices())]

    def column(self, name: str) -> NDArray[Any]:
        """One plain attribute of each recording of the split, for instance ``"subject"``."""
        return self.store.column(name)[list(self.indices())]

    def batch(self, indices: Sequence[int] | Tensor) -> Batch:
        """Recordings of the split as one PyG batch, without the transform."""
        chosen = torch.as_tensor(list(self.indices()))[torch.as_tensor(indices)]
        return self.store.batch(chosen)

    def loader(self, batch_size: int = 1, shuffle: bool = False, **kwargs: Any) -> StoreLoader:
        """A loader over the split; further arguments as :class:`~stgraph.io.StoreLoader`."""
        return StoreLoader(self, batch_size, shuffle, **kwargs)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)}, split={self.split!r}, protocol={self.protocol!r})"
        )


def _load(
    dataset: SkeletonDataset, *, skip_bad: bool, cache_dir: PathLike | None, force_reload: bool
) -> Store:
    facts = {
        "set": type(dataset).key,
        "version": type(dataset).version,
        "options": dict(dataset._options()),
        "source": fingerprint(dataset.path),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    file = cache_folder(cache_dir) / f"{type(dataset).key}-{digest[:20]}.safetensors"
    if file.is_file() and not force_reload:
        try:
            store = Store.open(file)
            if skip_bad or not store.meta["skipped"]:
                warn_skipped(store.meta["skipped"])
                return store
        except RecordingError as error:
            warnings.warn(f"{error}; it is built anew", stacklevel=4)
    graphs, skipped = dataset._parse(skip_bad)
    if not graphs:
        raise RecordingError(
            dataset.path,
            f"it holds no recording of {dataset.title}",
            remedy=f"see where to get it: {dataset.where}",
        )
    store = Store.from_graphs(
        graphs,
        class_names=type(dataset).class_names,
        meta={**facts, "skipped": skipped},
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        store.save(file)
    except OSError as error:
        warnings.warn(f"cannot keep the parsed set in {file.parent}: {error}", stacklevel=4)
        return store
    return Store.open(file)
