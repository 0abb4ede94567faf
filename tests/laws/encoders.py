"""The encoders that obey the laws: every block and several convolutions, tiny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch_geometric.nn import GATv2Conv

from stgraph.nn import STGCN
from stgraph.nn.models import (
    AAGCN,
    CTRGCN,
    DGSTGCN,
    STRL,
    HiTRS,
    SkeletonGIN,
    SkeletonTransformer,
    STGCNPlusPlus,
)
from stgraph.skeleton import SkeletonLayout
from stgraph.testing import randomise_norms

BODY = SkeletonLayout(
    name="body",
    joints=["hip", "neck", "left_hand", "right_hand", "left_foot", "right_foot"],
    bones=[(0, 1), (1, 2), (1, 3), (0, 4), (0, 5)],
    centre=0,
    left_right=[(2, 3), (4, 5)],
)
HAND = SkeletonLayout("hand", ["palm", "thumb", "finger"], [(0, 1), (0, 2)], centre=0)

Make = Callable[..., nn.Module]


def _stgcn(**own: Any) -> Make:
    def make(**kwargs: Any) -> nn.Module:
        arguments = {"layout": BODY, "channels": [4, 4, 8], "temporal_kernel": 5, **own, **kwargs}
        return STGCN(3, **arguments)

    return make


def _anywhere(**own: Any) -> Make:
    return _stgcn(layout=None, edge_importance=False, data_norm="channel", **own)


def _plus_plus(**kwargs: Any) -> nn.Module:
    arguments = {"layout": BODY, "channels": [12, 12, 24], "strides": [1, 1, 2], **kwargs}
    return STGCNPlusPlus(3, **arguments)


def _ctr(**kwargs: Any) -> nn.Module:
    return CTRGCN(3, **{"layout": BODY, "channels": [8, 8, 16], "strides": [1, 1, 2], **kwargs})


def _aagcn(**kwargs: Any) -> nn.Module:
    sizes = {"channels": [8, 8, 16], "strides": [1, 1, 2]}
    return AAGCN(3, **{"layout": BODY, "temporal_kernel": 5, **sizes, **kwargs})


def _dgstgcn(**kwargs: Any) -> nn.Module:
    sizes = {"channels": [12, 12, 24], "strides": [1, 1, 2], "num_groups": 4}
    return DGSTGCN(3, **{"layout": BODY, **sizes, **kwargs})


def _transformer(**own: Any) -> Make:
    def make(**kwargs: Any) -> nn.Module:
        sizes = {"width": 8, "depth": 2, "num_heads": 2, "patch_size": 2, "mlp_ratio": 2.0}
        return SkeletonTransformer(3, **{"layout": BODY, **sizes, **own, **kwargs})

    return make


def _hitrs(**own: Any) -> Make:
    def make(**kwargs: Any) -> nn.Module:
        sizes = {"width": 8, "depth": 1, "num_heads": 2, "head_channels": 4, "window": 3}
        more = {"stride": 2, "dilation": 2, "dropout": 0.0}
        return HiTRS(3, **{"layout": BODY, **sizes, **more, **own, **kwargs})

    return make


def _gin(**kwargs: Any) -> nn.Module:
    return SkeletonGIN(3, **{"width": 8, "depth": 2, "layout": BODY, **kwargs})


def _strl(**kwargs: Any) -> nn.Module:
    # what persons exchange is meant to go from one track to another
    return STRL(_gin(), **{"num_layers": 2, "exchange": False, **kwargs})


ENCODERS: dict[str, Make] = {
    "stgcn": _stgcn(),
    "plain": _stgcn(block="plain"),
    "preactivation": _stgcn(block="preactivation"),
    "distance, two hops": _stgcn(partition="distance", data_norm="channel"),
    "no importance": _stgcn(edge_importance=False, partition="symmetrical", data_norm="none"),
    "any layout": _anywhere(),
    "GATv2Conv": _stgcn(conv=GATv2Conv, edge_importance=False, channels=[4, 4]),
    "GINConv": _anywhere(conv="GINConv", channels=[4, 4]),
    "TransformerConv": _stgcn(conv="TransformerConv", edge_importance=False, channels=[4, 4]),
    "some joints": _stgcn(joints=["neck", "hip", "left_hand", "right_foot"], adaptive="offset"),
    "ST-GCN++": _plus_plus,
    "CTR-GCN": _ctr,
    "AAGCN": _aagcn,
    "DG-STGCN": _dgstgcn,
    "transformer": _transformer(),
    "transformer, learned times": _transformer(num_times=20),
    "transformer, any layout": _transformer(layout=None),
    "Hi-TRS": _hitrs(),
    "Hi-TRS, learned places": _hitrs(num_clips=40, window=4),
    "Hi-TRS, any layout": _hitrs(layout=None),
    "Hi-TRS, clips": _hitrs(levels=("frame", "clip")),
    "GIN": _gin,
    "STRL": _strl,
}
ATTENDING = [name for name in ENCODERS if name.startswith(("transformer", "Hi-TRS"))]
GINS = ["GIN", "STRL"]
FOLDING = [name for name in ENCODERS if "Conv" not in name and name not in (*ATTENDING, *GINS)]
#: Networks of layers that look at whole tracks.
WHOLE_TRACKS = ["CTR-GCN", "AAGCN", "DG-STGCN"]
BOUND = [name for name in ENCODERS if "any layout" not in name and name != "GINConv"]


def encoder(name: str, dtype: torch.dtype = torch.float64, **kwargs: Any) -> nn.Module:
    """A fresh encoder whose parameters and statistics look as after some training."""
    torch.manual_seed(0)
    model = randomise_norms(ENCODERS[name](**kwargs))
    with torch.no_grad():
        for parameter in model.parameters():
            # what starts at exactly 0 or 1 (importance, refinements) would hide mistakes
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype)
