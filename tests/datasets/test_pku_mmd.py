"""PKU-MMD on a made folder: who trains, which files belong together, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stgraph.datasets import PKUMMD
from stgraph.datasets.pku_mmd import read_split_lists
from stgraph.io import RecordingError

RECORDINGS = [f"{take:04d}-{view}" for take in range(2, 8) for view in "LMR"]
LISTS = (
    "Training videos: \n"
    + "".join(f"{name}, " for name in RECORDINGS[:12])
    + "\nValidataion videos:\n"
    + ", ".join(RECORDINGS[12:17])
    + "\n"
)


def write(folder: Path, skeleton: str, label: str, lists: dict[str, str]) -> Path:
    rng = np.random.default_rng(0)
    for name in RECORDINGS:
        rows = [" ".join(f"{v:.3f}" for v in row) for row in rng.normal(size=(8, 150))]
        for place, text in ((skeleton, "\n".join(rows)), (label, "3,0,3,1\n5,4,6,2\n")):
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / f"{name}.txt").write_text(text)
    for place, text in lists.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lists = {"split/cross-subject.txt": LISTS}
    return write(tmp_path / "pku", "skeleton", "label", lists)


def names(dataset: PKUMMD) -> list[str]:
    return dataset.column("name").tolist()


def test_the_lists_say_who_trains_and_a_take_stays_in_one_piece(folder: Path) -> None:
    assert names(PKUMMD(folder, "trainval")) == RECORDINGS[:12]
    assert names(PKUMMD(folder, "test")) == RECORDINGS[12:17]
    assert names(PKUMMD(folder, "all")) == RECORDINGS[:17]  # one is in no list
    train, val = PKUMMD(folder, "train"), PKUMMD(folder, "val")
    assert sorted(names(train) + names(val)) == RECORDINGS[:12]
    assert not set(train.column("take")) & set(val.column("take"))
    assert len(val)


def test_the_authors_folders_are_understood(tmp_path: Path, folder: Path) -> None:
    lists = {"Split/cross-subject.txt": LISTS}
    theirs = write(tmp_path / "b", "Data/PKU_Skeleton_Renew", "Label/Train_Label_PKU_final", lists)
    assert names(PKUMMD(theirs, "test")) == names(PKUMMD(folder, "test"))
    assert len(PKUMMD(theirs, "all")) == 17


def test_without_a_list_the_left_camera_tests(folder: Path) -> None:
    test = PKUMMD(folder, "test", protocol="cross_view")
    assert names(test) == [name for name in RECORDINGS if name.endswith("L")]
    assert set(PKUMMD(folder, "trainval", protocol="cross_view").column("camera")) == {"M", "R"}
    (folder / "split" / "cross-view.txt").write_text(
        "Training videos:\n0002-L 0003-L\nTest:\n0004-M\n"
    )
    assert names(PKUMMD(folder, "test", protocol="cross_view")) == ["0004-M"]
    assert names(PKUMMD(folder, "all", protocol="cross_view")) == ["0002-L", "0003-L", "0004-M"]


def test_a_missing_list_is_named(folder: Path) -> None:
    (folder / "split" / "cross-subject.txt").unlink()
    with pytest.raises(RecordingError, match=r"no split/cross-subject\.txt .*fetch cross-subject"):
        PKUMMD(folder, "train")
    assert len(PKUMMD(folder, "all")) == 18


def test_segments_are_recordings_when_trimmed(folder: Path) -> None:
    whole, parts = PKUMMD(folder, "test"), PKUMMD(folder, "test", trimmed=True)
    assert whole[0].segments.tolist() == [[3, 0, 3], [5, 4, 6]]
    assert (whole.y == -1).all()
    assert len(parts) == 2 * len(whole)
    assert parts.y.tolist() == [2, 4] * 5
    assert parts[1].frame.tolist() == [4, 5, 6] * 2
    assert parts.column("sequence").tolist() == [name for name in names(whole) for _ in range(2)]
    assert not set(PKUMMD(folder, "train", trimmed=True).column("take")) & set(
        PKUMMD(folder, "val", trimmed=True).column("take")
    )


def test_skeletons_without_labels_are_errors_or_left_out(folder: Path) -> None:
    (folder / "label" / "0003-M.txt").unlink()
    (folder / "label" / "0004-M.txt").write_text("99,0,1,1\n")
    with pytest.raises(RecordingError, match=r"expected a label 1\.\.51"):
        PKUMMD(folder, "all")
    with pytest.warns(UserWarning, match="skipped"):
        rest = PKUMMD(folder, "all", skip_bad=True)
    assert not {"0003-M", "0004-M"} & set(names(rest))
    assert len(rest) == 15
    (folder / "label" / "0004-M.txt").write_text("9,0,1,1\n")
    with pytest.raises(RecordingError, match=r"0003-M.*there are no labels 0003-M\.txt"):
        PKUMMD(folder, "all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"0002-L\nTraining videos:\n", "line 1: '0002-L' comes before a heading"),
        (b"Training videos:\n0002-L\nTest:\n0003-L,0002-L\n", "line 4: '0002-L' is in both parts"),
        (b"Training videos:\n0002-L\n", "expected names after a heading"),
        (b"", "expected names after a heading"),
        (b"\xff", "plain text"),
    ],
)
def test_bad_lists_are_named(text: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message) as caught:
        read_split_lists(text, "cross-subject.txt")
    assert "cross-subject.txt" in str(caught.value)
