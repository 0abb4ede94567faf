"""State dicts whose zeros take no room."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.nn import STGCN, StateDictMismatch
from stgraph.nn.sparse_state import pack_zeros, unpack_zeros


def sparse(size: int, density: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(size, generator=generator)
    return values * (torch.rand(size, generator=generator) < density)


@given(
    st.integers(0, 3000),
    st.sampled_from([0.0, 0.0005, 0.01, 0.05, 0.2, 0.6, 1.0]),
    st.integers(0, 3),
)
def test_what_was_packed_comes_back_exactly(size, density, seed):
    state = {"a": sparse(size, density, seed), "count": torch.tensor(7)}
    packed = pack_zeros(state)
    again = unpack_zeros(packed, state, "here")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize(("density", "bytes_a_weight"), [(0.2, 1.0), (0.05, 0.3), (0.01, 0.08)])
def test_zeros_take_no_room(density, bytes_a_weight):
    packed = pack_zeros({"a": sparse(100_000, density, 0)})
    assert sum(t.numel() * t.element_size() for t in packed.values()) < bytes_a_weight * 100_000


def test_dense_tensors_stay_as_they_are():
    tensor = torch.randn(50)
    assert pack_zeros({"a": tensor})["a"] is tensor


@pytest.mark.parametrize("kind", ["bits", "gaps"])
@pytest.mark.parametrize("damage", ["fewer", "more", "type", "values", "missing"])
def test_damaged_places_are_named(kind, damage):
    whole = {"a": sparse(4000, 0.2 if kind == "bits" else 0.01, 0)}
    packed = dict(pack_zeros(whole))
    key = f"a|{kind}"
    where = packed[key]
    if damage == "fewer":
        packed[key] = where[:-3]
    elif damage == "more":
        packed[key] = torch.cat([where, where])
    elif damage == "type":
        packed[key] = where.float()
    elif damage == "values":
        packed["a|values"] = packed["a|values"][:-1]
    else:
        del packed[key]
    with pytest.raises(StateDictMismatch, match=r"here is damaged: the places of 'a'"):
        unpack_zeros(packed, whole, "here")


def test_a_packed_network_is_smaller_and_loads_as_it_was(tmp_path, generator):
    model = STGCN(3, 4, "coco_17_pyskl", channels=[32, 32]).eval()
    with torch.no_grad():
        for block in model.blocks:
            keep = torch.rand(block.temporal.weight.shape, generator=generator) < 0.05
            block.temporal.weight.mul_(keep)
    model.save_pretrained(tmp_path / "plain")
    model.save_pretrained(tmp_path / "packed", pack=True)
    sizes = [(tmp_path / k / "model.safetensors").stat().st_size for k in ("plain", "packed")]
    assert sizes[1] < sizes[0] / 2
    again = STGCN.from_pretrained(tmp_path / "packed")
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def test_places_without_values_are_reported(tmp_path):
    model = STGCN(3, 4, "coco_17_pyskl", channels=[4])
    state = {**model.state_dict(), "ghost|bits": torch.zeros(3, dtype=torch.uint8)}
    assert "ghost|bits" in unpack_zeros(state, model.state_dict(), "here")
