"""``stgraph test --out`` adds to its file, and never to one that holds something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stgraph.evaluation.tables import KEY, read_entries
from stgraph.io import Store
from tests.cli.conftest import make_graphs

Run = Callable[..., Any]


def test_test_adds_to_its_file_and_spares_others(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    Store.write(other, make_graphs(24, seed=1), class_names=["sit down", "stand up", "wave"])
    test = ["test", "--model", trained / "model", "--out", tmp_path / "a.csv"]
    for options in ([], ["--part", "val"], ["--data.name", "store", "--data.path", other], []):
        result = stgraph(*test, *options)
        assert result.code == 0, result.err
    rows = read_entries(tmp_path / "a.csv")
    assert {(r["dataset"], r["split"]) for r in rows} == {
        ("store_mine", "test"),
        ("store_mine", "val"),
        ("store_other", "test"),
    }
    assert len(rows) == len({tuple(r[name] for name in KEY) for r in rows})
    (tmp_path / "b.csv").write_text("my,own\n1,2\n")
    refused = stgraph(*test[:-1], tmp_path / "b.csv")
    assert refused.code == 2
    assert refused.out == ""
    assert "b.csv' is no file of results" in refused.err
    assert (tmp_path / "b.csv").read_text() == "my,own\n1,2\n"


def test_recordings_without_a_class_are_refused_before_they_are_predicted(
    stgraph: Run, trained: Path, tmp_path: Path
) -> None:
    graphs = make_graphs(24, seed=1)
    for graph in graphs:
        del graph.y
    other = tmp_path / "other.safetensors"
    Store.write(other, graphs, class_names=["sit down", "stand up", "wave"])
    test = ["test", "--model", trained / "model", "--data.name", "store", "--data.path", other]
    refused = stgraph(*test)
    assert refused.code == 1
    assert refused.out == ""
    assert f"'{other}'" in refused.err
    assert "it has no class (y is -1 or missing)" in refused.err


def test_a_store_takes_no_arguments_of_a_class(stgraph: Run, trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    Store.write(other, make_graphs(24, seed=1), class_names=["sit down", "stand up", "wave"])
    test = ["test", "--model", trained / "model", "--data.name", "store", "--data.path", other]
    refused = stgraph(*test, "--data.args", "{seed: 1}")
    assert refused.code == 1
    assert "a store takes no --data.args (got seed)" in refused.err


def test_the_folder_above_a_model_says_where_the_model_is(stgraph: Run, trained: Path) -> None:
    refused = stgraph("test", "--model", trained)
    assert refused.code == 1
    assert f"is it '{trained / 'model'}'?" in refused.err


def test_top_5_of_three_classes_is_not_printed(stgraph: Run, trained: Path) -> None:
    result = stgraph("test", "--model", trained / "model")
    assert "top-1 " in result.out
    assert "top-5" not in result.out
