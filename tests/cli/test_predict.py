"""What ``stgraph predict`` says about files that it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgraph import STGCN
from stgraph.io import Store
from stgraph.tasks import Recognition, save_recognition
from tests.cli.conftest import make_graphs

Run = Callable[..., Any]


@pytest.fixture
def openpose_model(tmp_path: Path) -> Path:
    """A model for the 18 joints of COCO in the plane."""
    network = STGCN(2, 2, layout="openpose_coco_18", channels=[4])
    save_recognition(Recognition(network, 2, class_names=["sit", "stand"]), tmp_path / "model")
    return tmp_path / "model"


def write_frames(folder: Path, number: int, people: list[Any]) -> Path:
    """A folder of OpenPose frames of the same people."""
    folder.mkdir()
    for i in range(number):
        text = json.dumps({"people": [{"pose_keypoints_2d": values} for values in people]})
        (folder / f"f_{i:012d}_keypoints.json").write_text(text)
    return folder


def test_frames_without_anybody_are_no_pose_for_any_model(
    stgraph: Run, openpose_model: Path, tmp_path: Path
) -> None:
    nobody = write_frames(tmp_path / "nobody", 2, [])
    (tmp_path / "single.json").write_text('{"people": []}')
    files = (nobody, tmp_path / "single.json")
    result = stgraph("predict", *files, "--model", openpose_model, "--out", tmp_path / "a.csv")
    assert result.code == 0, result.err
    lines = result.out.splitlines()[1:3]
    assert [line.split() for line in lines] == [
        ["nobody", "no", "pose"],
        ["single", "no", "pose"],
    ]


def test_a_bad_frame_is_named_with_its_folder(
    stgraph: Run, openpose_model: Path, tmp_path: Path
) -> None:
    good = write_frames(tmp_path / "good", 2, [[1.0, 2.0, 1.0] * 18])
    bad = write_frames(tmp_path / "bad", 2, [[1.0] * 7])
    result = stgraph("predict", good, bad, "--model", openpose_model)
    assert result.code == 1
    assert f"cannot read '{bad / 'f_000000000000_keypoints.json'}', person 0" in result.err
    mixed = write_frames(tmp_path / "mixed", 1, [[1.0, 2.0, 1.0] * 18, [1.0, 2.0, 1.0] * 25])
    result = stgraph("predict", good, mixed, "--model", openpose_model)
    assert f"cannot read '{mixed}'" in result.err


def test_skipping_goes_on_after_unknown_suffixes_and_other_dimensions(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    good, flat, unknown = (tmp_path / name for name in ("good.npy", "flat.npy", "a.xyz"))
    np.save(good, np.ones((5, 20, 3)))
    np.save(flat, np.ones((5, 20, 2)))
    unknown.touch()
    model = ["--model", trained / "model"]
    for file, message in (
        (flat, "flat.npy': its 2 coordinates a joint become 2 channels, and the model expects 3"),
        (unknown, "a.xyz': no reader for files that end in '.xyz'"),
    ):
        alone = stgraph("predict", good, file, *model)
        assert alone.code == 1
        assert message in alone.err
        assert "or skip it with --skip_bad true" in alone.err
    both = stgraph("predict", flat, good, unknown, *model, "--skip_bad", "true")
    assert both.code == 0, both.err
    assert both.err.count("warning: ") == 2
    assert both.out == stgraph("predict", good, *model).out


def test_an_answer_that_is_no_number_names_the_recording(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    pos = np.random.default_rng(0).normal(size=(5, 20, 3))
    np.save(tmp_path / "good.npy", pos)
    np.save(tmp_path / "huge.npy", pos * 1e38)
    files, out = (tmp_path / "good.npy", tmp_path / "huge.npy"), tmp_path / "out.csv"
    result = stgraph("predict", *files, "--model", trained / "model", "--out", out)
    assert result.code == 1
    assert "huge.npy', recording huge: the model's answer is no number" in result.err
    assert not out.exists()
    assert result.out == ""
    options = ["--out", out, "--skip_bad", "true"]
    assert stgraph("predict", *files, "--model", trained / "model", *options).code == 0
    assert len(out.read_text().splitlines()) == 2


def test_weights_that_are_no_numbers_say_so(stgraph: Run, tmp_path: Path) -> None:
    network = STGCN(3, 2, layout="kinect_v1_20", channels=[4])
    torch.nn.init.constant_(next(network.parameters()), float("nan"))
    save_recognition(Recognition(network, 2), tmp_path / "model")
    np.save(tmp_path / "a.npy", np.ones((5, 20, 3)))
    result = stgraph("predict", tmp_path / "a.npy", "--model", tmp_path / "model")
    assert result.code == 1
    assert "has weights that are no numbers" in result.err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--top", "0"], "expected --top >= 1"),
        (["--batch_size", "0"], "expected --batch_size >= 1"),
        (["--out", ""], "--out expected the name of a file (got nothing)"),
        (["--out", "."], "--out expected the name of a file ('.' is a folder)"),
    ],
)
def test_options_are_checked_before_the_work(
    stgraph: Run, trained: Path, option: list[str], message: str
) -> None:
    result = stgraph("predict", "no such file", "--model", trained / "model", *option)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


def test_recordings_of_one_name_are_told_apart_by_their_files(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name / "01.safetensors" for name in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        graphs = make_graphs(24, seed=1)[:1]
        graphs[0].name = "01"
        Store.write(file, graphs)
    result = stgraph("predict", *files, "--model", trained / "model")
    assert result.code == 0, result.err
    assert all(f"{file}: 01" in result.out for file in files)
