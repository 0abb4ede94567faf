"""The spatial half of a block: any message-passing layer on the edges of every pose."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import conv as pyg_conv

from stgraph.nn.channels import ChannelGroup, LayerChannels, channels_of, groups_within
from stgraph.nn.conv import STGraphConv
from stgraph.ops import TemporalPlan
from stgraph.skeleton import Partition

ADAPTIVE = (None, "importance", "init", "offset")


class Edges(NamedTuple):
    """Typed edges of one pose, or (``unrolled``) of all nodes of a batch.

    Attributes:
        edge_index: int64 [2, E], source to target.
        edge_type: int64 [E].
        edge_weight: float32 [E].
        unrolled: Whether ``edge_index`` counts nodes of the whole batch.
    """

    edge_index: Tensor
    edge_type: Tensor
    edge_weight: Tensor
    unrolled: bool = False


class SpatialOperator(nn.Module):
    """Runs a message-passing layer in every pose, folded where the layer can.

    A layer with a method ``folded(x, edge_index, edge_type, edge_weight)`` (as
    :class:`STGraphConv`) sees ``x`` [V, P, C] and the edges of one pose. Any other PyG layer sees
    the unrolled graph: ``layer(x, edge_index)``, plus ``edge_type`` and ``edge_weight`` if its
    ``forward`` takes a parameter of the name ``edge_type``. Layers that know nothing of edge types
    get each pair of neighbours once and no self-loops, as PyG's layers expect.

    A subclass of a folding layer that overrides ``message`` (or another step of message passing)
    is unrolled too, unless it brings its own ``folded``. A layer that looks at whole tracks
    (``per_track``) gets the temporal plan in ``folded`` and, in ``forward``, a number ``lane`` [N]
    that is the same for all poses of a joint of a track.

    Args:
        conv: The layer.
        partition: The edges of a pose; None if they differ (no layout), then ``adaptive`` is None.
        adaptive: What is learned of the adjacency: None: nothing; ``"importance"``: a factor for
            each edge, from 1; ``"init"``: all of it, from the partition's weights, between any
            two joints; ``"offset"``: the same, added to the partition's weights.
        fold: Use the folded path if there is one.
        out_channels: Channels that the layer has to return, if that is to be checked.

    Raises:
        TypeError: if the layer takes no edges.
        ValueError: if the layer takes no edge weights and ``adaptive`` is given; when called, if it
            returns other channels.
    """

    pairs: Tensor
    kinds: Tensor

    def __init__(
        self,
        conv: nn.Module,
        partition: Partition | None = None,
        adaptive: str | None = None,
        fold: bool = True,
        out_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.conv: Any = conv
        self.out_channels = out_channels
        parameters = inspect.signature(conv.forward).parameters
        if len(parameters) < 2:
            raise TypeError(
                f"a convolution's forward takes at least (x, edge_index), which that of "
                f"{type(conv).__name__} does not"
            )
        self.typed = "edge_type" in parameters
        self.weighted = self.typed and "edge_weight" in parameters
        self.laned = "lane" in parameters
        self.fold = fold and _folds(conv)
        self.per_track = getattr(conv, "per_track", False)
        self.adaptive = adaptive
        self.importance: nn.Parameter | None = None
        self.adjacency: nn.Parameter | None = None
        if adaptive not in ADAPTIVE:
            raise ValueError(f"unknown adaptive {adaptive!r}; known are {ADAPTIVE}")
        if adaptive is not None and not self.weighted:
            raise ValueError(
                f"learned edge weights need a layer that takes 'edge_type' and 'edge_weight', "
                f"which {type(conv).__name__} does not; set edge_importance=False and "
                "adaptive=None"
            )
        if adaptive is not None:
            if partition is None:
                raise ValueError(f"adaptive={adaptive!r} needs a layout to bind parameters to")
            if adaptive == "importance":
                self.importance = nn.Parameter(torch.ones(partition.num_edges))
            else:
                start = partition.dense() if adaptive == "init" else None
                self._learn_adjacency(partition.num_types, partition.num_joints, start)

    def _learn_adjacency(self, num_types: int, num_joints: int, start: Tensor | None) -> None:
        shape = (num_types, num_joints, num_joints)
        # PYSKL's offsets start within 1e-6 of zero
        value = torch.empty(shape).uniform_(-1e-6, 1e-6) if start is None else start.clone()
        self.adjacency = nn.Parameter(value)  # [K, target, source]
        kind, target, source = torch.ones(shape).nonzero(as_tuple=True)
        self.register_buffer("pairs", torch.stack([source, target]), persistent=False)
        self.register_buffer("kinds", kind, persistent=False)

    def weighted_edges(self, edges: Edges) -> tuple[Tensor, Tensor, Tensor]:
        """Index, type and weight of the edges of a pose as this operator has learned them."""
        index, kind, weight = edges.edge_index, edges.edge_type, edges.edge_weight
        if self.importance is not None:
            weight = weight * self.importance
        if self.adjacency is not None:
            learned: Tensor = self.adjacency
            if self.adaptive == "offset":
                place = (kind, index[1], index[0])
                learned = learned.index_put(place, weight.to(learned.dtype), accumulate=True)
            index, kind, weight = self.pairs, self.kinds, learned.flatten()
        return index, kind, weight

    @torch.no_grad()
    def permute_joints(self, order: Tensor) -> None:
        """Parameters for joints in another order: new joint i is the old ``order[i]``."""
        if self.adjacency is not None:
            order = order.to(self.adjacency.device)
            self.adjacency.copy_(self.adjacency[:, order][:, :, order])
        if hasattr(self.conv, "permute_joints"):
            self.conv.permute_joints(order)

    def channel_slices(self) -> LayerChannels:
        """Where the channels of the layer lie; those of a foreign layer cannot be cut."""
        return channels_of(self.conv, "conv")

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """Groups within the layer."""
        return groups_within(self, "conv")

    def forward(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        """x [V, P, C_in] (or [1, N, C_in] with unrolled edges) to the same with C_out."""
        out = self._run(x, edges, plan)
        if self.out_channels is not None and out.size(-1) != self.out_channels:
            raise ValueError(
                f"the convolution {type(self.conv).__name__} returned {out.size(-1)} channels, and "
                f"{self.out_channels} were expected; with several heads, do not concatenate them"
            )
        return out

    def _run(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        index, kind, weight = self.weighted_edges(edges)
        if self.fold and not edges.unrolled:
            if self.per_track:
                return self.conv.folded(x, index, kind, weight, plan)
            return self.conv.folded(x, index, kind, weight)
        v, p, _ = x.shape
        lane = plan.track  # of an unrolled batch, whose lanes are its tracks
        if self.laned and not edges.unrolled:
            joint = torch.arange(v, device=x.device)[:, None]
            lane = (joint * plan.length.size(0) + plan.track).flatten()
        if not self.typed and not edges.unrolled:
            index = _simple_edges(index, v)
        if not edges.unrolled:
            poses = torch.arange(p, device=x.device)
            index = (index[:, :, None] * p + poses).flatten(1)
            kind = kind.repeat_interleave(p)
            weight = weight.repeat_interleave(p)
        elif not self.typed:
            index = index[:, index[0] != index[1]]
        nodes = x.flatten(0, 1)
        if self.laned:
            out = self.conv(nodes, index, edge_type=kind, edge_weight=weight, lane=lane)
        elif self.weighted:
            out = self.conv(nodes, index, edge_type=kind, edge_weight=weight)
        elif self.typed:
            out = self.conv(nodes, index, edge_type=kind)
        else:
            out = self.conv(nodes, index)
        return out.view(v, p, -1)


def _folds(conv: nn.Module) -> bool:
    """Whether ``folded`` still says what the layer's message passing does."""
    kinds = type(conv).__mro__
    owner = next((kind for kind in kinds if "folded" in vars(kind)), None)
    if owner is None:
        return False
    steps = {"forward", "message", "aggregate", "update", "message_and_aggregate"}
    return not any(steps & vars(kind).keys() for kind in kinds[: kinds.index(owner)])


