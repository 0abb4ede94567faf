from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stgraph import STGCN, SkeletonLayout, load_published
from stgraph.nn import read_state_dict, to_published

BODY = SkeletonLayout("body", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)


class Hostile:
    """What runs code as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return to_published(STGCN(3, 2, BODY, channels=[4], temporal_kernel=3))


@pytest.mark.parametrize("kind", ["bare", "wrapped", "parallel", "safetensors"])
def test_files_of_every_kind_hold_the_same_network(kind, state, tmp_path):
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    if kind == "safetensors":
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    elif kind == "wrapped":
        torch.save({"meta": {"epoch": 3}, "state_dict": state}, path)
    elif kind == "parallel":
        torch.save({f"module.{k}": v for k, v in state.items()}, path)
    else:
        torch.save(state, path)
    loaded = load_published(path, BODY)
    assert all(torch.equal(state[k], v) for k, v in to_published(loaded).items())


def test_a_file_that_would_run_code_is_refused_and_runs_none(state, tmp_path):
    trap = tmp_path / "trap"
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": state, "extra": Hostile(trap)}, path)
    with pytest.raises(ValueError, match="holds more than tensors"):
        load_published(path, BODY)
    path.write_bytes(pickle.dumps(Hostile(trap)))
    with pytest.raises(ValueError, match=r"more than tensors|damaged"):
        read_state_dict(path)
    assert not trap.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_named(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(ValueError, match=r"weights\.(pth|safetensors)' (is damaged|holds more)"):
        read_state_dict(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="weights"):
        read_state_dict(path)


def test_a_text_is_no_weights(tmp_path):
    (tmp_path / "a.pth").write_text("epoch 1: 0.5")
    with pytest.raises(ValueError, match=r"a\.pth' holds no weights"):
        read_state_dict(tmp_path / "a.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.pth' is no file"):
        read_state_dict(tmp_path / "none.pth")


def test_a_file_without_tensors_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    for other in ({"epoch": 3}, {1: torch.zeros(2)}):
        torch.save(other, path)
        with pytest.raises(ValueError, match="expected a dictionary of tensors"):
            read_state_dict(path)
