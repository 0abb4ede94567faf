"""Recordings for training: any source, an order that seed and epoch decide, resumable loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.io import ConcatStore, Store, StoreLoader
from stgraph.skeleton import (
    PartitionStrategy,
    SkeletonGraph,
    SpatialConfiguration,
    resolve_partition,
)
from stgraph.tasks.limits import check_limits

#: Evaluation wastes time on batches smaller than this.
EVAL_BATCH_SIZE = 64


class GraphList:
    """Recordings of any layouts and attributes in a list, with the manners of a store.

    Args:
        graphs: The recordings; a batch keeps the attributes that all of its recordings have. If
            any has a `score`, it is 1 where there is none, whatever the company.
    """

    class_names: tuple[str, ...] | None = None

    def __init__(self, graphs: Sequence[SkeletonGraph]) -> None:
        scored = any("score" in graph for graph in graphs)
        self.graphs = [_with_score(graph) if scored else graph for graph in graphs]
        self.num_poses = torch.tensor([graph.num_poses for graph in self.graphs])
        labels = [getattr(graph, "y", None) for graph in self.graphs]
        self.y = torch.tensor([-1 if label is None else int(label) for label in labels])

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, i: int) -> SkeletonGraph:
        return self.graphs[i]

    def batch(self, indices: Sequence[int] | Tensor) -> Batch:
        """Some recordings as one PyG batch."""
        chosen = [self.graphs[int(i)] for i in torch.as_tensor(indices)]
        shared = set.intersection(*(set(graph.keys()) for graph in chosen))
        extra = set().union(*(set(graph.keys()) for graph in chosen)) - shared
        return Batch.from_data_list(chosen, exclude_keys=sorted(extra))


def _with_score(graph: SkeletonGraph) -> SkeletonGraph:
    if "score" in graph:
        return graph
    graph = copy(graph)
    graph.score = graph.pos.new_ones(graph.pos.size(0))
    return graph


def as_source(data: Any, name: str = "data") -> Any:
    """What a loader can gather batches from.

    Args:
        data: A data set, a store, or a sequence of :class:`SkeletonGraph`.
        name: What to call it in an error.

    Returns:
        The data set or store itself; a store in memory of a sequence (of one layout and the same
        attributes), else a :class:`GraphList`.

    Raises:
        TypeError: if it is none of these.
        ValueError: if it is empty.
    """
    if isinstance(data, SkeletonGraph):
        raise TypeError(f"{name!r} expected recordings (got one); put it into a list: [recording]")
    if isinstance(data, list | tuple) and all(isinstance(item, SkeletonGraph) for item in data):
        alike = len({item.layout for item in data}) == 1
        alike &= len({frozenset(item.keys()) for item in data}) == 1
        if data:
            data = Store.from_graphs(data) if alike else GraphList(data)
    elif not (isinstance(data, Store | ConcatStore | GraphList) or hasattr(data, "store")):
        raise TypeError(
            f"{name!r} expected a data set, a store or a list of SkeletonGraph "
            f"(got {type(data).__name__})"
        )
    if not len(data):
        raise ValueError(f"{name!r} expected at least one recording (got none)")
    return data


def source_indices(source: Any) -> Tensor:
    """Numbers of the recordings of a data set's split in its store, int64 [n]."""
    chosen = source.indices() if hasattr(source, "store") else range(len(source))
    return torch.as_tensor(np.asarray(chosen), dtype=torch.long).reshape(-1)


def source_labels(source: Any) -> Tensor:
    """Class numbers of the recordings, int64 [n]; -1 where there are none."""
    return getattr(source, "store", source).y[source_indices(source)]


def source_num_poses(source: Any) -> Tensor:
    """Number of poses of the recordings, int64 [n]."""
    return getattr(source, "store", source).num_poses[source_indices(source)]


def source_class_names(source: Any) -> tuple[str, ...] | None:
    """Class names of a data set or store, if it has them."""
    names = getattr(source, "class_names", None)
    return None if names is None else tuple(names)


def fit_partition(
    partition: str | PartitionStrategy | Callable[..., Any], train: Any, batch_size: int = 256
) -> PartitionStrategy:
    """The strategy, with what it has to measure measured on the training recordings alone.

    Args:
        partition: See :func:`stgraph.skeleton.resolve_partition`.
        train: Training recordings: a data set, a store, or a list of graphs.
        batch_size: Recordings to hold at a time.
    """
    strategy = resolve_partition(partition)
    if not (isinstance(strategy, SpatialConfiguration) and strategy.distance == "measured"):
        return strategy
    if strategy.joint_distance is not None:
        return strategy
    source = as_source(train, "train")
    loader = StoreLoader(source, batch_size, transform=_same, drop_empty=True)
    return strategy.fit(loader)


def _same(batch: Any) -> Any:
    return batch


class StoreSubset:
    """Some recordings of a data set or store.

    Args:
        source: A data set or a store.
        chosen: Their numbers among those of the source, int64.
    """

    def __init__(self, source: Any, chosen: Tensor) -> None:
        self.source = source
        self.store = getattr(source, "store", source)
        self.class_names = source_class_names(source)
        self._indices = source_indices(source)[chosen].tolist()

    def indices(self) -> list[int]:
        """Numbers of the recordings in the store."""
        return self._indices

    def __len__(self) -> int:
        return len(self._indices)


