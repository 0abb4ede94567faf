"""What ``stgraph fit`` refuses, before it writes anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph.cli.fit import default_out
from stgraph.cli.options import DataOptions, InputOptions, NetworkOptions
from stgraph.io import Store
from tests.cli.conftest import make_graphs

Run = Callable[..., Any]


def write_store(path: Path, change: Callable[[list[Any]], None], **options: Any) -> Path:
    """A store of recordings that were changed."""
    graphs = make_graphs(24)
    change(graphs)
    Store.write(path, graphs, **{"class_names": ["sit down", "stand up", "wave"], **options})
    return path


def test_other_recordings_are_another_training(
    stgraph: Run, store: Path, tmp_path: Path, fit_options: list[object]
) -> None:
    renamed = write_store(tmp_path / "b.safetensors", lambda graphs: None, class_names=list("abc"))
    run = ["fit", "--out", tmp_path / "run", *fit_options, "--data.name", "store", "--data.path"]
    assert stgraph(*run, store).code == 0
    task = (tmp_path / "run" / "model" / "task.json").read_text()
    refused = stgraph(*run, renamed)
    assert refused.code == 1
    assert "holds another training (of other recordings or classes)" in refused.err
    assert (tmp_path / "run" / "model" / "task.json").read_text() == task
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(store.read_bytes())
    again = stgraph(*run, moved)
    assert again.code == 0
    assert "   loss " not in again.out


def test_stores_have_folders_of_their_own() -> None:
    a, b = (DataOptions(name="store", path=f"data/{name}.safetensors") for name in "ab")
    options = (InputOptions(), NetworkOptions(), 0)
    assert default_out(a, *options) == "runs/store_a_joint_spatial_s0"
    assert default_out(b, *options) == "runs/store_b_joint_spatial_s0"
    assert default_out(DataOptions(), *options) == "runs/kth_synthetic_joint_spatial_s0"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["--data.val", "test"], "--data.val test holds test recordings"),
        (["--data.train", "test"], "--data.train test holds test recordings"),
        (["--data.val", "Test2"], "--data.val Test2 holds test recordings"),
        (["--data.train", "all"], "--data.train all holds the part 'test' of the store"),
        (["--data.train", "all", "--data.val", "none"], "take one of test, train, val"),
        (["--data.val", "all"], "--data.val all holds the part 'test'"),
        (["--data.val", "train"], "--data.train and --data.val are both 'train'"),
        (["--data.train", "bogus"], "no part 'bogus'; its parts are test, train, val, all"),
        (["--data.protocol", "x"], "takes no --data.protocol"),
    ],
)
def test_parts_that_hold_test_recordings_neither_train_nor_choose(
    stgraph: Run, store: Path, tmp_path: Path, parts: list[str], message: str
) -> None:
    out = tmp_path / "run"
    run = ["fit", "--data.name", "store", "--data.path", store, "--out", out, "--epochs", 1]
    result = stgraph(*run, *parts)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not out.exists()


def test_parts_of_a_named_set_may_not_overlap(stgraph: Run, tmp_path: Path) -> None:
    run = ["fit", "--out", tmp_path / "run"]
    assert "--data.train all holds test" in stgraph(*run, "--data.train", "all").err
    both = stgraph(*run, "--data.train", "trainval")
    assert both.code == 1
    assert "--data.train trainval and --data.val val share " in both.err
    assert not (tmp_path / "run").exists()


def test_a_store_without_parts_may_train_on_all(
    stgraph: Run, tmp_path: Path, fit_options: list[object]
) -> None:
    def forget(graphs: list[Any]) -> None:
        for graph in graphs:
            del graph.split

    path = write_store(tmp_path / "a.safetensors", forget)
    run = ["fit", "--data.name", "store", "--data.path", path, "--out", tmp_path / "run"]
    result = stgraph(*run, *fit_options, "--data.train", "all", "--data.val", "none")
    assert result.code == 0, result.err


def test_a_part_without_a_class_is_said(
    stgraph: Run, tmp_path: Path, fit_options: list[object]
) -> None:
    def only_two(graphs: list[Any]) -> None:
        for graph in graphs:
            if graph.split == "val":
                graph.y = graph.y.clamp(max=1)

    path = write_store(tmp_path / "a.safetensors", only_two)
    run = ["fit", "--data.name", "store", "--data.path", path, "--out", tmp_path / "run"]
    result = stgraph(*run, *fit_options)
    assert result.code == 0, result.err
    assert "NOTE: no validation recording of wave" in result.out
    assert "no training recording" not in result.out


def label(value: Any) -> Callable[[list[Any]], None]:
    def change(graphs: list[Any]) -> None:
        graphs[5].y = torch.tensor([value])
        if isinstance(value, float):
            for graph in graphs:
                graph.y = graph.y.float()

    return change


def without_label(graphs: list[Any]) -> None:
    for graph in graphs:
        del graph.y


def without_number(graphs: list[Any]) -> None:
    graphs[5].pos[3, 1] = float("nan")


def score_without_number(graphs: list[Any]) -> None:
    for graph in graphs:
        graph.score = torch.ones(graph.pos.size(0))
    graphs[5].score[3] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (score_without_number, "recording 5 (clip5): a score is no number"),
        (label(7), "recording 5 (clip5): its class is 7, and there are 3 class names"),
        (label(-1), "recording 5 (clip5): it has no class (y is -1 or missing)"),
        (label(0.5), "expected one whole number 'y' a recording (got [24] of float32)"),
        (without_label, "recording 0 (clip0): it has no class"),
        (without_number, "recording 5 (clip5): a coordinate is no number; set missing joints to 0"),
    ],
)
def test_a_recording_that_cannot_train_is_named(
    stgraph: Run, tmp_path: Path, change: Callable[[list[Any]], None], message: str
) -> None:
    path = write_store(tmp_path / "a.safetensors", change)
    run = ["fit", "--data.name", "store", "--data.path", path, "--out", tmp_path / "run"]
    result = stgraph(*run)
    assert result.code == 1
    assert f"'{path}'" in result.err
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--momentum", "2"], "expected --momentum in 0...1 (got 2.0)"),
        (["--gradient_clip", "-1"], "expected --gradient_clip >= 0"),
        (["--early_stopping", "-1"], "expected --early_stopping >= 0"),
        (["--warmup_epochs", "-1"], "expected --warmup_epochs >= 0"),
        (["--gamma", "-1"], "expected --gamma in 0...1"),
        (["--min_lr", "-1"], "expected --min_lr >= 0"),
        (["--checkpoint_every", "0"], "expected --checkpoint_every >= 1"),
        (["--width", "0"], "expected --width >= 1"),
        (["--seed", "-1"], "expected --seed in 0...4294967295"),
        (["--seed", str(2**80)], "expected --seed in 0...4294967295"),
        (["--devices", "0"], "expected --devices >= 1"),
        (["--workers", "-1"], "expected --workers >= 0"),
        (["--precision", "bogus"], "--precision: expected 32-true, bf16-mixed"),
        (["--select", "val/bogus"], "no figure 'val/bogus' to choose by; known are val/loss"),
        (["--schedule", "steps"], "'steps' needs milestones"),
        (["--out", ""], "--out expected the name of a folder (got nothing)"),
    ],
)
def test_an_option_out_of_range_is_named_and_leaves_nothing(
    stgraph: Run, store: Path, tmp_path: Path, option: list[str], message: str
) -> None:
    run = ["fit", "--data.name", "store", "--data.path", store, "--out", tmp_path / "run"]
    result = stgraph(*run, *option)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_default_folder_is_tried_as_well(
    stgraph: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    result = stgraph("fit", "--data.name", "store", "--data.path", store)
    assert result.code == 2
    assert "'runs' is a file, not a folder" in result.err
    assert result.out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_a_bad_option_does_not_destroy_a_finished_run(
    stgraph: Run, store: Path, tmp_path: Path, fit_options: list[object]
) -> None:
    out = tmp_path / "run"
    run = ["fit", "--data.name", "store", "--data.path", store, "--out", out, *fit_options]
    assert stgraph(*run).code == 0
    before = {path: path.read_bytes() for path in sorted(out.rglob("*.*")) if path.is_file()}
    for option in (["--accelerator", "cuda"], ["--data.train", "bogus"], ["--devices", 3]):
        assert stgraph(*run, "--resume", "false", *option).code in (1, 2)
    assert before == {p: p.read_bytes() for p in sorted(out.rglob("*.*")) if p.is_file()}
    assert json.loads((out / "run.json").read_text())["finished"] is True


def test_recordings_of_several_actions_are_refused_with_the_way_to_cut_them(
    stgraph: Run, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STGRAPH_CACHE", str(tmp_path / "cache"))
    samples, out = repository / "datasets" / "samples" / "pku_mmd", tmp_path / "run"
    result = stgraph("fit", "--data.name", "pku_mmd", "--data.path", samples, "--out", out)
    assert result.code == 1
    assert "it has several actions ('segments')" in result.err
    assert "--data.args '{trimmed: true}'" in result.err
    assert result.err.count("\n") == 1
    assert not out.exists()
