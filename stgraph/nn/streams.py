"""Channels along a line of space-time blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from stgraph.nn.channels import (
    BlockChannels,
    ChannelGroup,
    ChannelSlice,
    Slices,
    declared_by,
    group_of,
    joined,
    prefixed,
    prefixed_groups,
)
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.temporal import TemporalConv


def stream_groups(
    blocks: Sequence[nn.Module], head: nn.Module | None, sizes: Sequence[int]
) -> list[ChannelGroup]:
    """The groups of space-time blocks one after the other: those within a block, and ``stage.i``,
    what one block leaves to the next, over all blocks that an identity shortcut ties.

    The channels of the data are none, and neither are those that the network returns.

    Args:
        blocks: Blocks ``blocks.i``; one without a method ``channels`` is not cut, nor what it reads
            and writes.
        head: What reads the last block, ``head``, whose last layer is linear; None: nobody does.
        sizes: Output channels of each block.
    """
    groups: list[ChannelGroup] = []
    streams = [_Stream(0, reads=None)]  # the data
    for i, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        prefix = f"blocks.{i}."
        declared = declared_by(block, "channels")
        own: BlockChannels = BlockChannels() if declared is None else declared()
        stream = streams[-1]
        stream.read(own, prefix)
        if not own.carries:
            stream = _Stream(size)
            streams.append(stream)
        stream.write(own, prefix)
        name = f"stage.{len(streams) - 2}" if len(streams) > 1 else None
        groups += [_feeding(group, name) for group in prefixed_groups(own.groups, prefix)]
    if head is None:
        streams[-1].reads = None
    else:
        last = len(head) - 1  # type: ignore[arg-type]
        streams[-1].read_raw((ChannelSlice(f"head.{last}.weight", axis=1),))
    stages: list[ChannelGroup] = []
    for i, stream in enumerate(streams[1:]):
        stages += group_of(f"stage.{i}", stream.size, stream.gates, stream.reads, stream.writes)
    names = {stage.name for stage in stages}
    free = {f"stage.{i}" for i in range(len(streams))} - names
    return [
        group._replace(within=None) if group.within and group.within[0] in free else group
        for group in groups
    ] + stages


class _Stream:
    """What one stage leaves to the next, while its readers and writers are gathered."""

    def __init__(self, size: int, reads: Slices | None = ()) -> None:
        self.size = size
        self.reads = reads
        self.writes: Slices | None = ()
        self.entry: Slices = ()
        self.exit: Slices = ()
        self.screened = True

    @property
    def gates(self) -> Slices:
        # a norm at every entrance hides what comes in; elsewhere it has to be zero, too
        return self.entry if self.screened else self.exit + self.entry

    def read(self, block: BlockChannels, prefix: str) -> None:
        self.reads = joined(self.reads, prefixed(block.reads, prefix))
        self.entry += prefixed(block.entry_gates, prefix)
        self.screened = self.screened and block.screens

    def read_raw(self, slices: Slices) -> None:
        self.reads = joined(self.reads, slices)
        self.screened = False

    def write(self, block: BlockChannels, prefix: str) -> None:
        self.writes = joined(self.writes, prefixed(block.writes, prefix))
        self.exit += prefixed(block.exit_gates, prefix)


def _feeding(group: ChannelGroup, name: str | None) -> ChannelGroup:
    """A group of a block whose output has a name now."""
    if group.within is None or group.within[0]:
        return group
    return group._replace(within=None if name is None else (name, *group.within[1:]))


def stream_arguments(model: Any, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of an encoder of such blocks, for weights of other numbers of channels.

    Args:
        model: The encoder as it is: ``blocks``, ``channels``, ``strides``, ``in_channels`` and
            ``config``.
        state: Weights by name; a tensor without a row belongs to what is left out.
    """
    count = len(model.blocks)
    block_kwargs = each_unit(model.config.get("block_kwargs"), count, "block_kwargs")
    conv_kwargs = each_unit(model.config.get("conv_kwargs"), count, "conv_kwargs")
    channels, hidden = list(model.channels), list(model.channels)
    for i, block in enumerate(model.blocks):
        if declared_by(block, "channels") is None:
            continue  # a foreign block, which is not cut
        before = channels[i - 1] if i else model.in_channels
        prefix = f"blocks.{i}."
        sizes = _temporal_sizes(block.temporal, state, f"{prefix}temporal.")
        hidden[i], channels[i], branches = sizes
        if branches:
            block_kwargs[i]["branches"] = branches
        # a convolution must not turn into an identity where both sides happen to be as wide
        for name, size in (("shortcut", channels[i]), ("inner", hidden[i])):
            shortcut = getattr(block, name, None)
            if shortcut is not None and shortcut.conv is not None and size == before:
                block_kwargs[i][f"{name}_conv"] = True
        for part, own, kwargs in (
            (block, prefix, block_kwargs[i]),
            (block.spatial.conv, f"{prefix}spatial.conv.", conv_kwargs[i]),
        ):
            if hasattr(part, "arguments_of"):
                kwargs.update(part.arguments_of(state, own))
    arguments: dict[str, Any] = {"channels": channels, "strides": list(model.strides)}
    arguments["hidden_channels"] = None if hidden == channels else hidden
    arguments["block_kwargs"] = of_all(block_kwargs)
    arguments["conv_kwargs"] = of_all(conv_kwargs)
    return arguments


def of_all(units: list[dict[str, Any]]) -> dict[str, Any] | list[dict[str, Any]] | None:
    """The arguments of each unit, as one where they are the same; None where there are none."""
    same = all(unit == units[0] for unit in units)
    return (units[0] or None) if same else units


def each_unit(
    kwargs: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None, count: int, what: str
) -> list[dict[str, Any]]:
    """Arguments of each unit, from those of all units or a list of one for each.

    Args:
        kwargs: Of all units, or of each.
        count: Number of units.
        what: Name of the argument, for messages.

    Raises:
        ValueError: if a list does not have one entry a unit.
    """
    if kwargs is None or isinstance(kwargs, Mapping):
        return [dict(kwargs or {}) for _ in range(count)]
    if len(kwargs) != count:
        raise ValueError(f"expected {what!r} for each of {count} units (got {len(kwargs)})")
    return [dict(own) for own in kwargs]


def _temporal_sizes(
    temporal: nn.Module, state: Mapping[str, Tensor], prefix: str
) -> tuple[int, int, dict[str, Any]]:
    """Channels that a temporal layer reads and writes, and the arguments of its branches."""
    if isinstance(temporal, TemporalConv):
        out, read, _ = state[f"{prefix}weight"].shape
        return read, out, {}
    assert isinstance(temporal, MultiBranchTemporalConv)
    arguments = temporal.arguments_of(state, prefix)
    first = "reduce" if temporal.reduce is not None else "point"
    out = sum(arguments["branch_channels"])
    if temporal.mix is not None:
        out = state[f"{prefix}mix.weight"].size(0)
    return state[f"{prefix}{first}.weight"].size(1), out, arguments
