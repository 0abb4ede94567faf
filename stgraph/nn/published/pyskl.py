"""The key names of PYSKL."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from stgraph.nn.models import STGCN, STGCNPlusPlus
from stgraph.nn.multi_branch import MultiBranchTemporalConv
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
    edge_factors,
    fixed,
    layer,
    layout_of,
    norm,
    rows,
    size,
    tensor,
    units,
)
from stgraph.nn.spatial import SpatialOperator
from stgraph.skeleton import Partition


class PYSKL(PublishedFormat):
    """PYSKL's ST-GCN and ST-GCN++: ``backbone.gcn.i.{gcn,tcn,residual}``, ``cls_head.fc_cls``."""

    name = "PYSKL"
    layouts: ClassVar = {
        25: "kinect_v2_25_pyskl",
        18: "openpose_coco_18_pyskl",
        17: "coco_17_pyskl",
        21: "hand_21_pyskl",
    }

    def prefix(self, state: State) -> str:
        """``backbone.``, or nothing if these are the weights of a backbone alone."""
        bare = any(key.startswith("gcn.") for key in state)
        return "" if bare else "backbone."

    def recognises(self, state: State) -> bool:
        prefix = self.prefix(state)
        numbers = units(state, f"{prefix}gcn.")
        return any(key.startswith(f"{prefix}gcn.{i}.gcn.") for i in numbers for key in state)

    def adaptive(self, state: State, options: Options) -> str | None:
        """What the units learn of the adjacency.

        Factors start at 1 and offsets at 0, but trained ones may be anything: this is a guess
        unless the user says it.
        """
        if options.adaptive != "infer":
            return options.adaptive
        tables = [value for key, value in state.items() if key.endswith(".gcn.PA")]
        if not tables:
            return "init"
        return "importance" if float(torch.stack(tables).median()) > 0.4 else "offset"

    def prepare(self, state: State, options: Options) -> State:
        """One adjacency for all units, or what each unit makes of its own as a learned one."""
        prefix = self.prefix(state)
        options.adaptive = adaptive = self.adaptive(state, options)
        names = [f"{prefix}gcn.{i}.gcn" for i in units(state, f"{prefix}gcn.")]
        tables = [state[f"{n}.A"] for n in names if f"{n}.A" in state]
        if adaptive == "init" or all(torch.equal(tables[0], other) for other in tables):
            return state
        own = dict(state)
        for n in names:
            learned = own.pop(f"{n}.PA", None)
            if f"{n}.A" in own and learned is not None:
                base = own[f"{n}.A"]
                own[f"{n}.A"] = base * learned if adaptive == "importance" else base + learned
        options.adaptive = "init"
        return own

    def build(self, state: State, options: Options) -> STGCN:
        prefix = self.prefix(state)
        names = [f"{prefix}gcn.{i}" for i in units(state, f"{prefix}gcn.")]
        dense = dense_adjacency(state, f"{names[0]}.gcn.A").transpose(1, 2)
        k = dense.size(0)
        channels = [size(state, 0, f"{n}.gcn.bn.weight", f"{n}.gcn.bn.bias") for n in names]
        form = tensor(state, f"{names[0]}.gcn.conv.weight").shape
        if options.aggregate_first is None:
            options.aggregate_first = k > 1 and form[0] == channels[0]
        in_channels = form[1] // k if options.aggregate_first else form[1]
        shortcuts = [f"{n}.residual.conv.weight" in state for n in names]
        first_residual = in_channels == channels[0] or shortcuts[0]
        strides = default_strides(channels, shortcuts)
        if shortcuts[0] and in_channels == channels[0]:
            strides[0] = 2
        if options.spatial_residual is None:
            options.spatial_residual = any(".gcn.down." in key for key in state)
        taps = [f"{names[0]}.tcn.branches.{j}.3.conv.weight" for j in range(8)]
        kernels = [state[name].size(2) for name in taps if name in state]
        branches = None
        if kernels or any(".tcn.branches." in key for key in state):
            dilations = tuple(options.dilations or range(1, len(kernels) + 1))
            branches = {"kernel": kernels, "dilations": dilations}
        common: dict[str, Any] = {
            "channels": channels,
            "strides": options.strides or strides,
            "adaptive": options.adaptive,
            "dropout": options.dropout,
            "head_dropout": options.head_dropout,
            "first_residual": first_residual,
            "as_published": options.as_published,
            "block_kwargs": {
                "spatial_residual": options.spatial_residual,
                "branches": branches,
            },
            "conv_kwargs": {"aggregate_first": options.aggregate_first},
            **data_norm(state, f"{prefix}data_bn", dense.size(1), in_channels, options),
        }
        fixed_arguments = (
            in_channels,
            classes(state, options, "cls_head.fc_cls", "cls_head.fc"),
            layout_of(options.layout, self.layouts, dense),
            Partition.from_dense(dense),
        )
        if branches is not None:
            return STGCNPlusPlus(*fixed_arguments, **common)
        kernel = size(state, 2, *(f"{n}.tcn.conv.weight" for n in names))
        return STGCN(
            *fixed_arguments,
            block="stgcn++",
            temporal_kernel=kernel,
            edge_importance=False,
            **common,
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        assert model.layout is not None
        partition, prefix = model.partition_of(model.layout), self.prefix(state)
        out = data_norm_weights(model, f"{prefix}data_bn")
        for i, block in enumerate(model.blocks):
            ours, theirs = f"blocks.{i}", f"{prefix}gcn.{i}"
            out += self._graph_unit(block.spatial, ours, f"{theirs}.gcn", partition)
            out += norm(f"{ours}.norm1", f"{theirs}.gcn.bn")
            if block.inner is not None and block.inner.conv is not None:
                out += layer(f"{ours}.inner.conv", f"{theirs}.gcn.down.0", axes=1)
                out += norm(f"{ours}.inner.norm", f"{theirs}.gcn.down.1")
            if isinstance(block.temporal, MultiBranchTemporalConv):
                out += branch_weights(block.temporal, f"{ours}.temporal", f"{theirs}.tcn")
                out += norm(f"{ours}.temporal.mix_norm", f"{theirs}.tcn.transform.0")
                out += layer(f"{ours}.temporal.mix", f"{theirs}.tcn.transform.2", axes=1)
            else:
                out += layer(f"{ours}.temporal", f"{theirs}.tcn.conv", axes=1)
            out += norm(f"{ours}.norm2", f"{theirs}.tcn.bn")
            out += shortcut_weights(model, i, f"{theirs}.residual.conv", f"{theirs}.residual.bn")
        if model.head is None:
            return out
        head = "cls_head.fc_cls" if "cls_head.fc.weight" not in state else "cls_head.fc"
        return out + layer("head.1", head, axes=0)

    def _graph_unit(
        self, spatial: SpatialOperator, ours: str, theirs: str, partition: Partition
    ) -> list[Weight]:
        out: list[Weight] = []
        if spatial.adaptive == "init":
            out.append(adjacency(f"{ours}.spatial.adjacency", f"{theirs}.A", source_first=True))
        else:
            out.append(fixed(f"{theirs}.A", partition.dense().transpose(1, 2)))
        if spatial.adaptive == "offset":
            out.append(adjacency(f"{ours}.spatial.adjacency", f"{theirs}.PA", source_first=True))
        if spatial.adaptive == "importance":
            out.append(edge_factors(f"{ours}.spatial.importance", f"{theirs}.PA", partition))
        conv = f"{ours}.spatial.conv"
        if not spatial.conv.aggregate_first:
            return out + layer(conv, f"{theirs}.conv", axes=2)
        k = spatial.conv.num_types
        # theirs maps K stacked sums, [out, K*in, 1, 1]; ours holds K maps, [K*out, in]
        weight = Weight(
            f"{conv}.weight",
            (f"{theirs}.conv.weight",),
            lambda w: [w.unflatten(0, (k, -1)).transpose(0, 1).flatten(1)[:, :, None, None]],
            lambda parts: parts[0][:, :, 0, 0].unflatten(1, (k, -1)).transpose(0, 1).flatten(0, 1),
        )
        return [*out, weight, rows(f"{conv}.bias", [f"{theirs}.conv.bias"])]
