"""``stgraph fit --task detection`` and ``stgraph test`` of what it trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph.tasks import load_detection
from tests.cli.conftest import write_long

Run = Callable[..., Any]


def fit(path: Path, out: Path, *more: object) -> list[object]:
    """A tiny training of a detector."""
    return [
        *("fit", "--task", "detection", "--data.name", "store", "--data.path", path, "--out", out),
        *("--epochs", 2, "--piece", 12, "--lr", 0.05, "--width", 4, "--batch_size", 4),
        *("--network_args.channels", "[8]", "--dropout", 0),
        *more,
    ]


def test_a_detector_is_trained_measured_and_used(stgraph: Run, long_store: Path, tmp_path: Path):
    out = tmp_path / "run"
    trained = stgraph(*fit(long_store, out, "--epochs", 8))
    assert trained.code == 0, trained.err
    assert "4 training, 2 validation recordings" in trained.out
    assert "8 pieces of 12 frames" in trained.out
    assert "chosen by validation: mAP_a" in trained.out
    assert "val frames" in trained.out
    finder = load_detection(out / "model").finder
    saved = json.loads((out / "model" / "task.json").read_text())
    assert saved["facts"]["detection"]["task"] == "detection"
    assert saved["finder"]["smoothing"] == finder.smoothing
    for _ in range(2):  # figures that were measured before are replaced
        options = ("--part", "val", "--out", tmp_path / "r.csv")
        measured = stgraph("test", "--model", out / "model", *options)
        assert measured.code == 0, measured.err
    assert "2 recordings, 4 actions, 48 frames" in measured.out
    assert "mAP_a  mAP_v     F1" in measured.out
    assert "bow " in measured.out
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert len(rows) == 11
    assert [row["metric"] for row in rows].count("map_a") == 4
    assert "supervised spatial (IoU 0.5)" in {row["setting"] for row in rows}
    found = stgraph("detect", long_store, "--model", out / "model")
    assert found.code == 0, found.err
    assert "long0: 2 actions" in found.out


def test_a_finished_training_is_not_done_again_and_chooses_the_same(
    stgraph: Run, long_store: Path, tmp_path: Path
):
    run = fit(long_store, tmp_path / "run")
    assert stgraph(*run).code == 0
    model = tmp_path / "run" / "model"
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    again = stgraph(*run)
    assert again.code == 0, again.err
    assert "   loss " not in again.out
    assert before == {path.name: path.read_bytes() for path in model.iterdir()}
    other = stgraph(*run, "--piece", 6)
    assert other.code == 1
    assert "holds another training" in other.err


@pytest.mark.parametrize(
    "network",
    [
        ["STGCN", "--network_args.strides", "[2]"],
        ["CTRGCN"],
        ["AAGCN"],
        ["DGSTGCN"],
        ["STGCNPlusPlus"],
        ["STRL"],
        ["SkeletonTransformer"],
        ["HiTRS", "--network_args.dilation", "1", "--network_args.depth", "1"],
    ],
    ids=lambda network: network[0],
)
def test_every_network_can_look_at_frames(
    stgraph: Run, long_store: Path, tmp_path: Path, network: list[str]
):
    run = fit(long_store, tmp_path / "run", "--epochs", 1, "--network", *network)
    at = run.index("--network_args.channels")
    if network[0] in ("STRL", "SkeletonTransformer", "HiTRS"):
        del run[at : at + 2]
    result = stgraph(*run, "--width", 8)
    assert result.code == 0, result.err
    assert "saved " in result.out


def test_a_network_of_frames_is_no_network_of_recordings(stgraph: Run, tmp_path: Path):
    result = stgraph("fit", "--network", "FrameClassifier", "--out", tmp_path / "run")
    assert result.code == 2
    assert "unknown network 'FrameClassifier'" in result.err


def test_frames_do_not_depend_on_the_pieces_that_are_looked_at(
    stgraph: Run, long_store: Path, tmp_path: Path
):
    out = tmp_path / "run"
    hitrs = ("--network", "HiTRS", "--network_args", "{depth: 1, dilation: 1}", "--width", 8)
    run = fit(long_store, out, *hitrs)
    at = run.index("--network_args.channels")
    del run[at : at + 2]
    assert stgraph(*run).code == 0
    model = ("--model", out / "model")
    results = [stgraph("detect", long_store, *model, "--chunk", n).out for n in (3, 100)]
    assert results[0] == results[1]


def without_segments(graphs: list[Any]) -> None:
    for graph in graphs:
        del graph.segments
        graph.y = torch.tensor([0])


def segment(*row: float) -> Callable[[list[Any]], None]:
    def change(graphs: list[Any]) -> None:
        graphs[4].segments = torch.tensor([row])

    return change


def no_action(graphs: list[Any]) -> None:
    for graph in graphs:
        graph.segments = torch.zeros(0, 3)


def no_number(graphs: list[Any]) -> None:
    graphs[5].pos[0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_segments, "recording 0 (long0): it does not say what happens when"),
        (segment(3.0, 1.0, 2.0), "recording 4 (long4): an action is class 3 from frame 1 to 2"),
        (segment(1.0, 5.0, 2.0), "no action ends before it begins"),
        (segment(1.0, 5.0, float("nan")), "recording 4 (long4)"),
        (no_action, "hold no action"),
        (no_number, "recording 5 (long5): a coordinate is no number"),
    ],
)
def test_a_recording_that_cannot_teach_a_detector_is_named(
    stgraph: Run, tmp_path: Path, change: Callable[[list[Any]], None], message: str
):
    path = write_long(tmp_path / "a.safetensors", change)
    result = stgraph(*fit(path, tmp_path / "run"))
    assert result.code == 1
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--balanced", "true"], "take --background_weight"),
        (["--ema_decay", "0.9"], "--ema_decay is for --task recognition"),
        (["--select", "val/top1"], "no figure 'val/top1' to choose by; known are val/loss"),
        (["--task", "recognition"], "--piece is for --task detection"),
        (["--piece", "0"], "expected --piece >= 1"),
        (["--context", "-1"], "expected --context >= 0"),
        (["--frame_share", "0"], "frame_share"),
        (["--background_weight", "0"], "background_weight"),
        (["--task", "segmentation"], "expected recognition, detection"),
    ],
)
def test_options_that_make_no_sense_for_the_task_are_one_line(
    stgraph: Run, long_store: Path, tmp_path: Path, options: list[str], message: str
):
    result = stgraph(*fit(long_store, tmp_path / "run", *options))
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_detector_is_not_measured_on_recordings_of_one_action(
    stgraph: Run, long_store: Path, tmp_path: Path
):
    out = tmp_path / "run"
    assert stgraph(*fit(long_store, out, "--epochs", 1)).code == 0
    plain = write_long(tmp_path / "plain.safetensors", without_segments)
    result = stgraph("test", "--model", out / "model", "--data.path", plain)
    assert result.code == 1
    assert "it does not say what happens when" in result.err
    assert result.err.count("\n") == 1
