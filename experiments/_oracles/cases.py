"""What the checks of all families share: cases of a file, clips as batches, errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph, SkeletonLayout

Arrays = Mapping[str, np.ndarray]
ABSOLUTE = 1e-4


class Watched(Mapping[str, np.ndarray]):
    """Arrays that remember which of them were read."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> np.ndarray:
        self.read.add(key)
        return self.arrays[key]

    def __contains__(self, key: object) -> bool:
        return key in self.arrays  # a question is no reading

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def unread(self) -> list[str]:
        """Names of the arrays of numbers that nothing was compared with."""
        return [
            key
            for key, array in self.arrays.items()
            if key not in self.read and np.asarray(array).dtype.kind in "biufc"
        ]


class Result(NamedTuple):
    """One comparison: what is compared, its error and what is allowed."""

    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the error is allowed; not a number is not."""
        return self.error <= self.tolerance


class Case:
    """The arrays below one name of a file, and what its configuration says of it."""

    def __init__(self, name: str, arrays: Arrays, config: Mapping[str, Any]) -> None:
        self.name = name
        start = f"{name}/" if name else ""
        self.keys = {key[len(start) :]: key for key in arrays if key.startswith(start)}
        self.arrays = arrays
        self.config = config

    def __contains__(self, key: str) -> bool:
        return key in self.keys

    def tensor(self, key: str) -> Tensor:
        """An array as a tensor."""
        if key not in self.keys:
            raise KeyError(f"case {self.name!r} has no {key!r}")
        return torch.from_numpy(np.array(self.arrays[self.keys[key]]))

    def below(self, key: str) -> dict[str, Tensor]:
        """All arrays below a key, by the rest of their names."""
        return {
            name[len(key) + 1 :]: self.tensor(name)
            for name in self.keys
            if name.startswith(f"{key}/")
        }

    def numbered(self, pattern: str) -> Iterator[tuple[int, Tensor]]:
        """Arrays whose name holds a number, in the place of `#` in the pattern."""
        form = re.compile(re.escape(pattern).replace(r"\#", r"(\d+)"))
        for name in self.keys:
            if found := form.fullmatch(name):
                yield int(found.group(1)), self.tensor(name)


def cases(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Case]:
    """The cases of a file, in the order of its configuration."""
    for name, description in config.items():
        if isinstance(description, Mapping) and any(k.startswith(f"{name}/") for k in arrays):
            yield Case(name, arrays, description)


def clips(x: Tensor, axes: str, num_joints: int) -> Tensor:
    """A padded array with the named axes, such as ``N T (V C)``, as [N, M, T, V, C]."""
    if "(V C)" in axes:
        x = x.unflatten(x.dim() - 1, (num_joints, -1))
        axes = axes.replace("(V C)", "V C")
    names = axes.split()
    if sorted(names) not in (sorted("NMTVC"), sorted("NTVC")) or len(names) != x.dim():
        raise ValueError(f"cannot read axes {axes!r} of an array of shape {list(x.shape)}")
    if "M" not in names:
        x, names = x.unsqueeze(1), [names[0], "M", *names[1:]]
    return x.permute([names.index(axis) for axis in "NMTVC"]).contiguous()


def as_batch(dense: Tensor, layout: SkeletonLayout) -> SkeletonGraph:
    """[N, M, T, V, C] as a batch that keeps absent persons and frames, as the reference saw it."""
    graphs = [SkeletonGraph.from_dense(clip, layout, keep_absent=True) for clip in dense]
    return Batch.from_data_list(graphs)


def absolute(found: Tensor, expected: Tensor) -> float:
    """Largest difference; infinite where shapes differ or numbers are not finite."""
    if found.shape != expected.shape:
        return float("inf")
    if expected.numel() == 0:
        return 0.0
    difference = (found.detach().double() - expected.detach().double()).abs()
    return float(difference.max()) if bool(difference.isfinite().all()) else float("inf")


def scaled(found: Tensor, expected: Tensor, floor: float = ABSOLUTE, share: float = 1e-5) -> float:
    """Largest difference, in units where ``floor + share * |expected|`` reads ``floor``."""
    if found.shape != expected.shape:
        return float("inf")
    allowed = 1.0 + share / floor * expected.double().abs()
    return absolute(found.detach().double() / allowed, expected.double() / allowed)


def worst(name: str, results: Iterable[Result]) -> Result:
    """The comparison of a case that is nearest to its tolerance, or farthest beyond."""
    compared = list(results)
    if not compared:
        return Result(name, float("inf"), 0.0)
    for result in compared:
        if not result.ok:
            return result._replace(name=f"{name} ({result.name})")
    worst_one = max(compared, key=lambda r: r.error / r.tolerance if r.tolerance else 0.0)
    return worst_one._replace(name=name)
