"""A layer of the user's own takes part in an ST-GCN."""

from __future__ import annotations

from typing import Any

import custom_layer
import pytest
import torch

from stgraph import STGCN
from tests.evaluation.samples import tiny_graphs, tiny_sets


@torch.no_grad()
def test_attention_is_a_mean_over_neighbours() -> None:
    layer = custom_layer.AttentionConv(2, 3)
    edges = torch.tensor([[0, 1, 2], [2, 2, 0]])
    x = torch.randn(3, 2)
    out = layer(x, edges) - layer.own(x)
    value = layer.value(x)
    assert torch.allclose(out[0], value[2], atol=1e-6)
    assert out[1].abs().max() == 0
    share = torch.linalg.lstsq((value[0] - value[1])[:, None], (out[2] - value[1])[:, None])
    assert 0 < float(share.solution) < 1


def test_the_layer_learns_inside_the_network() -> None:
    model = STGCN(
        2,
        2,
        layout="openpose_coco_18",
        conv=custom_layer.AttentionConv,
        channels=[4, 8],
        edge_importance=False,
    )
    model(tiny_graphs(0)[0]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.blocks.parameters())


def test_the_script_prints_three_layers_beside_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sets: Any = tiny_sets()
    monkeypatch.setattr(custom_layer, "load_comparison_sets", lambda *args, **kwargs: sets)
    custom_layer.main(["--epochs", "1", "--width", "4"])
    shown = capsys.readouterr().out
    assert "[SYNTHETIC DATA]" in shown
    for name in ("AttentionConv (this file)", "STGraphConv", "GATv2Conv (PyG)"):
        assert f"| {name}" in shown
