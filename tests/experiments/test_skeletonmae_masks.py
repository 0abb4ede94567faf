"""The experiment on SkeletonMAE's masks, tiny, on the generated set."""

from __future__ import annotations

import csv

import pytest


@pytest.fixture
def script(repository, monkeypatch):
    """The script, imported from its own folder."""
    monkeypatch.syspath_prepend(str(repository / "experiments"))
    import skeletonmae_masks

    return skeletonmae_masks


def test_masks_are_compared_by_what_fine_tuning_reaches(script, tmp_path):
    options = ["--set", "kth_synthetic", "--seeds", "1", "--steps", "2", "--width", "8"]
    options += ["--finetune-steps", "2", "--recordings", "12", "--batch-size", "6"]
    options += ["--layers", "1", "--masks", "none", "random 50%", "V3,V5"]
    script.main([*options, "--out", str(tmp_path)])
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    found = {row["setting"] for row in rows if row["metric"] == "top1"}
    assert found == {
        "finetune skeletonmae none",
        "finetune skeletonmae random 50%",
        "finetune skeletonmae V3,V5",
    }
    assert {row["metric"] for row in rows} == {"top1", "mean_class"}
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "kth_synthetic-V3V5-s0",
        "kth_synthetic-random-50-s0",
    ]
    assert "SYNTHETIC" in (tmp_path / "table.md").read_text()


def test_an_unknown_mask_is_named(script, capsys):
    with pytest.raises(SystemExit):
        script.parse(["--set", "kth_synthetic", "--masks", "V9"])
    assert "invalid choice: 'V9'" in capsys.readouterr().err
