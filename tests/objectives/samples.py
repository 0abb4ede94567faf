"""Tiny encoders, decoders and recordings for objectives."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Batch

from stgraph.nn import SkeletonTransformer, TokenDecoder
from stgraph.objectives import MaskedReconstruction, Motion, RandomTokens
from stgraph.testing import random_skeleton_graph
from tests.laws.encoders import BODY


def tiny_encoder(**options: Any) -> SkeletonTransformer:
    sizes = {"width": 8, "depth": 2, "num_heads": 2, "patch_size": 2, "layout": BODY}
    return SkeletonTransformer(3, **{**sizes, **options})


def tiny_objective(**options: Any) -> MaskedReconstruction:
    torch.manual_seed(0)
    decoder = TokenDecoder(8, 6, layout=BODY, width=4, depth=1, num_heads=2)
    parts = {"masking": RandomTokens(0.5), "target": Motion(), **options}
    return MaskedReconstruction(tiny_encoder(), decoder, **parts)


def recordings(missing: float = 0.0, seed: int = 0) -> Batch:
    """Three recordings: two tracks, one long one, one short one."""
    generator = torch.Generator().manual_seed(seed)
    return Batch.from_data_list(
        [
            random_skeleton_graph(BODY, lengths, missing=missing, generator=generator)
            for lengths in ([5, 8], [13], [3])
        ]
    )
