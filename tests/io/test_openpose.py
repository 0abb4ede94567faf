"""OpenPose JSON, hand-made and real."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgraph.io import RecordingError, read_openpose, read_openpose_folder


def person(x: float = 0.0, size: float = 10.0, joints: int = 25, lost: int = 0) -> dict:
    rows = [[x + size * (j % 5), size * (j // 5) + 1, 0.5] for j in range(joints)]
    for j in range(lost):
        rows[j] = [0, 0, 0]
    return {"pose_keypoints_2d": [value for row in rows for value in row]}


def write_frames(folder: Path, frames: dict[int, list[dict]]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, people in frames.items():
        file = folder / f"clip_{number:012d}_keypoints.json"
        file.write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


def test_a_folder_becomes_tracks_with_their_frame_numbers(tmp_path: Path) -> None:
    folder = write_frames(
        tmp_path / "clip", {3: [person(lost=2)], 4: [person()], 5: [], 6: [person()], 8: [person()]}
    )
    graph = read_openpose_folder(folder, fps=25, y=2, subject=7)
    assert graph.layout.name == "openpose_body_25"
    assert graph.frame.tolist() == [3, 4, 6, 8]
    assert graph.track_length.tolist() == [2, 1, 1]
    assert graph.person.tolist() == [0, 0, 0]
    assert (graph.name, graph.subject, graph.y.tolist(), graph.fps.tolist()) == (
        "clip",
        7,
        [2],
        [25],
    )
    score = graph.folded_score()
    assert score[0, :2].tolist() == [0, 0]
    assert (score[1] == 0.5).all()
    assert graph.folded()[1, 6].tolist() == [10.0, 11.0]


def test_values_are_kept_as_read(tmp_path: Path) -> None:
    entry = person()
    entry["pose_keypoints_2d"][:3] = [123.456, 7.89, 0.987654]
    graph = read_openpose_folder(write_frames(tmp_path / "c", {0: [entry]}))
    assert torch.equal(graph.pos[0], torch.tensor([123.456, 7.89]))
    assert graph.score[0] == np.float32(0.987654)


def test_confidence_beyond_its_range_is_cut(tmp_path: Path) -> None:
    entry = person()
    entry["pose_keypoints_2d"][2] = 1.04
    entry["pose_keypoints_2d"][5] = -0.1
    graph = read_openpose_folder(write_frames(tmp_path / "c", {0: [entry]}))
    assert graph.score[:3].tolist() == [1, 0, 0.5]


@pytest.mark.parametrize(("people", "x"), [("first", 50.0), ("largest", 0.0)])
def test_one_person_is_chosen_of_several(tmp_path: Path, people: str, x: float) -> None:
    both = [person(x=50, size=5), person(x=0, size=20)]
    graph = read_openpose_folder(write_frames(tmp_path / "c", {0: both, 1: both}), people=people)
    assert graph.track_length.tolist() == [2]
    assert graph.folded()[:, 0, 0].tolist() == [x, x]


def test_a_person_without_a_joint_is_nobody(tmp_path: Path) -> None:
    frames = {0: [person(lost=25), person(x=9)], 1: [person(lost=25)]}
    graph = read_openpose_folder(write_frames(tmp_path / "c", frames))
    assert graph.frame.tolist() == [0]
    assert graph.pos[0, 0] == 9


def test_all_people_are_followed_though_their_order_changes(tmp_path: Path) -> None:
    frames = {
        t: [person(x=100 - 2 * t), person(x=2.0 * t)][:: 1 if t % 2 else -1] for t in range(4)
    }
    frames[4] = [person(x=8)]
    frames[5] = [person(x=10), person(x=90), person(x=500)]
    graph = read_openpose_folder(write_frames(tmp_path / "c", frames), people="all")
    first = {  # person: x of its first joint by frame
        p: graph.folded()[(graph.person[graph.track] == p), 0, 0].tolist()
        for p in range(int(graph.person.max()) + 1)
    }
    assert first == {0: [0, 2, 4, 6, 8, 10], 1: [100, 98, 96, 94, 90], 2: [500]}
    assert graph.person.tolist() == [0, 1, 1, 2]
    assert graph.track_length.tolist() == [6, 4, 1, 1]


def test_the_number_of_values_names_the_layout(tmp_path: Path) -> None:
    graph = read_openpose_folder(write_frames(tmp_path / "c", {0: [person(joints=18)]}))
    assert graph.layout.name == "openpose_coco_18"
    empty = read_openpose_folder(write_frames(tmp_path / "e", {0: [], 1: []}))
    assert (empty.num_poses, empty.layout.name) == (0, "openpose_body_25")
    empty = read_openpose_folder(tmp_path / "e", layout="openpose_coco_18")
    assert empty.layout.name == "openpose_coco_18"


def test_a_single_file_is_one_frame_or_a_list_of_frames(tmp_path: Path) -> None:
    one = json.dumps({"people": [person()]}).encode()
    assert read_openpose(one).frame.tolist() == [0]
    many = json.dumps([{"people": [person()]}, {"people": []}, {"people": [person()]}])
    (tmp_path / "v.json").write_text(many)
    graph = read_openpose(tmp_path / "v.json")
    assert graph.frame.tolist() == [0, 2]
    assert graph.name == "v"


def test_an_archive_reads_like_its_folder(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "c", {0: [person()], 1: [person(x=3)]})
    with tarfile.open(tmp_path / "c.tar.xz", "w:xz") as archive:
        archive.add(folder, "c")
    a, b = read_openpose_folder(folder), read_openpose_folder(tmp_path / "c.tar.xz", name="c")
    assert torch.equal(a.pos, b.pos)
    assert a.name == b.name


NAN = {"people": [{"pose_keypoints_2d": [1.0] * 40 + [float("nan")] + [1.0] * 34}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"people": [', r"frame_1_keypoints.json', line 1, column 13: expected JSON"),
        (b"\xff\xfe\x00", "expected UTF-8 text"),
        (b"[" * 100_000, "expected JSON"),
        (b"{}", "expected an object with the list 'people'"),
        (b'{"people": 3}', "expected an object with the list 'people'"),
        (b'{"people": [7]}', "person 0: expected the key 'pose_keypoints_2d'"),
        (b'{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', r"75 values .* \(got 3\)"),
        (b'{"people": [{"pose_keypoints_2d": ["a", 2]}]}', "expected numbers"),
        (b'{"people": [{"pose_keypoints_2d": [[1], 2]}]}', "expected a regular table"),
        (json.dumps(NAN).encode(), "joint 13, entry .1,.: expected finite numbers"),
        (json.dumps(NAN).replace("NaN", "1e300").encode(), "expected finite numbers"),
        (b"", "the file is empty"),
    ],
)
def test_a_bad_frame_is_named_and_can_be_skipped(
    tmp_path: Path, content: bytes, message: str
) -> None:
    folder = write_frames(tmp_path / "c", {0: [person()], 2: [person()]})
    (folder / "frame_1_keypoints.json").write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        read_openpose_folder(folder)
    with pytest.warns(UserWarning, match=r"skipped 1 bad file\(s\):\n.*frame_1_keypoints"):
        graph = read_openpose_folder(folder, skip_bad=True)
    assert graph.frame.tolist() == [0, 2]


@pytest.mark.parametrize("number", ["9223372036854775807", "99999999999999999999", "1" * 200])
def test_a_frame_number_that_is_too_large_names_its_file(tmp_path: Path, number: str) -> None:
    folder = write_frames(tmp_path / "c", {0: [person()]})
    (folder / f"v_{number}_keypoints.json").write_text(json.dumps({"people": [person()]}))
    with pytest.raises(RecordingError, match=rf"v_{number}_keypoints.json': expected a frame num"):
        read_openpose_folder(folder)


def test_time_stamps_may_be_frame_numbers(tmp_path: Path) -> None:
    folder = write_frames(
        tmp_path / "c", {0: [person()], 33: [person()], 1732222222222: [person()]}
    )
    graph = read_openpose_folder(folder)
    assert graph.frame.tolist() == [0, 33, 1732222222222]
    assert graph.track_length.tolist() == [1, 1, 1]


def test_folders_that_are_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file or folder"):
        read_openpose_folder(tmp_path / "nothing")
    (tmp_path / "e").mkdir()
    with pytest.raises(RecordingError, match="expected OpenPose JSON files"):
        read_openpose_folder(tmp_path / "e")
    folder = write_frames(tmp_path / "c", {1: [person()]})
    (folder / "b_1_keypoints.json").write_text('{"people": []}')
    with pytest.raises(RecordingError, match=r"frame 1 comes twice.*a folder of its own"):
        read_openpose_folder(folder)
    mixed = write_frames(tmp_path / "m", {0: [person()], 1: [person(joints=18)]})
    with pytest.raises(RecordingError, match="people of 18 and 25 joints"):
        read_openpose_folder(mixed)
    with pytest.raises(RecordingError, match=r"expected 18 joints .* \(got 25\)"):
        read_openpose_folder(
            write_frames(tmp_path / "w", {0: [person()]}), layout="openpose_coco_18"
        )
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "x.json").write_text('{"people": []}')
    with pytest.raises(RecordingError, match="expected a frame number"):
        read_openpose_folder(tmp_path / "n")
    with pytest.raises(ValueError, match="unknown people 'both'; known are first, largest, all"):
        read_openpose_folder(mixed, people="both")


# --- real files -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sample(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openpose")
    for name in ("openpose_body25", "openpose_coco18"):
        with tarfile.open(shared / "data" / "samples" / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize(
    ("video", "counts"),
    [
        ("soccer_several_people", {0: 40, 1: 34, 2: 9, 3: 5}),
        ("soccer_b", {0: 33, 1: 44, 2: 11, 3: 2}),
        ("tall_man", {1: 60}),
        ("model_only_pose_key", {1: 30}),
    ],
)
def test_people_of_real_videos_are_all_found(sample: Path, video: str, counts: dict) -> None:
    folder = sample / "openpose_body25" / video
    everyone = read_openpose_folder(folder, people="all")
    files = len(list(folder.iterdir()))
    per_frame = Counter(Counter(everyone.frame.tolist()).values())
    per_frame[0] = files - len(everyone.frame.unique())
    assert {k: v for k, v in per_frame.items() if v} == counts
    first = read_openpose_folder(folder, people="first")
    assert first.num_poses == files - counts.get(0, 0)


def test_a_real_coco_18_file_keeps_absent_joints_absent(sample: Path) -> None:
    graph = read_openpose(next((sample / "openpose_coco18").iterdir()))
    assert graph.layout.name == "openpose_coco_18"
    assert graph.num_poses == 1
    missing = (graph.pos == 0).all(dim=1)
    assert missing.any()
    assert torch.equal(graph.score == 0, missing)


@pytest.mark.parametrize("wrong", [{"pepole": "all"}, {"skip_bda": True}, {"layuot": "coco_17"}])
def test_an_option_written_wrong_is_no_attribute(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (tmp_path / "a_000_keypoints.json").write_text('{"people": []}')
    with pytest.raises(TypeError, match="is known"):
        read_openpose_folder(tmp_path, **wrong)
    with pytest.raises(TypeError, match="does not take it"):
        read_openpose(tmp_path / "a_000_keypoints.json", skip_bad=True)
    assert read_openpose_folder(tmp_path, subject=3).subject == 3
