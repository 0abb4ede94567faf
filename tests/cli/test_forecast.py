"""``stgraph forecast``: how people go on moving."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph import STGCN, SkeletonGraph
from stgraph.io import Store
from stgraph.nn import GraphDecoder, HiTRS, MotionPredictor
from stgraph.tasks import MotionPrediction, Recognition, save_prediction, save_recognition

Run = Callable[..., Any]


@pytest.fixture
def predictor(tmp_path: Path) -> Path:
    """A predictor of UTD-MHAD's joints that was never trained."""
    torch.manual_seed(0)
    encoder = HiTRS(
        3, layout="utd_mhad_20", width=8, depth=1, num_heads=2, head_channels=4, window=3
    )
    decoder = GraphDecoder(encoder.out_channels, "utd_mhad_20", num_future=6, width=8, depth=1)
    task = MotionPrediction(MotionPredictor(encoder, decoder), num_observed=5, num_future=6)
    save_prediction(task, tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def sample(repository: Path) -> Path:
    """The drawn sample of UTD-MHAD's files."""
    return next((repository / "datasets" / "samples" / "utd_mhad").glob("*.mat"))


def test_poses_are_told_written_and_drawn(stgraph: Run, predictor, sample, tmp_path):
    out, pictures = tmp_path / "poses.csv", tmp_path / "pictures"
    result = stgraph(
        "forecast",
        str(sample),
        *("--model", str(predictor), "--out", str(out), "--pictures", str(pictures)),
    )
    assert result.code == 0, result.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 6 * 20
    frames = sorted({int(row["frame"]) for row in rows})
    assert frames == list(range(frames[0], frames[0] + 6))
    assert {path.suffix for path in pictures.iterdir()} == {".png", ".gif"}
    assert "200 ms" in result.out


def test_a_held_back_end_is_compared_with_rivals(stgraph: Run, predictor, sample):
    result = stgraph("forecast", str(sample), "--model", str(predictor), "--hold_back", "true")
    assert result.code == 0, result.err
    assert "stand still" in result.out
    # never trained, the decoder stands still as the rival does
    row = next(line.split() for line in result.out.splitlines() if "200 ms" in line)
    assert row[3] == row[4] != row[5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--poses", "0"], "--poses of at least 1"),
        (["--horizons", "[5000]"], "--horizons of 5000 ms"),
    ],
)
def test_wrong_options_are_one_line(stgraph: Run, predictor, sample, arguments, message):
    result = stgraph("forecast", str(sample), "--model", str(predictor), *arguments)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") == 1


def test_missing_files_and_models_of_other_tasks_are_one_line(
    stgraph: Run, predictor, sample, tmp_path
):
    missing = stgraph("forecast", "nowhere.mat", "--model", str(predictor))
    assert missing.code == 1
    assert "nowhere.mat" in missing.err
    network = STGCN(3, 2, layout="utd_mhad_20", channels=[4])
    save_recognition(Recognition(network, 2), tmp_path / "recogniser")
    other = stgraph("forecast", str(sample), "--model", str(tmp_path / "recogniser"))
    assert other.code == 1
    assert other.err.count("\n") == 1
    reverse = stgraph("predict", str(sample), "--model", str(predictor))
    assert "stgraph forecast" in reverse.err


def persons(path: Path, **changes: Any) -> Path:
    """A store of two people without a rate, changed."""
    pos = torch.randn(40 * 20, 3, generator=torch.Generator().manual_seed(0))
    graph = SkeletonGraph(pos, layout="utd_mhad_20", track_length=[20, 20], person=[0, 1], name="a")
    for name, value in changes.items():
        graph[name] = value
    Store.write(path, [graph])
    return path


def test_every_person_is_drawn_at_the_rate_that_is_told(stgraph: Run, predictor, tmp_path):
    two, pictures = persons(tmp_path / "two.safetensors"), tmp_path / "pictures"
    run = ("forecast", two, "--model", predictor, "--hold_back", "true", "--pictures", pictures)
    result = stgraph(*run, "--fps", 10)
    assert result.code == 0, result.err
    assert sorted(p.name for p in pictures.iterdir()) == [
        "a-0.gif",
        "a-0.png",
        "a-1.gif",
        "a-1.png",
    ]
    assert "600 ms" in result.out


def test_a_recording_too_short_to_hold_back_poses_says_how_short(stgraph: Run, predictor, tmp_path):
    two = persons(tmp_path / "two.safetensors")
    run = ("forecast", two, "--model", predictor, "--out", tmp_path / "poses.csv")
    assert stgraph(*run, "--poses", 6, "--hold_back", "true").code == 0
    (tmp_path / "poses.csv").unlink()
    short = persons(
        tmp_path / "short.safetensors",
        pos=torch.randn(160, 3),
        track_length=torch.tensor([4, 4]),
        frame=torch.arange(4).repeat(2),
    )
    result = stgraph("forecast", short, *run[2:], "--hold_back", "true")
    assert result.code == 1
    assert "4 frames, too few to hold back 6 poses" in result.out
    assert "nothing was predicted of 1 recording; take fewer --poses" in result.err
    assert not (tmp_path / "poses.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--poses", 7], "--poses 7: the model predicts at most 6"),
        (["--horizons", "[.nan]"], "--horizons above 0 ms"),
        (["--horizons", "[.inf]"], "--horizons above 0 ms"),
        (["--horizons", "[0]"], "--horizons above 0 ms"),
        (["--fps", "0"], "--fps above 0"),
        (["--format", "bogus"], "unknown format 'bogus'"),
        (["--pictures", __file__], "--pictures "),
    ],
)
def test_impossible_options_are_one_line(stgraph: Run, predictor, sample, options, message):
    result = stgraph("forecast", sample, "--model", predictor, *options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pos": torch.randn(800, 3) * 5e37}, "recording a: the model's answer is no number"),
        ({"pos": torch.zeros(800, 2)}, "3 coordinates of a joint"),
    ],
    ids=["far too large", "2-D"],
)
def test_recordings_that_cannot_be_predicted_are_named_or_skipped(
    stgraph: Run, predictor, sample, tmp_path, change, message
):
    path = persons(tmp_path / "strange.safetensors", **change)
    run = ("forecast", path, sample, "--model", predictor)
    result = stgraph(*run)
    assert result.code == 1
    assert message in result.err
    assert str(path) in result.err
    assert result.err.count("\n") == 1
    skipped = stgraph(*run, "--skip_bad", "true")
    assert skipped.code == 0
    assert skipped.err.startswith("warning: ")
