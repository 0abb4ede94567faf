"""``stgraph detect``: actions in untrimmed recordings."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph import STGCN
from stgraph.datasets import UTKinect
from stgraph.nn import FrameClassifier
from stgraph.tasks import Detection, Recognition, SegmentFinder, save_detection, save_recognition

Run = Callable[..., Any]


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """A detector of UTKinect's actions that was never trained, and sees something everywhere."""
    torch.manual_seed(0)
    encoder = STGCN(3, layout="kinect_v1_20", channels=[4, 4], strides=[1, 1])
    names = UTKinect.class_names
    finder = SegmentFinder("threshold", 0.05, smoothing=1, min_length=1)
    task = Detection(FrameClassifier(encoder, len(names)), names, finder=finder)
    save_detection(task, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def sample(repository: Path) -> Path:
    """The drawn sample of UTKinect's files."""
    return next((repository / "datasets" / "samples" / "utkinect").glob("joints_*.txt"))


def test_actions_are_printed_written_and_drawn(stgraph: Run, detector, sample, tmp_path):
    out, pictures = tmp_path / "actions.csv", tmp_path / "pictures"
    labels = sample.parent / "actionLabel_modified.txt"
    result = stgraph(
        "detect",
        str(sample),
        *("--model", str(detector), "--labels", str(labels)),
        *("--out", str(out), "--pictures", str(pictures)),
    )
    assert result.code == 0, result.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert rows
    assert {row["action"] for row in rows} <= set(UTKinect.class_names)
    assert all(float(row["first_frame"]) <= float(row["last_frame"]) for row in rows)
    assert [path.suffix for path in pictures.iterdir()] == [".png"]
    assert f"{len(rows)} action" in result.out


def test_options_change_how_actions_are_found(stgraph: Run, detector, sample):
    few = stgraph("detect", str(sample), "--model", str(detector), "--threshold", "[0.99]")
    assert few.code == 0, few.err
    assert ": 0 actions" in few.out


def test_actions_that_are_not_sure_are_left_out(stgraph: Run, detector, sample, tmp_path):
    for sure, name in ((0, "all.csv"), (0.1, "sure.csv")):
        run = ("detect", sample, "--model", detector, "--out", tmp_path / name, "--sure", sure)
        assert stgraph(*run).code == 0
    rows, few = (
        list(csv.DictReader((tmp_path / name).read_text().splitlines()))
        for name in ("all.csv", "sure.csv")
    )
    assert few == [row for row in rows if float(row["confidence"]) >= 0.1]
    assert 0 < len(few) < len(rows)


def test_the_size_of_the_pieces_changes_nothing(stgraph: Run, detector, sample):
    results = [
        stgraph("detect", str(sample), "--model", str(detector), "--chunk", chunk)
        for chunk in ("5", "1000")
    ]
    assert results[0].out == results[1].out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chunk", "0"], "--chunk of at least 1"),
        (["--sure", "1.5"], "--sure in 0...1"),
        (["--method", "peaks"], "unknown method 'peaks'"),
        (["--threshold", "[2.0]"], "thresholds in"),
        (["--labels", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_options_are_one_line(stgraph: Run, detector, sample, arguments, message):
    result = stgraph("detect", str(sample), "--model", str(detector), *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1


def test_missing_files_and_models_of_other_tasks_are_one_line(
    stgraph: Run, detector, sample, tmp_path
):
    missing = stgraph("detect", "nowhere.txt", "--model", str(detector))
    assert missing.code == 1
    assert "nowhere.txt" in missing.err
    network = STGCN(3, 2, layout="kinect_v1_20", channels=[4])
    save_recognition(Recognition(network, 2), tmp_path / "recogniser")
    other = stgraph("detect", str(sample), "--model", str(tmp_path / "recogniser"))
    assert other.code == 1
    assert "holds a recognition task" in other.err
    reverse = stgraph("predict", str(sample), "--model", str(detector))
    assert reverse.code == 1
    assert "stgraph detect" in reverse.err
