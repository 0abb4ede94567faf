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

#: In the names of the units of AAGCN and DG-STGCN, which have formats of their own.
OTHER_UNITS = (".gcn.conv_d.", ".gcn.pre.", ".gcn.post.")


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

    def units(self, state: State) -> list[str]:
        """Names of the units."""
        prefix = self.prefix(state)
        return [f"{prefix}gcn.{i}" for i in units(state, f"{prefix}gcn.")]

    def recognises(self, state: State) -> bool:
        mine = [key for n in self.units(state) for key in state if key.startswith(f"{n}.gcn.")]
        return bool(mine) and not any(part in key for part in OTHER_UNITS for key in mine)

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
        options.adaptive = adaptive = self.adaptive(state, options)
        names = [f"{name}.gcn" for name in self.units(state)]
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
        names = self.units(state)
        dense = dense_adjacency(state, f"{names[0]}.gcn.A").transpose(1, 2)
        k = dense.size(0)
        form = tensor(state, f"{names[0]}.gcn.conv.weight").shape
        if options.aggregate_first is None:
            first = size(state, 0, f"{names[0]}.gcn.bn.weight", f"{names[0]}.gcn.bn.bias")
            options.aggregate_first = k > 1 and form[0] == first
        in_channels = form[1] // k if options.aggregate_first else form[1]
        if options.spatial_residual is None:
            options.spatial_residual = any(".gcn.down." in key for key in state)
        branches = self.branches(state, options)
        common: dict[str, Any] = {
            **self.common(state, options, dense.size(1), in_channels),
            "adaptive": options.adaptive,
            "block_kwargs": {
                "spatial_residual": options.spatial_residual,
                "branches": branches,
            },
            "conv_kwargs": {"aggregate_first": options.aggregate_first},
        }
        fixed_arguments = (
            in_channels,
            self.classes(state, options),
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

    def common(
        self, state: State, options: Options, num_joints: int, in_channels: int
    ) -> dict[str, Any]:
        """Arguments that all networks of PYSKL have."""
        names = self.units(state)
        channels = [size(state, 0, f"{n}.gcn.bn.weight", f"{n}.gcn.bn.bias") for n in names]
        shortcuts = [f"{n}.residual.conv.weight" in state for n in names]
        strides = default_strides(channels, shortcuts)
        if shortcuts[0] and in_channels == channels[0]:
            strides[0] = 2
        return {
            "channels": channels,
            "strides": options.strides or strides,
            "dropout": options.dropout,
            "head_dropout": options.head_dropout,
            "first_residual": in_channels == channels[0] or shortcuts[0],
            "as_published": options.as_published,
            **data_norm(state, f"{self.prefix(state)}data_bn", num_joints, in_channels, options),
        }

    def branches(self, state: State, options: Options) -> dict[str, Any] | None:
        """Arguments of the temporal branches; None if there are none."""
        name = self.units(state)[0]
        taps = [f"{name}.tcn.branches.{j}.3.conv.weight" for j in range(8)]
        kernels = [state[tap].size(2) for tap in taps if tap in state]
        if not kernels and not any(".tcn.branches." in key for key in state):
            return None
        dilations = tuple(options.dilations or range(1, len(kernels) + 1))
        return {"kernel": kernels, "dilations": dilations}

    def classes(self, state: State, options: Options) -> int | None:
        """Number of classes of the head."""
        return classes(state, options, "cls_head.fc_cls", "cls_head.fc")

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        assert model.layout is not None
        partition, prefix = model.partition_of(model.layout), self.prefix(state)
        out = data_norm_weights(model, f"{prefix}data_bn")
        for i, block in enumerate(model.blocks):
            ours, theirs = f"blocks.{i}", f"{prefix}gcn.{i}"
            out += self._graph_unit(block.spatial, ours, f"{theirs}.gcn", partition)
            out += self.rest_of_unit(model, i, theirs)
        return out + self.head(model, state)

    def rest_of_unit(self, model: STGCN, i: int, theirs: str) -> list[Weight]:
        """All of a unit but its graph convolution."""
        block, ours = model.blocks[i], f"blocks.{i}"
        out = norm(f"{ours}.norm1", f"{theirs}.gcn.bn")
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
        return out + shortcut_weights(model, i, f"{theirs}.residual.conv", f"{theirs}.residual.bn")

    def head(self, model: STGCN, state: State) -> list[Weight]:
        """The classifier, which has two names."""
        if model.head is None:
            return []
        head = "cls_head.fc_cls" if "cls_head.fc.weight" not in state else "cls_head.fc"
        return layer("head.1", head, axes=0)

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
