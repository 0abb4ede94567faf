"""Saved networks that are damaged are refused with the file's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stgraph import STGCN, SkeletonLayout
from stgraph.nn import StateDictMismatch
from stgraph.skeleton import Partition

BODY = SkeletonLayout("body", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    STGCN(3, 2, BODY, channels=[4], temporal_kernel=3).save_pretrained(tmp_path)
    return tmp_path


def change(folder: Path, edit: Callable[[dict], object]) -> None:
    file = folder / "config.json"
    config = json.loads(file.read_text())
    edit(config)
    file.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c["partition"]["partition"].pop("edge_type"), "the partition lacks edge_type"),
        (lambda c: c["partition"]["partition"].update(edge_index=[[9], [0]]), "expected"),
        (
            lambda c: c["partition"]["partition"]["edge_index"][0].__setitem__(0, 9),
            r"expected 'edge_index' within 0\.\.\.2 \(got 0 to 9\)",
        ),
        (
            lambda c: c["partition"]["partition"]["edge_type"].__setitem__(0, -1),
            r"expected 'edge_type' within 0\.\.\.2",
        ),
        (
            lambda c: c["partition"]["partition"]["edge_weight"].__setitem__(0, float("nan")),
            "expected finite edge weights",
        ),
        (lambda c: c["partition"]["partition"].update(num_joints="x"), "invalid literal"),
        (lambda c: c.update(partition={"partition": 3}), "not iterable"),
        (lambda c: c.update(layout={"layout": {"joints": ["a"]}}), "expected the key 'bones'"),
        (lambda c: c.update(channels=[-4]), "negative dimension"),
        (lambda c: c.update(channels=None, width=-8), "negative dimension"),
        (lambda c: c.update(channels=None, depth=3), "'depth' is 9 or 12"),
        (lambda c: c.update(colour="red"), "colour"),
        (lambda c: c.clear(), "network"),
    ],
)
def test_a_description_that_cannot_be_built_names_the_file(
    saved: Path, edit: Callable[[dict], object], message: str
) -> None:
    change(saved, edit)
    with pytest.raises(ValueError, match=rf"config.json' does not describe a .*{message}"):
        STGCN.from_pretrained(saved)


def test_a_description_that_cannot_be_read_names_the_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    (saved / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config\.json' is not JSON"):
        STGCN.from_pretrained(saved)
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ValueError, match=r"config\.json' cannot be read: Permission denied"):
        STGCN.from_pretrained(saved)


def test_whole_numbers_are_no_weights(saved: Path) -> None:
    file = saved / "model.safetensors"
    state = load_file(file)
    name = "blocks.0.temporal.weight"
    save_file({**state, name: torch.zeros_like(state[name], dtype=torch.int8)}, file)
    with pytest.raises(StateDictMismatch, match=rf"other kinds.*{name}: torch.int8 instead of"):
        STGCN.from_pretrained(saved)
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(halves, file)
    assert STGCN.from_pretrained(saved).blocks[0].temporal.weight.dtype == torch.float32


def test_a_partition_that_contradicts_itself_is_refused() -> None:
    index, kind, weight = torch.tensor([[0], [1]]), torch.tensor([0]), torch.ones(1)
    assert Partition(index, kind, weight, 1, 2).num_edges == 1
    with pytest.raises(ValueError, match=r"'edge_type' \[E\] .* \(got \[2, 1\], \[2\] and"):
        Partition(index, torch.tensor([0, 0]), weight, 1, 2)
    with pytest.raises(ValueError, match=r"'edge_index' within 0\.\.\.0 \(got 0 to 1\)"):
        Partition(index, kind, weight, 1, 1)
