"""The readers of single recordings: exact values, and errors that name the place."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from stgraph.io import (
    GUESSED_SCORE,
    RecordingError,
    clip_frames,
    graphs_from_array,
    read_kth_poses,
    read_kth_sequences,
    read_msr_action3d,
    read_numpy,
    read_nw_ucla,
    read_penn_action,
    read_sbu,
    read_utd_mhad,
)

RNG = np.random.default_rng(0)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def mat(**variables: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=True)
    return file.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


# --- Northwestern-UCLA ----------------------------------------------------------------------------
def nw_ucla(**changes: Any) -> bytes:
    table = RNG.normal(size=(4, 20, 3)).round(6)
    table[2, 5] = 0
    fields = {"file_name": "a05_s02_e03_v01", "skeletons": table.tolist(), "label": 5}
    return json.dumps(fields | changes).encode()


def test_nw_ucla_is_read_exactly(tmp_path: Path) -> None:
    content = nw_ucla()
    table = np.array(json.loads(content)["skeletons"])
    file = tmp_path / "a05_s02_e03_v01.json"
    file.write_bytes(content)
    graph = read_nw_ucla(file)
    assert torch.equal(graph.folded(), torch.from_numpy(table.astype(np.float32)))
    assert graph.folded_score()[2, 5] == 0
    assert graph.score.sum() == 79
    assert graph.y.tolist() == [4]
    assert (graph.name, graph.action, graph.subject, graph.repetition, graph.camera) == (
        "a05_s02_e03_v01",
        5,
        2,
        3,
        1,
    )
    assert graph.track_length.tolist() == [4]
    assert graph.digest == read_nw_ucla(content).digest
    assert graph.digest != read_nw_ucla(nw_ucla(skeletons=(table + 1e-6).tolist())).digest


SHORT = [[[0.0, 0, 1]] * 20, [[0.0, 0, 1]] * 19]
ODD = [[[0.0, 0, 1]] * 20, [[0.0, 0, float("inf")]] * 20]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "line 1, column 2: expected JSON"),
        (b"[]", "expected the keys"),
        (nw_ucla(file_name="x"), "'file_name': expected a name aAA"),
        (nw_ucla(label=11), r"'label': expected a label 1\.\.10 \(got 11\)"),
        (nw_ucla(label=True), "expected a label"),
        (nw_ucla(skeletons=SHORT), r"frame 1: expected 20 joints \(got 19\)"),
        (nw_ucla(skeletons=[[1, 2]]), r"frame 0: expected 20 joints \(got 2\)"),
        (nw_ucla(skeletons=[]), "expected frames of 20 joints"),
        (nw_ucla(skeletons=None), "expected numbers"),
        (nw_ucla(skeletons=[[["a"] * 3] * 20]), "expected numbers"),
        (nw_ucla(skeletons=ODD), r"frame 1, entry \(0, 2\): expected finite numbers"),
    ],
)
def test_bad_nw_ucla_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_nw_ucla(content, name="bad.json")
    assert "bad.json" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    for read in (read_nw_ucla, read_kth_poses, read_penn_action, read_utd_mhad, read_msr_action3d):
        with pytest.raises(RecordingError, match="there is no such file; check the path"):
            read(tmp_path / "a1_s1_t1_skeleton.mat")
        with pytest.raises(RecordingError, match="expected a file"):
            read(tmp_path)
        with pytest.raises(RecordingError, match="the file is empty"):
            read(b"")


# --- KTH ------------------------------------------------------------------------------------------
def kth(t: int = 6, step: int = 3, **changes: Any) -> bytes:
    poses = RNG.uniform(1, 100, size=(t, 18, 2)).astype(np.float32)
    poses[2:4] = 0
    poses[0, 3] = 0
    meta = json.dumps({"video_id": "person01_boxing_d1"})
    times = (np.arange(t) * step / 25).astype(np.float32)
    return npz(**({"poses": poses, "timestamps": times, "meta": np.array(meta)} | changes))


def test_kth_poses_count_sampled_frames_and_gaps_end_tracks() -> None:
    content = kth()
    poses = np.load(io.BytesIO(content))["poses"]
    graph = read_kth_poses(content)
    assert graph.frame.tolist() == [0, 1, 4, 5]
    assert graph.track_length.tolist() == [2, 2]
    assert graph.person.tolist() == [0, 0]
    assert torch.equal(graph.folded(), torch.from_numpy(poses[[0, 1, 4, 5]]))
    assert graph.score.sum() == 4 * 18 - 1
    assert (graph.name, graph.frame_step, graph.clip_length) == ("person01_boxing_d1", 3, 6)
    assert graph.fps.item() == pytest.approx(25 / 3)
    empty = read_kth_poses(kth(poses=np.zeros((6, 18, 2), np.float32)))
    assert (empty.num_poses, empty.num_tracks, empty.clip_length) == (0, 0, 6)


def test_a_clip_keeps_what_lies_within() -> None:
    graph = read_kth_poses(kth())
    clip = clip_frames(graph, 1, 4, repetition=2)
    assert clip.frame.tolist() == [1, 4]
    assert clip.track_length.tolist() == [1, 1]
    assert torch.equal(clip.folded(), graph.folded()[1:3])
    assert (clip.repetition, clip.name) == (2, graph.name)
    nothing = clip_frames(graph, 2, 3)
    assert (nothing.num_poses, nothing.num_tracks, nothing.pos.shape) == (0, 0, (0, 2))


GOOD = kth()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no zip", "expected a numpy archive"),
        (GOOD[: len(GOOD) // 2], "expected a numpy archive"),
        (GOOD[:300] + bytes(50) + GOOD[350:], "cannot read"),
        (npz(poses=np.zeros((2, 18, 2))), "expected the arrays timestamps"),
        (kth(poses=np.zeros((6, 17, 2), np.float32)), r"'poses': expected \[T, 18, 2\]"),
        (kth(timestamps=np.zeros(3)), "'timestamps': expected 6 times"),
        (kth(timestamps=np.zeros(6)), "expected equally spaced times"),
        (kth(poses=np.full((6, 18, 2), np.nan, np.float32)), "frame 0, entry .0, 0.: .*finite"),
        (npz(poses=np.array([Bomb()]), timestamps=np.zeros(1)), "'poses': .*pickled Python"),
    ],
)
def test_bad_kth_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_kth_poses(content, name="k.npz")


def test_archives_that_lie_about_their_size_take_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    header = b"\x93NUMPY\x01\x00\x76\x00"
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    lie = header + text.ljust(117).encode() + b"\n" + bytes(80)
    with pytest.raises(RecordingError, match=r"expected 8,000,000,000,000 bytes"):
        read_numpy(lie, "sbu_15")
    monkeypatch.setattr("stgraph.io.parse._MAX_UNPACKED", 2 * 2**20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.npy", bytes(2**20))
    with pytest.raises(RecordingError, match="more than is sensible"):
        read_kth_poses(file.getvalue())


def test_the_list_of_ranges_is_read_in_its_order() -> None:
    text = (
        "a comment\nperson01_boxing_d1\t\tframes\t1-95, 96-185\n"
        "person13_handclapping_d3\tframes\t\nperson07_running_d4 frames\t50-60, 1-9\n"
    )
    assert read_kth_sequences(text.encode()) == {
        "person01_boxing_d1": [(1, 95), (96, 185)],
        "person07_running_d4": [(50, 60), (1, 9)],
    }
    for ranges in ("d1 frames 5-3", "d1 frames 1-x", "d1 frames 1-99999999999999999999", "boo"):
        line = f"person01_boxing_{ranges}"
        with pytest.raises(RecordingError, match="line 2: expected 'personNN_action_dN frames"):
            read_kth_sequences(f"\n{line}".encode())
    with pytest.raises(RecordingError, match="got none"):
        read_kth_sequences(b"nothing here")


# --- Penn Action ----------------------------------------------------------------------------------
def penn(**changes: Any) -> bytes:
    t = 5
    x = np.arange(t * 13, dtype=float).reshape(t, 13)
    visibility = np.ones((t, 13))
    visibility[1] = 0
    x[1, 0] = 1
    y = 300 - 4 * x
    y[1, 0] = 1
    x[1, 1] = y[1, 1] = 0
    fields = {"action": "bowl", "pose": "front", "x": x, "y": y, "visibility": visibility}
    return mat(**(fields | {"train": -1, "bbox": np.zeros((t - 1, 4))} | changes))


def test_penn_action_keeps_numbers_and_grades_invisible_joints() -> None:
    graph = read_penn_action(penn(), name="labels/0007.mat")
    pos = graph.folded()
    assert pos[0, 2].tolist() == [2, 292]
    assert (pos[3] - pos[2]).tolist() == [[13, -52]] * 13  # small integers would wrap around
    score = graph.folded_score()
    assert score[0].tolist() == [1] * 13
    assert score[1].tolist() == [0, 0] + [np.float32(GUESSED_SCORE)] * 11
    assert (graph.name, graph.action, graph.facing, graph.official_train) == (
        "0007",
        "bowl",
        "front",
        False,
    )
    assert "y" not in graph
    layout = graph.layout
    assert layout.joints[5] == "left_wrist"
    assert layout.canonical[5] == "right_wrist"
    assert layout.index("left_hip") == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 200, "expected a MATLAB v5 file"),
        (penn()[:500], "truncated"),
        (mat(x=np.zeros((3, 13))), "expected the variables action"),
        (penn(x=np.zeros((5, 12))), r"variable 'x': expected numbers \[T, 13\]"),
        (penn(x=np.full((5, 13), np.nan)), "variable 'x', frame 0, entry .0,.: expected finite"),
        (penn(y=np.zeros((4, 13))), "expected equal numbers of frames"),
        (penn(train=np.zeros((2, 2))), "'train': expected 1 or -1"),
        (penn(action=3), "'action': expected a word"),
        (penn(x="text"), "variable 'x'"),
    ],
)
def test_bad_matlab_files_are_named(content: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_penn_action(content, name="0001.mat")


def test_damaged_matlab_files_raise_nothing_else() -> None:
    content = bytearray(penn())
    for place in range(128, len(content), 29):
        damaged = content.copy()
        damaged[place] ^= 0x5A
        with contextlib.suppress(RecordingError):
            read_penn_action(bytes(damaged), name="0001.mat")


def test_a_matlab_bomb_takes_no_memory() -> None:
    zeros = zlib.compress(bytes(65 * 2**20), 1)
    header = penn()[:128]
    bomb = header + np.array([15, len(zeros)], "<u4").tobytes() + zeros
    with pytest.raises(RecordingError, match="unpacks to more than is sensible"):
        read_penn_action(bomb, name="0001.mat")


# --- UTD-MHAD -------------------------------------------------------------------------------------
def test_utd_mhad_is_read_exactly() -> None:
    table = RNG.normal(size=(20, 3, 4)).astype(np.float32)
    graph = read_utd_mhad(mat(d_skel=table), name="Skeleton/a27_s8_t3_skeleton.mat")
    assert torch.equal(graph.folded(), torch.from_numpy(table.transpose(2, 0, 1).copy()))
    assert (graph.name, graph.subject, graph.repetition) == ("a27_s8_t3", 8, 3)
    assert graph.y.tolist() == [26]
    for content, name, message in (
        (mat(d_skel=table), "a28_s8_t3_skeleton.mat", r"action 1\.\.27"),
        (mat(d_skel=table[:19]), "a1_s8_t3_skeleton.mat", r"'d_skel': expected \[20, 3, T\]"),
        (mat(other=table), "a1_s8_t3_skeleton.mat", "'d_skel'"),
        (mat(d_skel=table * np.inf), "a1_s8_t3_skeleton.mat", "frame 0.*finite"),
    ):
        with pytest.raises(RecordingError, match=message):
            read_utd_mhad(content, name=name)


# --- SBU ------------------------------------------------------------------------------------------
def sbu(table: Any, first: int = 5) -> bytes:
    rows = [[first + t, *row] for t, row in enumerate(np.asarray(table).reshape(len(table), -1))]
    return "\r\n".join(",".join(repr(float(v)) for v in row) for row in rows).encode() + b"\r\n"


SBU_NAME = "SBU/s03s05/07/002/skeleton_pos.txt"


def test_sbu_has_two_persons_and_can_be_in_metres() -> None:
    table = RNG.uniform(0.1, 1, size=(3, 2, 15, 3))
    graph = read_sbu(sbu(table), name=SBU_NAME)
    assert graph.track_length.tolist() == [3, 3]
    assert graph.person.tolist() == [0, 1]
    assert graph.frame.tolist() == [5, 6, 7, 5, 6, 7]
    expected = torch.from_numpy(table.transpose(1, 0, 2, 3).reshape(6, 15, 3).astype(np.float32))
    assert torch.equal(graph.folded(), expected)
    assert (graph.name, graph.pair, graph.subject) == ("s03s05_07_002", "s03s05", 3)
    assert graph.y.tolist() == [6]
    table[..., :] = [0.25, 0.75, 2.0]
    metres = read_sbu(sbu(table), name=SBU_NAME, metres=True)
    assert torch.allclose(metres.pos, torch.tensor([0.64, -0.48, 2.56]))


def test_a_person_who_is_not_there_has_no_track() -> None:
    table = RNG.uniform(0.1, 1, size=(4, 2, 15, 3))
    table[1, 1] = 0
    graph = read_sbu(sbu(table), name=SBU_NAME, metres=True)
    assert graph.track_length.tolist() == [4, 1, 2]
    assert graph.person.tolist() == [0, 1, 1]
    gap = b"\n".join(sbu(table[:1], first) for first in (1, 2, 9)).replace(b"\r\n", b"")
    assert read_sbu(gap, name=SBU_NAME).track_length.tolist() == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (sbu(np.ones((2, 90))), "x.txt", "expected a path sAAsBB"),
        (sbu(np.ones((2, 90)))[:-30], SBU_NAME, "line 2: expected 91 numbers"),
        (sbu(np.ones((2, 90))).replace(b",1.0", b",one", 1), SBU_NAME, "line 1: expected a number"),
        (sbu(np.full((2, 90), np.nan)), SBU_NAME, "line 1,.*finite"),
        (sbu(np.ones((1, 90))) * 2, SBU_NAME, "line 2: expected increasing frame numbers"),
        (b"\r\n \n", SBU_NAME, "holds no numbers"),
        (b"\xff\x00", SBU_NAME, "plain text"),
    ],
)
def test_bad_sbu_files_are_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_sbu(content, name=name)


# --- MSR-Action3D ---------------------------------------------------------------------------------
MSR_NAME = "a20_s10_e03_skeleton3D.txt"


def msr(table: Any) -> bytes:
    rows = np.asarray(table).reshape(-1, 4)
    return "\n".join(" ".join(f"{v:.6f}" for v in row) for row in rows).encode()


def test_msr_zero_frames_do_not_exist_and_confidence_is_the_score() -> None:
    table = RNG.uniform(0.1, 1, size=(5, 20, 4)).round(6)
    table[2] = 0
    table[3, 4, 3] = 0
    graph = read_msr_action3d(msr(table), name=MSR_NAME)
    assert graph.frame.tolist() == [0, 1, 3, 4]
    assert graph.track_length.tolist() == [2, 2]
    kept = torch.from_numpy(table[[0, 1, 3, 4]].astype(np.float32))
    assert torch.equal(graph.folded(), kept[..., :3])
    score = kept[..., 3].clone()
    score[2, 4] = GUESSED_SCORE
    assert torch.equal(graph.folded_score(), score)
    assert (graph.name, graph.subject, graph.repetition) == ("a20_s10_e03", 10, 3)
    nobody = read_msr_action3d(msr(np.zeros((3, 20, 4))), name=MSR_NAME)
    assert (nobody.num_poses, nobody.num_tracks, nobody.num_dims) == (0, 0, 3)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (msr(np.ones((2, 20, 4))), "a21_s01_e01_skeleton3D.txt", r"action 1\.\.20"),
        (msr(np.ones((39, 4))), MSR_NAME, r"frame 1: expected 20 lines a frame \(got 39 lines\)"),
        (msr(np.ones((40, 4)))[:-9], MSR_NAME, r"line 40: expected 4 numbers \(got 3\)"),
        (msr(np.ones((40, 4))) + b"x", MSR_NAME, "line 40: expected a number"),
        (msr(np.full((20, 4), np.inf)), MSR_NAME, "line 1,.*finite"),
    ],
)
def test_bad_msr_files_are_named(content: bytes, name: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        read_msr_action3d(content, name=name)


# --- arrays ---------------------------------------------------------------------------------------
DENSE = RNG.normal(size=(3, 2, 7, 15, 3)).astype(np.float32)  # N, M, T, V, C


@pytest.mark.parametrize("axes", ["NMTVC", "NCTVM", "TVCMN"])
def test_axes_in_any_order_give_the_same_recordings(axes: str) -> None:
    array = DENSE.transpose(["NMTVC".index(letter) for letter in axes])
    graphs = graphs_from_array(array, "sbu_15", axes=axes, y=[0, 1, 2], name="x")
    assert [graph.name for graph in graphs] == ["x_0", "x_1", "x_2"]
    assert [graph.y.item() for graph in graphs] == [0, 1, 2]
    for graph, dense in zip(graphs, DENSE, strict=True):
        assert torch.equal(graph.to_dense(), torch.from_numpy(dense))


def test_common_orders_are_guessed_and_doubt_is_refused(tmp_path: Path) -> None:
    one = DENSE[0, 0]
    np.save(tmp_path / "tvc.npy", one)
    assert torch.equal(read_numpy(tmp_path / "tvc.npy", "sbu_15").folded(), torch.from_numpy(one))
    assert read_numpy(npy(one.transpose(2, 0, 1)), "sbu_15").num_poses == 7
    assert read_numpy(npy(np.asfortranarray(one)), "sbu_15").num_poses == 7
    assert read_numpy(npy(DENSE[0]), "sbu_15").num_tracks == 2
    assert len(read_numpy(npy(DENSE[:, 0].transpose(0, 3, 1, 2)), "sbu_15")) == 3
    with pytest.raises(RecordingError, match="name them"):
        graphs_from_array(np.ones((3, 15, 9)), "sbu_15")
    with pytest.raises(RecordingError, match=r"expected axes TVC with 15 joints .*\(got \(7, 20"):
        graphs_from_array(np.ones((7, 20, 3)), "sbu_15", axes="TVC")
    with pytest.raises(ValueError, match="letters N, M, T, V, C"):
        graphs_from_array(one, "sbu_15", axes="TVX")
    with pytest.raises(RecordingError, match="expected 3 labels"):
        graphs_from_array(DENSE, "sbu_15", axes="NMTVC", y=[1])


def test_zeros_that_pad_an_array_vanish() -> None:
    padded = np.zeros((2, 9, 15, 2))
    padded[0, 1:4] = 1
    padded[0, 6] = 1
    padded[0, 2, 3] = 0
    graph = graphs_from_array(padded, "sbu_15", axes="MTVC")
    assert graph.frame.tolist() == [1, 2, 3, 6]
    assert graph.track_length.tolist() == [3, 1]
    assert graph.score.sum() == 59


@pytest.mark.parametrize("dims", [2, 3])
def test_a_third_coordinate_is_no_confidence(dims: int) -> None:
    array = RNG.normal(scale=50, size=(4, 15, dims))
    with pytest.raises(RecordingError, match="leave out confidence=True"):
        graphs_from_array(array, "sbu_15", axes="TVC", confidence=True)


def test_the_last_coordinate_can_be_a_confidence() -> None:
    array = np.ones((2, 15, 3))
    array[0, 0, 2] = 0
    array[1, :, 2] = 0
    array[0, 1, 2] = 1.2
    graph = graphs_from_array(array, "sbu_15", axes="TVC", confidence=True)
    assert graph.pos.shape == (15, 2)
    assert graph.score.tolist() == [0] + [1] * 14


def test_bad_arrays_are_named() -> None:
    for content, message in (
        (b"\x93NUMPY\x01\x00\xff\xff", "expected a numpy array"),
        (npy(DENSE)[:-1], "expected 7,560 bytes"),
        (npy(np.array([Bomb()]), allow_pickle=True), "pickled Python objects, which are refused"),
        (npy(np.array(["a"])), "expected numbers"),
        (npy(np.full((2, 15, 3), np.nan)), "person 0, entry .0, 0, 0.: expected finite"),
    ):
        with pytest.raises(RecordingError, match=message):
            read_numpy(content, "sbu_15")
