"""What may be cut of a network: weights, channels, edges."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import torch
from torch import Tensor, nn

from stgraph.nn import ChannelSlice, Shortcut, SpatialOperator, STCAttention, channel_groups

#: Every tensor of a message-passing, temporal or attention layer inside of a block. What identifies
#: joints, embeds the input, normalises or classifies stays whole.
PRUNABLE = r"(^|\.)blocks\..*weight$"


class Gate(NamedTuple):
    """A parameter that a mask multiplies.

    Attributes:
        module: What owns it.
        parameter: Its name there.
        slice: Where the channels of the mask lie in it; None: the mask has its shape.
    """

    module: nn.Module
    parameter: str
    slice: ChannelSlice | None = None


class PrunableWeight(NamedTuple):
    """A tensor whose entries may be cut.

    Attributes:
        name: Its name in the network.
        module: What owns it.
        parameter: Its name there.
        shape: Its shape.
        residual: Whether it is the 1x1 convolution of a shortcut.
    """

    name: str
    module: nn.Module
    parameter: str
    shape: tuple[int, ...]
    residual: bool

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of its scores."""
        return self.shape

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The weight itself."""
        return (Gate(self.module, self.parameter),)

    def magnitude(self) -> Tensor:
        """The size of each entry."""
        return getattr(self.module, self.parameter).detach().abs()


class PrunableChannels(NamedTuple):
    """Channels that may be cut, see :class:`~stgraph.nn.ChannelGroup`.

    Attributes:
        name: Of the group.
        size: One score a channel.
        gates: What silences them.
        strength: Norm of all weights that each channel has, [size].
    """

    name: str
    size: tuple[int, ...]
    gates: tuple[Gate, ...]
    strength: Tensor

    @property
    def residual(self) -> bool:
        """Channels are no convolutions of shortcuts."""
        return False

    def magnitude(self) -> Tensor:
        """The norm of all that belongs to each channel."""
        return self.strength


class PrunableEdges(NamedTuple):
    """The edges of a graph, each of which goes from all units together.

    Attributes:
        name: ``"edges"``.
        size: One score an edge: [E], or [K, V, V] of learned adjacencies.
        gates: The factors, or the adjacency, of every unit.
    """

    name: str
    size: tuple[int, ...]
    gates: tuple[Gate, ...]

    @property
    def residual(self) -> bool:
        """Edges are no convolutions of shortcuts."""
        return False

    def magnitude(self) -> Tensor:
        """The mean size of what the units have learned of each edge."""
        learned = [getattr(gate.module, gate.parameter).detach().abs() for gate in self.gates]
        return torch.stack(learned).mean(dim=0)


Prunable = PrunableWeight | PrunableChannels | PrunableEdges


class PrunableParts(Sequence[Prunable]):
    """What may be cut of a network: weights, channels or edges; prints as a table.

    Args:
        parts: Weights, groups of channels, or edges.
        total: How many there are of their kind in the network, to compare with.
        kind: What they are.
    """

    def __init__(self, parts: Iterable[Prunable], total: int, kind: str = "parameters") -> None:
        self.parts = list(parts)
        self.total, self.kind = total, kind

    @overload
    def __getitem__(self, index: int) -> Prunable: ...
    @overload
    def __getitem__(self, index: slice) -> list[Prunable]: ...
    def __getitem__(self, index: int | slice) -> Prunable | list[Prunable]:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Prunable]:
        return iter(self.parts)

    @property
    def numel(self) -> int:
        """Number of entries of all of them."""
        return sum(math.prod(part.size) for part in self.parts)

    def __str__(self) -> str:
        width = max((len(part.name) for part in self.parts), default=6)
        lines = [
            f"{part.name:<{width}}  {math.prod(part.size):>10,}  {' x '.join(map(str, part.size))}"
            for part in self.parts
        ]
        share = self.numel / self.total if self.total else 0.0
        lines.append(
            f"{'prunable':<{width}}  {self.numel:>10,}  of {self.total:,} {self.kind} ({share:.0%})"
        )
        return "\n".join(lines)


def prunable_weights(
    model: nn.Module, include: str | None = None, exclude: str | None = None
) -> PrunableParts:
    r"""The weights of a network that may be cut.

    By default every tensor of two or more dimensions called ``weight`` (or ``..._weight``) of the
    layers inside of blocks: graph, temporal and attention layers, multilayer perceptrons,
    projections of shortcuts. Biases, norms, learned adjacencies, AAGCN's attention to joints, poses
    and channels (which only weighs what others make), embeddings of the input and of joints and the
    classifier stay whole.

    Args:
        model: Any network.
        include: Regular expression that a name has to contain, instead of the rule above.
        exclude: Regular expression of names to leave out.

    Raises:
        ValueError: if there is none, or an expression is wrong.
    """
    fits = _chosen(include or PRUNABLE, exclude)
    residual = {
        id(inner)
        for module in model.modules()
        if isinstance(module, Shortcut)
        for inner in module.modules()
    }
    gating = {
        id(inner)
        for module in model.modules()
        if isinstance(module, STCAttention) and include is None
        for inner in module.modules()
    }
    found = []
    for name, parameter in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        if parameter.dim() < 2 or isinstance(module, nn.Embedding) or not fits(name):
            continue
        if id(module) in gating:
            continue
        found.append(
            PrunableWeight(name, module, leaf, tuple(parameter.shape), id(module) in residual)
        )
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no weight whose name fits {include or PRUNABLE!r}; say "
            "which may be cut with include="
        )
    return PrunableParts(found, sum(p.numel() for p in model.parameters()))


def prunable_channels(
    model: nn.Module, include: str | None = None, exclude: str | None = None
) -> PrunableParts:
    """The groups of channels of a network that may be cut, see :class:`~stgraph.nn.ChannelGroup`.

    Args:
        model: An encoder that names its groups.
        include: Regular expression that a group's name has to contain.
        exclude: Regular expression of names to leave out.

    Raises:
        TypeError: if the network does not say which channels can be left out.
        ValueError: if there is no such group, or an expression is wrong.
    """
    fits = _chosen(include or "", exclude)
    groups = channel_groups(model)
    state, some = dict(model.named_parameters()), next(model.parameters()).detach()
    found = []
    for name, group in groups.items():
        if not fits(name):
            continue
        gates = []
        for one in group.gates:
            owner, _, leaf = one.tensor.rpartition(".")
            gates.append(Gate(model.get_submodule(owner), leaf, one))
        square = torch.zeros(group.size, dtype=torch.float64)
        for one in group.slices:
            weight = state.get(one.tensor)
            if weight is not None and weight.dim() > 1:
                rows = weight.detach().transpose(0, one.axis).flatten(1).square().sum(dim=1)
                place, channel = rows_of(one, group.size)
                square.index_add_(0, channel, rows[place].double().cpu())
        found.append(PrunableChannels(name, (group.size,), tuple(gates), square.sqrt().to(some)))
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no channels that can be left out; cut its weights"
            if not groups
            else f"{type(model).__name__} has no group of channels whose name fits {include!r}"
            f"{'' if exclude is None else f' and not {exclude!r}'}; it has {', '.join(groups)}"
        )
    return PrunableParts(found, sum(group.size for group in groups.values()), "channels")


def rows_of(one: ChannelSlice, size: int) -> tuple[Tensor, Tensor]:
    """Rows of a slice's axis and the channel that each belongs to, int64."""
    channel = torch.arange(size)[one.first : one.last].repeat_interleave(one.width)
    return one.rows(torch.ones(size, dtype=torch.bool)), channel.repeat(one.copies)