def _simple_edges(index: Tensor, num_joints: int) -> Tensor:
    key = (index[0] * num_joints + index[1])[index[0] != index[1]].unique()
    return torch.stack([key // num_joints, key % num_joints])


ConvFactory = str | Callable[..., nn.Module]


def make_conv(
    conv: ConvFactory | None, in_channels: int, out_channels: int, num_types: int, **kwargs: Any
) -> nn.Module:
    """A message-passing layer from its class, its name in PyG, or a factory.

    Args:
        conv: None for :class:`STGraphConv`; the name of a layer of ``torch_geometric.nn``; a
            class or function called as ``conv(in_channels, out_channels)``, with ``num_types``
            (or PyG's ``num_relations``) too if it takes that.
        in_channels: Channels it reads.
        out_channels: Channels it has to write.
        num_types: Number of edge types.
        **kwargs: Further arguments of the layer.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if ``conv`` is neither name nor callable, or one finished layer.
    """
    if conv is None:
        conv = STGraphConv
    if isinstance(conv, str):
        known = {name.lower(): name for name in pyg_conv.__all__}
        name = known.get(conv.lower().replace("-", "").replace("_", ""))
        if conv.lower() == "stgraphconv":
            conv = STGraphConv
        elif name is None:
            raise ValueError(
                f"unknown convolution {conv!r}; give a class, a factory "
                "(in_channels, out_channels) -> layer, or a name of torch_geometric.nn such as "
                "GATv2Conv, GINConv, TransformerConv"
            )
        else:
            conv = getattr(pyg_conv, name)
    if isinstance(conv, nn.Module) or not callable(conv):
        raise TypeError(
            f"a convolution is a class, a factory (in_channels, out_channels) -> layer, or a name, "
            f"since every unit has its own (got a finished {type(conv).__name__})"
        )
    factory: Callable[..., nn.Module] = conv
    parameters = inspect.signature(factory).parameters
    for name in ("num_types", "num_relations"):
        if name in parameters:
            kwargs.setdefault(name, num_types)
    if "nn" in parameters and "in_channels" not in parameters:  # GINConv and relatives
        network = nn.Sequential(
            nn.Linear(in_channels, out_channels), nn.ReLU(), nn.Linear(out_channels, out_channels)
        )
        return factory(network, **kwargs)
    return factory(in_channels, out_channels, **kwargs)
