"""UTKinect on a made folder: which list of labels counts, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stgraph.datasets import UTKinect
from stgraph.io import RecordingError

MODIFIED = "s01_e01\nwalk: 0 8\nthrow: 10 20\ns06_e02\ncarry: NaN NaN\npull: 4 7\n"
ORIGINAL = "s01_e01\nwalk: 0 4\ns06_e02\npull: 4 8\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("s01_e01", "s06_e02"):
        rows = [[2 * i, *rng.normal(size=60).round(4)] for i in range(12)]
        text = "\n".join(" ".join(map(str, row)) for row in rows)
        (tmp_path / f"joints_{name}.txt").write_text(text)
    (tmp_path / "actionLabel.txt").write_text(ORIGINAL)
    (tmp_path / "actionLabel_modified.txt").write_text(MODIFIED)
    return tmp_path


def test_the_corrected_list_of_labels_counts(folder: Path) -> None:
    whole = UTKinect(folder, "all", every=2)
    assert [graph.segments.tolist() for graph in whole] == [[[1, 0, 4], [6, 5, 10]], [[8, 2, 3.5]]]
    (folder / "actionLabel_modified.txt").unlink()
    whole = UTKinect(folder, "all", every=2)
    assert [graph.segments.tolist() for graph in whole] == [[[1, 0, 2]], [[8, 2, 4]]]
    (folder / "actionLabel.txt").unlink()
    with pytest.raises(RecordingError, match=r"neither actionLabel_modified\.txt nor actionLabel"):
        UTKinect(folder, "all")


def test_segments_are_cut_by_their_frame_numbers(folder: Path) -> None:
    parts = UTKinect(folder, "all", every=2, trimmed=True)
    assert parts.column("name").tolist() == ["s01_e01_01", "s01_e01_02", "s06_e02_01"]
    assert parts.y.tolist() == [0, 5, 7]
    assert [graph.frame.tolist() for graph in parts] == [[0, 1, 2, 3, 4], [*range(5, 11)], [2, 3]]
    assert len(UTKinect(folder, "trainval", trimmed=True)) == 2
    assert len(UTKinect(folder, "test", trimmed=True)) == 1


def test_a_bad_recording_is_named_or_left_out(folder: Path) -> None:
    (folder / "joints_s06_e02.txt").write_text("1 2 3\n")
    with pytest.raises(RecordingError, match=r"joints_s06_e02\.txt.*expected 61 numbers"):
        UTKinect(folder, "all")
    with pytest.warns(UserWarning, match=r"(?s)skipped 1 bad file.*joints_s06_e02"):
        assert UTKinect(folder, "all", skip_bad=True).column("name").tolist() == ["s01_e01"]
    (folder / "joints_s02_e01.txt").write_text((folder / "joints_s01_e01.txt").read_text())
    (folder / "joints_s06_e02.txt").unlink()
    with pytest.raises(RecordingError, match="the labels do not know s02_e01"):
        UTKinect(folder, "all")


def test_a_list_that_is_none_is_an_error_even_when_bad_files_are_skipped(folder: Path) -> None:
    (folder / "actionLabel_modified.txt").write_text("s01_e01\nwalk: 9 3\n")
    with pytest.raises(RecordingError, match=r"actionLabel_modified\.txt.*line 2"):
        UTKinect(folder, "all", skip_bad=True)
