"""The key names of the original ST-GCN."""

from __future__ import annotations

from typing import ClassVar

from stgraph.nn.models import STGCN
from stgraph.nn.published.format import (
    Options,
    PublishedFormat,
    classes,
    data_norm,
    data_norm_weights,
    shortcut_weights,
)
from stgraph.nn.published.weights import (
    State,
    Weight,
    default_strides,
    dense_adjacency,
    edge_factors,
    fixed,
    layer,
    layout_of,
    norm,
    size,
    units,
)
from stgraph.skeleton import Partition


class OriginalSTGCN(PublishedFormat):
    """yysijie/st-gcn: ``A``, ``data_bn``, ``st_gcn_networks.i``, ``edge_importance.i``, ``fcn``."""

    name = "st-gcn"
    layouts: ClassVar = {25: "kinect_v2_25_stgcn", 18: "openpose_coco_18_stgcn"}

    def recognises(self, state: State) -> bool:
        return any(key.startswith("st_gcn_networks.") for key in state)

    def build(self, state: State, options: Options) -> STGCN:
        dense = dense_adjacency(state, "A").transpose(1, 2)
        names = [f"st_gcn_networks.{i}" for i in units(state, "st_gcn_networks.")]
        channels = [size(state, 0, f"{n}.tcn.0.weight", f"{n}.tcn.2.weight") for n in names]
        shortcuts = [f"{n}.residual.0.weight" in state for n in names]
        in_channels = size(state, 1, f"{names[0]}.gcn.conv.weight")
        return STGCN(
            in_channels,
            classes(state, options, "fcn"),
            layout_of(options.layout, self.layouts, dense),
            Partition.from_dense(dense),
            channels=channels,
            strides=options.strides or default_strides(channels, shortcuts),
            temporal_kernel=size(state, 2, *(f"{n}.tcn.2.weight" for n in names)),
            edge_importance=any(key.startswith("edge_importance.") for key in state),
            dropout=options.dropout,
            head_dropout=options.head_dropout,
            as_published=options.as_published,
            **data_norm(state, "data_bn", dense.size(1), in_channels, options),
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        assert model.layout is not None
        partition = model.partition_of(model.layout)
        out = [fixed("A", partition.dense().transpose(1, 2)), *data_norm_weights(model, "data_bn")]
        for i, block in enumerate(model.blocks):
            theirs = f"st_gcn_networks.{i}"
            out += layer(f"blocks.{i}.spatial.conv", f"{theirs}.gcn.conv", axes=2)
            out += norm(f"blocks.{i}.norm1", f"{theirs}.tcn.0")
            out += layer(f"blocks.{i}.temporal", f"{theirs}.tcn.2", axes=1)
            out += norm(f"blocks.{i}.norm2", f"{theirs}.tcn.3")
            out += shortcut_weights(model, i, f"{theirs}.residual.0", f"{theirs}.residual.1")
            if block.spatial.importance is not None:
                importance = f"blocks.{i}.spatial.importance"
                out.append(edge_factors(importance, f"edge_importance.{i}", partition))
        return out + (layer("head.1", "fcn", axes=2) if model.head is not None else [])
