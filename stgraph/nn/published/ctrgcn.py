"""The key names of CTR-GCN."""

from __future__ import annotations

from typing import ClassVar

from stgraph.nn.models import CTRGCN, STGCN
from stgraph.nn.published.format import (
    Options,
    PublishedFormat,
    branch_weights,
    classes,
    data_norm,
    data_norm_weights,
    shortcut_weights,
)
from stgraph.nn.published.weights import (
    State,
    Weight,
    adjacency,
    default_strides,
    dense_adjacency,
    layer,
    layout_of,
    norm,
    rows,
    size,
    units,
)
from stgraph.skeleton import Partition


class PublishedCTRGCN(PublishedFormat):
    """Uason-Chen/CTR-GCN: ``l1`` ... ``l10``, ``data_bn``, ``fc``."""

    name = "CTR-GCN"
    layouts: ClassVar = {25: "kinect_v2_25_ctrgcn", 20: "kinect_v1_20_ctrgcn"}

    def recognises(self, state: State) -> bool:
        return any(key.startswith(f"l{i}.gcn1.") for i in units(state, "l") for key in state)

    def build(self, state: State, options: Options) -> STGCN:
        names = [f"l{i}" for i in units(state, "l")]
        dense = dense_adjacency(state, f"{names[0]}.gcn1.PA")
        channels = [size(state, 0, f"{n}.gcn1.bn.weight", f"{n}.gcn1.bn.bias") for n in names]
        in_channels = size(
            state, 1, *(f"{names[0]}.gcn1.convs.0.conv{j}.weight" for j in (3, 1, 2))
        )
        shortcuts = [f"{n}.residual.conv.weight" in state for n in names]
        taps = [f"{names[0]}.tcn1.branches.{j}.3.conv.weight" for j in range(8)]
        kernels = [state[name].size(2) for name in taps if name in state]
        kernel = size(state, 2, *taps)
        return CTRGCN(
            in_channels,
            classes(state, options, "fc"),
            layout_of(options.layout, self.layouts, dense),
            Partition.from_dense(dense),
            channels=channels,
            strides=options.strides or default_strides(channels, shortcuts),
            kernel=kernel,
            dilations=tuple(options.dilations or range(1, len(kernels) + 1)),
            dropout=options.dropout,
            head_dropout=options.head_dropout,
            as_published=options.as_published,
            **data_norm(state, "data_bn", dense.size(1), in_channels, options),
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        out = data_norm_weights(model, "data_bn")
        for i, block in enumerate(model.blocks):
            ours, theirs = f"blocks.{i}", f"l{i + 1}"
            graph, conv = f"{theirs}.gcn1", f"{ours}.spatial.conv"
            k = model.num_types
            for part, number in (("query_", 1), ("key_", 2), ("", 3), ("lift_", 4)):
                names = [f"{graph}.convs.{j}.conv{number}" for j in range(k)]
                sizes = [block.spatial.conv.get_parameter(f"{part}bias").numel() // k] * k
                weights = [f"{n}.weight" for n in names]
                out.append(rows(f"{conv}.{part}weight", weights, sizes, axes=2))
                out.append(rows(f"{conv}.{part}bias", [f"{n}.bias" for n in names], sizes))
            out.append(rows(f"{conv}.alpha", [f"{graph}.alpha"]))
            out.append(adjacency(f"{ours}.spatial.adjacency", f"{graph}.PA", source_first=False))
            out += norm(f"{ours}.norm1", f"{graph}.bn")
            if block.inner is not None and block.inner.conv is not None:
                out += layer(f"{ours}.inner.conv", f"{graph}.down.0", axes=1)
                out += norm(f"{ours}.inner.norm", f"{graph}.down.1")
            temporal = block.temporal
            out += branch_weights(temporal, f"{ours}.temporal", f"{theirs}.tcn1")
            # the norms of the branches are the norm of their concatenation
            convs, branches = len(temporal.branches), f"{theirs}.tcn1.branches"
            last = [f"{branches}.{convs}.4", f"{branches}.{convs + 1}.1"]
            norms = [f"{branches}.{j}.3.bn" for j in range(convs)] + last
            out += norm(f"{ours}.norm2", norms, sizes=temporal.branch_channels)
            out += shortcut_weights(model, i, f"{theirs}.residual.conv", f"{theirs}.residual.bn")
        return out + (layer("head.1", "fc", axes=0) if model.head is not None else [])
