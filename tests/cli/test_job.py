"""From recordings to predictions without writing Python."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stgraph.cli import fit, sets
from stgraph.cli.parsing import find_recipe, recipe_names
from stgraph.io import Store
from stgraph.tasks import load_recognition, predict_logits

Run = Callable[..., Any]


def test_fit_says_what_it_does_and_where_it_went(
    stgraph: Run, store: Path, tmp_path: Path, fit_options: list[object]
) -> None:
    arguments = ["fit", "--data.name", "store", "--data.path", store, "--out", tmp_path / "run"]
    result = stgraph(*arguments, *fit_options, "--stream", "bone", "--partition", "symmetrical")
    assert result.code == 0, result.err
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0] == "data    store: 12 training, 6 validation recordings"
    assert lines[1] == "        1 training recording without a pose left out"
    assert lines[2].startswith("model   STGCN, symmetrical partition, width 4, ")
    assert lines[3] == "input   bone stream, kinect_v1_20"
    assert sum(line.startswith("  epoch ") for line in lines) == 2
    assert lines[-1] == f"next    stgraph test --model {tmp_path / 'run' / 'model'}"
    task = json.loads((tmp_path / "run" / "model" / "task.json").read_text())
    assert task["class_names"] == ["sit down", "stand up", "wave"]
    assert task["transform"][-1] == {"Stream": {"stream": "bone"}}
    assert task["facts"]["network"]["partition"] == "symmetrical"


@pytest.mark.parametrize("network", ["AAGCN", "dg-stgcn"])
def test_other_networks_are_trained_and_tested_by_their_names(
    network: str, stgraph: Run, store: Path, tmp_path: Path
) -> None:
    arguments = ["fit", "--data.name", "store", "--data.path", store, "--out", tmp_path / "run"]
    sizes = ["--epochs", 1, "--network", network, "--network_args.channels", "[8, 8]"]
    result = stgraph(*arguments, *sizes)
    assert result.code == 0, result.err
    name = network.upper().replace("-", "")
    assert result.out.splitlines()[2].startswith(f"model   {name}, ")
    result = stgraph("test", "--model", tmp_path / "run" / "model")
    assert result.code == 0, result.err


def test_a_run_given_again_is_not_trained_again(
    stgraph: Run, store: Path, trained: Path, fit_options: list[object]
) -> None:
    arguments = ["fit", "--data.name", "store", "--data.path", store, "--out", trained]
    result = stgraph(*arguments, *fit_options)
    assert result.code == 0
    assert "   loss " not in result.out
    other = stgraph(*arguments, *fit_options, "--partition", "uniform")
    assert other.code == 1
    assert "network.partition 'spatial' there, 'uniform' here" in other.err
    assert other.err.rstrip().endswith("or --resume false to begin anew")


def test_test_measures_every_class(stgraph: Run, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    result = stgraph("test", "--model", trained / "model", "--part", "train")
    assert result.code == 0, result.err
    assert "train: 12 recordings, 1 without a pose" in result.out
    assert "of 6 videos, by votes" in result.out
    assert "most often taken for" in result.out
    assert [line.split("  ")[0] for line in result.out.splitlines()[-3:]] == [
        "sit down",
        "stand up",
        "wave",
    ]
    result = stgraph("test", "--model", trained / "model", "--out", out)
    assert result.code == 0, result.err
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["metric"] for row in rows] == ["top1", "top5", "mean_class", "top1"]
    assert {row["setting"] for row in rows} == {"supervised spatial"}
    assert rows[0]["model"] == "stgcn1-stgcn-w4 a"


def test_test_agrees_with_the_library(stgraph: Run, trained: Path, store: Path) -> None:
    task, recordings = load_recognition(trained / "model"), Store.open(store)
    test = [recordings[i] for i in range(24) if recordings.column("split")[i] == "test"]
    logits, y, _ = predict_logits(task, test)
    share = float((logits.argmax(1) == y).float().mean())
    assert f"top-1 {share:.3f}" in stgraph("test", "--model", trained / "model").out


def test_predict_prints_and_writes(
    stgraph: Run, trained: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "p.csv"
    result = stgraph("predict", store, "--model", trained / "model", "--out", out)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].split() == ["recording", "class", "probability"]
    assert lines[5].split()[:3] == ["clip4", "no", "pose"]
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert rows[4]["class"] == ""
    task, recordings = load_recognition(trained / "model"), Store.open(store)
    logits = predict_logits(task, recordings).logits.softmax(1)
    for i in (0, 7):
        shares = [float(rows[i][name]) for name in ("sit down", "stand up", "wave")]
        assert shares == pytest.approx(logits[i].tolist(), abs=1e-6)
        assert rows[i]["class"] == ["sit down", "stand up", "wave"][int(logits[i].argmax())]
        assert float(rows[i]["probability"]) == max(shares)
    top = stgraph("predict", store, "--model", trained / "model", "--top", 2).out
    assert len(top.splitlines()) == 1 + 2 * 24 - 1


def test_predict_reads_arrays_and_skips_bad_files(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "good.npy", np.random.default_rng(0).normal(size=(5, 20, 3)))
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "hand.npy", np.ones((5, 21, 3)))
    model = ["--model", trained / "model"]
    good = stgraph("predict", tmp_path / "good.npy", *model)
    assert good.code == 0, good.err
    assert good.out.splitlines()[1].startswith("good ")
    bad = stgraph("predict", tmp_path / "bad.npy", *model)
    assert bad.code == 1
    assert "bad.npy" in bad.err
    assert "--skip_bad true" in bad.err
    both = stgraph("predict", tmp_path, *model, "--skip_bad", "true")
    assert both.code == 0
    assert both.err.count("warning: ") == 2
    assert both.out.splitlines()[1:] == good.out.splitlines()[1:]
    nothing = stgraph("predict", tmp_path / "bad.npy", *model, "--skip_bad", "true")
    assert nothing.code == 1
    assert "there is no recording to recognise" in nothing.err


@pytest.mark.parametrize("recipe", recipe_names("fit"))
def test_every_recipe_is_one_that_the_parser_takes(
    stgraph: Run, recipe: str, tmp_path: Path
) -> None:
    shown = stgraph("fit", "--config", recipe, "--print_config")
    assert shown.code == 0
    written = yaml.safe_load(find_recipe(recipe, "fit").read_text())
    taken = yaml.safe_load(shown.out)
    assert taken.pop("data").items() >= written.pop("data").items()
    assert taken.items() >= written.items()
    (tmp_path / "mine.yaml").write_text(shown.out)
    again = stgraph("fit", "--config", tmp_path / "mine.yaml", "--print_config")
    assert again.out == shown.out
    other = stgraph("fit", "--config", recipe, "--stream", "bone", "--print_config")
    assert set(other.out.splitlines()) - set(shown.out.splitlines()) == {"stream: bone"}


@pytest.mark.parametrize("recipe", recipe_names("fit"))
def test_every_recipe_trains(
    stgraph: Run,
    recipe: str,
    store: Path,
    long_store: Path,
    tmp_path: Path,
    fit_options: list[object],
) -> None:
    detects = "task: detection" in find_recipe(recipe, "fit").read_text()
    data = ["--data.name", "store", "--data.path", long_store if detects else store]
    if detects:  # Hi-TRS has no list of channels
        fit_options = [*fit_options[:4], "--network_args.depth", 1]
    result = stgraph("fit", "--config", recipe, *data, "--out", tmp_path / "run", *fit_options)
    assert result.code == 0, result.err
    assert result.err == ""


def test_the_layout_may_be_another_wiring(
    stgraph: Run, store: Path, tmp_path: Path, fit_options: list[object]
) -> None:
    arguments = ["fit", "--data.name", "store", "--data.path", store, *fit_options]
    result = stgraph(*arguments, "--out", tmp_path / "a", "--layout", "kinect_v1_20_ctrgcn")
    assert result.code == 0, result.err
    assert "kinect_v1_20_ctrgcn" in result.out
    wrong = stgraph(*arguments, "--out", tmp_path / "b", "--layout", "coco_17")
    assert wrong.code == 1
    assert "--layout coco_17 has 17 joints, and the recordings (kinect_v1_20) have 20" in wrong.err


def test_fit_does_not_open_the_test_part(
    stgraph: Run,
    store: Path,
    tmp_path: Path,
    fit_options: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def open_part(name: str, path: str, part: str, *args: Any) -> Any:
        opened.append(part)
        return sets.open_part(name, path, part, *args)

    monkeypatch.setattr(fit, "open_part", open_part)
    arguments = ["--data.name", "store", "--data.path", store, "--out", tmp_path / "run"]
    assert stgraph("fit", *arguments, *fit_options).code == 0
    assert opened == ["train", "val"]
