"""The readers of recordings of several actions: exact values, times, and errors that say where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.io import (
    RecordingError,
    clip_segments,
    read_pku_mmd,
    read_pku_mmd_labels,
    read_utkinect,
    read_utkinect_labels,
)
from stgraph.skeleton import pose_labels
from stgraph.testing import random_skeleton_graph

RNG = np.random.default_rng(0)


# --- UTKinect -------------------------------------------------------------------------------------
UT_NAME = "joints_s03_e02.txt"


def utkinect(number: Sequence[int], pos: Any = None) -> bytes:
    pos = RNG.normal(size=(len(number), 60)) if pos is None else np.reshape(pos, (len(number), 60))
    rows = [[n, *row] for n, row in zip(number, pos.tolist(), strict=True)]
    return "\n".join(" ".join(repr(value) for value in row) for row in rows).encode() + b"\n"


def line(number: Sequence[int]) -> Any:
    """Poses whose coordinates grow by one a frame number: interpolation is exact."""
    return np.array(number, dtype=float)[:, None, None] + np.arange(1, 61).reshape(20, 3)


LIST = b"s03_e02\nwalk: 8 20\npush:  24 30 \npull: 20 25\ncarry: NaN NaN\n\ns04_e01\nthrow: 1 2\n"


def test_poses_of_utkinect_are_interpolated_at_equal_steps(tmp_path: Path) -> None:
    number = [6, 8, 8, 14, 22, 60, 61, 70]
    file = tmp_path / UT_NAME
    file.write_bytes(utkinect(number, line(number)))
    graph = read_utkinect(file)
    assert graph.frame.tolist() == [2, 3, 4, 5, 15, 16, 17]
    assert graph.track_length.tolist() == [4, 3]  # from 22 to 60 nobody was seen
    assert graph.person.tolist() == [0, 0]
    expected = torch.from_numpy(line([8, 12, 16, 20, 60, 64, 68])).float()
    assert torch.allclose(graph.folded(), expected)
    assert graph.fps.item() == 7.5
    assert (graph.name, graph.subject, graph.repetition) == ("s03_e02", 3, 2)
    assert "segments" not in graph
    assert "y" not in graph
    fast = read_utkinect(file, every=1)
    assert (fast.num_poses, fast.fps.item()) == (22 - 6 + 1 + 11, 30)


def test_of_a_number_that_repeats_the_first_pose_counts() -> None:
    pos = RNG.normal(size=(4, 20, 3))
    graph = read_utkinect(utkinect([4, 8, 8, 12], pos), name=UT_NAME)
    assert torch.equal(graph.folded(), torch.from_numpy(pos[[0, 1, 3]]).float())


def test_poses_of_utkinect_as_they_are() -> None:
    number = [6, 8, 8, 14, 22, 60, 61, 70]
    pos = RNG.normal(size=(8, 20, 3))
    graph = read_utkinect(utkinect(number, pos), LIST, name=UT_NAME, every=None)
    assert graph.pose_number.tolist() == [6, 8, 14, 22, 60, 61, 70]
    assert graph.frame.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert graph.track_length.tolist() == [4, 3]
    assert torch.equal(graph.folded(), torch.from_numpy(np.delete(pos, 2, axis=0)).float())
    assert "fps" not in graph
    assert graph.segments.tolist() == [[1, 1, 2], [8, 3, 3]]  # nobody is seen from 24 to 30
    assert pose_labels(graph).tolist() == [0, 1, 1, 8, 0, 0, 0]


def test_segments_are_in_the_frames_of_the_graph_and_the_later_one_wins() -> None:
    number = list(range(4, 41, 2))
    for every in (1, 2, 4, 5):
        graph = read_utkinect(utkinect(number), LIST, name=UT_NAME, every=every)
        expected = torch.tensor([[1, 8, 20], [8, 20, 25], [7, 24, 30]]) / torch.tensor(
            [1, every, every]
        )
        assert torch.allclose(graph.segments, expected)
        assert graph.segments.dtype == torch.float32
        labels = pose_labels(graph)
        for frame, label in zip(graph.frame.tolist(), labels.tolist(), strict=True):
            n = frame * every
            later = 7 if 24 <= n <= 30 else 8 if 20 <= n <= 25 else 1 if 8 <= n <= 20 else 0
            assert label == later


@given(
    number=st.lists(st.integers(0, 400), min_size=1, max_size=30),
    every=st.integers(1, 30),
)
def test_every_multiple_within_a_run_is_a_pose_and_nothing_else(
    number: list[int], every: int
) -> None:
    known = sorted(number)
    graph = read_utkinect(utkinect(known, line(known)), name=UT_NAME, every=every)
    runs = [[known[0]]]
    for a, b in itertools.pairwise(known):
        if b - a > 30:
            runs.append([])
        runs[-1].append(b)
    expected = [n for run in runs for n in range(run[0], run[-1] + 1) if n % every == 0]
    assert (graph.frame * every).tolist() == expected
    assert torch.allclose(graph.folded().double(), torch.from_numpy(line(expected)), atol=1e-4)


def test_a_joint_that_one_neighbour_lacks_comes_from_the_nearer_pose() -> None:
    pos = np.ones((4, 20, 3))
    pos[1] = 3
    pos[1, 5] = 0
    pos[2] = 0  # nobody
    graph = read_utkinect(utkinect([3, 6, 7, 17], pos), name=UT_NAME)
    assert graph.frame.tolist() == [1, 2, 3, 4]
    score, seen = graph.folded_score(), graph.folded()
    assert score[:, 5].tolist() == [1, 0, 1, 1]  # 4 is nearer to 3, 8 to 6, 12 and 16 to 17
    assert seen[:, 5, 0].tolist() == [1, 0, 1, 1]
    assert seen[1, 4, 0].item() == pytest.approx(3 - 2 * 2 / 11)


UT = utkinect([4, 8, 12])


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (UT, "s03_e02.txt", "expected a name joints_sSS_eEE.txt"),
        (UT, "notjoints_s03_e02.txt", "expected a name joints"),
        (UT[:-40], UT_NAME, r"line 3: expected 61 numbers \(got \d+\)"),
        (UT.replace(b"8 ", b"eight ", 1), UT_NAME, "expected a number"),
        (utkinect([4, 8], np.full((2, 60), np.nan)), UT_NAME, "line 1,.*finite"),
        (utkinect([4, 8, 6]), UT_NAME, r"line 3: .*do not fall \(got 6 after 8\)"),
        (UT.replace(b"4 ", b"4.5 ", 1), UT_NAME, r"line 1: expected whole .*\(got 4.5\)"),
        (UT.replace(b"4 ", b"-9e9 ", 1), UT_NAME, "expected whole frame numbers"),
        (b"\n", UT_NAME, "holds no numbers"),
        (b"\xff\x00", UT_NAME, "plain text"),
    ],
)
def test_bad_utkinect_files_are_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_utkinect(content, name=name)
    assert name in str(caught.value)


@pytest.mark.parametrize("every", [0, 31, -4, 2.5, True])
def test_a_spacing_that_would_join_tracks_or_is_none_is_refused(every: Any) -> None:
    with pytest.raises(ValueError, match=r"expected every=None or a whole number 1\.\.30"):
        read_utkinect(UT, name=UT_NAME, every=every)


def test_labels_that_do_not_know_the_recording_are_refused() -> None:
    with pytest.raises(RecordingError, match="the labels do not know s03_e01"):
        read_utkinect(UT, LIST, name="joints_s03_e01.txt")
    with pytest.raises(RecordingError, match="there is no such file"):
        read_utkinect(UT, "nothing.txt", name=UT_NAME)


def test_the_list_of_labels_is_read_in_the_order_of_time() -> None:
    labels = read_utkinect_labels(LIST.replace(b"\n", b"\r\n"))
    assert {key: table.tolist() for key, table in labels.items()} == {
        "s03_e02": [[1, 8, 20], [8, 20, 25], [7, 24, 30]],
        "s04_e01": [[6, 1, 2]],
    }
    assert read_utkinect_labels(b"s01_e01\n")["s01_e01"].shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"walk: 1 2\n", "line 1: expected the name of a recording"),
        (b"s01_e01\ndance: 1 2\n", "line 2: unknown action 'dance'; known are walk, sitDown"),
        (b"s01_e01\nwalk: 1\n", "line 2: expected 'action: first last'"),
        (b"s01_e01\nwalk: 5 2\n", r"line 2: expected an end .*\(got 5 2\); correct the line"),
        (b"s01_e01\nwalk: NaN 2\n", r"two whole frame numbers or NaN NaN \(got 'NaN 2'\)"),
        (b"s01_e01\nwalk: 1.5 2\n", "two whole frame numbers"),
        (b"s01_e01\nwalk: 1 99999999999999999999\n", "two whole frame numbers"),
        (b"s01_e01\nwalk: 1 2\ns01_e01\n", "line 3: s01_e01 comes twice"),
        (b"\n \n", "expected the names of recordings"),
        (b"\xff", "plain text"),
        (b"", "the file is empty"),
    ],
)
def test_bad_lists_of_labels_are_named(text: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_utkinect_labels(text, name="list.txt")
    assert "list.txt" in str(caught.value)


# --- PKU-MMD --------------------------------------------------------------------------------------
def pku(frames: int = 6, **changes: Any) -> bytes:
    table = RNG.normal(size=(frames, 2, 25, 3)).round(6)
    table[:2, 1] = 0
    table[4, 1] = 0
    return "\n".join(" " + " ".join(map(str, row)) for row in table.reshape(frames, -1)).encode()


def test_pku_mmd_is_read_exactly_and_who_is_not_there_has_no_track(tmp_path: Path) -> None:
    content = pku()
    (tmp_path / "0073-R.txt").write_bytes(content)
    (tmp_path / "labels.txt").write_bytes(b"51,3,9,2\n7,0,2,1\n")
    graph = read_pku_mmd(tmp_path / "0073-R.txt", tmp_path / "labels.txt")
    table = np.array([line.split() for line in content.split(b"\n")], dtype=np.float32)
    first, second = table.reshape(6, 2, 25, 3).transpose(1, 0, 2, 3)
    expected = np.concatenate([first, second[[2, 3, 5]]])
    assert torch.equal(graph.folded(), torch.from_numpy(expected))
    assert graph.track_length.tolist() == [6, 2, 1]
    assert graph.person.tolist() == [0, 1, 1]
    assert graph.frame.tolist() == [0, 1, 2, 3, 4, 5, 2, 3, 5]
    assert (graph.name, graph.take, graph.camera, graph.fps.item()) == ("0073-R", "0073", "R", 30)
    assert graph.segments.tolist() == [[7, 0, 2], [51, 3, 9]]
    assert pose_labels(graph).tolist() == [7, 7, 7, 51, 51, 51, 7, 51, 51]
    assert "segments" not in read_pku_mmd(content, name="A10N08-L.txt")


def test_labels_of_pku_mmd_that_end_before_they_begin_are_turned_round() -> None:
    table = read_pku_mmd_labels(b"4,30,60,1\n12,20,10,2\n")
    assert table.tolist() == [[12, 10, 20], [4, 30, 60]]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (pku(), "0073.txt", "expected a name TAKE-CAMERA.txt"),
        (pku(), "0073-X.txt", "expected a name TAKE-CAMERA.txt"),
        (pku()[:-30], "0073-L.txt", "line 6: expected 150 numbers"),
        (pku().replace(b" 0.0 ", b" zero ", 1), "0073-L.txt", "line 1: expected a number"),
        (pku().replace(b" 0.0 ", b" nan ", 1), "0073-L.txt", "line 1,.*finite"),
        (b" \n", "0073-L.txt", "holds no numbers"),
    ],
)
def test_bad_pku_mmd_files_are_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_pku_mmd(content, name=name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1,2,3\n", r"line 1: expected 4 numbers \(got 3\)"),
        (b"1,2,3,1\n52,2,3,1\n", r"line 2: expected a label 1\.\.51 .*\(got 52,2,3\)"),
        (b"0,2,3,1\n", "expected a label"),
        (b"1.5,2,3,1\n", "expected a label"),
        (b"1,2.5,3,1\n", "two whole frame numbers"),
        (b"1,-2,3,1\n", "two whole frame numbers"),
        (b"1,2,99999999,1\n", "two whole frame numbers"),
        (b"1,nan,3,1\n", "finite"),
        (b"bow,2,3,1\n", "expected a number"),
    ],
)
def test_bad_labels_of_pku_mmd_are_named(text: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_pku_mmd_labels(text, name="0073-L.txt")
    assert "0073-L.txt" in str(caught.value)


def test_labels_of_a_longer_recording_are_refused() -> None:
    with pytest.raises(RecordingError, match=r"actions within 6 frames \(one begins at 6\)"):
        read_pku_mmd(pku(), b"1,0,3,1\n2,6,8,1\n", name="0073-L.txt")


# --- cutting --------------------------------------------------------------------------------------
def test_each_segment_becomes_a_recording_of_one_class() -> None:
    table = torch.tensor([[3, 0.5, 2.0], [1, 2.0, 9.0], [2, 8.0, 9.0]])
    graph = random_skeleton_graph("kinect_v1_20", [6], segments=table, name="s01_e01", subject=1)
    clips = clip_segments(graph)
    assert [clip.name for clip in clips] == ["s01_e01_01", "s01_e01_02", "s01_e01_03"]
    assert [clip.y.tolist() for clip in clips] == [[2], [0], [1]]
    assert [clip.frame.tolist() for clip in clips] == [[1, 2], [2, 3, 4, 5], []]
    assert torch.equal(clips[0].folded(), graph.folded()[1:3])
    for clip in clips:
        assert (clip.sequence, clip.subject) == ("s01_e01", 1)
        assert "segments" not in clip
    assert "segments" in graph
    with pytest.raises(ValueError, match="have 'segments'"):
        clip_segments(clips[0])
