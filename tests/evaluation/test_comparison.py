"""Runs are blind to test recordings, kept, and told apart by all that decides them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stgraph.evaluation import (
    VIEWS,
    Recipe,
    Setting,
    build_network,
    control_rows,
    control_scores,
    count_parameters,
    equal_width,
    fingerprint,
    load_comparison_sets,
    result_rows,
    run_comparison,
    run_setting,
    score_predictions,
    strongest_control,
)
from stgraph.evaluation import comparison as module
from stgraph.evaluation.controls import LogisticRegressionOfStatistics
from stgraph.evaluation.statistics import rich_motion_statistics
from stgraph.tasks import Predictions, load_recognition, predict_views
from tests.evaluation.samples import TINY, absent, tiny_graphs, tiny_sets

SPATIAL = Setting("spatial configuration", "spatial", "spatial")
UNIFORM = Setting("uniform", "uniform", "uniform")


def test_a_finished_run_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = tiny_sets()
    first = run_setting(SPATIAL, TINY, sets, 0, tmp_path)
    assert first.epochs == 1
    assert set(first.scores) == {"best", "last"}
    assert set(first.scores["best"]) == {"val", "val_video", "test", "test_video"}
    assert first.scores["best"]["test"]["n"] == 6
    assert sum(map(sum, first.confusion)) == 6

    def no_training(*args: object, **kwargs: object) -> None:
        pytest.fail("trained again")

    monkeypatch.setattr(module, "fit_task", no_training)
    assert run_setting(SPATIAL, TINY, sets, 0, tmp_path) == first
    seen: list[bool] = []
    runs = run_comparison(
        [(SPATIAL, 0)], TINY, sets, tmp_path, report=lambda setting, run, kept: seen.append(kept)
    )
    assert list(runs.values()) == [first]
    assert seen == [True]


def test_test_recordings_decide_nothing_but_their_own_score(tmp_path: Path) -> None:
    recipe = replace(TINY, epochs=2)
    wrong = tiny_graphs(7)
    for graph in wrong:
        graph.y = 1 - graph.y
    one = run_setting(SPATIAL, recipe, tiny_sets(), 0, tmp_path / "a")
    other = run_setting(SPATIAL, recipe, tiny_sets(test=wrong), 0, tmp_path / "b")
    assert one.best_epoch == other.best_epoch
    assert one.history["val/loss"] == other.history["val/loss"]
    assert one.scores["best"]["val"] == other.scores["best"]["val"]


def test_a_recording_without_a_pose_is_wrong_and_counted(tmp_path: Path) -> None:
    test = [absent(0, "v0"), absent(1, "v0")]
    run = run_setting(UNIFORM, TINY, tiny_sets(test=test), 0, tmp_path)
    assert run.scores["best"]["test"] == {"top1": 0.0, "mean_class": 0.0, "n": 2}
    assert [row[-1] for row in run.confusion] == [1, 1]


def test_refitting_takes_the_last_epoch_and_no_validation(tmp_path: Path) -> None:
    refit = replace(UNIFORM, refit=True)
    run = run_setting(refit, TINY, tiny_sets(), 0, tmp_path)
    assert set(run.scores["best"]) == {"test", "test_video"}
    assert run.scores["best"] == run.scores["last"]
    settings = {row.setting for row in result_rows({(refit, 0): run}, tiny_sets())}
    assert settings == {"supervised uniform trainval"}


def test_a_network_may_be_tested_on_stretches_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets, asked = tiny_sets(), []

    def spying(task: object, data: object, views: object) -> Predictions:
        asked.append(views)
        return predict_views(task, data, views)

    monkeypatch.setattr(module, "predict_views", spying)
    run = run_setting(UNIFORM, replace(TINY, views="stretches"), sets, 0, tmp_path)
    assert asked == [VIEWS["stretches"]] * 4
    whole = run_setting(UNIFORM, TINY, sets, 0, tmp_path)
    # was not trained again
    assert (whole.history, whole.seconds) == (run.history, run.seconds)
    assert len(list((tmp_path / "runs").glob("*/model"))) == 1
    assert run.model.endswith("-stretches")
    task = load_recognition(next((tmp_path / "runs").glob("*/model")))
    found = score_predictions(predict_views(task, sets.prepared["test"], VIEWS["stretches"]))
    assert run.scores["best"]["test"] == found["range"]


def test_statistics_may_have_a_say_beside_a_network(tmp_path: Path) -> None:
    sets = tiny_sets()
    alone = run_setting(UNIFORM, TINY, sets, 0, tmp_path)
    beside = run_setting(UNIFORM, replace(TINY, fuse="statistics"), sets, 0, tmp_path)
    assert beside.history == alone.history  # was not trained again
    assert beside.model == alone.model + "-with-statistics"
    assert run_setting(UNIFORM, TINY, sets, 0, tmp_path) == alone
    task = load_recognition(next((tmp_path / "runs").glob("*/model")))
    test = sets.prepared["test"]
    logits = predict_views(task, test, [None]).logits
    statistics = LogisticRegressionOfStatistics(
        sets.prepared["train"], sets.prepared["val"], features=rich_motion_statistics
    )
    mean = logits.softmax(1).log() + statistics.log_probabilities(test, 2)
    answers = predict_views(task, test, [None])._replace(logits=mean)
    assert beside.scores["best"]["test"] == score_predictions(answers)["range"]


def test_a_fingerprint_is_of_what_decides_and_of_nothing_else() -> None:
    sets = tiny_sets()
    mark = fingerprint(SPATIAL, TINY, sets, 0)
    assert mark == fingerprint(replace(SPATIAL, name="other", control=True), TINY, sets, 0)
    others = [
        fingerprint(SPATIAL, TINY, sets, 1),
        fingerprint(SPATIAL, replace(TINY, lr=0.1), sets, 0),
        fingerprint(replace(SPATIAL, normalisation="symmetric"), TINY, sets, 0),
        fingerprint(replace(SPATIAL, changes=(("width", 3),)), TINY, sets, 0),
        fingerprint(SPATIAL, TINY, tiny_sets("kth"), 0),
    ]
    assert len({mark, *others}) == 6
    tested = replace(TINY, views="stretches", fuse="statistics")
    assert fingerprint(SPATIAL, tested, sets, 0) == mark


def test_rows_name_the_partition_and_the_epoch(tmp_path: Path) -> None:
    sets = tiny_sets()
    run = run_setting(UNIFORM, TINY, sets, 3, tmp_path)
    rows = result_rows({(UNIFORM, 3): run}, sets)
    assert {row.setting for row in rows} == {
        "supervised uniform best-val",
        "supervised uniform last",
    }
    assert {row.protocol for row in rows} == {"official", "official_video"}
    assert {row.seed for row in rows} == {3}
    assert {row.dataset for row in rows} == {"kth_synthetic"}


@pytest.mark.parametrize(
    ("streams", "word"),
    [
        (("bone",), "bone"),
        (("relative",), "joint"),
        (("centred_motion",), "joint_motion"),
        (("joint", "bone", "joint_motion"), "fused3"),
    ],
)
def test_results_name_the_input_in_words_that_all_of_them_share(
    tmp_path: Path, streams: tuple[str, ...], word: str
) -> None:
    sets = tiny_sets()
    run = run_setting(UNIFORM, replace(TINY, streams=streams), sets, 0, tmp_path)
    assert {row.stream for row in result_rows({(UNIFORM, 0): run}, sets)} == {word}


def test_first_weights_depend_on_the_seed_alone() -> None:
    sets = tiny_sets()
    torch.manual_seed(1)
    first = build_network(SPATIAL, TINY, sets, seed=5)
    torch.manual_seed(2)
    again = build_network(SPATIAL, TINY, sets, seed=5)
    assert all(map(torch.equal, first.parameters(), again.parameters()))


def test_equal_width_brings_parameters_near() -> None:
    sets, recipe = tiny_sets(), replace(TINY, width=16)
    most = count_parameters(build_network(SPATIAL, recipe, sets))
    width = equal_width(UNIFORM, recipe, sets, most)
    wide = replace(UNIFORM, changes=(("width", width),))
    assert width > 16
    assert count_parameters(build_network(wide, recipe, sets)) == pytest.approx(most, rel=0.02)


def test_random_edges_differ_between_seeds_and_keep_degrees() -> None:
    sets = tiny_sets()
    random = Setting("random edges", "random", "random")
    networks = [build_network(random, TINY, sets, seed) for seed in (0, 1)]
    edges = [network.partition_of(sets.layout).edge_index for network in networks]
    degrees = [torch.bincount(index[1], minlength=18).tolist() for index in edges]
    assert not torch.equal(*edges)
    assert degrees[0] == degrees[1]


def test_a_row_cannot_change_what_a_recipe_does_not_have() -> None:
    with pytest.raises(ValueError, match="a recipe has no widht; it has width, "):
        Setting("a", "a", "uniform", changes=(("widht", 3),)).applied(Recipe())


def test_videos_vote_and_ranges_are_counted_by_themselves() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 4.0], [0.0, 1.0]])
    y = torch.tensor([0, 0, 0, 1])
    posed = torch.tensor([True, True, True, False])
    scores = score_predictions(Predictions(logits, y, posed), ["a", "a", "b", "c"])
    assert scores["range"] == {"top1": 0.5, "mean_class": pytest.approx(1 / 3), "n": 4}
    assert scores["video"]["top1"] == pytest.approx(1 / 3)
    assert scores["video"]["n"] == 3


def test_controls_are_scored_on_every_part_and_kept(tmp_path: Path) -> None:
    sets = tiny_sets()
    scores = control_scores(sets, tmp_path)
    assert set(scores) == {
        "logistic regression",
        "logistic regression, rich",
        "logistic regression, rich, train + val",
        "1-NN, raw poses",
        "visibility only",
        "majority class",
    }
    assert scores["majority class"]["test"]["top1"] == 0.5
    assert scores["logistic regression"]["test"]["top1"] == 1.0
    assert control_scores(sets, tmp_path) == scores
    assert {row.setting for row in control_rows(scores, sets)} == {
        "supervised no-graph",
        "supervised no-graph trainval",
    }
    refit = scores["logistic regression, rich, train + val"]
    assert "val" not in refit
    assert "test" in refit
    chosen = {"a": {"val": {"top1": 0.5}}, "b": {"val": {"top1": 0.6}}, "c": {}}
    assert strongest_control(chosen) == "b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ntu",), "unknown data set 'ntu'; known are kth, nw_ucla, penn_action"),
        (("kth", None, "random"), "unknown split 'random' of kth; known are official"),
        (("nw_ucla",), "nw_ucla has no stand-in: name its folder or archive"),
    ],
)
def test_what_cannot_be_loaded_is_said(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_comparison_sets(*arguments)


@pytest.mark.slow
def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    sets = tiny_sets()
    jobs = [(SPATIAL, 0), (UNIFORM, 0)]
    alone = run_comparison(jobs, TINY, sets, tmp_path / "a")
    shared = run_comparison(jobs, TINY, sets, tmp_path / "b", workers=2)
    assert [run.scores for run in alone.values()] == [run.scores for run in shared.values()]


ENDLESS = """
import signal, sys
from dataclasses import replace
from stgraph.evaluation import Setting, run_comparison
from tests.evaluation.samples import TINY, tiny_sets
if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    uniform = Setting("uniform", "uniform", "uniform")
    recipe = replace(TINY, epochs=1_000_000)
    run_comparison([(uniform, 0), (uniform, 1)], recipe, tiny_sets(), sys.argv[1], workers=2)
"""


@pytest.mark.slow  # starts two processes that import everything
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script, out = tmp_path / "endless.py", tmp_path / "out"
    script.write_text(ENDLESS, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, script, out], env={**os.environ, "PYTHONPATH": str(root)}, cwd=root
    )
    try:
        for _ in range(1200):
            if len(list(out.glob("runs/*/last.ckpt"))) == 2:
                break
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    written = [path.stat().st_mtime_ns for path in out.glob("runs/*/last.ckpt")]
    time.sleep(1.0)
    assert [path.stat().st_mtime_ns for path in out.glob("runs/*/last.ckpt")] == written
