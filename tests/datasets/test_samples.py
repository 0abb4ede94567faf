"""The samples of the folder ``datasets`` are read, and its cards tell the truth."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stgraph import io
from stgraph.cli.recordings import read_recordings
from stgraph.cli.sets import dataset_classes
from stgraph.datasets import PKUMMD, UTKinect
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, pose_labels

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
SAMPLES = FOLDER / "samples"
DOG = SkeletonLayout.from_json(SAMPLES / "layouts" / "dog_14.json")
READ: dict[str, tuple[Callable[[Path], Any], str, list[int]]] = {
    "openpose": (
        lambda path: io.read_openpose_folder(path, people="all"),
        "openpose_body_25",
        [8, 3, 6],
    ),
    "kth_poses/person01_handwaving_d1.npz": (io.read_kth_poses, "openpose_coco_18", [5, 10]),
    "nw_ucla/a04_s01_e00_v01.json": (io.read_nw_ucla, "kinect_v1_20", [16]),
    "penn_action/0001.mat": (io.read_penn_action, "penn_13", [16]),
    "utd_mhad/a3_s1_t1_skeleton.mat": (io.read_utd_mhad, "utd_mhad_20", [16]),
    "sbu/s01s02/05/001/skeleton_pos.txt": (io.read_sbu, "sbu_15", [16, 16]),
    "msr_action3d/a01_s01_e01_skeleton3D.txt": (io.read_msr_action3d, "msr_action3d_20", [16]),
    "utkinect/joints_s01_e01.txt": (io.read_utkinect, "kinect_v1_20", [31]),
    "pku_mmd/skeleton/0001-M.txt": (io.read_pku_mmd, "kinect_v2_25", [16, 8]),
    "numpy/two_people.npy": (
        lambda path: io.read_numpy(path, "kinect_v2_25"),
        "kinect_v2_25",
        [16, 16],
    ),
    "numpy/dog.npy": (lambda path: io.read_numpy(path, DOG), "dog_14", [20]),
}


@pytest.mark.parametrize("name", READ)
def test_a_sample_is_read_by_its_reader(name: str) -> None:
    read, layout, tracks = READ[name]
    graph = read(SAMPLES / name)
    assert isinstance(graph, SkeletonGraph)
    assert graph.layout.name == layout
    assert graph.track_length.tolist() == tracks
    assert graph.pos[graph.score > 0].abs().max() > 0.5


@pytest.mark.parametrize("name", READ)
def test_a_sample_is_recognised_by_its_suffix_and_joints(name: str) -> None:
    read, _, _ = READ[name]
    layout = read(SAMPLES / name).layout
    (graph,) = read_recordings(SAMPLES / name, layout)
    assert graph.layout.joints == layout.joints


def test_every_format_has_a_sample() -> None:
    folders = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    assert folders == {name.split("/")[0] for name in READ} | {"layouts", "store"}
    said = set(re.findall(r"`(\w+)`", (FOLDER / "README.md").read_text("utf-8")))
    assert folders <= said


def test_the_samples_of_several_actions_say_what_happens_when() -> None:
    folder = SAMPLES / "utkinect"
    graph = io.read_utkinect(folder / "joints_s01_e01.txt", folder / "actionLabel_modified.txt")
    assert pose_labels(graph).tolist() == [9] * 13 + [0] * 5 + [1] * 13
    assert len(UTKinect(folder, "all", trimmed=True)) == 2
    for split, take in (("train", "0002"), ("val", "0001"), ("test", "0003")):
        (recording,) = PKUMMD(SAMPLES / "pku_mmd", split)
        assert recording.take == take
        assert pose_labels(recording).tolist()[:16] == [13] * 8 + [0] + [19] * 7


def test_the_store_has_two_classes_on_all_sides() -> None:
    store = io.Store.open(SAMPLES / "store" / "wave_or_march.safetensors")
    assert store.class_names == ("wave", "march")
    parts = store.column("split")
    for part in ("train", "val", "test"):
        assert set(store.y[torch.from_numpy(parts == part)].tolist()) == {0, 1}


def test_the_samples_are_what_their_script_makes(tmp_path: Path) -> None:
    file = FOLDER / "make_samples.py"
    spec = importlib.util.spec_from_file_location("make_samples", file)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.make(tmp_path)
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert made == {p.relative_to(SAMPLES) for p in SAMPLES.rglob("*") if p.is_file()}
    for name, (read, _, _) in READ.items():
        here, there = read(SAMPLES / name), read(tmp_path / name)
        assert torch.equal(here.pos, there.pos), name
        assert torch.equal(here.score, there.score), name
    assert SkeletonLayout.from_json(tmp_path / "layouts" / "dog_14.json") == DOG


def test_every_set_has_a_card() -> None:
    assert {path.stem for path in (FOLDER / "cards").glob("*.md")} == set(dataset_classes())


@pytest.mark.parametrize("key", sorted(dataset_classes()))
def test_a_card_agrees_with_its_class(key: str) -> None:
    chosen = dataset_classes()[key]
    text = (FOLDER / "cards" / f"{key}.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.+) \|$", text, flags=re.MULTILINE))
    assert rows["class"].startswith(f"`stgraph.datasets.{chosen.__name__}`")
    assert int(rows["classes"]) == len(chosen.class_names)
    assert re.findall(r"`([\w-]+)`", rows["protocols"]) == list(chosen.protocols)
    flowing = " ".join(text.split())
    assert chosen.where in flowing
    assert chosen.citation in flowing
