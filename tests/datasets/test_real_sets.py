"""The real sets: official counts, no leakage between parts, exact values."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from stgraph.datasets import KTH, NWUCLA, UTDMHAD, MSRAction3D, PennAction, SBUKinect, UTKinect
from stgraph.io import GUESSED_SCORE
from stgraph.skeleton import annotated_actions, pose_labels

Real = Callable[..., Any]


def names(dataset: Any) -> set[str]:
    return set(dataset.column("name"))


def assert_parts(real: Real, cls: Any, trainval: int, test: int, **kwargs: Any) -> dict[str, Any]:
    """Official sizes; train and val part trainval; test shares nothing with it."""
    parts = {
        split: real(cls, split, **kwargs) for split in ("train", "val", "trainval", "test", "all")
    }
    assert (len(parts["trainval"]), len(parts["test"])) == (trainval, test)
    assert names(parts["train"]) | names(parts["val"]) == names(parts["trainval"])
    assert not names(parts["train"]) & names(parts["val"])
    assert not names(parts["trainval"]) & names(parts["test"])
    assert set(parts["train"].y.tolist()) == set(range(parts["train"].num_classes))
    assert names(real(cls, "val", seed=1, **kwargs)) <= names(parts["trainval"])
    assert names(real(cls, "val", **kwargs)) == names(parts["val"])
    return parts


def shares(a: Any, b: Any, column: str) -> bool:
    return bool(set(a.column(column).tolist()) & set(b.column(column).tolist()))


# --- Northwestern-UCLA ----------------------------------------------------------------------------
def test_nw_ucla_cameras(real: Real) -> None:
    parts = assert_parts(real, NWUCLA, 1020, 464)
    assert set(parts["trainval"].column("camera")) == {1, 2}
    assert set(parts["test"].column("camera")) == {3}
    assert not shares(parts["train"], parts["val"], "subject")
    share = len(parts["val"]) / 1020
    assert 0.15 < share < 0.25
    per_class = parts["trainval"].y.bincount().tolist()
    assert per_class == [102, 102, 96, 124, 101, 102, 99, 99, 98, 97]
    assert parts["test"].y.bincount().tolist() == [48, 50, 45, 49, 47, 47, 43, 43, 47, 45]
    assert parts["train"].layout.name == "kinect_v1_20"


def test_nw_ucla_validation_on_the_other_camera(real: Real) -> None:
    assert set(real(NWUCLA, "train", val_by="camera").column("camera")) == {1}
    assert set(real(NWUCLA, "val", val_by="camera").column("camera")) == {2}


def test_nw_ucla_copies_are_those_of_the_list(real: Real, shared: Path) -> None:
    with (shared / "data" / "nw_ucla_duplicates.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "exact_copy"]
    copied = {row["test_file"].removesuffix(".json") for row in rows}
    test = real(NWUCLA, "test")
    assert int(test.copies.sum()) == 95
    assert {n for n, c in zip(test.column("name"), test.copies, strict=True) if c} == copied
    assert test.y[test.copies].bincount(minlength=10).tolist() == [0, 50, 45] + [0] * 7
    digest = dict(zip(test.column("name"), test.column("digest"), strict=True))
    assert digest["a02_s01_e00_v03"] == rows[0]["sha256_of_float64_coordinates"]
    assert len(real(NWUCLA, "test_clean")) == 369
    assert not real(NWUCLA, "test_clean").copies.any()
    assert names(real(NWUCLA, "test_copies")) == copied


def test_nw_ucla_without_copies_in_training(real: Real) -> None:
    parts = assert_parts(real, NWUCLA, 925, 464, protocol="copies_removed")
    assert not parts["trainval"].copies.any()
    assert names(parts["val"]) <= names(real(NWUCLA, "val"))
    assert not set(parts["trainval"].column("digest")) & set(parts["test"].column("digest"))


def test_nw_ucla_values_and_missing_joints(real: Real, shared: Path) -> None:
    everything = real(NWUCLA, "all")
    assert len(everything) == 1484
    assert int(everything.num_poses.sum()) == 58_534
    batch = everything.store.batch(range(1484))
    assert int((batch.score == 0).sum()) == 12
    lost = {everything.column("name")[i] for i in batch.batch[batch.score == 0].unique().tolist()}
    assert lost == {"a04_s01_e01_v01", "a04_s04_e02_v01"}
    with tarfile.open(shared / "data" / "nw_ucla.tar.xz") as archive:
        member = next(m for m in archive if m.name.endswith(".json") and "/json/" in m.name)
        document = json.load(archive.extractfile(member))  # type: ignore[arg-type]
    i = everything.column("name").tolist().index(document["file_name"])
    assert torch.equal(everything[i].folded(), torch.tensor(document["skeletons"]))


# --- KTH ------------------------------------------------------------------------------------------
def test_kth_official_split(real: Real) -> None:
    parts = assert_parts(real, KTH, 760 + 768, 863)
    sizes = {split: len(parts[split]) for split in ("train", "val", "test")}
    assert sizes == {"train": 760, "val": 768, "test": 863}
    videos = {split: len(set(parts[split].column("video"))) for split in sizes}
    assert videos == {"train": 191, "val": 192, "test": 216}
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not shares(parts[a], parts[b], "subject")
    assert len(parts["all"]) == 2391
    empty = {split: int((parts[split].num_poses == 0).sum()) for split in sizes}
    assert empty == {"train": 19, "val": 0, "test": 0}
    posed = {
        split: float((parts[split].num_poses.numpy() / parts[split].column("clip_length")).mean())
        for split in sizes
    }
    assert posed == pytest.approx({"train": 0.585, "val": 0.846, "test": 0.838}, abs=5e-4)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (
            "15-5-5",
            {"train": set(range(1, 16)), "val": set(range(16, 21)), "test": set(range(21, 26))},
        ),
        ("scenario", {"train": {1, 2}, "val": {3}, "test": {4}}),
    ],
)
def test_kth_splits_by_subject_and_scenario(
    real: Real, protocol: str, expected: dict[str, set[int]]
) -> None:
    column = "subject" if protocol == "15-5-5" else "scenario"
    total = 0
    for split, values in expected.items():
        part = real(KTH, split, protocol=protocol)
        assert set(part.column(column)) == values
        total += len(part)
    assert total == 2391


def test_kth_stratified_split_keeps_videos_whole(real: Real) -> None:
    parts = {s: real(KTH, s, protocol="stratified") for s in ("train", "val", "test")}
    assert not shares(parts["train"], parts["val"], "video")
    assert not shares(parts["train"], parts["test"], "video")
    assert not shares(parts["val"], parts["test"], "video")
    videos = [len(set(part.column("video"))) for part in parts.values()]
    assert videos == [359, 120, 120]
    assert names(real(KTH, "test", protocol="stratified", seed=1)) != names(parts["test"])


def test_kth_ranges_hold_the_frames_they_name(real: Real, shared: Path) -> None:
    dataset = real(KTH, "all")
    i = dataset.column("name").tolist().index("person01_boxing_d1_r2")  # frames 96-185, step 8
    graph = dataset[i]
    with tarfile.open(shared / "data" / "kth_openpose.tar.xz") as archive:
        file = archive.extractfile("kth_openpose/poses/person01_boxing_d1.npz")
        assert file is not None
        poses = np.load(io.BytesIO(file.read()))["poses"]
    rows = [n for n in range(len(poses)) if 96 <= n * 8 + 1 <= 185]
    assert (graph.clip_start, graph.clip_length, graph.frame_step) == (rows[0], len(rows), 8)
    found = [n for n in rows if poses[n].any()]
    assert graph.frame.tolist() == found
    assert torch.equal(graph.folded(), torch.from_numpy(poses[found]))
    assert torch.equal(graph.score == 0, (graph.pos == 0).all(dim=1))
    assert (graph.video, graph.subject, graph.scenario, graph.repetition) == (
        "person01_boxing_d1",
        1,
        1,
        2,
    )
    assert graph.y.tolist() == [0]


def test_kth_whole_videos(real: Real) -> None:
    dataset = real(KTH, "all", level="video")
    assert len(dataset) == 599
    assert int(dataset.column("clip_length").sum()) == 96_605
    assert int(dataset.num_poses.sum()) == 96_605 - 35_271
    assert [len(real(KTH, s, level="video")) for s in ("train", "val", "test")] == [191, 192, 216]


def test_kth_shipped_ranges_are_the_official_ones(shared: Path) -> None:
    from stgraph.datasets import official_ranges
    from stgraph.io import read_kth_sequences

    with tarfile.open(shared / "data" / "kth_openpose.tar.xz") as archive:
        file = archive.extractfile("kth_openpose/00sequences.txt")
        assert file is not None
        assert official_ranges() == read_kth_sequences(file.read())


# --- the others -----------------------------------------------------------------------------------
def test_penn_action(real: Real) -> None:
    parts = assert_parts(real, PennAction, 1258, 1068)
    trainval = [104, 115, 69, 135, 43, 89, 40, 56, 98, 104, 50, 114, 46, 80, 115]
    test = [63, 58, 71, 85, 45, 77, 42, 56, 101, 107, 50, 117, 48, 77, 71]
    assert parts["trainval"].y.bincount().tolist() == trainval
    assert parts["test"].y.bincount().tolist() == test
    val = parts["val"].y.bincount()
    assert val.tolist() == [round(0.2 * n) for n in trainval]
    batch = parts["all"].store.batch(range(2326))
    # the 26 joints at (0, 0) are the whole last frames of 0449 and 2173: nobody is in them
    assert batch.num_poses == 163_841 - 2
    assert int((batch.score < 1).sum()) == 469_501 - 26
    assert int((batch.score == 0).sum()) == 9837
    assert set(batch.score.unique().tolist()) == {0.0, float(np.float32(GUESSED_SCORE)), 1.0}
    assert float(batch.pos.max()) == pytest.approx(637.3, abs=0.1)


def test_utd_mhad(real: Real) -> None:
    parts = assert_parts(real, UTDMHAD, 431, 430)
    assert set(parts["trainval"].column("subject")) == {1, 3, 5, 7}
    assert not shares(parts["train"], parts["val"], "subject")
    assert len(set(parts["val"].column("subject"))) == 1
    assert int(parts["all"].num_poses.sum()) == 58_299
    assert (parts["all"].store.batch(range(861)).score == 1).all()


def test_sbu_five_folds(real: Real) -> None:
    sizes = [55, 52, 56, 54, 65]
    seen: set[str] = set()
    for fold, size in enumerate(sizes):
        parts = assert_parts(real, SBUKinect, 282 - size, size, fold=fold)
        people = {
            split: {frozenset((p[:3], p[3:])) for p in parts[split].column("pair")}
            for split in ("train", "val")
        }
        assert not people["train"] & people["val"]
        seen |= names(parts["test"])
    assert len(seen) == 282
    assert parts["all"].y.bincount().tolist() == [42, 43, 40, 41, 18, 21, 39, 38]
    assert int(parts["all"].num_poses.sum()) == 2 * 6_822
    with pytest.raises(ValueError, match=r"fold 0\.\.4"):
        real(SBUKinect, fold=5)


def test_msr_action3d(real: Real) -> None:
    parts = assert_parts(real, MSRAction3D, 284, 273)
    assert not shares(parts["trainval"], parts["test"], "subject")
    assert not shares(parts["train"], parts["val"], "subject")
    assert len(parts["all"]) == 557
    for protocol, train, test in (("AS1", 114, 105), ("AS2", 116, 112), ("AS3", 111, 111)):
        parts = assert_parts(real, MSRAction3D, train, test, protocol=protocol)
        assert parts["test"].num_classes == 8
        actions = MSRAction3D.action_sets[protocol]
        expected = [MSRAction3D.class_names[a - 1] for a in actions]
        assert list(parts["test"].class_names) == expected
        by_name = [actions.index(int(n[1:3])) for n in parts["test"].column("name")]
        assert parts["test"].y.tolist() == by_name


def test_utkinect(real: Real) -> None:
    whole = real(UTKinect, "all")
    assert (len(whole), int(whole.num_poses.sum())) == (20, 16_376)
    assert "y" not in whole[0]
    assert whole[0].fps.item() == 7.5
    assert len(real(UTKinect, "all", every=None)) == 20
    assert int(real(UTKinect, "all", every=None).num_poses.sum()) == 15_860 - 542
    batch = whole.batch(range(20))
    assert batch.num_tracks == 30
    assert len(annotated_actions(batch).label) == 199
    parts = assert_parts(real, UTKinect, 100, 99, trimmed=True)
    assert set(parts["trainval"].column("subject")) == {1, 2, 3, 4, 5}
    assert not shares(parts["train"], parts["val"], "subject")
    assert parts["all"].y.bincount().tolist() == [20] * 4 + [19] + [20] * 5
    assert int(parts["all"].num_poses.min()) == 6
    assert "segments" not in parts["all"][0]


def test_utkinect_leaves_one_sequence_out(real: Real) -> None:
    names_of_tests = []
    for fold in (0, 1, 19):
        options = {"protocol": "leave_one_sequence_out", "fold": fold}
        (test,) = real(UTKinect, "test", **options).column("name")
        names_of_tests.append(test)
        assert len(real(UTKinect, "trainval", **options)) == 19
        parts = assert_parts(
            real, UTKinect, 199 - 9 - (fold < 19), 9 + (fold < 19), **options, trimmed=True
        )
        assert set(parts["test"].column("sequence")) == {test}
        assert not shares(parts["train"], parts["val"], "sequence")
    assert names_of_tests == ["s01_e01", "s01_e02", "s10_e02"]
    with pytest.raises(ValueError, match=r"fold 0\.\.19 \(got 20\)"):
        real(UTKinect, fold=20)


def test_the_poses_of_utkinect_have_the_labels_of_the_list(real: Real, shared: Path) -> None:
    """An own reading of the list: of two segments that overlap, the one that begins later."""
    with tarfile.open(shared / "data" / "utkinect.tar.xz") as archive:
        file = archive.extractfile("utkinect/joints/actionLabel_modified.txt")
        lines = file.read().decode().split("\n")
    segments: dict[str, list[tuple[int, int, int]]] = {}
    recording = ""
    for line in lines:
        if ":" not in line:
            recording = line.strip() or recording
        elif "NaN" not in line:
            action, first, last = line.replace(":", " ").split()
            row = (int(first), int(last), UTKinect.class_names.index(action) + 1)
            segments.setdefault(recording, []).append(row)
    assert sum(map(len, segments.values())) == 199
    for graph in real(UTKinect, "all"):
        expected = []
        for number in (graph.frame * 4).tolist():
            inside = [row for row in segments[graph.name] if row[0] <= number <= row[1]]
            expected.append(max(inside)[2] if inside else 0)
        assert pose_labels(graph).tolist() == expected


def test_classes_and_splits_are_those_of_the_facts(shared: Path) -> None:
    facts = json.loads((shared / "data" / "classes_and_splits.json").read_text())
    for cls in (NWUCLA, PennAction, UTDMHAD, SBUKinect, MSRAction3D, KTH, UTKinect):
        classes = facts["kth_openpose" if cls is KTH else cls.key]["classes"]
        expected = list(classes.values()) if isinstance(classes, dict) else classes
        assert list(cls.class_names) == expected
    assert [list(f) for f in SBUKinect.folds] == facts["sbu_kinect"]["protocols"]["five_fold"]
    sets = facts["msr_action3d"]["protocols"]["action_sets"]
    for name, actions in MSRAction3D.action_sets.items():
        assert list(actions) == sets[name]


def test_a_real_split_behaves_as_a_pyg_data_set(real: Real) -> None:
    test = real(NWUCLA, "test")
    assert repr(test) == "NWUCLA(464, split='test', protocol='official')"
    assert (test.num_classes, test.num_node_features) == (10, 0)
    some = test[10:20][[3, 1]]
    assert len(some) == 2
    assert some.column("name").tolist() == [test[13].name, test[11].name]
    assert some.y.tolist() == [test[13].y.item(), test[11].y.item()]
    assert torch.equal(some.copies, test.copies[[13, 11]])
    mask = test.y == 3
    assert len(test[mask]) == int(mask.sum())
    ours, theirs = some.batch([0, 1]), Batch.from_data_list([test[13], test[11]])
    assert torch.equal(ours.pos, theirs.pos)
    assert ours.name == theirs.name
    (batch,) = some.loader(batch_size=2)
    assert batch.name == theirs.name
