"""The experiment on motion prediction, tiny, on files in the format of UTD-MHAD."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

TINY = ["--seeds", "1", "--steps", "2", "--pretrain-steps", "2", "--batch-size", "4"]
TINY += ["--pretrain-batch-size", "4", "--width", "8", "--depth", "1", "--heads", "2"]
TINY += ["--head-channels", "4", "--decoder-width", "8", "--graph-width", "8"]


@pytest.fixture
def script(repository, monkeypatch):
    """The script, imported from its own folder."""
    monkeypatch.syspath_prepend(str(repository / "experiments"))
    import hitrs_prediction

    return hitrs_prediction


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Recordings of two actions by eight subjects who sway."""
    monkeypatch.setenv("STGRAPH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    place = tmp_path / "utd_mhad" / "Skeleton"
    place.mkdir(parents=True)
    for action in (1, 2):
        for subject in range(1, 9):
            body = rng.normal(size=(20, 3, 1)) * 0.3
            sway = np.sin(np.arange(42) / 6 + rng.uniform(0, 6)) * rng.normal(size=(20, 3, 1)) * 0.1
            savemat(
                place / f"a{action}_s{subject}_t1_skeleton.mat",
                {"d_skel": (body + sway).astype(np.float32)},
            )
    return tmp_path / "utd_mhad"


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "table.csv").read_text().splitlines()))


def test_every_network_stands_beside_both_baselines(script, folder, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--sets", f"utd_mhad={folder}", *TINY, "--shares", "1", "0.5", "--out", str(out)]
    script.main(arguments)
    found = rows(out)
    words = {row["setting"].rpartition(", ")[0] for row in found}
    assert words == {
        "control zero-velocity",
        "control constant-velocity",
        *(f"{w} {d} {s}%" for w in ("supervised", "finetune hitrs") for d in script.DECODERS
          for s in (100, 50)),
    }  # fmt: skip
    ahead = {row["setting"].rpartition(", ")[2] for row in found}
    assert ahead == {*(f"{1000 * n / 30:.0f} ms" for n in (1, 2, 5, 10, 15, 20, 25, 30)), "mean"}
    assert {(row["metric"], row["split"], row["n"]) for row in found} == {("mpjpe_mm", "test", "8")}
    text = (out / "table.md").read_text()
    assert "| Hi-TRS " in text
    assert "85.6" in text
    # nothing is trained twice
    before = {path: path.stat().st_mtime_ns for path in out.rglob("last.ckpt")}
    assert len(before) == 9
    script.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("last.ckpt")} == before


def test_choices_are_measured_on_subjects_that_are_held_out(script, folder, tmp_path):
    named = script.motion_set(f"utd_mhad={folder}")
    study = script.Study(tmp_path, named, script.PRESETS["quick"], 0, "val")
    subjects = {part: set(named.part(part).column("subject").tolist()) for part in ("val", "test")}
    own = study.train.column("subject").tolist()
    assert set(study.parts) == {"val"}
    assert not set(own) & (subjects["val"] | subjects["test"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sets", "kth_synthetic"], "kth_synthetic has no future here; known are utd_mhad, nw"),
        (["--sets", "utd_mhad=x", "--shares", "0"], r"expected a share within (0, 1] (got 0)"),
        (["--sets", "utd_mhad=x", "--rows", "oracle"], "invalid choice: 'oracle'"),
    ],
)
def test_wrong_arguments_are_named(script, arguments, message, capsys):
    with pytest.raises(SystemExit):
        script.parse(arguments)
    assert message in capsys.readouterr().err


def test_the_recipe_of_the_supplement_is_a_preset(script, tmp_path, folder):
    options = script.parse(["--sets", f"utd_mhad={folder}", "--preset", "paper"])
    budget = script.common.chosen_budget(options, script.PRESETS)
    assert (budget.epochs, budget.batch_size, budget.lr) == (25, 128, 1e-4)
    assert (budget.decoder_width, budget.decoder_dropout, budget.loss) == (1024, 0.5, "mse")
