"""How the tensors of a published network and of ours belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stgraph.nn.state import StateDictMismatch
from stgraph.skeleton import Partition, SkeletonLayout, resolve_layout

State = Mapping[str, Tensor]
NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Weight:
    """One tensor of ours, and the published ones that hold the same numbers.

    Attributes:
        ours: Name in our state dict; None for a published tensor that we keep elsewhere.
        theirs: Published names.
        split: Our tensor to theirs.
        join: Their tensors to ours.
        blank: Added to theirs among weights, though not among gradients.
    """

    ours: str | None
    theirs: tuple[str, ...]
    split: Callable[[Tensor], Sequence[Tensor]]
    join: Callable[[Sequence[Tensor]], Tensor]
    blank: Tensor | None = None


def rows(
    ours: str, theirs: Sequence[str], sizes: Sequence[int] | None = None, axes: int = 0
) -> Weight:
    """Their tensors stacked along the first axis, without the ``axes`` trailing axes of size 1."""

    def split(value: Tensor) -> list[Tensor]:
        parts = [value] if sizes is None else list(value.split(list(sizes)))
        return [part.reshape(*part.shape, *[1] * axes) for part in parts]

    def join(parts: Sequence[Tensor]) -> Tensor:
        value = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
        return value.reshape(value.shape[: value.dim() - axes])

    return Weight(ours, tuple(theirs), split, join)


def norm(
    ours: str, theirs: str | Sequence[str], sizes: Sequence[int] | None = None
) -> list[Weight]:
    """A batch norm, or several ones that we hold as one."""
    names = [theirs] if isinstance(theirs, str) else list(theirs)
    weights = [rows(f"{ours}.{key}", [f"{name}.{key}" for name in names], sizes) for key in NORM]
    counter = Weight(
        f"{ours}.num_batches_tracked",
        tuple(f"{name}.num_batches_tracked" for name in names),
        lambda value: [value] * len(names),
        lambda parts: parts[0],
    )
    return [*weights, counter]


def layer(
    ours: str, theirs: str | Sequence[str], axes: int, sizes: Sequence[int] | None = None
) -> list[Weight]:
    """Weight and bias of a convolution or linear layer, or of several that we hold as one."""
    names = [theirs] if isinstance(theirs, str) else list(theirs)
    return [
        rows(f"{ours}.weight", [f"{name}.weight" for name in names], sizes, axes),
        rows(f"{ours}.bias", [f"{name}.bias" for name in names], sizes),
    ]


def first_slot(ours: str, theirs: str, persons: int) -> list[Weight]:
    """A joint norm that takes the part of the first person slot from one of all slots."""

    def repeat(value: Tensor) -> list[Tensor]:
        return [value.repeat(persons)]

    def first(parts: Sequence[Tensor]) -> Tensor:
        return parts[0][: parts[0].numel() // persons]

    weights = [Weight(f"{ours}.{key}", (f"{theirs}.{key}",), repeat, first) for key in NORM]
    return [*weights, norm(ours, theirs)[-1]]


def adjacency(ours: str, theirs: str, source_first: bool) -> Weight:
    """A learned adjacency, ours [K, target, source]."""

    def turn(value: Tensor) -> Tensor:
        return value.transpose(1, 2).contiguous() if source_first else value

    return Weight(ours, (theirs,), lambda value: [turn(value)], lambda parts: turn(parts[0]))


def edge_factors(ours: str, theirs: str, partition: Partition) -> Weight:
    """Factors of edges, of which published networks hold a [K, source, target] table with ones
    where no edge is."""
    place = (partition.edge_type, partition.edge_index[0], partition.edge_index[1])
    shape = (partition.num_types, partition.num_joints, partition.num_joints)

    def split(value: Tensor) -> list[Tensor]:
        return [value.new_zeros(shape).index_put(place, value)]

    blank = torch.ones(shape).index_put(place, torch.zeros(partition.num_edges))
    return Weight(ours, (theirs,), split, lambda parts: parts[0][place], blank)


def fixed(theirs: str, value: Tensor) -> Weight:
    """A published buffer that the network was built from."""
    return Weight(None, (theirs,), lambda _: [value], lambda parts: parts[0])


def to_theirs(
    weights: Iterable[Weight], tensors: State, gradients: bool = False
) -> dict[str, Tensor]:
    """Our tensors under their published names.

    Args:
        weights: The table.
        tensors: Weights; what is not given is left out.
        gradients: They are gradients or the like, of which constants have none.
    """
    out: dict[str, Tensor] = {}
    for weight in weights:
        if weight.ours is None:
            if not gradients:
                out.update(zip(weight.theirs, weight.split(torch.empty(0)), strict=True))
        elif weight.ours in tensors:
            parts = weight.split(tensors[weight.ours])
            if weight.blank is not None and not gradients:
                parts = [part + weight.blank.to(part) for part in parts]
            out.update(zip(weight.theirs, parts, strict=True))
    return out


def to_ours(weights: Iterable[Weight], tensors: State) -> dict[str, Tensor]:
    """Published tensors under our names."""
    return {
        weight.ours: weight.join([tensors[name] for name in weight.theirs])
        for weight in weights
        if weight.ours is not None
    }


# --- reading a network off its weights ---
def units(state: State, prefix: str) -> list[int]:
    """The numbers that follow a prefix, ascending."""
    rest = [key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)]
    return sorted({int(number) for number in rest if number.isdigit()})


def size(state: State, axis: int, *names: str) -> int:
    """Size of an axis of the first of these tensors that is there.

    Raises:
        StateDictMismatch: if none is.
    """
    for name in names:
        if name in state and state[name].dim() > axis:
            return state[name].size(axis)
    raise StateDictMismatch(
        f"the weights do not show the form of the network: missing {' and '.join(names)}"
    )


def tensor(state: State, name: str) -> Tensor:
    """A tensor that the network cannot be built without."""
    if name not in state:
        raise StateDictMismatch(f"the weights do not show the form of the network: missing {name}")
    return state[name]


def dense_adjacency(state: State, name: str) -> Tensor:
    """The adjacency [K, V, V] that the network is built from.

    Raises:
        StateDictMismatch: if it is missing or of another shape.
    """
    dense = tensor(state, name)
    if dense.dim() != 3 or dense.size(1) != dense.size(2) or not dense.numel():
        raise StateDictMismatch(
            f"the weights do not show the form of the network: expected {name} as [K, V, V] "
            f"(got {list(dense.shape)})"
        )
    return dense


def layout_of(
    layout: SkeletonLayout | str | None, known: Mapping[int, str], dense: Tensor
) -> SkeletonLayout:
    """The given layout, the one that the published network is known for, or a nameless one.

    Args:
        layout: Given by the user.
        known: Layout for each number of joints.
        dense: Adjacency [K, V, V].

    Raises:
        ValueError: if the layout has another number of joints than the weights.
    """
    joints = dense.size(-1)
    if layout is None and joints in known:
        layout = known[joints]
    if layout is None:
        linked = (dense != 0).any(dim=0)
        bones = [[i, j] for i in range(joints) for j in range(i) if linked[i, j] or linked[j, i]]
        names = [f"joint_{i}" for i in range(joints)]
        nameless = [None] * joints  # the order of the data's joints is for the user to know
        return SkeletonLayout(f"published_{joints}", names, bones, canonical=nameless)
    layout = resolve_layout(layout)
    if layout.num_joints != joints:
        raise ValueError(
            f"the weights are of a network for {joints} joints, layout {layout.name!r} has "
            f"{layout.num_joints}"
        )
    return layout


def default_strides(channels: Sequence[int], shortcuts: Sequence[bool]) -> list[int]:
    """Stride 2 where the channels grow, or where a shortcut convolves without need.

    Args:
        channels: Output channels of each unit.
        shortcuts: Whether the weights hold a convolution on the shortcut of each unit.
    """
    before = [channels[0], *channels]
    pairs = zip(before, channels, shortcuts, strict=False)
    grown = [out > inp or (shortcut and out == inp) for inp, out, shortcut in pairs]
    return [1, *(2 if more else 1 for more in grown[1:])]


def check_widths(config: Mapping[str, Any]) -> None:
    """Refuses a network whose units are of widths of their own within, as one with fewer channels.

    Raises:
        ValueError: naming the arguments that say so.
    """
    strange = [n for n in ("hidden_channels", "attention_channels") if config.get(n) is not None]
    strange += [
        name
        for name in ("num_heads", "block_kwargs", "conv_kwargs")
        if isinstance(config.get(name), list | tuple)
    ]
    if strange:
        raise ValueError(
            "no published network has units of different widths within (this one was built with "
            f"{', '.join(strange)}); save_pretrained keeps it"
        )
