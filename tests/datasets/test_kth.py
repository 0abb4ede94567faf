"""KTH in all of its forms, hand-made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgraph.datasets import KTH, kth_parts
from stgraph.io import RecordingError

RANGES = "person01_boxing_d1\tframes\t1-4, 6-8\nperson22_walking_d4\tframes\t1-3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "kth"
    path.mkdir()
    (path / "00sequences.txt").write_text(RANGES)
    return path


def openpose(folder: Path, video: str, frames: dict[int, int], nested: bool = True) -> None:
    """Frames with so many people; the second person is the larger one."""
    target = folder / f"{video}_uncomp" if nested else folder
    target.mkdir(exist_ok=True)
    for number, count in frames.items():
        people = []
        for person in range(count):
            joints = np.zeros((25, 3))
            joints[1:] = [
                [(person + 1) * j, (person + 1) * (j % 5 + number), 0.75] for j in range(1, 25)
            ]
            people.append({"pose_keypoints_2d": joints.flatten().tolist()})
        file = target / f"{video}_uncomp_{number:012d}_keypoints.json"
        file.write_text(json.dumps({"version": 1.3, "people": people}))


def all_of(path: Path, **kwargs: Any) -> KTH:
    return KTH(path, "all", **kwargs)


@pytest.mark.parametrize("nested", [True, False])
def test_openpose_frames_become_ranges(folder: Path, nested: bool) -> None:
    openpose(folder, "person01_boxing_d1", {0: 1, 1: 2, 2: 0, 3: 1, 5: 1, 6: 0, 7: 1, 8: 1}, nested)
    openpose(folder, "person22_walking_d4", {0: 0, 1: 0}, nested)
    dataset = all_of(folder)
    assert dataset.column("name").tolist() == [
        "person01_boxing_d1_r1",
        "person01_boxing_d1_r2",
        "person22_walking_d4_r1",
    ]
    first, second, third = dataset
    assert first.layout.name == "openpose_body_25"
    assert first.frame.tolist() == [0, 1, 3]  # frames 1-4 of the list count from 1
    assert first.track_length.tolist() == [2, 1]
    assert second.frame.tolist() == [5, 7]
    assert (second.clip_start, second.clip_length, second.fps.item()) == (5, 3, 25)
    assert (third.num_poses, third.clip_length, third.y.tolist()) == (0, 2, [5])
    assert first.folded_score()[0].tolist() == [0] + [0.75] * 24
    assert first.folded()[1, 3].tolist() == [6, 8]  # the larger of two
    listed = all_of(folder, people="first")[0]
    assert listed.folded()[1, 3].tolist() == [3, 4]


@pytest.mark.parametrize("joints", [18, 25])
@pytest.mark.parametrize("form", ["npy", "npz each", "npz of all"])
@pytest.mark.parametrize("axes", ["TVC", "CTV", "1CTV"])
def test_arrays_become_ranges(folder: Path, joints: int, form: str, axes: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        v: rng.uniform(1, 9, (9, joints, 2)) for v in ("person01_boxing_d1", "person22_walking_d4")
    }
    arrays["person01_boxing_d1"][1] = 0
    stored = {
        video: array if axes == "TVC" else array.transpose(2, 0, 1)
        for video, array in arrays.items()
    }
    if axes == "1CTV":
        stored = {video: array[None] for video, array in stored.items()}
    if form == "npz of all":
        np.savez(folder / "all.npz", **stored)
    for video, array in stored.items():
        if form == "npy":
            np.save(folder / f"{video}_uncomp.npy", array)
        elif form == "npz each":
            np.savez(folder / f"{video}.npz", array)
    dataset = all_of(folder)
    assert len(dataset) == 3
    assert dataset[0].frame.tolist() == [0, 2, 3]
    expected = torch.from_numpy(arrays["person01_boxing_d1"].astype(np.float32))
    assert torch.equal(dataset[0].folded(), expected[[0, 2, 3]])
    assert torch.equal(dataset[1].folded(), expected[5:8])
    videos = all_of(folder, level="video")
    assert videos.column("name").tolist() == list(arrays)
    assert videos[0].clip_length == 9
    skipping = all_of(folder, frame_step=3)
    assert skipping[0].frame.tolist() == [0]  # frames 1, 4 of 1-4; the second has no pose
    assert skipping[0].clip_length == 2


def test_the_third_coordinate_of_an_array_is_the_confidence(folder: Path) -> None:
    array = np.ones((4, 18, 3))
    array[0, :, 2] = 0
    np.save(folder / "person01_boxing_d1.npy", array)
    graph = all_of(folder)[0]
    assert graph.frame.tolist() == [1, 2, 3]
    assert graph.num_dims == 2


def test_one_file_of_many_arrays_is_a_source_with_official_ranges(tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", person02_running_d3=np.ones((60, 25, 2)))
    dataset = KTH(tmp_path / "k.npz", "test")
    assert set(dataset.column("video")) == {"person02_running_d3"}
    assert len(dataset) == 4
    assert len(KTH(tmp_path / "k.npz", "train")) == 0


def test_bad_files_are_named_or_skipped(folder: Path) -> None:
    np.save(folder / "person01_boxing_d1.npy", np.ones((9, 18, 2)))
    (folder / "person22_walking_d4.npy").write_bytes(b"rubbish")
    with pytest.raises(RecordingError, match=r"person22_walking_d4\.npy.*expected a numpy array"):
        all_of(folder)
    for _ in range(2):  # parsed, then from the cache
        with pytest.warns(UserWarning, match=r"(?s)skipped 1 bad file.*person22_walking_d4\.npy"):
            dataset = all_of(folder, skip_bad=True)
        assert dataset.column("video").tolist() == ["person01_boxing_d1"] * 2
    with pytest.raises(RecordingError, match="expected a numpy array"):
        all_of(folder)


def test_a_bad_frame_counts_as_empty_when_bad_ones_are_skipped(folder: Path) -> None:
    openpose(folder, "person01_boxing_d1", {0: 1, 1: 1, 2: 1})
    (folder / "person01_boxing_d1_uncomp" / "x_1_keypoints.json").write_text('{"people": []}')
    with pytest.raises(RecordingError, match="frame 1 of person01_boxing_d1 comes twice"):
        all_of(folder)
    with pytest.warns(UserWarning, match="comes twice"):
        assert len(all_of(folder, skip_bad=True)) == 2


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("person01_boxing_d1.npy", np.ones((9, 17, 2)), r"V = 18 or 25 and C = 2 or 3 \(got \(9"),
        ("person01_dancing_d1.npy", np.ones((9, 18, 2)), "a name like person01_boxing_d1"),
        ("person26_boxing_d1.npy", np.ones((9, 18, 2)), "a name like person01_boxing_d1"),
        ("person01_boxing_d1.npy", np.full((9, 18, 2), np.nan), "expected finite numbers"),
    ],
)
def test_wrong_arrays_are_named(folder: Path, name: str, array: Any, message: str) -> None:
    np.save(folder / name, array)
    with pytest.raises(RecordingError, match=message):
        all_of(folder)


def test_a_video_in_two_forms_and_an_empty_folder_are_refused(folder: Path) -> None:
    with pytest.raises(RecordingError, match=r"holds no recording of KTH actions.*where to get it"):
        all_of(folder)
    np.save(folder / "person01_boxing_d1.npy", np.ones((9, 18, 2)))
    np.savez(folder / "b.npz", person01_boxing_d1=np.ones((9, 18, 2)))
    with pytest.raises(RecordingError, match="person01_boxing_d1 comes twice"):
        all_of(folder)


def test_unknown_words_are_refused_with_the_known_ones(folder: Path) -> None:
    np.save(folder / "person01_boxing_d1.npy", np.ones((9, 18, 2)))
    for kwargs, message in (
        ({"split": "training"}, "split 'training'; it knows train, val, trainval, test, all"),
        ({"protocol": "14-6-5"}, "it knows official, 15-5-5, scenario, stratified"),
        ({"level": "frame"}, "known are range, video"),
        ({"people": "both"}, "known are first, largest, all"),
        ({"frame_step": 0}, "frame step >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            KTH(folder, **kwargs)
    with pytest.raises(ValueError, match="known are official"):
        kth_parts(np.array([1]), np.array([1]), np.array(["a"]), torch.tensor([0]), "other")