def prunable_edges(model: nn.Module) -> PrunableParts:
    """The edges of a network's graph, by the factors or the adjacencies that its units learn.

    Raises:
        ValueError: if its units learn none, or only offsets, without which the edge is still there,
            or send along every pair of joints, whatever is learned of it.
    """
    operators = [module for module in model.modules() if isinstance(module, SpatialOperator)]
    names = {
        "importance" if operator.importance is not None else operator.adaptive
        for operator in operators
    }
    if not operators or names not in ({"importance"}, {"init"}):
        raise ValueError(
            f"{type(model).__name__} learns no factor of its edges that a mask could multiply; "
            "build it with adaptive='importance' or 'init'"
        )
    if any(operator.per_track for operator in operators):
        raise ValueError(
            f"{type(model).__name__} makes its edges of the data: without a learned entry, "
            "messages still go between its joints, so no edge would be cut; cut its weights, or "
            "take an STGCN with adaptive='init'"
        )
    leaf = "importance" if names == {"importance"} else "adjacency"
    gates = tuple(Gate(operator, leaf) for operator in operators)
    shape = tuple(getattr(operators[0], leaf).shape)
    return PrunableParts([PrunableEdges("edges", shape, gates)], math.prod(shape), "edges")


def _chosen(include: str, exclude: str | None) -> Callable[[str], bool]:
    try:
        wanted = re.compile(include)
        unwanted = None if exclude is None else re.compile(exclude)
    except re.error as error:
        raise ValueError(f"{error.pattern!r} is no regular expression: {error}") from None
    return lambda name: bool(wanted.search(name)) and not (unwanted and unwanted.search(name))
