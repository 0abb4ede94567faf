"""The same network with fewer channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, ChannelSlice
from stgraph.nn.remaking import Model, remade


def channel_groups(model: nn.Module) -> dict[str, ChannelGroup]:
    """The groups of channels that can be left out of an encoder, by name.

    Raises:
        TypeError: if the network does not say.
    """
    if not hasattr(model, "channel_groups"):
        remedy = "; give it the encoder inside (.encoder)" if hasattr(model, "encoder") else ""
        raise TypeError(
            f"{type(model).__name__} does not say which channels can be left out{remedy}"
        )
    return {group.name: group for group in model.channel_groups()}  # type: ignore[operator]


def living_channels(model: nn.Module) -> dict[str, Tensor]:
    """Which channels are not silenced: bool [size] for each group, False where all gates are 0."""
    state = model.state_dict()
    return {name: _strength(group, state) > 0 for name, group in channel_groups(model).items()}


@torch.no_grad()
def silence_channels(model: Model, keep: Mapping[str, Tensor]) -> Model:
    """Sets the gates of all channels but those to keep to zero, in place.

    Args:
        model: An encoder.
        keep: Channels to keep, bool [size] for each of some groups.

    Raises:
        TypeError: if the network does not say which channels can be left out.
        ValueError: if there is no such group, or it has another size.
    """
    groups = channel_groups(model)
    state = dict(model.named_parameters())
    for name, kept in _checked(model, groups, keep).items():
        for gate in groups[name].gates:
            weight = state[gate.tensor]
            weight.index_fill_(gate.axis, gate.rows(~kept).to(weight.device), 0.0)
    return model


def with_channels(model: Model, keep: Mapping[str, Tensor]) -> Model:
    """A network of the same class that has only some of the channels.

    If the gates of the others are zero (see :func:`silence_channels`), it gives what the network
    gives in eval mode. It is a network like any other: it trains, saves and loads.

    Args:
        model: An encoder.
        keep: Channels to keep, bool [size] for each of some groups; of other groups all stay.
            Where all channels of a group would go, the one of the largest gates stays, unless
            nothing reads it any more: a branch of a temporal layer can go altogether.

    Raises:
        TypeError: if the network does not say which channels can be left out.
        ValueError: if there is no such group, or it has another size.
    """
    groups = channel_groups(model)
    state = model.state_dict()
    chosen = {name: torch.ones(group.size, dtype=torch.bool) for name, group in groups.items()}
    chosen.update(_checked(model, groups, keep))
    # what others feed comes first: it says whether those are needed
    for name, group in sorted(groups.items(), key=lambda item: item[1].within is not None):
        fed = group.within
        if fed is not None and not chosen[fed[0]][fed[1] : fed[2]].any():
            chosen[name] = torch.zeros_like(chosen[name])
        elif not chosen[name].any():
            strongest = _strength(group, state).argmax()
            chosen[name] = torch.arange(group.size) == strongest
    smaller = cut(state, groups.values(), chosen)
    same = all(smaller[name].shape == value.shape for name, value in state.items())
    return remade(model, smaller, **({} if same else model.config_of(smaller)))  # type: ignore[operator]


def cut(
    state: Mapping[str, Tensor], groups: Iterable[ChannelGroup], chosen: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Weights without the rows of the channels that are not chosen.

    Args:
        state: Weights by name.
        groups: Where their channels lie.
        chosen: Channels that stay, bool [size] for each group.
    """
    gone: dict[tuple[str, int], list[Tensor]] = {}
    for group in groups:
        for one in group.slices:
            gone.setdefault((one.tensor, one.axis), []).append(one.rows(~chosen[group.name]))
    out = dict(state)
    for (name, axis), rows in gone.items():
        stays = torch.ones(out[name].size(axis), dtype=torch.bool)
        stays[torch.cat(rows)] = False
        out[name] = out[name].index_select(axis, stays.nonzero().flatten().to(out[name].device))
    return out


def inner_groups(encoder: nn.Module) -> list[ChannelGroup]:
    """The groups of an encoder inside of a network that reads what it returns: all but those of the
    channels that it returns, which its own classifier alone would read.

    Raises:
        TypeError: if the encoder does not say.
    """
    groups = [
        group
        for group in channel_groups(encoder).values()
        if not any(one.tensor.startswith("head.") for one in group.slices)
    ]
    names = {group.name for group in groups}
    return [
        group._replace(within=None) if group.within and group.within[0] not in names else group
        for group in groups
    ]


def _checked(
    model: nn.Module, groups: Mapping[str, ChannelGroup], keep: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    out = {}
    for name, kept in keep.items():
        if name not in groups:
            raise ValueError(
                f"this {type(model).__name__} has no group of channels {name!r} that can be cut; "
                f"it has {', '.join(groups) or 'none'}"
            )
        if kept.shape != (groups[name].size,):
            raise ValueError(
                f"the group {name!r} expected a choice of {groups[name].size} channels "
                f"(got {list(kept.shape)})"
            )
        out[name] = kept.detach().bool().cpu()
    return out


def _strength(group: ChannelGroup, state: Mapping[str, Tensor]) -> Tensor:
    """Sum of the magnitudes of each channel's gates, [size]."""
    total = torch.zeros(group.size, dtype=torch.float64)
    for gate in group.gates:
        weight = state[gate.tensor].detach().abs().double().transpose(0, gate.axis)
        total = _added(total, gate, weight.reshape(weight.size(0), -1).sum(dim=1).cpu())
    return total


def _added(total: Tensor, gate: ChannelSlice, rows: Tensor) -> Tensor:
    here = torch.zeros_like(total, dtype=torch.bool)
    here[gate.first : gate.last] = True
    sums = rows[gate.rows(here)].view(gate.copies, -1, gate.width).sum(dim=(0, 2))
    return total.index_add(0, here.nonzero().flatten(), sums)
