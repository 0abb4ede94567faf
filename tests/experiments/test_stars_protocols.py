"""The experiment on MAMP and STARS, tiny, on the generated set."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stgraph.evaluation import without_classes
from stgraph.tasks.data import source_labels

TINY = ["--sets", "kth_synthetic", "--seeds", "1", "--steps", "4", "--tune-steps", "2"]
TINY += ["--width", "8", "--depth", "2", "--heads", "2", "--decoder-depth", "1"]
TINY += ["--recordings", "24", "--batch-size", "12", "--tune-batch-size", "12"]
TINY += ["--queue-size", "32", "--predictor-width", "8", "--draws", "2"]


STAGES = ("mamp", "stars", "stars-views", "views-alone")


@pytest.fixture
def script(repository, monkeypatch):
    """The script, imported from its own folder."""
    monkeypatch.syspath_prepend(str(repository / "experiments"))
    import stars_protocols

    return stars_protocols


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "table.csv").read_text().splitlines()))


def test_every_stage_stands_beside_no_training_and_raw_poses(script, tmp_path, capsys):
    arguments = [*TINY, "--out", str(tmp_path), "--protocols", "knn", "linear", "fewshot"]
    script.main(arguments)
    found = {(row["setting"], row["metric"]) for row in rows(tmp_path)}
    stages = [f"{stage} own" for stage in STAGES]
    words = ["untrained", *stages, "mamp own pass 1", "mamp own pass 2"]
    assert found == {
        ("knn raw-poses", "knn1"),
        ("knn raw-poses from-first-frame", "knn1"),
        ("knn raw-poses facing-forward", "knn1"),
        *((f"{p} {word}", m) for p, m in (("knn", "knn1"), ("linear", "linear")) for word in words),
        *((f"fewshot {n}-shot {stage}", "top1") for n in (1, 5) for stage in stages),
    }
    assert "SYNTHETIC" in (tmp_path / "table.md").read_text()
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == [
        f"{stage}-kth_synthetic{which}-s0" for stage in STAGES for which in ("-novel", "")
    ]
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "frozen_kth_synthetic.png",
        "curve_kth_synthetic.png",
    }
    # nothing is trained twice
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.ckpt")}
    script.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.ckpt")} == before


def test_few_shot_classes_are_kept_from_pretraining(script):
    named = script.common.named_set("kth_synthetic")
    classes = script.common.novel_classes(named)
    assert len(classes) == 2
    left = without_classes(named.part("trainval"), classes)
    labels = source_labels(left)
    assert len(left)
    assert not set(labels.tolist()) & set(classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sets", "moon=x"], "unknown data set 'moon'"),
        (["--sets", "nw_ucla"], "expected KEY=PATH or kth_synthetic"),
        (["--sets", "kth_synthetic", "--seeds", "0"], "expected a number >= 1"),
    ],
)
def test_wrong_arguments_are_named(script, arguments, message, capsys):
    with pytest.raises(SystemExit):
        script.parse(arguments)
    assert message in capsys.readouterr().err


def test_the_paper_s_size_is_a_preset(script):
    options = script.parse(["--sets", "kth_synthetic", "--preset", "paper", "--epochs", "3"])
    budget = script.common.chosen_budget(options)
    assert (budget.width, budget.depth, budget.decoder_depth, budget.heads) == (256, 8, 5, 8)
    assert (budget.queue_size, budget.predictor_width, budget.epochs) == (32_768, 4096, 3)


@pytest.mark.slow
def test_the_papers_size_trains_for_two_steps(script, tmp_path):
    budget = replace(script.common.PRESETS["paper"], epochs=2, tune_epochs=2, recordings=4)
    named = script.common.named_set("kth_synthetic")
    encoders = script.Study(tmp_path, [named], "own", budget, 0, stages=["stars"]).encoders()
    assert list(encoders) == ["mamp", "stars"]
    for encoder in encoders.values():
        assert (encoder.config["width"], encoder.config["depth"]) == (256, 8)
        assert all(bool(p.isfinite().all()) for p in encoder.parameters())
    queue = torch.load(
        tmp_path / "runs" / "stars-kth_synthetic-s0" / "last.ckpt",
        weights_only=True,
    )["state_dict"]["objective.queue.features"]
    assert queue.shape == (32_768, 256)
