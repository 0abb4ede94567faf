"""Weights under the names of MAMP."""

from __future__ import annotations

import pytest
import torch

from stgraph.nn import (
    MAMPParts,
    SkeletonTransformer,
    StateDictMismatch,
    TokenDecoder,
    load_mamp,
    to_mamp,
)
from stgraph.testing import random_batch
from tests.laws.encoders import BODY


def parts() -> MAMPParts:
    torch.manual_seed(0)
    encoder = SkeletonTransformer(
        3, layout=BODY, width=8, depth=2, num_heads=2, patch_size=2, num_times=4
    )
    torch.nn.init.zeros_(encoder.embedding.missing)
    decoder = TokenDecoder(8, 6, layout=BODY, width=4, depth=1, num_heads=2, num_times=4)
    return MAMPParts(encoder, decoder)


def test_weights_go_there_and_back():
    made = parts()
    state = to_mamp(made)
    assert state["joints_embed.proj.weight"].shape == (8, 3, 2, 1)
    assert state["temp_embed"].shape == (1, 4, 1, 8)
    found = load_mamp(state, num_heads=2, layout=BODY)
    batch = random_batch([[4], [8]], BODY)
    assert torch.equal(made.encoder(batch), found.encoder(batch))
    again = to_mamp(found)
    assert state.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in state.items())


def test_an_encoder_without_decoder_loads_and_heads_are_left_out():
    state = to_mamp(MAMPParts(parts().encoder, None))
    state["head.fc1.weight"] = torch.zeros(2, 2)
    found = load_mamp(state, num_heads=2, layout=BODY)
    assert found.decoder is None


def test_what_does_not_fit_is_listed():
    state = to_mamp(parts())
    state["blocks.0.norm1.weight"] = torch.zeros(3)
    state["extra"] = torch.zeros(1)
    del state["norm.bias"]
    with pytest.raises(StateDictMismatch, match=r"missing .1.: norm.bias") as caught:
        load_mamp(state, num_heads=2, layout=BODY)
    assert "extra" in str(caught.value)
    assert r"blocks.0.norm1.weight: [3] instead of [8]" in str(caught.value)


def test_weights_of_another_network_are_refused():
    with pytest.raises(StateDictMismatch, match="does not show the form of MAMP"):
        load_mamp({"conv.weight": torch.zeros(3)})


def test_a_number_of_joints_without_a_layout_is_asked_for():
    with pytest.raises(StateDictMismatch, match="no layout is known for 6 joints"):
        load_mamp(to_mamp(parts()), num_heads=2)
    with pytest.raises(StateDictMismatch, match="'coco_17' has 17 joints, not 6"):
        load_mamp(to_mamp(parts()), num_heads=2, layout="coco_17")
