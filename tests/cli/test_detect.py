"""``stgraph detect``: actions in untrimmed recordings."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph import STGCN, SkeletonGraph
from stgraph.datasets import UTKinect
from stgraph.io import Store
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
        (["--chunk", "0"], "--chunk in 1...1000000"),
        (["--sure", "1.5"], "--sure in 0...1"),
        (["--method", "peaks"], "unknown method 'peaks'"),
        (["--chunk", str(10**20)], "--chunk in 1...1000000"),
        (["--min_length", "0"], "expected min_length >= 1 (got 0)"),
        (["--nms", "2"], "expected nms in (0, 1] (got 2.0)"),
        (["--nms", "nan"], "--nms: expected float (got nan)"),
        (["--threshold", "[]"], "thresholds in [0, 1) (got ())"),
        (["--threshold", "0.5"], "--threshold: expected a list in YAML such as '[0.5]' (got 0.5)"),
        (["--format", "bogus"], "unknown format 'bogus'; known are openpose"),
        (["--pictures", __file__], "--pictures "),
        (["--out", str(Path(__file__).parent)], "expected the name of a file"),
        (["--threshold", "[2.0]"], "thresholds in"),
        (["--labels", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_options_are_one_line(stgraph: Run, detector, sample, arguments, message):
    result = stgraph("detect", str(sample), "--model", str(detector), *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1


def persons(path: Path, **changes: Any) -> Path:
    """A store of one recording without a rate, changed."""
    pos = torch.randn(8 * 20, 3, generator=torch.Generator().manual_seed(0))
    graph = SkeletonGraph(pos, layout="kinect_v1_20", track_length=[4, 4], person=[0, 1], name="a")
    for name, value in changes.items():
        graph[name] = value
    Store.write(path, [graph])
    return path


def test_recordings_of_one_name_have_a_picture_each(stgraph: Run, detector, sample, tmp_path):
    run = ("detect", sample, sample, "--model", detector, "--pictures", tmp_path / "pictures")
    assert stgraph(*run).code == 0
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == [f"{sample.stem[-7:]}-2.png", f"{sample.stem[-7:]}.png"]


def test_frames_far_apart_are_drawn_without_the_hours_between(stgraph: Run, detector, tmp_path):
    frame = torch.cat([torch.arange(4), torch.arange(4) + 10**12])
    far = persons(tmp_path / "far.safetensors", frame=frame)
    result = stgraph("detect", far, "--model", detector, "--pictures", tmp_path / "pictures")
    assert result.code == 0, result.err
    assert (tmp_path / "pictures" / "a.png").is_file()


def test_a_folder_stands_for_its_recordings_and_not_for_its_labels(
    stgraph: Run, detector, sample, tmp_path
):
    result = stgraph("detect", sample.parent, "--model", detector)
    assert result.code == 0, result.err
    assert result.out.count(" actions") == 1
    (tmp_path / "empty").mkdir()
    empty = stgraph("detect", tmp_path / "empty", "--model", detector)
    assert empty.code == 1
    assert "holds no file of a known format" in empty.err


def test_a_file_that_cannot_be_read_ends_it_or_is_skipped(stgraph: Run, detector, sample, tmp_path):
    bad = tmp_path / "joints_s02_e01.txt"
    bad.write_text(sample.read_text()[:-40])
    run = ("detect", bad, sample, "--model", detector, "--out", tmp_path / "actions.csv")
    ended = stgraph(*run)
    assert ended.code == 1
    assert "skip it with --skip_bad true" in ended.err
    assert ended.out == ""
    assert not (tmp_path / "actions.csv").exists()
    skipped = stgraph(*run, "--skip_bad", "true")
    assert skipped.code == 0
    assert skipped.err.startswith("warning: ")
    assert (tmp_path / "actions.csv").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": torch.full((160, 3), 3e38)}, "recording a: the model's answer is no number"),
        ({"pos": torch.zeros(160, 2)}, "its 2 coordinates a joint become 2 channels"),
    ],
    ids=["far too large", "2-D"],
)
def test_recordings_that_the_model_cannot_answer_are_named(
    stgraph: Run, detector, tmp_path, change, message
):
    path = persons(tmp_path / "strange.safetensors", **change)
    result = stgraph("detect", path, "--model", detector)
    assert result.code == 1
    assert message in result.err
    assert str(path) in result.err
    assert result.err.count("\n") == 1


def test_files_of_other_joints_are_told_by_their_name(stgraph: Run, detector, repository):
    files = (repository / "datasets" / "samples" / "pku_mmd" / "skeleton").glob("*.txt")
    result = stgraph("detect", next(files), "--model", detector)
    assert result.code == 1
    assert "it has the joints of 'kinect_v2_25'" in result.err


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
