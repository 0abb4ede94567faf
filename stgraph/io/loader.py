"""Batches straight from a store, in an order that seed and epoch decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

__all__ = ["EpochSampler", "StoreLoader"]

Request = tuple[int, list[int]]


class EpochSampler(Sampler[Request]):
    """Batches of positions 0..num-1 with a random seed each, the same for one (seed, epoch).

    Every pass over the sampler is the next epoch; :meth:`set_epoch` says which one comes next, as
    trainers do before each epoch and after a resume.

    Args:
        num: Number of recordings.
        batch_size: Recordings a batch (and a process).
        shuffle: Whether each epoch has an order of its own.
        seed: Decides, with the epoch, the order and the random numbers of each batch.
        drop_last: Whether an incomplete last batch is left out.
        num_replicas: Number of processes that share an epoch.
        rank: Which of them this is. Position i of the epoch's order goes to process
            ``i % num_replicas``; when shuffling, the order is repeated from its start until all
            processes have equally many batches.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        num: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"'EpochSampler' expected a batch size >= 1 (got {batch_size})")
        if seed < 0:
            raise ValueError(f"'EpochSampler' expected a seed >= 0 (got {seed})")
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"'EpochSampler' expected a rank in 0..{num_replicas - 1} (got {rank})"
            )
        self.num, self.batch_size, self.shuffle, self.seed = num, batch_size, shuffle, seed
        self.drop_last, self.num_replicas, self.rank = drop_last, num_replicas, rank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass that of `epoch`."""
        self.epoch = int(epoch)

    def _positions(self, epoch: int) -> Tensor:
        order = torch.arange(self.num)
        if self.shuffle:
            generator = torch.Generator().manual_seed(_mix(self.seed, epoch))
            order = torch.randperm(self.num, generator=generator)
            if self.num:
                whole = -(-self.num // self.num_replicas) * self.num_replicas
                order = order.repeat(-(-whole // self.num))[:whole]
        return order[self.rank :: self.num_replicas]

    def __iter__(self) -> Iterator[Request]:
        epoch = self.epoch
        self.epoch += 1
        positions = self._positions(epoch)
        for number in range(len(self)):
            chosen = positions[number * self.batch_size : (number + 1) * self.batch_size]
            yield _mix(self.seed, epoch, number, self.rank), chosen.tolist()

    def __len__(self) -> int:
        count = self._positions(0).numel()
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def _mix(*words: int) -> int:
    """One well-mixed seed of several small numbers."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


class _Batches(Dataset[Any]):
    def __init__(
        self,
        store: Any,
        indices: Tensor,
        transform: Callable[[Any], Any] | None,
        numbered: bool,
    ) -> None:
        self.store, self.indices, self.transform = store, indices, transform
        self.numbered = numbered

    def __getitem__(self, request: Request) -> Any:
        seed, positions = request
        batch = self.store.batch(self.indices[positions])
        if self.numbered:
            count = len(positions)
            batch.number = self.indices[positions]
            batch._slice_dict["number"] = torch.arange(count + 1)
            batch._inc_dict["number"] = torch.zeros(count, dtype=torch.long)
        if self.transform is None:
            return batch
        # random transforms depend on (seed, epoch, batch) alone: not on workers, not on a restart
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.transform(batch)

    def __len__(self) -> int:
        return self.indices.numel()


def _same(batch: Any) -> Any:
    return batch


class StoreLoader(DataLoader[Any]):
    """A :class:`torch.utils.data.DataLoader` of PyG batches, gathered without a Python loop.

    Args:
        source: A :class:`~stgraph.io.Store`, a :class:`~stgraph.io.ConcatStore`, or a data set
            that has a `store` and `indices()`.
        batch_size: Recordings a batch.
        shuffle: Whether each epoch has an order of its own, decided by `seed` and epoch.
        seed: Also seeds the random transforms of each batch.
        indices: Which recordings of the store; all of them, or the data set's split, by default.
        transform: Applied to each batch; the data set's own by default.
        drop_last: Whether an incomplete last batch is left out.
        drop_empty: Whether recordings without a pose are left out, as training must.
        numbered: Whether batches say as ``number`` [B] which recordings of the store they hold.
        num_replicas: See :class:`EpochSampler`.
        rank: See :class:`EpochSampler`.
        **kwargs: Further arguments of the DataLoader, for instance `num_workers`.
    """

    def __init__(
        self,
        source: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        seed: int = 0,
        indices: Sequence[int] | Tensor | None = None,
        transform: Callable[[Any], Any] | None = None,
        drop_last: bool = False,
        drop_empty: bool = False,
        numbered: bool = False,
        num_replicas: int = 1,
        rank: int = 0,
        **kwargs: Any,
    ) -> None:
        store = getattr(source, "store", source)
        if transform is None:
            transform = getattr(source, "transform", None)
        if indices is None:
            indices = source.indices() if hasattr(source, "store") else range(len(store))
        chosen = torch.as_tensor(np.asarray(indices), dtype=torch.long).reshape(-1)
        if drop_empty:
            chosen = chosen[store.num_poses[chosen] > 0]
        sampler = EpochSampler(
            chosen.numel(),
            batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            num_replicas=num_replicas,
            rank=rank,
        )
        super().__init__(
            _Batches(store, chosen, transform, numbered),  # type: ignore[arg-type]
            batch_size=None,
            sampler=sampler,
            collate_fn=_same,
            **kwargs,
        )

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass that of `epoch`."""
        self.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
