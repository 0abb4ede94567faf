"""The partition strategies by name: four of the papers, a further one of CTR-GCN, and controls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import torch
from torch import Tensor

from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.layouts import named_layouts
from stgraph.skeleton.partition import FunctionPartition, PartitionStrategy

if TYPE_CHECKING:
    from stgraph.skeleton.graph import SkeletonGraph


class Uniform(PartitionStrategy):
    """Uni-labelling: a joint and its neighbours share one weight matrix (K = 1)."""

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        return torch.stack(self._rings(layout)).sum(dim=0, keepdim=True)


class Distance(PartitionStrategy):
    """Distance partitioning: one weight matrix for each hop distance (K = max_hop + 1)."""

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        return torch.stack(self._rings(layout))


class SpatialConfiguration(PartitionStrategy):
    r"""Spatial configuration partitioning (Yan et al.; Nagy et al., eq. 4).

    Type 0 holds the joint itself and neighbours as far from the centre as it is, type 1 the
    neighbours nearer the centre, type 2 those farther away.

    Args:
        distance: How far a joint is from the centre: ``"hops"`` on the layout; the same but
            ``"hops_truncated"`` (st-gcn: beyond ``max_hop`` all distances are equal, which
            published weights need); or ``"measured"``, the mean distance to the centroid of the
            pose, which has to be given or fitted (:meth:`fit`) on training recordings.
        joint_distance: The measured distance, [V].
        ties: Where a neighbour as far from the centre goes: ``"root"`` (type 0, eq. 4) or
            ``"farther"`` (type 2, st-gcn).
        split_hops: Own types 2h-1 and 2h for each hop distance h (st-gcn).

    Raises:
        ValueError: if hop distances are asked of a layout without a centre or with joints that no
            bone connects to it, or measured ones were not fitted or are not finite.
    """

    def __init__(
        self,
        distance: str = "hops",
        joint_distance: Tensor | Sequence[float] | None = None,
        ties: str = "root",
        split_hops: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        kinds = ("hops", "hops_truncated", "measured")
        if distance not in kinds:
            raise ValueError(f"unknown distance {distance!r}; known are {', '.join(kinds)}")
        if ties not in ("root", "farther"):
            raise ValueError(f"unknown ties {ties!r}; known are root, farther")
        self.distance = distance
        self.joint_distance = (
            None if joint_distance is None else torch.as_tensor(joint_distance).double()
        )
        if self.joint_distance is not None and not torch.isfinite(self.joint_distance).all():
            raise ValueError(
                "SpatialConfiguration expected a finite 'joint_distance' for each joint "
                f"(got {self.joint_distance.tolist()}); was each joint seen in a recording?"
            )
        self.ties = ties
        self.split_hops = split_hops

    def fit(self, recordings: SkeletonGraph | Iterable[SkeletonGraph]) -> SpatialConfiguration:
        """The same strategy with the distance measured on these (training) recordings."""
        fitted = SpatialConfiguration(
            "measured",
            measured_joint_distance(recordings),
            self.ties,
            self.split_hops,
            max_hop=self.max_hop,
            dilation=self.dilation,
            normalisation=self.normalisation,
            alpha=self.alpha,
        )
        return fitted

    def centre_distance(self, layout: SkeletonLayout) -> Tensor:
        """Distance of each joint from the centre that the labels compare, float64 [V]."""
        if self.distance == "measured":
            if self.joint_distance is None:
                raise ValueError(
                    "SpatialConfiguration(distance='measured') has not been fitted; call "
                    "fit(training recordings) or give joint_distance"
                )
            if len(self.joint_distance) != layout.num_joints:
                raise ValueError(
                    f"SpatialConfiguration expected a measured distance for each of the "
                    f"{layout.num_joints} joints of layout {layout.name!r} "
                    f"(got {len(self.joint_distance)})"
                )
            return self.joint_distance
        hops = layout.centre_hops
        if self.distance == "hops_truncated":
            beyond = (hops < 0) | (hops > self.max_hop)
            return hops.double().masked_fill(beyond, float("inf"))
        if (hops < 0).any():
            lost = [layout.joints[j] for j in (hops < 0).nonzero().flatten().tolist()]
            ways = ["distance='measured'"]
            ways += [f"layout {n!r}" for n in named_layouts() if n.startswith(f"{layout.name}_")]
            raise ValueError(
                f"SpatialConfiguration by hops needs every joint connected to the centre, but "
                f"layout {layout.name!r} has {layout.num_components} components and no path from "
                f"{', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}; add bones, use "
                f"{' or '.join(ways)}"
            )
        return hops.double()

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        r = self.centre_distance(layout)
        nearer = r[None, :] < r[:, None]  # [target, source]: the source is nearer the centre
        equal = r[None, :] == r[:, None]
        farther = ~nearer & ~equal
        root, *rings = self._rings(layout)
        groups = rings if self.split_hops else [torch.stack(rings).sum(dim=0)] if rings else []
        if self.ties == "farther":
            types = [root]
            for ring in groups:
                types += [ring * nearer, ring * (farther | equal)]
        else:
            types = [root + sum(ring * equal for ring in groups)]
            for ring in groups:
                types += [ring * nearer, ring * farther]
        return torch.stack(types)


class Symmetrical(PartitionStrategy):
    """Symmetrical distance partitioning (Nagy et al., section 4.3).

    As :class:`Distance`, but each ring of neighbours also holds their mirror images, and the last
    ring the mirror image of the joint itself.
    """

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        if not layout.left_right:
            raise ValueError(
                f"Symmetrical needs left/right pairs, and layout {layout.name!r} has none; give "
                "it some (left_right=...)"
            )
        mirror = layout.mirror
        root, *rings = self._rings(layout)
        if not rings:
            return root[None]
        rings = [torch.maximum(ring, ring[:, mirror]) for ring in rings]
        own = torch.eye(layout.num_joints, dtype=torch.float64)[mirror]
        own.fill_diagonal_(0.0)
        rings[-1] = torch.maximum(rings[-1], own)
        return torch.stack([root, *rings])


class InwardOutward(PartitionStrategy):
    """PYSKL's and CTR-GCN's "spatial": the joint itself, its parent, its children (K = 3)."""

    def __init__(self, normalisation: str = "per_type", **kwargs: Any) -> None:
        super().__init__(normalisation=normalisation, **kwargs)

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        parent = torch.tensor(layout.parents)
        joint = torch.arange(layout.num_joints)
        from_parent = torch.zeros(layout.num_joints, layout.num_joints, dtype=torch.float64)
        from_parent[joint, parent] = 1.0
        from_parent.fill_diagonal_(0.0)
        identity = torch.eye(layout.num_joints, dtype=torch.float64)
        return torch.stack([identity, from_parent, from_parent.T])


class Identity(PartitionStrategy):
    """Control: no edges, a joint sees only itself (K = 1)."""

    def __init__(self, max_hop: int = 0, **kwargs: Any) -> None:
        super().__init__(max_hop=max_hop, **kwargs)

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        return torch.eye(layout.num_joints, dtype=torch.float64)[None]


class RandomEdges(PartitionStrategy):
    """Control: a strategy on random bones that leave each joint its number of neighbours.

    Args:
        strategy: Labels the random bones; by default :class:`SpatialConfiguration`.
        seed: Seed of the rewiring.
    """

    def __init__(
        self,
        strategy: str | PartitionStrategy = "spatial",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.strategy = resolve_partition(strategy, **kwargs)
        self.seed = seed

    def rewire(self, layout: SkeletonLayout) -> SkeletonLayout:
        """The layout with bones at random, of the same degrees and components."""
        graph = nx.Graph()
        graph.add_nodes_from(range(layout.num_joints))
        graph.add_edges_from(layout.bones)
        swaps = 10 * len(layout.bones)
        # a hub of a small star leaves nothing to swap: such a component stays as it is
        for component in layout.components:
            part = graph.subgraph(component).copy()
            if len(part) >= 4:
                nx.connected_double_edge_swap(part, swaps, seed=self.seed)
            graph.remove_edges_from(list(graph.subgraph(component).edges))
            graph.add_edges_from(part.edges)
        description = layout.to_dict()
        description.pop("parents")
        description["name"] = f"{layout.name}_random{self.seed}"
        description["bones"] = sorted(sorted(edge) for edge in graph.edges)
        return SkeletonLayout.from_dict(description)

    def adjacency(self, layout: SkeletonLayout) -> Tensor:
        return self.strategy.adjacency(self.rewire(layout))


def measured_joint_distance(recordings: SkeletonGraph | Iterable[SkeletonGraph]) -> Tensor:
    """Mean distance of each joint to the centroid of its pose, over all frames, float64 [V].

    Joints without a position (score 0) enter neither the centroid nor the mean.

    Args:
        recordings: Training recordings, graphs or batches, of one layout; a joint that is never
            seen gets the mean of the others.
    """
    from stgraph.skeleton.graph import SkeletonGraph

    if isinstance(recordings, SkeletonGraph):
        recordings = [recordings]
    total: Tensor | None = None
    count: Tensor | None = None
    for graph in recordings:
        pos = graph.folded("pos").double()
        found = (graph.folded_score() > 0).double()[..., None]
        centroid = (pos * found).sum(1, keepdim=True) / found.sum(1, keepdim=True).clamp(min=1)
        r = (pos - centroid).norm(dim=-1)
        seen = found[..., 0]
        if total is None or count is None:
            total, count = (r * seen).sum(0), seen.sum(0)
        else:
            total, count = total + (r * seen).sum(0), count + seen.sum(0)
    if total is None or count is None or not (count > 0).any():
        raise ValueError("measured_joint_distance expected at least one pose (got none)")
    mean = total / count.clamp(min=1)
    return torch.where(count > 0, mean, mean[count > 0].mean())


_STRATEGIES: dict[str, type[PartitionStrategy]] = {
    "uniform": Uniform,
    "distance": Distance,
    "spatial": SpatialConfiguration,
    "symmetrical": Symmetrical,
    "inward_outward": InwardOutward,
    "identity": Identity,
    "random": RandomEdges,
}


def resolve_partition(
    partition: str | PartitionStrategy | Callable[..., Any], **kwargs: Any
) -> PartitionStrategy:
    """A strategy from its name, from a function that labels one edge, or itself.

    Args:
        partition: ``"uniform"``, ``"distance"``, ``"spatial"``, ``"symmetrical"``,
            ``"inward_outward"``, ``"identity"``, ``"random"``, a function
            ``(layout, target, source) -> int | None``, or a strategy (returned untouched).
        **kwargs: Constructor arguments where a name or function is given.
    """
    if isinstance(partition, PartitionStrategy):
        return partition
    if isinstance(partition, str):
        key = re.sub(r"[-_ ]", "", partition.lower())
        for name, strategy in _STRATEGIES.items():
            if key in (name.replace("_", ""), strategy.__name__.lower()):
                return strategy(**kwargs)
        raise ValueError(f"unknown partition {partition!r}; known are {', '.join(_STRATEGIES)}")
    if callable(partition):
        return FunctionPartition(partition, **kwargs)
    raise TypeError(
        "a partition is a PartitionStrategy, a name, or a function that labels one edge "
        f"(got {type(partition).__name__})"
    )
