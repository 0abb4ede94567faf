"""The key names of PYSKL's DG-STGCN."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.nn.models import DGSTGCN, STGCN
from stgraph.nn.published.format import Options, data_norm_weights
from stgraph.nn.published.pyskl import PYSKL
from stgraph.nn.published.weights import (
    State,
    Weight,
    adjacency,
    dense_adjacency,
    layout_of,
    norm,
    rows,
    size,
)

#: Joints that PYSKL's temporal layers have coefficients for, however many there are.
COEFFICIENTS = 25


class PYSKLDGSTGCN(PYSKL):
    """PYSKL's DG-STGCN: ``backbone.gcn.i.gcn.{A,pre,post,conv1,conv2,alpha,beta}``."""

    name = "PYSKL's DG-STGCN"

    def recognises(self, state: State) -> bool:
        parts = ("pre.0.weight", "post.weight")
        return any(f"{n}.gcn.{part}" in state for n in self.units(state) for part in parts)

    def build(self, state: State, options: Options) -> STGCN:
        names = self.units(state)
        dense = dense_adjacency(state, f"{names[0]}.gcn.A").transpose(1, 2)
        k = dense.size(0)
        in_channels = size(state, 1, f"{names[0]}.gcn.pre.0.weight")
        common = self.common(state, options, dense.size(1), in_channels)
        inner = [size(state, 0, f"{n}.gcn.pre.0.weight") for n in names]
        # whole channels are the floor of a share: the largest quotient gives all of them
        shares = zip(inner, common["channels"], strict=True)
        ratio = max(wide / k / channels for wide, channels in shares)
        if options.gate_per_group is None:
            # one gate for all groups is the first of them, and the others stay where they start
            gates = [state[f"{n}.gcn.{g}"] for n in names for g in ("alpha", "beta")]
            options.gate_per_group = any(bool(gate[1:].any()) for gate in gates)
        return DGSTGCN(
            in_channels,
            self.classes(state, options),
            layout_of(options.layout, self.layouts, dense),
            num_groups=k,
            block_kwargs={"branches": self.branches(state, options) or {}},
            conv_kwargs={"ratio": ratio, "gate_per_group": options.gate_per_group},
            **common,
        )

    def weights(self, model: STGCN, state: State) -> list[Weight]:
        prefix, k = self.prefix(state), model.num_types
        out = data_norm_weights(model, f"{prefix}data_bn")
        for i in range(len(model.blocks)):
            ours, theirs = f"blocks.{i}.spatial", f"{prefix}gcn.{i}.gcn"
            conv = f"{ours}.conv"
            out.append(adjacency(f"{ours}.adjacency", f"{theirs}.A", source_first=True))
            out += [_padded(f"{conv}.{g}", f"{theirs}.{g}", k, model) for g in ("alpha", "beta")]
            # theirs compares the joint that is summed over with the one that is summed for
            for part, name in (
                ("", "pre.0"),
                ("key_", "conv1"),
                ("query_", "conv2"),
                ("mix_", "post"),
            ):
                out.append(rows(f"{conv}.{part}weight", [f"{theirs}.{name}.weight"], axes=2))
                out.append(rows(f"{conv}.{part}bias", [f"{theirs}.{name}.bias"]))
            out += norm(f"{conv}.norm", f"{theirs}.pre.1")
            coefficients = f"{prefix}gcn.{i}.tcn.add_coeff"
            fusion = f"blocks.{i}.temporal.fusion"
            length = state[coefficients].numel() if coefficients in state else COEFFICIENTS
            out.append(_padded(fusion, coefficients, length, model))
            out += self.rest_of_unit(model, i, f"{prefix}gcn.{i}")
        return out + self.head(model, state)


def _padded(ours: str, theirs: str, length: int, model: STGCN) -> Weight:
    """The first entries of a longer vector, of which the others have no use."""
    used = model.state_dict()[ours].numel()

    def split(value: Tensor) -> list[Tensor]:
        return [torch.cat([value, value.new_zeros(max(length - used, 0))])]

    def join(parts: Sequence[Tensor]) -> Tensor:
        return parts[0][:used]

    return Weight(ours, (theirs,), split, join)