class JoinedParts:
    """Parts of several data sets as one source, of any layouts, whose classes have no meaning.

    Args:
        parts: Data sets with a ``store`` and ``indices()``.
    """

    class_names: tuple[str, ...] | None = None

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = tuple(parts)
        stores = [copy(part.store) for part in parts]
        for store in stores:
            store.class_names = None
        self.store = ConcatStore(stores)
        first = np.cumsum([0, *(len(store) for store in stores)])
        self._indices = np.concatenate(
            [np.asarray(part.indices()) + start for part, start in zip(parts, first, strict=False)]
        )

    def indices(self) -> NDArray[Any]:
        """Numbers of the recordings in the joined store."""
        return self._indices

    def __len__(self) -> int:
        return len(self._indices)


class ResumableLoader:
    """A loader that can go on in the middle of an epoch.

    Args:
        loader: Gives the same batches for the same epoch.
    """

    def __init__(self, loader: StoreLoader) -> None:
        self.loader = loader
        self.sampler = loader.sampler  # the trainer tells it the epoch
        self._given = 0
        self._skip = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        # a generator begins at its first batch, when the trainer has told the epoch
        skip, self._skip = self._skip, 0
        self._given = skip
        batches = iter(self.loader)
        try:
            for batch in islice(batches, skip, None):
                self._given += 1
                if self._given == len(self):
                    next(batches, None)  # the trainer never asks again: workers end here
                yield batch
        finally:
            del batches

    def state_dict(self) -> dict[str, int]:
        """How many batches of this epoch were given."""
        return {"given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leaves out the batches that were given before."""
        self._skip = state["given"] if state["given"] < len(self) else 0


class SkeletonDataModule(LightningDataModule):
    """Recordings to train, choose and test on.

    The order of the training recordings depends on ``seed`` and epoch alone. With several
    processes a batch is dealt out among them; evaluation sees every recording once. Recordings
    without a pose are left out of training, and stay in validation and test.

    Args:
        train: Training recordings: a data set, a store, or a list of graphs.
        val: Validation recordings, the only ones that an epoch may be chosen by.
        test: Test recordings; nothing but the test looks at them.
        batch_size: Recordings of a training step, over all processes.
        eval_batch_size: Recordings at a time in validation and test, over all processes; by
            default at least 64. Changes no figure.
        num_workers: Processes that load batches; 0: none but this one.
        seed: Decides the order and the random numbers of the data set's own transform.
        drop_last: Leave out an incomplete last batch of training.
        check_classes: Refuse parts whose classes have other names; of no use without labels.
        numbered: Training batches say as ``number`` which recordings they hold.

    Raises:
        TypeError: if recordings come as something else.
        ValueError: if there are none, or classes of different names.
    """

    def __init__(
        self,
        train: Any,
        val: Any = None,
        test: Any = None,
        batch_size: int = 16,
        num_workers: int = 0,
        seed: int = 0,
        drop_last: bool = False,
        eval_batch_size: int | None = None,
        numbered: bool = False,
        check_classes: bool = True,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True
        check_limits(
            {
                "batch_size": batch_size,
                "eval_batch_size": eval_batch_size,
                "num_workers": num_workers,
            },
            "'SkeletonDataModule' expected ",
        )
        self.train = as_source(train, "train")
        self.val = None if val is None else as_source(val, "val")
        self.test = None if test is None else as_source(test, "test")
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.drop_last, self.numbered = drop_last, numbered
        self.eval_batch_size = eval_batch_size
        names = source_class_names(self.train) if check_classes else None
        for part, source in (("val", self.val), ("test", self.test)):
            other = None if source is None else source_class_names(source)
            if names is not None and other is not None and names != other:
                raise ValueError(
                    f"'SkeletonDataModule' expected the classes of 'train' in {part!r} as well "
                    f"(got {', '.join(other[:4])}, ... instead of {', '.join(names[:4])}, ...)"
                )
        for what, source in (("training", self.train), ("validation", self.val)):
            if source is not None and not bool((source_num_poses(source) > 0).any()):
                raise ValueError(f"'SkeletonDataModule' expected {what} recordings with poses")

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if the training recordings tell them."""
        return source_class_names(self.train)

    @property
    def num_classes(self) -> int:
        """Number of classes: that of their names, else the greatest of training plus one."""
        names = self.class_names
        return len(names) if names is not None else int(self.train_labels.max()) + 1

    @property
    def train_labels(self) -> Tensor:
        """Class numbers of the training recordings that have a pose, int64 [n]."""
        return source_labels(self.train)[source_num_poses(self.train) > 0]

    @property
    def batches_per_epoch(self) -> int:
        """Training steps of an epoch."""
        count = self.train_labels.numel()
        down, up = count // self.batch_size, -(-count // self.batch_size)
        return down if self.drop_last else up

    def _loader(self, source: Any, train: bool) -> StoreLoader:
        trainer = self.trainer
        world = 1 if trainer is None else trainer.world_size
        rank = 0 if trainer is None else trainer.global_rank
        if self.batch_size % world:
            raise ValueError(
                f"'SkeletonDataModule' expected a batch size that {world} processes can share "
                f"(got {self.batch_size})"
            )
        of_evaluation = self.eval_batch_size or max(self.batch_size, EVAL_BATCH_SIZE)
        return StoreLoader(
            source,
            max(1, (self.batch_size if train else of_evaluation) // world),
            shuffle=train,
            seed=self.seed,
            drop_empty=train,
            drop_last=train and self.drop_last,
            numbered=train and self.numbered,
            num_replicas=world,
            rank=rank,
            num_workers=self.num_workers,
        )

    def train_dataloader(self) -> ResumableLoader:
        return ResumableLoader(self._loader(self.train, train=True))

    def val_dataloader(self) -> Any:
        return [] if self.val is None else self._loader(self.val, train=False)

    def test_dataloader(self) -> Any:
        if self.test is None:
            raise ValueError("'SkeletonDataModule' was given no test recordings")
        return self._loader(self.test, train=False)
