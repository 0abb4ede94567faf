"""The key names of the KTH report."""

from __future__ import annotations

from typing import ClassVar

from stgraph.nn.models import STGCN
from stgraph.nn.published.format import Options, PublishedFormat, classes, shortcut_weights
from stgraph.nn.published.weights import (
    State,
    Weight,
    adjacency,
    default_strides,
    dense_adjacency,
    layer,
    layout_of,
    norm,
    size,
    units,
)
from stgraph.skeleton import Partition


class KTHSTGCN(PublishedFormat):
    """nagyrajmund/st-gcn: ``conv.i.{batch_n,spatialConv,temporalConv,batch_n_2}``, ``fc_layer``."""

    name = "KTH st-gcn"
    layouts: ClassVar = {25: "openpose_body_25"}

    def recognises(self, state: State) -> bool:
        return any(".spatialConv." in key for key in state)

    def build(self, state: State, options: Options) -> STGCN:
        names = [f"conv.{i}" for i in units(state, "conv.")]
        dense = dense_adjacency(state, f"{names[0]}.spatialConv.A")
        channels = [size(state, 0, f"{n}.batch_n_2.weight", f"{n}.batch_n_2.bias") for n in names]
        shortcuts = [f"{n}.apply_residual.weight" in state for n in names]
        return STGCN(
            size(state, 1, f"{names[0]}.spatialConv.W.weight"),
            classes(state, options, "fc_layer"),
            layout_of(options.layout, self.layouts, dense),
            Partition.from_dense(dense),
            channels=channels,
            strides=options.strides or default_strides(channels, shortcuts),
            block="preactivation" if any(shortcuts) else "plain",
            temporal_kernel=size(state, 2, *(f"{n}.temporalConv.weight" for n in names)),
            edge_importance=False,
            adaptive="init",
            dropout=options.dropout,
            head_dropout=options.head_dropout,
            data_norm="none",
            as_published=options.as_published,
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        out: list[Weight] = []
        for i in range(len(model.blocks)):
            ours, theirs = f"blocks.{i}", f"conv.{i}"
            learned = f"{ours}.spatial.adjacency"
            out.append(adjacency(learned, f"{theirs}.spatialConv.A", source_first=False))
            out += norm(f"{ours}.norm1", f"{theirs}.batch_n")
            out += layer(f"{ours}.spatial.conv", f"{theirs}.spatialConv.W", axes=2)
            out += layer(f"{ours}.temporal", f"{theirs}.temporalConv", axes=1)
            out += norm(f"{ours}.norm2", f"{theirs}.batch_n_2")
            out += shortcut_weights(model, i, f"{theirs}.apply_residual", None)
        return out + (layer("head.1", "fc_layer", axes=0) if model.head is not None else [])
