"""The key names of PYSKL's AAGCN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stgraph.nn.models import AAGCN, STGCN
from stgraph.nn.published.format import Options, data_norm_weights
from stgraph.nn.published.pyskl import PYSKL
from stgraph.nn.published.weights import (
    State,
    Weight,
    adjacency,
    dense_adjacency,
    fixed,
    layer,
    layout_of,
    rows,
    size,
)
from stgraph.skeleton import Partition


class PYSKLAAGCN(PYSKL):
    """PYSKL's AAGCN: ``backbone.gcn.i.gcn.{A,alpha,conv_a,conv_b,conv_d,conv_sa,...}``."""

    name = "PYSKL's AAGCN"

    def recognises(self, state: State) -> bool:
        return any(f"{n}.gcn.conv_d.0.weight" in state for n in self.units(state))

    def prepare(self, state: State, options: Options) -> State:
        """What older weights lack: the graph that all units start from."""
        start = f"{self.prefix(state)}A"
        learned = f"{self.units(state)[0]}.gcn.A"
        if start in state or learned not in state:
            return state
        return {**state, start: state[learned]}

    def build(self, state: State, options: Options) -> STGCN:
        names = self.units(state)
        dense = dense_adjacency(state, f"{self.prefix(state)}A").transpose(1, 2)
        in_channels = size(state, 1, f"{names[0]}.gcn.conv_d.0.weight")
        common = self.common(state, options, dense.size(1), in_channels)
        branches = self.branches(state, options)
        embedded = [size(state, 0, f"{n}.gcn.conv_a.0.weight") for n in names]
        kernels = [f"{n}.tcn.conv.weight" for n in names]
        return AAGCN(
            in_channels,
            self.classes(state, options),
            layout_of(options.layout, self.layouts, dense),
            Partition.from_dense(dense),
            attention=any(".gcn.conv_sa." in key for key in state),
            temporal_kernel=size(state, 2, *kernels) if branches is None else 9,
            block_kwargs={"branches": branches},
            conv_kwargs={"reduction": _reduction(common["channels"], embedded)},
            **common,
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        assert model.layout is not None
        prefix, k = self.prefix(state), model.num_types
        start = model.partition_of(model.layout).dense().transpose(1, 2)
        out = [fixed(f"{prefix}A", start), *data_norm_weights(model, f"{prefix}data_bn")]
        for i, block in enumerate(model.blocks):
            _check_published_sizes(block)
            ours, theirs = f"blocks.{i}.spatial", f"{prefix}gcn.{i}.gcn"
            conv = f"{ours}.conv"
            out.append(adjacency(f"{ours}.adjacency", f"{theirs}.A", source_first=True))
            out.append(rows(f"{conv}.alpha", [f"{theirs}.alpha"]))
            # the first embedding of theirs is of the joint that is summed over: our key
            for part, name in (("", "conv_d"), ("key_", "conv_a"), ("query_", "conv_b")):
                maps = [f"{theirs}.{name}.{j}" for j in range(k)]
                sizes = [block.spatial.conv.get_parameter(f"{part}bias").numel() // k] * k
                weights = [f"{n}.weight" for n in maps]
                out.append(rows(f"{conv}.{part}weight", weights, sizes, axes=2))
                out.append(rows(f"{conv}.{part}bias", [f"{n}.bias" for n in maps], sizes))
            if block.attention is not None:
                attention = f"blocks.{i}.attention"
                for part, name in (
                    ("spatial", "conv_sa"),
                    ("temporal", "conv_ta"),
                    ("squeeze", "fc1c"),
                    ("excite", "fc2c"),
                ):
                    out += layer(f"{attention}.{part}", f"{theirs}.{name}", axes=0)
                out.append(_published_order(f"{attention}.position", block.attention.position))
            out += self.rest_of_unit(model, i, f"{prefix}gcn.{i}")
        return out + self.head(model, state)


def _reduction(channels: Sequence[int], embedded: Sequence[int]) -> int:
    """The divisor of channels that gives the embeddings; 4, as published, if there is none."""
    fits = range(1, max(channels) + 1)
    pairs = list(zip(channels, embedded, strict=True))
    return next((r for r in fits if all(max(c // r, 1) == e for c, e in pairs)), 4)


def _check_published_sizes(block: Any) -> None:
    """Refuses widths within a unit that follow from those of no published one."""
    layer, attention = block.spatial.conv, block.attention
    own = [] if layer.divisor == layer.embedding_channels else ["embedding_channels"]
    if attention is not None:
        hidden, channels = attention.squeeze.weight.shape
        own += [] if hidden == max(channels // 2, 1) else ["squeezed_channels"]
    if own:
        raise ValueError(
            "no published AAGCN has units of such widths within (this one was built with "
            f"{', '.join(own)}); save_pretrained keeps it"
        )


def _published_order(ours: str, position: Tensor) -> Weight:
    """Joints in the order of their numbers, of which published weights say nothing."""

    def split(value: Tensor) -> list[Tensor]:
        if not torch.equal(value, torch.arange(value.numel(), device=value.device)):
            raise ValueError(
                "PYSKL's attention to joints goes by their numbers, which permute_joints has "
                "changed here; permute them back before to_published"
            )
        return []

    return Weight(ours, (), split, lambda _: torch.arange(position.numel()))
