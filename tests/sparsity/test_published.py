from __future__ import annotations

import pytest
import torch

from stgraph.nn import STGCN, StateDictMismatch, to_published
from stgraph.sparsity import load_published_sparse


def published_state() -> dict[str, torch.Tensor]:
    model = STGCN(
        3, 4, "kinect_v2_25_pyskl", channels=[4, 8], block="stgcn++", adaptive="init",
        edge_importance=False, block_kwargs={"spatial_residual": False, "branches": None},
    )  # fmt: skip
    state = to_published(model)
    convs = [key for key in state if key.endswith("conv.weight") and "cls_head" not in key]
    return {**state, **{f"{key}_score": torch.randn_like(state[key]) for key in convs}}


def test_scores_find_their_weights():
    state = published_state()
    sparse = load_published_sparse(state, 0.6, adaptive="init")
    by_name = dict(zip((w.name for w in sparse.weights), sparse.pool.scores, strict=True))
    score = state["backbone.gcn.1.tcn.conv.weight_score"]
    assert torch.equal(by_name["blocks.1.temporal.weight"].detach(), score[..., 0])
    assert sparse.at(0.59) == 0.0
    assert sparse.at(0.6) == 0.6


def test_a_dense_checkpoint_is_told_so():
    state = {k: v for k, v in published_state().items() if not k.endswith("_score")}
    with pytest.raises(StateDictMismatch, match="holds no scores"):
        load_published_sparse(state, 0.6)
