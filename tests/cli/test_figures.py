"""Figures are added to a file, and never to one that holds something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stgraph.cli.figures import merge_figures, read_figures
from stgraph.evaluation import read_results
from stgraph.evaluation.tables import COLUMNS
from stgraph.io import Store
from tests.cli.conftest import make_graphs

Run = Callable[..., Any]


def row(**changes: Any) -> dict[str, Any]:
    """A figure of a set of the user's own."""
    values = ["store_mine", "own", "test", "stgcn1", "relative", "supervised spatial", 0, "top1"]
    return dict(zip(COLUMNS, [*values, "0.5", 4, "c", "h", "stgraph"], strict=True)) | changes


def test_a_figure_measured_again_replaces_the_old_one_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    merge_figures(path, [row(), row(metric="top5")])
    merge_figures(path, [row(value="0.75"), row(seed=1)])
    found = [(r["seed"], r["metric"], r["value"]) for r in read_figures(path)]
    assert found == [("0", "top1", "0.75"), ("0", "top5", "0.5"), ("1", "top1", "0.5")]


def test_the_files_of_named_sets_are_results_files(tmp_path: Path) -> None:
    merge_figures(tmp_path / "a.csv", [row(dataset="kth", stream="joint")])
    assert [r.value for r in read_results(tmp_path / "a.csv")] == [0.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,age\nx,3\n", "is no file of figures: its columns are not dataset, protocol"),
        (b"\xff\xfe\x00", "is no CSV file"),
        (b"", "is no file of figures"),
        ((",".join(COLUMNS) + "\nkth,official\n").encode(), "line 2: expected 13 entries"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        merge_figures(path, [row()])
    assert path.read_bytes() == content


def test_test_adds_to_its_file_and_spares_others(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    Store.write(other, make_graphs(24, seed=1), class_names=["sit down", "stand up", "wave"])
    test = ["test", "--model", trained / "model", "--out", tmp_path / "a.csv"]
    for options in ([], ["--part", "val"], ["--data.name", "store", "--data.path", other], []):
        result = stgraph(*test, *options)
        assert result.code == 0, result.err
    rows = read_figures(tmp_path / "a.csv")
    assert {(r["dataset"], r["split"]) for r in rows} == {
        ("store_mine", "test"),
        ("store_mine", "val"),
        ("store_other", "test"),
    }
    assert len(rows) == len({tuple(r[name] for name in COLUMNS[:8]) for r in rows})
    (tmp_path / "b.csv").write_text("my,own\n1,2\n")
    refused = stgraph(*test[:-1], tmp_path / "b.csv")
    assert refused.code == 2
    assert refused.out == ""
    assert "b.csv' is no file of figures" in refused.err
    assert (tmp_path / "b.csv").read_text() == "my,own\n1,2\n"
