"""Groups of channels that come and go together, and where their weights lie.

A channel of a network has rows in several tensors: where it is made, normed and read. A layer says
which (``channel_slices``), a block and an encoder join them to groups (``channel_groups``), and
:func:`~stgraph.nn.with_channels` cuts them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor, nn


class ChannelSlice(NamedTuple):
    """Where channels lie along one axis of one tensor.

    Channel c has the rows ``start + copy * step + (c - first) * width`` and the ``width - 1`` after
    it, in each copy.

    Attributes:
        tensor: Name in the state dict.
        axis: Of the tensor.
        start: First row.
        width: Rows of a channel that lie side by side.
        copies: How often the channels come back, as for each type of edge.
        step: Rows from one copy to the next.
        first: First channel of the group that lies here.
        last: The channel after the last one that lies here; None for the end of the group.
    """

    tensor: str
    axis: int = 0
    start: int = 0
    width: int = 1
    copies: int = 1
    step: int = 0
    first: int = 0
    last: int | None = None

    def rows(self, chosen: Tensor) -> Tensor:
        """Rows of the axis that belong to the chosen channels (bool [size]), int64."""
        channel = chosen[self.first : self.last].nonzero().flatten().cpu()
        inner = channel[:, None] * self.width + torch.arange(self.width)
        copies = self.start + torch.arange(self.copies) * self.step
        return (copies[:, None] + inner.flatten()).flatten()


Slices = tuple[ChannelSlice, ...]


class ChannelGroup(NamedTuple):
    """Channels that can be left out of a network one by one.

    Attributes:
        name: Says where they are, such as ``blocks.3.hidden`` or ``stage.1``.
        size: Number of channels.
        gates: Weights that silence a channel: where all of them are 0, nothing that the network
            computes depends on the channel.
        slices: All that a channel has, the gates included.
        within: Group, first channel and the channel after the last one of what these channels
            alone feed: once none of those is left, none of these is needed either. None: at least
            one channel has to stay.
    """

    name: str
    size: int
    gates: Slices
    slices: Slices
    within: tuple[str, int, int] | None = None


class LayerChannels(NamedTuple):
    """Where the channels of a layer lie; None for what cannot be cut.

    An output channel must not depend on another output channel.

    Attributes:
        reads: Its input channels.
        writes: Its output channels.
        silences: Where zeros make an output channel zero.
        types: Edge types, of a layer that has weights for each.
    """

    reads: Slices | None = ()
    writes: Slices | None = ()
    silences: Slices = ()
    types: Slices | None = ()


class BlockChannels(NamedTuple):
    """How a block passes channels on.

    Attributes:
        groups: Channels within the block. A group ``within`` the name ``""`` feeds the output.
        reads: The input channels.
        writes: The output channels.
        entry_gates: Where zeros keep an input channel from what the block makes of it.
        exit_gates: Where zeros make an output channel zero, but for what an identity adds.
        carries: Whether a shortcut carries the input channels to the output as they are.
        screens: Whether the entry gates keep an input channel from the whole block.
    """

    groups: tuple[ChannelGroup, ...] = ()
    reads: Slices | None = None
    writes: Slices | None = None
    entry_gates: Slices = ()
    exit_gates: Slices = ()
    carries: bool = False
    screens: bool = False


def channels_of(layer: nn.Module | None, name: str) -> LayerChannels:
    """Where the channels of a layer lie, under its name in the network.

    Args:
        layer: A layer with a method ``channel_slices``, a linear map, a batch norm, an identity or
            None; the channels of any other layer cannot be cut.
        name: Of the layer.
    """
    if layer is None or isinstance(layer, nn.Identity):
        return LayerChannels()
    declared = declared_by(layer, "channel_slices")
    if declared is not None:
        own: LayerChannels = declared()
        return _renamed(own, f"{name}.")
    if isinstance(layer, nn.Linear):
        out = present(layer, ChannelSlice("weight"), ChannelSlice("bias"))
        linear = LayerChannels((ChannelSlice("weight", axis=1),), out, out, None)
        return _renamed(linear, f"{name}.")
    if isinstance(layer, nn.BatchNorm1d):
        gates = present(layer, ChannelSlice("weight"), ChannelSlice("bias"))
        rest = present(layer, ChannelSlice("running_mean"), ChannelSlice("running_var"))
        return _renamed(LayerChannels(gates + rest, gates + rest, gates, None), f"{name}.")
    return LayerChannels(None, None, (), None)


def _renamed(layer: LayerChannels, prefix: str) -> LayerChannels:
    reads, writes, silences, types = layer
    return LayerChannels(
        prefixed(reads, prefix),
        prefixed(writes, prefix),
        prefixed(silences, prefix),
        prefixed(types, prefix),
    )


def declared_by(module: nn.Module, method: str) -> Callable[[], Any] | None:
    """The method, unless the module has none or is of a subclass that computes something else."""
    kinds = type(module).__mro__
    owner = next((kind for kind in kinds if method in vars(kind)), None)
    if owner is None:
        return None
    steps = {"__init__", "forward", "unit", "folded", "topology", "message", "aggregate", "update"}
    strange = any(steps & vars(kind).keys() for kind in kinds[: kinds.index(owner)])
    return None if strange else getattr(module, method)


def present(layer: nn.Module, *slices: ChannelSlice) -> Slices:
    """The slices whose tensor the layer has (a bias may be left out)."""
    return tuple(one for one in slices if getattr(layer, one.tensor) is not None)


@overload
def prefixed(slices: Slices, prefix: str) -> Slices: ...


@overload
def prefixed(slices: Slices | None, prefix: str) -> Slices | None: ...


def prefixed(slices: Slices | None, prefix: str) -> Slices | None:
    """The slices with a prefix before the names of their tensors."""
    if slices is None:
        return None
    return tuple(one._replace(tensor=prefix + one.tensor) for one in slices)


def joined(*parts: Slices | None) -> Slices | None:
    """All slices; None if the channels of one part cannot be cut."""
    out: list[ChannelSlice] = []
    for part in parts:
        if part is None:
            return None
        out += part
    return tuple(out)


def placed(slices: Slices, first: int, last: int, start: int = 0) -> Slices:
    """The slices of channels ``first...last - 1`` of a wider group, ``start`` rows further on."""
    return tuple(one._replace(first=first, last=last, start=one.start + start) for one in slices)


def group_of(
    name: str,
    size: int,
    gates: Slices,
    *slices: Slices | None,
    within: tuple[str, int, int] | None = None,
) -> tuple[ChannelGroup, ...]:
    """One group, or none where the channels of one part cannot be cut."""
    every = joined(*slices)
    return () if every is None else (ChannelGroup(name, size, gates, every, within),)


def groups_within(module: nn.Module, *names: str) -> tuple[ChannelGroup, ...]:
    """The groups of children that have some, under their names in the module."""
    out: list[ChannelGroup] = []
    for name in names:
        child = module.get_submodule(name)
        declared = declared_by(child, "channel_groups")
        if declared is not None:
            out += prefixed_groups(declared(), f"{name}.")
    return tuple(out)


def prefixed_groups(groups: Iterable[ChannelGroup], prefix: str) -> list[ChannelGroup]:
    """The groups under a prefix, and so are the tensors and what they feed."""
    out = []
    for name, size, gates, slices, within in groups:
        if within is not None and within[0]:
            within = (prefix + within[0], *within[1:])
        gates, slices = prefixed(gates, prefix), prefixed(slices, prefix)
        out.append(ChannelGroup(prefix + name, size, gates, slices, within))
    return out
