"""Partition strategies: which joints talk to which, and through which weight matrix."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.layouts import resolve_layout

NORMALISATIONS = ("target", "per_type", "symmetric", "as_built", "none")


@dataclass(frozen=True, eq=False)
class Partition:
    r"""The edges of one pose, each with the weight matrix (type) that it uses.

    Attributes:
        edge_index: int64 [2, E], row 0 the source joint, row 1 the target joint.
        edge_type: int64 [E], in 0...K-1.
        edge_weight: float32 [E].
        num_types: Number K of weight matrices.
        num_joints: Number V of joints.

    Raises:
        ValueError: if the tensors contradict each other or a number is out of range.
    """

    edge_index: Tensor
    edge_type: Tensor
    edge_weight: Tensor
    num_types: int
    num_joints: int

    def __post_init__(self) -> None:
        edges = self.edge_type.numel()
        if self.edge_index.shape != (2, edges) or self.edge_weight.shape != (edges,):
            raise ValueError(
                "'Partition' expected 'edge_index' [2, E], 'edge_type' [E] and 'edge_weight' [E] "
                f"(got {list(self.edge_index.shape)}, {list(self.edge_type.shape)} and "
                f"{list(self.edge_weight.shape)})"
            )
        for name, most in (("edge_index", self.num_joints), ("edge_type", self.num_types)):
            value = getattr(self, name)
            if edges and not (int(value.min()) >= 0 and int(value.max()) < most):
                raise ValueError(
                    f"'Partition' expected {name!r} within 0...{most - 1} (got {int(value.min())} "
                    f"to {int(value.max())})"
                )
        if not torch.isfinite(self.edge_weight).all():
            raise ValueError("'Partition' expected finite edge weights")

    @classmethod
    def from_dense(cls, dense: Tensor) -> Partition:
        """The non-zero entries of a [K, target, source] tensor."""
        kind, target, source = dense.nonzero(as_tuple=True)
        weight = dense[kind, target, source].float()
        return cls(torch.stack([source, target]), kind, weight, dense.size(0), dense.size(1))

    def dense(self) -> Tensor:
        """Weights as float32 [K, target, source]."""
        out = self.edge_weight.new_zeros(self.num_types, self.num_joints, self.num_joints)
        index = (self.edge_type, self.edge_index[1], self.edge_index[0])
        return out.index_put(index, self.edge_weight, accumulate=True)

    def subset(self, keep: Tensor) -> Partition:
        """Only some of the edges, with the weights that they have; no type goes.

        Args:
            keep: Edges to keep, bool [E].

        Raises:
            ValueError: if there is not one entry an edge.
        """
        if keep.shape != self.edge_type.shape or keep.dtype != torch.bool:
            raise ValueError(
                f"'Partition' expected a bool for each of {self.num_edges} edges "
                f"(got {list(keep.shape)} of {keep.dtype})"
            )
        return Partition(
            self.edge_index[:, keep],
            self.edge_type[keep],
            self.edge_weight[keep],
            self.num_types,
            self.num_joints,
        )

    def among(self, joints: Tensor) -> Partition:
        """The edges between some joints, in their order and with their weights.

        Args:
            joints: Old number of each new joint, int64 [V'], all different.
        """
        new = torch.full((self.num_joints,), -1, dtype=torch.long)
        new[joints] = torch.arange(joints.numel())
        ends = new[self.edge_index]
        inside = (ends >= 0).all(dim=0)
        return Partition(
            ends[:, inside],
            self.edge_type[inside],
            self.edge_weight[inside],
            self.num_types,
            joints.numel(),
        )

    def without_types(self, types: Sequence[int]) -> Partition:
        """Without some types and their edges; the others are counted anew, in their order.

        Args:
            types: Types that go, within 0...K-1.

        Raises:
            ValueError: if there is no such type, or none would be left.
        """
        gone = torch.zeros(self.num_types, dtype=torch.bool)
        if any(not 0 <= kind < self.num_types for kind in types):
            raise ValueError(
                f"'Partition' expected types within 0...{self.num_types - 1} (got {list(types)})"
            )
        gone[list(types)] = True
        if gone.all():
            raise ValueError("a 'Partition' has at least one type of edge")
        rest = self.subset(~gone[self.edge_type])
        number = (~gone).cumsum(0) - 1
        return Partition(
            rest.edge_index,
            number[rest.edge_type],
            rest.edge_weight,
            int((~gone).sum()),
            self.num_joints,
        )

    @property
    def empty_types(self) -> list[int]:
        """Types without an edge."""
        count = torch.bincount(self.edge_type, minlength=self.num_types)
        return (count == 0).nonzero().flatten().tolist()

    @property
    def num_edges(self) -> int:
        """Number E of labelled edges, self-loops included."""
        return self.edge_index.size(1)

    def __repr__(self) -> str:
        sizes = torch.bincount(self.edge_type, minlength=self.num_types).tolist()
        return f"Partition(num_joints={self.num_joints}, edges of each type={sizes})"


def normalise_adjacency(adjacency: Tensor, how: str = "target", alpha: float = 1e-3) -> Tensor:
    r"""Scales the entries of a partitioned adjacency.

    Args:
        adjacency: [K, target, source], zeros and ones.
        how: ``"target"``: the incoming weights of a joint sum to 1 over all types (st-gcn's
            :math:`A D^{-1}`); ``"per_type"``: they do within each type (PYSKL, CTR-GCN);
            ``"symmetric"``: :math:`\Lambda_k^{-1/2} A_k \Lambda_k^{-1/2}` with
            :math:`\Lambda_k^{ii} = \sum_j A_k^{ij} + \alpha` (Nagy et al., eq. 5; an empty row
            counts :math:`\alpha^{-1/2}`); ``"as_built"``: what that report's code computes, which
            adds :math:`\alpha` to every entry of the degree matrix and so fills all of A;
            ``"none"``.
        alpha: The constant, above 0, of ``"symmetric"`` and ``"as_built"``.

    Returns:
        float64 [K, target, source].

    Raises:
        ValueError: if ``how`` is unknown or ``alpha`` not above 0.
    """
    if not 0 < alpha < math.inf:
        raise ValueError(f"a normalisation expected alpha above 0 (got {alpha})")
    a = adjacency.double()
    if how == "none":
        return a
    if how == "target":
        return a / a.sum(dim=(0, 2)).clamp(min=1.0)[None, :, None]
    if how == "per_type":
        return a / a.sum(dim=2, keepdim=True).clamp(min=1.0)
    if how == "symmetric":
        scale = (a.sum(dim=2) + alpha).rsqrt()
        return scale[:, :, None] * a * scale[:, None, :]
    if how == "as_built":
        scale = (torch.diag_embed(a.sum(dim=2)) + alpha).rsqrt()
        return scale @ a @ scale
    raise ValueError(f"unknown normalisation {how!r}; known are {', '.join(NORMALISATIONS)}")


class PartitionStrategy:
    r"""A rule that labels the edges of a layout: layout -> :class:`Partition`.

    A subclass overrides :meth:`label` (one edge) or :meth:`adjacency` (all at once).

    Args:
        max_hop: Largest hop distance D of a neighbour.
        dilation: Only every ``dilation``-th hop distance counts.
        normalisation: See :func:`normalise_adjacency`.
        alpha: Constant of the report's normalisations.

    Raises:
        ValueError: if a number is out of range, or the normalisation unknown.
    """

    def __init__(
        self,
        max_hop: int = 1,
        dilation: int = 1,
        normalisation: str = "target",
        alpha: float = 1e-3,
    ) -> None:
        if max_hop < 0 or dilation < 1:
            raise ValueError(
                f"{type(self).__name__!r} expected max_hop >= 0 and dilation >= 1 "
                f"(got {max_hop} and {dilation})"
            )
        if normalisation not in NORMALISATIONS:
            raise ValueError(
                f"unknown normalisation {normalisation!r}; known are {', '.join(NORMALISATIONS)}"
            )
        if not 0 < alpha < math.inf:
            raise ValueError(f"{type(self).__name__!r} expected alpha above 0 (got {alpha})")
        self.max_hop = max_hop
        self.dilation = dilation
        self.normalisation = normalisation
        self.alpha = alpha

    def __call__(self, layout: SkeletonLayout | str) -> Partition:
        """Labels the edges of a layout."""
        adjacency = self.adjacency(resolve_layout(layout))
        return Partition.from_dense(normalise_adjacency(adjacency, self.normalisation, self.alpha))

    def label(self, layout: SkeletonLayout, target: int, source: int) -> int | None:
        """Type of the edge from ``source`` to ``target``; None if it is no edge."""
        raise TypeError(f"{type(self).__name__} has to override 'label' or 'adjacency'")

    def num_types(self, layout: SkeletonLayout) -> int:
        """Number K of types; by default as many as occur."""
        labels = self._labels(layout)
        return max((k for k in labels.values()), default=-1) + 1

    def _labels(self, layout: SkeletonLayout) -> dict[tuple[int, int], int]:
        joints = range(layout.num_joints)
        labels = {(i, j): self.label(layout, i, j) for i in joints for j in joints}
        found = {edge: kind for edge, kind in labels.items() if kind is not None}
        for (target, source), kind in found.items():
            if not hasattr(kind, "__index__") or kind < 0:
                raise ValueError(
                    f"{self!r} labels the edge {layout.joints[source]} -> {layout.joints[target]} "
                    f"with {kind!r}; expected a whole number from 0, or None for no edge"
                )
        return {edge: int(kind) for edge, kind in found.items()}

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        """Zeros and ones, float64 [K, target, source], before normalisation."""
        labels = self._labels(layout)
        if not labels:
            raise ValueError(f"{self!r} finds no edge in layout {layout.name!r}")
        out = torch.zeros(
            self.num_types(layout), layout.num_joints, layout.num_joints, dtype=torch.float64
        )
        for (target, source), kind in labels.items():
            if not 0 <= kind < len(out):
                raise ValueError(
                    f"{self!r} labels the edge {layout.joints[source]} -> {layout.joints[target]} "
                    f"with {kind}, outside 0...{len(out) - 1}; expected num_types={kind + 1}"
                )
            out[kind, target, source] = 1.0
        return out

    def _rings(self, layout: SkeletonLayout) -> list[Tensor]:
        """Zeros and ones [target, source] for each hop distance that counts, self first."""
        hops = layout.hops
        return [(hops == h).double() for h in range(0, self.max_hop + 1, self.dilation)]

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self).__init__).parameters.values()
        shown = [
            f"{p.name}={getattr(self, p.name)!r}"
            for p in parameters
            if p.name != "self"
            and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
            and not isinstance(getattr(self, p.name, p.default), Tensor)
            and getattr(self, p.name, p.default) != p.default
        ]
        base = {"max_hop": 1, "dilation": 1, "normalisation": "target"}
        shown += [
            f"{key}={getattr(self, key)!r}"
            for key, default in base.items()
            if key not in {p.name for p in parameters} and getattr(self, key) != default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class FunctionPartition(PartitionStrategy):
    """A user's own strategy: a function that labels one edge.

    Args:
        function: ``function(layout, target, source)`` returns the type of the edge, or None where
            there is none.
        num_types: Number K of types, if it may exceed the largest label that occurs.
    """

    def __init__(
        self,
        function: Callable[[SkeletonLayout, int, int], int | None],
        num_types: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self._num_types = num_types

    def label(self, layout: SkeletonLayout, target: int, source: int) -> int | None:
        found = self.function(layout, target, source)
        if isinstance(found, bool):
            raise ValueError(
                f"{self!r} expected the type of an edge, or None where there is none (got {found})"
            )
        return found

    def num_types(self, layout: SkeletonLayout) -> int:
        return self._num_types or super().num_types(layout)

    def __repr__(self) -> str:
        return f"FunctionPartition({getattr(self.function, '__name__', 'function')})"
