"""Stores of different layouts as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.io.gather import make_batch, ranges
from stgraph.io.store import Store
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

__all__ = ["ConcatStore"]


class ConcatStore:
    """Several stores, one after the other; batches may mix their layouts.

    Recordings keep the attributes that all stores have, and get `source`, the number of their
    store. A missing `score` is taken as 1. Where some stores are 2-D and others 3-D, the flat ones
    get z = 0, and `source_dims` says how many coordinates were read. Classes are matched by name:
    `y` numbers the union of the class names; if no store names its classes, `y` stays.

    Args:
        stores: At least one store; either all of them name their classes or none.

    Raises:
        ValueError: if there is no store, or only some have class names.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        if not self.stores:
            raise ValueError("'ConcatStore' expected at least one store (got none)")
        named = [store.class_names is not None for store in self.stores]
        if any(named) and not all(named):
            raise ValueError("'ConcatStore' expected class names in all stores or in none")
        self.class_names: tuple[str, ...] | None = None
        if all(named):
            names = [name for store in self.stores for name in store.class_names or ()]
            self.class_names = tuple(dict.fromkeys(names))
        self._sizes = torch.tensor([len(store) for store in self.stores])
        self._ends = self._sizes.cumsum(0)
        shared = set.intersection(*(set(store._order) for store in self.stores))
        self._scored = any("score" in store._order for store in self.stores)
        order = [key for key in self.stores[0]._order if key in shared and key != "score"]
        self._order = (*order, *(["score"] if self._scored else []), "source", "source_dims")
        self.dims = max(store._attributes["pos"].value.size(1) for store in self.stores)

    def __len__(self) -> int:
        return int(self._sizes.sum())

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(store.layout.name for store in self.stores))
        return f"ConcatStore({len(self)} recordings, layouts={names})"

    @property
    def layouts(self) -> tuple[SkeletonLayout, ...]:
        """The layout of each store."""
        return tuple(store.layout for store in self.stores)

    @property
    def y(self) -> Tensor:
        """Class number of each recording in the union of the class names, int64 [R]."""
        return torch.cat([self._labels(s, store.y) for s, store in enumerate(self.stores)])

    @property
    def num_poses(self) -> Tensor:
        """Number of poses of each recording, int64 [R]."""
        return torch.cat([store.num_poses for store in self.stores])

    def column(self, name: str) -> NDArray[Any]:
        """One plain attribute of every recording; all stores must have it."""
        return np.concatenate([store.column(name) for store in self.stores])

    def __getitem__(self, i: int) -> SkeletonGraph:
        if not -len(self) <= i < len(self):
            raise IndexError(f"the stores have {len(self)} recordings (asked for number {i})")
        i = int(i) % len(self)
        s = int(torch.bucketize(torch.tensor(i), self._ends, right=True))
        graph = self.stores[s][i - int(self._ends[s] - self._sizes[s])]
        own = graph.num_dims
        if self._scored and "score" not in graph:
            graph.score = graph.pos.new_ones(graph.pos.size(0))
        graph.pos = torch.nn.functional.pad(graph.pos, (0, self.dims - own))
        if "y" in graph:
            graph.y = self._labels(s, graph.y)
        graph.source, graph.source_dims = s, own
        out = SkeletonGraph()
        for key in self._order:
            out[key] = graph[key]
        return out

    def batch(self, indices: Sequence[int] | Tensor | NDArray[Any]) -> Batch:
        """The recordings of `indices`, in that order, as one PyG batch of mixed layouts."""
        index = torch.as_tensor(np.asarray(indices), dtype=torch.long).reshape(-1)
        if not index.numel():
            raise ValueError("a batch expected at least one recording (got none)")
        if int(index.min()) < -len(self) or int(index.max()) >= len(self):
            raise IndexError(f"the stores have {len(self)} recordings (asked for more)")
        index = index % len(self)
        source = torch.bucketize(index, self._ends, right=True)
        local = index - (self._ends - self._sizes)[source]
        pieces = [
            (s, *self._piece(s, local[source == s]))
            for s in range(len(self.stores))
            if bool((source == s).any())
        ]
        # pieces hold the recordings store by store; `place` puts them back into the order asked for
        place = torch.empty_like(index)
        place[source.argsort(stable=True)] = torch.arange(index.numel())
        values: dict[str, Any] = {}
        slices: dict[str, Tensor] = {}
        for key in self._order:
            parts = [piece[1][key] for piece in pieces]
            sizes = torch.cat([piece[2][key].diff() for piece in pieces])
            slices[key] = torch.nn.functional.pad(sizes[place].cumsum(0), (1, 0))
            if isinstance(parts[0], Tensor):
                start = (sizes.cumsum(0) - sizes)[place]
                rows = ranges(start, sizes[place], slices[key])
                values[key] = torch.cat(parts).index_select(0, rows)
            else:
                joined = np.empty(index.numel(), dtype=object)
                joined[:] = [item for part in parts for item in part]
                values[key] = joined[place.numpy()].tolist()
        return make_batch(self._order, values, slices)

    def _piece(self, s: int, local: Tensor) -> tuple[dict[str, Any], dict[str, Tensor]]:
        values, slices = self.stores[s].gather(local)
        pos = values["pos"]
        each = torch.arange(local.numel() + 1)
        if self._scored and "score" not in values:
            values["score"], slices["score"] = pos.new_ones(pos.size(0)), slices["pos"]
        values["source"] = torch.full((local.numel(),), s)
        values["source_dims"] = torch.full((local.numel(),), pos.size(1))
        slices["source"] = slices["source_dims"] = each
        values["pos"] = torch.nn.functional.pad(pos, (0, self.dims - pos.size(1)))
        if "y" in values:
            values["y"] = self._labels(s, values["y"])
        return values, slices

    def _labels(self, s: int, y: Tensor) -> Tensor:
        names = self.stores[s].class_names
        if self.class_names is None or names is None:
            return y
        table = torch.tensor([self.class_names.index(name) for name in names] + [-1])
        return table[y]
