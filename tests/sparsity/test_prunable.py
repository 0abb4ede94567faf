from __future__ import annotations

import pytest
from torch import nn

from stgraph.nn import STGCN
from stgraph.sparsity import prunable_weights
from tests.sparsity.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_of_blocks_are_prunable_and_nothing_else(name):
    found = prunable_weights(NETWORKS[name]())
    names = [weight.name for weight in found]
    assert names
    assert all("blocks." in name for name in names)
    unwanted = ("head", "norm", "adjacency", "importance", "joint", "embedding", "bias", "position")
    assert not [name for name in names if any(word in name for word in unwanted)]


def test_what_tells_joints_poses_and_channels_apart_in_aagcn_is_not_prunable_unless_asked_for():
    model = NETWORKS["AAGCN"]()
    kinds = {name.split(".", 2)[2] for name in (w.name for w in prunable_weights(model))}
    of_layers = {f"spatial.conv.{part}weight" for part in ("", "query_", "key_")}
    assert kinds == of_layers | {"temporal.weight", "inner.conv.weight", "shortcut.conv.weight"}
    asked = prunable_weights(model, include=r"attention\.squeeze\.weight")
    assert [w.name for w in asked] == [f"blocks.{i}.attention.squeeze.weight" for i in range(2)]


def test_a_layer_of_ones_own_is_prunable_too():
    model = STGCN(3, conv="GATv2Conv", layout="kinect_v2_25", edge_importance=False, channels=[4])
    names = [weight.name for weight in prunable_weights(model)]
    assert "blocks.0.spatial.conv.lin_l.weight" in names


def test_the_table_names_each_weight_and_its_share_of_all_parameters():
    model = NETWORKS["STGCN"]()
    found = prunable_weights(model)
    text = str(found)
    assert all(weight.name in text for weight in found)
    total = sum(p.numel() for p in model.parameters())
    assert f"{found.numel:,}  of {total:,} parameters" in text


def test_names_can_be_chosen_and_left_out():
    model = NETWORKS["STGCN"]()
    temporal = prunable_weights(model, include=r"temporal\.weight")
    assert [w.name for w in temporal] == [f"blocks.{i}.temporal.weight" for i in range(3)]
    rest = prunable_weights(model, exclude=r"shortcut|blocks\.0")
    assert not [w for w in rest if "shortcut" in w.name or "blocks.0" in w.name]


def test_shortcuts_are_told_apart():
    found = prunable_weights(NETWORKS["STGCN"]())
    assert [w.name for w in found if w.residual] == ["blocks.2.shortcut.conv.weight"]


@pytest.mark.parametrize(
    ("include", "message"), [("nowhere", "say which may be cut"), ("(", "no regular expression")]
)
def test_what_fits_nothing_is_refused(include, message):
    with pytest.raises(ValueError, match=message):
        prunable_weights(NETWORKS["STGCN"](), include=include)


def test_a_network_without_blocks_asks_what_may_be_cut():
    with pytest.raises(ValueError, match="include="):
        prunable_weights(nn.Linear(3, 4))
    assert len(prunable_weights(nn.Sequential(nn.Linear(3, 4)), include="weight")) == 1
