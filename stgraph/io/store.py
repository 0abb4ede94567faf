"""All recordings of a set in one memory-mapped file of flat arrays with lengths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.io.errors import RecordingError
from stgraph.io.gather import make_batch, ranges
from stgraph.io.store_file import corrupt_store, read_store_file, write_store_file
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, checks
from stgraph.skeleton.levels import level_of

__all__ = ["Store"]


#: Numbers of a recording, as its constructor makes them.
_NUMBERS: dict[str, Callable[[Any], Tensor]] = {"y": partial(checks.whole, "y"), "fps": checks.rate}


@dataclass(frozen=True)
class _Attribute:
    """A tensor attribute of all recordings, one after the other."""

    value: Tensor
    group: int  # whose lengths it has
    width: int  # rows of one unit of the group: V for joints, 1 otherwise

    def rows(self) -> Tensor:
        """The attribute with one row a unit of its group."""
        return self.value.view(-1, self.width, *self.value.shape[1:])


class Store:
    """The recordings of one layout as flat arrays: fast to gather batches from.

    ``store[i]`` is recording `i`; ``store.batch(indices)`` equals
    ``Batch.from_data_list([store[i] for i in indices])`` attribute by attribute, bookkeeping
    included, but is gathered with a fixed number of tensor calls; it also serves as the collate
    function of a stock loader: ``DataLoader(range(len(store)), 16, collate_fn=store.batch)``. A
    store opened from a file is mapped into memory and read where touched; worker processes share
    the pages.

    Make one with :meth:`from_graphs`, :meth:`write` or :meth:`open`.
    """

    def __init__(
        self,
        *,
        layout: SkeletonLayout,
        order: Sequence[str],
        attributes: Mapping[str, _Attribute],
        lengths: Sequence[Tensor],
        columns: Mapping[str, Sequence[Any] | NDArray[Any]],
        class_names: Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        path: Path | None = None,
    ) -> None:
        self.layout = layout
        self.class_names = None if class_names is None else tuple(class_names)
        self.meta = dict(meta or {})
        self.path = path
        self._order = tuple(order)
        self._attributes = dict(attributes)
        self._lengths = [length.long() for length in lengths]
        self._starts = [length.cumsum(0) - length for length in self._lengths]
        self._columns = {key: _column(key, values) for key, values in columns.items()}

    # --- making one -------------------------------------------------------------------------------
    @classmethod
    def from_graphs(
        cls,
        graphs: Iterable[SkeletonGraph],
        *,
        class_names: Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Store:
        """A store in memory.

        Args:
            graphs: Recordings of one layout with the same attributes. Tensors become flat arrays,
                and so do plain `y` and `fps`; strings, whole numbers, truth values and fractions
                become columns.
            class_names: Names of the classes that `y` numbers.
            meta: Anything else that JSON can hold.

        Raises:
            ValueError: if there is no recording, layouts or attributes differ, or an attribute's
                name makes PyG shift its values in a batch.
            TypeError: if an attribute can be neither tensor nor column.
        """
        graphs = list(graphs)
        if not graphs:
            raise ValueError("'Store' expected at least one recording (got none)")
        first = graphs[0]
        order = list(first.stores[0].keys())
        for number, graph in enumerate(graphs):
            if graph.layout != first.layout:
                raise ValueError(
                    f"'Store' expected one layout (got {first.layout.name!r} and, in recording "
                    f"{number}, {graph.layout.name!r}); make a store each and join them with "
                    "ConcatStore"
                )
            if set(graph.stores[0].keys()) != set(order):
                differing = sorted(set(graph.stores[0].keys()) ^ set(order))
                raise ValueError(
                    f"'Store' expected every recording to have the attributes of the first; "
                    f"recording {number} differs in {', '.join(differing)}"
                )
        poses = torch.tensor([graph.num_poses for graph in graphs])
        lengths: list[Tensor] = [poses]
        attributes: dict[str, _Attribute] = {}
        columns: dict[str, list[Any]] = {}
        for key in order:
            if key == "layout":
                continue
            values = [graph[key] for graph in graphs]
            if key in _NUMBERS:  # a plain ``graph.y = 3`` is a class as well
                values = [
                    value if isinstance(value, Tensor) and value.dim() else _NUMBERS[key](value)
                    for value in values
                ]
            shifted = "index" in key or "batch" in key or key == "ptr"
            if shifted and level_of(key, values[0]) == "recording":
                raise ValueError(f"'Store' cannot hold {key!r}: PyG shifts its values in a batch")
            if all(isinstance(value, Tensor) and value.dim() for value in values):
                count = torch.tensor([value.size(0) for value in values])
                attributes[key] = _attribute(
                    torch.cat([value.cpu() for value in values]),
                    count,
                    lengths,
                    first.num_joints,
                )
            else:
                columns[key] = values
        return cls(
            layout=first.layout,
            order=order,
            attributes=attributes,
            lengths=lengths,
            columns=columns,
            class_names=class_names,
            meta=meta,
        )

    @classmethod
    def write(
        cls,
        path: str | os.PathLike[str],
        graphs: Iterable[SkeletonGraph],
        *,
        class_names: Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> Store:
        """Writes recordings to a file and opens it; arguments as :meth:`from_graphs`."""
        cls.from_graphs(graphs, class_names=class_names, meta=meta).save(path)
        return cls.open(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the store to a file, under another name first: a reader never sees half of it."""
        tensors = {f"value.{key}": a.value for key, a in self._attributes.items()}
        tensors |= {f"length.{i}": length for i, length in enumerate(self._lengths)}
        strings = {}
        for key, values in self._columns.items():
            if values.dtype == object:
                strings[key] = values.tolist()
            else:
                tensors[f"column.{key}"] = torch.from_numpy(values)
        header = {
            "order": list(self._order),
            "groups": {key: [a.group, a.width] for key, a in self._attributes.items()},
            "num_lengths": len(self._lengths),
            "layout": self.layout.to_dict(),
            "class_names": self.class_names,
            "strings": strings,
            "meta": self.meta,
        }
        write_store_file(path, tensors, header)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Opens a file that :meth:`write` made, mapped into memory.

        Raises:
            RecordingError: if the file is missing, truncated, corrupt, or no store of ours.
        """
        path = Path(path)
        try:
            return cls._restore(*read_store_file(path), path)
        except RecordingError:
            raise
        except (IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise corrupt_store(path, error) from None

    @classmethod
    def _restore(cls, tensors: dict[str, Tensor], header: Mapping[str, Any], path: Path) -> Store:
        lengths = [tensors[f"length.{i}"] for i in range(header["num_lengths"])]
        attributes = {
            key: _Attribute(tensors[f"value.{key}"], group, width)
            for key, (group, width) in header["groups"].items()
        }
        columns: dict[str, Any] = dict(header["strings"])
        columns |= {
            key.removeprefix("column."): value.numpy()
            for key, value in tensors.items()
            if key.startswith("column.")
        }
        store = cls(
            layout=SkeletonLayout.from_dict(header["layout"]),
            order=header["order"],
            attributes=attributes,
            lengths=lengths,
            columns=columns,
            class_names=header["class_names"],
            meta=header["meta"],
            path=path,
        )
        store._check()
        return store

    def _check(self) -> None:
        if set(self._order) - {"layout"} != set(self._attributes) | set(self._columns):
            raise ValueError("attributes are missing")
        if not {"pos", "frame", "track_length", "person"} <= set(self._attributes):
            raise ValueError("attributes are no tensors")
        totals = [int(length.sum()) for length in self._lengths]
        for key, a in self._attributes.items():
            if a.value.size(0) != totals[a.group] * a.width:
                raise ValueError(f"attribute {key!r} does not fit its lengths")
        sizes = [len(part) for part in self._lengths] + [len(c) for c in self._columns.values()]
        if set(sizes) != {len(self)}:
            raise ValueError("columns differ in length")
        if any(len(length) and int(length.min()) < 0 for length in self._lengths):
            raise ValueError("a length is negative")
        if self._attributes["pos"].value.dim() != 2:
            raise ValueError("'pos' is no table of coordinates")
        tracks = self._attributes["track_length"]
        poses = self._lengths[self._attributes["frame"].group]
        owner = torch.arange(len(self)).repeat_interleave(self._lengths[tracks.group])
        counted = torch.zeros_like(poses).index_add_(0, owner, tracks.value.long())
        if bool((tracks.value < 0).any()) or not torch.equal(counted, poses):
            raise ValueError("lengths of tracks do not add up to the poses")

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None:
            return (Store.open, (self.path,))
        return (_from_state, (self.__dict__,))

    # --- what it holds ----------------------------------------------------------------------------
    def __len__(self) -> int:
        return self._lengths[0].numel()

    def __repr__(self) -> str:
        return (
            f"Store({len(self)} recordings, layout={self.layout.name!r}, "
            f"poses={int(self._lengths[0].sum())})"
        )

    @property
    def num_poses(self) -> Tensor:
        """Number of poses of each recording, int64 [R]."""
        return self._lengths[0]

    @property
    def y(self) -> Tensor:
        """Class number of each recording, int64 [R]; all -1 if there are no labels."""
        if "y" in self._attributes:
            return self._attributes["y"].value.clone()
        return torch.full((len(self),), -1)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names that :meth:`column` knows."""
        return tuple(self._columns)

    def column(self, name: str) -> NDArray[Any]:
        """One plain attribute of every recording, for instance its subject.

        Returns:
            An array [R] of whole numbers, truth values, fractions, or strings (dtype object).

        Raises:
            ValueError: if there is no such column; known ones are listed.
        """
        if name not in self._columns:
            known = ", ".join(self._columns) or "none"
            raise ValueError(f"the store has no column {name!r}; it has {known}")
        return self._columns[name].copy()

    def with_labels(self, y: Tensor, class_names: Sequence[str] | None = None) -> Store:
        """The same recordings under other class numbers; nothing else is copied.

        Args:
            y: Class number of each recording, int64 [R].
            class_names: Names of the new classes.
        """
        if y.shape != (len(self),):
            raise ValueError(f"expected {len(self)} class numbers (got {list(y.shape)})")
        lengths = [*self._lengths]
        old = self._attributes.get("y")
        if old is None:
            lengths.append(torch.ones(len(self), dtype=torch.long))
        attribute = _Attribute(y.long(), len(lengths) - 1 if old is None else old.group, 1)
        return Store(
            layout=self.layout,
            order=self._order if old is not None else (*self._order, "y"),
            attributes={**self._attributes, "y": attribute},
            lengths=lengths,
            columns=self._columns,
            class_names=class_names,
            meta=self.meta,
        )

    def select(self, indices: Sequence[int] | Tensor | NDArray[Any]) -> Store:
        """A store in memory of some recordings, in the order of `indices`."""
        index = torch.as_tensor(np.asarray(indices), dtype=torch.long).reshape(-1)
        values, _ = self.gather(index)
        return Store(
            layout=self.layout,
            order=self._order,
            attributes={
                key: _Attribute(values[key], a.group, a.width)
                for key, a in self._attributes.items()
            },
            lengths=[length[index] for length in self._lengths],
            columns={key: column[index.numpy()] for key, column in self._columns.items()},
            class_names=self.class_names,
            meta=self.meta,
        )

    # --- taking from it ---------------------------------------------------------------------------
    def __getitem__(self, i: int) -> SkeletonGraph:
        if not -len(self) <= i < len(self):
            raise IndexError(f"the store has {len(self)} recordings (asked for number {i})")
        i = int(i) % len(self)
        graph = SkeletonGraph()
        for key in self._order:
            if key == "layout":
                graph[key] = self.layout
            elif key in self._columns:
                graph[key] = _plain(self._columns[key][i])
            else:
                a = self._attributes[key]
                start = int(self._starts[a.group][i]) * a.width
                size = int(self._lengths[a.group][i]) * a.width
                graph[key] = a.value[start : start + size].clone()
        return graph

    def batch(self, indices: Sequence[int] | Tensor | NDArray[Any]) -> Batch:
        """The recordings of `indices` as one PyG batch.

        Args:
            indices: Numbers of recordings, in the order wanted; may repeat.

        Returns:
            What ``Batch.from_data_list`` makes of them, so `to_data_list` and `get_example` work.

        Raises:
            IndexError: if a number is out of range.
            ValueError: if there is none.
        """
        values, slices = self.gather(indices)
        return make_batch(self._order, values, slices)

    def gather(
        self, indices: Sequence[int] | Tensor | NDArray[Any]
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Attributes of some recordings, joined, and the slices that part them."""
        index = torch.as_tensor(np.asarray(indices), dtype=torch.long).reshape(-1)
        if not index.numel():
            raise ValueError("a batch expected at least one recording (got none)")
        if int(index.min()) < -len(self) or int(index.max()) >= len(self):
            raise IndexError(
                f"the store has {len(self)} recordings (asked for numbers {int(index.min())} to "
                f"{int(index.max())})"
            )
        index = index % len(self)
        rows, parts = [], []
        for start, length in zip(self._starts, self._lengths, strict=True):
            size = length[index]
            parts.append(torch.nn.functional.pad(size.cumsum(0), (1, 0)))
            rows.append(ranges(start[index], size, parts[-1]))
        each = torch.arange(index.numel() + 1)
        values: dict[str, Any] = {}
        slices: dict[str, Tensor] = {}
        for key in self._order:
            slices[key] = each
            if key == "layout":
                values[key] = [self.layout] * index.numel()
            elif key in self._columns:
                values[key] = _joined(self._columns[key][index.numpy()])
            else:
                a = self._attributes[key]
                values[key] = a.rows().index_select(0, rows[a.group]).flatten(0, 1)
                slices[key] = parts[a.group] * a.width
        return values, slices


def _attribute(value: Tensor, count: Tensor, lengths: list[Tensor], joints: int) -> _Attribute:
    for group, length in enumerate(lengths):
        for width in (1, joints):
            if torch.equal(length * width, count):
                return _Attribute(value.contiguous(), group, width)
    lengths.append(count)
    return _Attribute(value.contiguous(), len(lengths) - 1, 1)


def _column(key: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    kinds = {type(value) for value in values}
    if kinds <= {str}:
        return np.array(values, dtype=object)
    if kinds in ({int}, {bool}, {float}):
        return np.array(values)
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(
        f"'Store' cannot hold {key!r}: expected tensors, or all str, int, bool or float "
        f"(got {names})"
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _joined(values: NDArray[Any]) -> Any:
    if values.dtype == object:
        return values.tolist()
    dtype = torch.get_default_dtype() if values.dtype.kind == "f" else None
    return torch.as_tensor(values, dtype=dtype)


def _from_state(state: dict[str, Any]) -> Store:
    store = Store.__new__(Store)
    store.__dict__.update(state)
    return store
