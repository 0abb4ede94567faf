"""The experiments on Hi-TRS, tiny."""

from __future__ import annotations

import csv

import pytest

TINY = ["--seeds", "1", "--steps", "2", "--finetune-steps", "2", "--width", "8", "--depth", "1"]
TINY += ["--heads", "2", "--head-channels", "4", "--batch-size", "8"]


def rows(folder):
    return list(csv.DictReader((folder / "table.csv").read_text().splitlines()))


@pytest.fixture
def experiments(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "experiments"))


def test_recognition_prints_levels_streams_and_their_fusion(experiments, tmp_path, capsys):
    import hitrs_recognition

    arguments = ["--sets", "kth_synthetic", "--levels", "none", "C", "--recordings", "24"]
    arguments += ["--streams", "joint", "bone", *TINY, "--out", str(tmp_path)]
    hitrs_recognition.main(arguments)
    found = {(row["setting"], row["stream"]) for row in rows(tmp_path)}
    for levels in ("none", "C"):
        for stream in ("joint", "bone", "fused2"):
            assert (f"finetune pretrained {levels}", stream) in found
            assert (f"finetune 10% pretrained {levels}", stream) in found
        assert (f"linear pretrained {levels}", "joint") in found
    assert "90.0 / 95.7" in (tmp_path / "table.md").read_text()


def test_detection_prints_rivals_and_levels(experiments, shared_path, tmp_path):
    import hitrs_detection

    path = shared_path("data", "utkinect.tar.xz")
    arguments = ["--set", f"utkinect={path}", "--settings", "neighbours", "stgcn", "all"]
    arguments += ["skeletonclr", "crossclr", "--streams", "joint", "bone"]
    hitrs_detection.main([*arguments, *TINY, "--out", str(tmp_path)])
    found = {row["setting"] for row in rows(tmp_path)}
    contrasts = [f"finetune stgcn {name}" for name in ("skeletonclr", "crossclr")]
    for word in ("knn raw windows", "supervised stgcn", "finetune pretrained all", *contrasts):
        assert {f"{word} (IoU {iou})" for iou in (0.1, 0.3, 0.5)} | {f"{word} (frames)"} <= found
    streams = {(row["setting"], row["stream"]) for row in rows(tmp_path)}
    for word in ("supervised stgcn", "finetune pretrained all", *contrasts):
        assert {(f"{word} (frames)", s) for s in ("joint", "bone", "fused2")} <= streams
    assert "58.4 / 66.3" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_the_size_of_the_paper_takes_two_steps(experiments, tmp_path):
    import hitrs_recognition

    arguments = ["--preset", "paper", "--sets", "kth_synthetic", "--levels", "all"]
    arguments += ["--seeds", "1", "--steps", "2", "--finetune-steps", "2", "--recordings", "8"]
    arguments += ["--batch-size", "4", "--finetune-batch-size", "4", "--protocols", "finetune"]
    hitrs_recognition.main([*arguments, "--out", str(tmp_path)])
    assert rows(tmp_path)
