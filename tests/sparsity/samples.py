"""Small networks whose edges have something to lose, and recordings for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from stgraph import STGCN, SkeletonLayout
from stgraph.nn import CTRGCN, STGCNPlusPlus
from stgraph.testing import random_skeleton_graph, randomise_norms

BODY = SkeletonLayout(
    name="body",
    joints=["hip", "neck", "left_hand", "right_hand", "left_foot", "right_foot"],
    bones=[(0, 1), (1, 2), (1, 3), (0, 4), (0, 5)],
    centre=0,
    left_right=[(2, 3), (4, 5)],
)

NETWORKS: dict[str, dict[str, Any]] = {
    "importance": {},
    "symmetrical": {"partition": "symmetrical", "block": "preactivation"},
    "distance, two hops": {"partition": "distance", "data_norm": "channel"},
    "nothing learned": {"edge_importance": False, "data_norm": "none"},
    "init": {"adaptive": "init"},
    "offset": {"adaptive": "offset", "block": "plain"},
    "ST-GCN++": {"kind": STGCNPlusPlus, "channels": [12, 12, 24], "strides": [1, 1, 2]},
    "one type": {"partition": "uniform"},
    "message passing": {"fold": False},
}
LEARNED = [name for name in NETWORKS if name != "nothing learned"]
WITH_CTR = {**NETWORKS, "CTR-GCN": {"kind": CTRGCN, "channels": [8, 8, 16]}}


def network(name: str = "importance", dtype: torch.dtype = torch.float64, **own: Any) -> Any:
    """A network in eval mode whose parameters look as after some training."""
    torch.manual_seed(0)
    arguments = {"channels": [4, 4, 8], "layout": BODY, **WITH_CTR[name], **own}
    kind: type[nn.Module] = arguments.pop("kind", STGCN)
    if kind is STGCN:
        arguments.setdefault("temporal_kernel", 3)
    model = randomise_norms(kind(3, num_classes=3, **arguments))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.to(dtype).eval()


def recording(lengths: list[int], layout: Any = BODY, seed: int = 0, **kwargs: Any) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return random_skeleton_graph(
        layout, lengths, dtype=torch.float64, generator=generator, **kwargs
    )
