"""The main job's scripts write what they promise, and mark generated data everywhere."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import _comparison as common
import kth_final
import kth_partitions
import pytest

from stgraph.evaluation import ComparisonSets
from stgraph.evaluation.tables import COLUMNS
from tests.evaluation.samples import TINY, tiny_sets

BUDGET = ["--seeds", "1", "--epochs", "1", "--width", "2", "--workers", "1", "--batch-size", "4"]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> ComparisonSets:
    sets = tiny_sets()
    monkeypatch.setattr(common, "load_comparison_sets", lambda *args, **kwargs: sets)
    return sets


def lines_of(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_main_job_writes_table_and_figures(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), *BUDGET, "--partitions", "uniform", "spatial"]
    kth_partitions.main([*arguments, "--as-published"])
    rows = lines_of(tmp_path)
    assert list(rows[0]) == list(COLUMNS)
    settings = {row["setting"] for row in rows}
    for word in ("uniform", "spatial", "identity", "random", "spatial report-formula"):
        assert f"supervised {word} best-val" in settings
    assert "supervised uniform as-published last" in settings
    assert {row["model"] for row in rows} >= {
        "majority",
        "logistic-regression",
        "visibility",
        "1-nn",
    }
    for name in ("partitions", "scores", "learning_curves", "confusion"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    shown = capsys.readouterr().out
    written = (tmp_path / "table.md").read_text("utf-8")
    assert "[SYNTHETIC DATA]" in shown
    assert written.startswith("# Partition strategies: Tiny, official split (SYNTHETIC DATA)")
    assert "kth_synthetic (SYNTHETIC DATA)" in written
    for text in (shown, written):
        assert "0.7188" in text, "the report's figures stand beside ours"
        assert "Validation chooses" in text

    kth_partitions.main(arguments)
    assert "kept from before" in capsys.readouterr().out
    assert len(lines_of(tmp_path)) == len(rows)


def test_rows_are_strategies_then_controls() -> None:
    settings = kth_partitions.make_settings(["uniform", "spatial"], ["spatial"], True, refit=True)
    ordered = kth_partitions.in_order(settings)
    assert [s.control for s in ordered] == sorted(s.control for s in ordered)
    assert len({s.words for s in ordered if not s.refit}) == len(ordered) - 2
    by_words = {s.words: s for s in ordered if not s.refit}
    assert by_words["spatial report-formula"].normalisation == "symmetric"
    assert by_words["uniform as-published"].normalisation == "as_built"
    assert by_words["identity"].control
    assert by_words["random"].control
    alone = kth_partitions.make_settings(["spatial"], [], False, controls=[])
    assert [s.words for s in alone] == ["spatial"]


def test_the_best_strategy_alone_is_told_with_and_without_more_data(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ["--partitions", "spatial", "--report-formula", "--controls", "--refit"]
    kth_partitions.main(["--out", str(tmp_path), *alone, *BUDGET])
    shown = capsys.readouterr().out
    assert "Trained on training and validation recordings it has" in shown
    assert "no edges" not in shown
    settings = {row["setting"] for row in lines_of(tmp_path) if "no-graph" not in row["setting"]}
    assert settings == {
        "supervised spatial best-val",
        "supervised spatial last",
        "supervised spatial trainval",
    }


def test_strategies_with_fewer_matrices_get_wider_twins(tiny: ComparisonSets) -> None:
    settings = kth_partitions.make_settings(["uniform", "spatial"], [], False)
    every = kth_partitions.add_equal_parameters(settings, TINY, tiny)
    assert [s.words for s in every[len(settings) :]] == [
        "uniform equal-parameters",
        "identity equal-parameters",
    ]


def test_the_final_table_is_four_rows_beside_the_reports(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kth_final.main(["--out", str(tmp_path), "--study", "final", *BUDGET])
    shown = capsys.readouterr().out
    for figure in ("0.7109", "0.7734", "0.8047", "0.7031"):
        assert figure in shown
    settings = {row["setting"] for row in lines_of(tmp_path / "final")}
    assert "supervised spatial final residual edge importance best-val" in settings


def test_every_study_of_the_report_has_its_rows() -> None:
    rows = {study: make({}) for study, (make, _, _) in kth_final.ROWS.items()}
    assert {study: len(own) for study, own in rows.items()} == {
        "final": 4,
        "depth": 9,
        "lr": 6,
        "norm": 4,
        "relu": 2,
    }
    for study, (_, report, _) in kth_final.ROWS.items():
        assert set(report) <= {setting.name for setting in rows[study]}
        assert len({setting.words for setting in rows[study]}) == len(rows[study])
        for setting in rows[study]:
            setting.applied(kth_final.QUICK)
    with pytest.raises(SystemExit):
        kth_final.parse(["--study", "everything"])


def test_the_papers_preset_is_the_reports() -> None:
    recipe = common.recipe_from(kth_partitions.parse(["--lr", "0.5"]), kth_partitions.PAPER)
    assert recipe.lr == 0.5
    assert (recipe.width, recipe.epochs, recipe.dropout) == (64, 1000, 0.5)
    assert (recipe.optimizer, recipe.batch_size, recipe.augment) == ("adam", 16, "none")


@pytest.mark.slow
@pytest.mark.parametrize("script", ["kth_partitions", "kth_final"])
def test_the_scripts_run_on_the_stand_in(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = {"kth_partitions": kth_partitions.main, "kth_final": kth_final.main}[script]
    few = ["--partitions", "spatial"] if script == "kth_partitions" else ["--study", "relu"]
    main(["--out", str(tmp_path), *BUDGET, *few])
    assert "SYNTHETIC" in capsys.readouterr().out
