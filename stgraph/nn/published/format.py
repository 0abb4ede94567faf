"""What the namings of published networks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stgraph.nn.data_norm import PersonJointNorm
from stgraph.nn.models import STGCN
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.published.weights import State, Weight, first_slot, layer, norm, size
from stgraph.skeleton import SkeletonLayout


@dataclass
class Options:
    """What weights alone do not say; see :func:`load_published`."""

    layout: SkeletonLayout | str | None = None
    strides: Sequence[int] | None = None
    adaptive: str | None = "infer"
    aggregate_first: bool | None = None
    spatial_residual: bool | None = None
    dilations: Sequence[int] | None = None
    gate_per_group: bool | None = None
    as_published: bool = True
    head: bool = True
    dropout: float = 0.0
    head_dropout: float = 0.0


class PublishedFormat:
    """The naming of one family of networks: recognise it, build the network, map its names."""

    name: str

    def recognises(self, state: State) -> bool:
        """Whether these key names are of this family."""
        raise TypeError(f"{type(self).__name__} has to override 'recognises'")

    def prepare(self, state: State, options: Options) -> State:
        """The state with anything resolved that our network holds otherwise."""
        return state

    def build(self, state: State, options: Options) -> STGCN:
        """A network of the form that the weights show."""
        raise TypeError(f"{type(self).__name__} has to override 'build'")

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        """The tensors of the network and the published ones, named as in ``state`` where names
        vary."""
        raise TypeError(f"{type(self).__name__} has to override 'weights'")


def data_norm(
    state: State, name: str, num_joints: int, channels: int, options: Options
) -> dict[str, Any]:
    """Arguments for the norm of the input that the weights hold."""
    if not any(key.startswith(f"{name}.") for key in state):
        return {"data_norm": "none"}
    persons = size(state, 0, f"{name}.weight", f"{name}.bias") // (num_joints * channels)
    if persons > 1 and options.as_published:
        return {"data_norm": "person_joint", "num_persons": persons}
    return {"data_norm": "joint", "num_persons": max(persons, 1)}


def data_norm_weights(model: STGCN, name: str) -> list[Weight]:
    """The norm of the input; of the first person slot if our network has but one."""
    if model.config["data_norm"] == "none":
        return []
    persons = model.config["num_persons"]
    if persons > 1 and not isinstance(model.data_norm, PersonJointNorm):
        return first_slot("data_norm", name, persons)
    return norm("data_norm", name)


def shortcut_weights(model: STGCN, i: int, conv: str, batch_norm: str | None) -> list[Weight]:
    """The convolution on the shortcut of a unit, if it has one."""
    shortcut = getattr(model.blocks[i], "shortcut", None)
    if shortcut is None or shortcut.conv is None:
        return []
    out = layer(f"blocks.{i}.shortcut.conv", conv, axes=1)
    return out if batch_norm is None else [*out, *norm(f"blocks.{i}.shortcut.norm", batch_norm)]


def classes(state: State, options: Options, *names: str) -> int | None:
    """Number of classes of the head."""
    if not options.head:
        return None
    return size(state, 0, *(f"{name}.{key}" for name in names for key in ("weight", "bias")))


def branch_weights(temporal: MultiBranchTemporalConv, ours: str, theirs: str) -> list[Weight]:
    """The branches that PYSKL and CTR-GCN name alike."""
    shares, convs = temporal.shares, len(temporal.branches)
    names = [f"{theirs}.branches.{j}" for j in range(convs + 1)]
    out = layer(f"{ours}.reduce", [f"{n}.0" for n in names], axes=1, sizes=shares)
    out += norm(f"{ours}.norm", [f"{n}.1" for n in names], sizes=shares)
    for j in range(convs):
        out += layer(f"{ours}.branches.{j}", f"{names[j]}.3.conv", axes=1)
    point = f"{theirs}.branches.{convs + 1}"
    return out + layer(f"{ours}.point", point if temporal.mix is not None else f"{point}.0", axes=1)
