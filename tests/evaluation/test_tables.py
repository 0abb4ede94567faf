"""Result files keep one row a figure, whole, and say where it comes from."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stgraph.evaluation.tables import (
    COLUMNS,
    ResultRow,
    command_line,
    commit,
    format_score,
    hardware,
    markdown_table,
    merge_entries,
    merge_results,
    read_entries,
    read_results,
    results_markdown,
    summarise,
)

ROW = ResultRow(
    dataset="kth",
    protocol="official",
    split="test",
    model="stgcn9-w16",
    stream="joint",
    setting="supervised spatial",
    seed=0,
    metric="top1",
    value=0.875,
    n=863,
    commit="0123abc",
    hardware="a processor, 2 cores",
    command="python experiments/kth_partitions.py --out 'a, b'",
)


def test_the_columns_are_those_of_the_contract() -> None:
    expected = "dataset protocol split model stream setting seed metric value n commit hardware"
    assert list(COLUMNS) == [*expected.split(), "command"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "results" / "table.csv"
    rows = [ROW, replace(ROW, seed=1, value=0.123456), replace(ROW, split="val", n=768)]
    assert merge_results(file, rows) == rows
    assert read_results(file) == rows
    assert file.read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_a_second_measurement_replaces_the_first_in_its_place(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    merge_results(file, [ROW, replace(ROW, seed=1)])
    again = replace(ROW, value=0.5, commit="fffffff", command="python other.py")
    assert merge_results(file, [again, replace(ROW, seed=2)]) == [
        again,
        replace(ROW, seed=1),
        replace(ROW, seed=2),
    ]


def test_no_other_file_is_left_behind(tmp_path: Path) -> None:
    merge_results(tmp_path / "table.csv", [ROW])
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_file_that_does_not_exist_has_no_rows(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "kthh"}, r"does not know the dataset 'kthh'; it knows kth, "),
        ({"split": "dev"}, "does not know the split"),
        ({"stream": "j"}, "does not know the stream"),
        ({"metric": "accuracy"}, "does not know the metric"),
        ({"value": 87.5}, r"between 0 and 1 \(got 87.5\); accuracies are fractions"),
        ({"value": float("nan")}, "between 0 and 1"),
        ({"n": 0}, "n >= 1"),
        ({"setting": ""}, "expected a setting"),
    ],
)
def test_a_row_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(ROW, **change)  # type: ignore[arg-type]


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    merge_results(file, [ROW])
    file.write_text(file.read_text("utf-8").replace("0.875", "high"), "utf-8")
    with pytest.raises(ValueError, match=r"table\.csv', line 2: .*high"):
        read_results(file)
    file.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(ValueError, match=r"expected the columns dataset, .* \(got a, b\)"):
        read_results(file)


def entry(**changes: Any) -> dict[str, Any]:
    """A figure of a set of the user's own."""
    values = ["store_mine", "own", "test", "stgcn1", "relative", "supervised spatial", 0, "top1"]
    return dict(zip(COLUMNS, [*values, "0.5", 4, "c", "h", "stgraph"], strict=True)) | changes


def test_a_figure_measured_again_replaces_the_old_one_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.csv"
    merge_entries(path, [entry(), entry(metric="top5")])
    merge_entries(path, [entry(value="0.75"), entry(seed=1)])
    found = [(r["seed"], r["metric"], r["value"]) for r in read_entries(path)]
    assert found == [("0", "top1", "0.75"), ("0", "top5", "0.5"), ("1", "top1", "0.5")]


def test_the_files_of_named_sets_are_results_files(tmp_path: Path) -> None:
    merge_entries(tmp_path / "a.csv", [entry(dataset="kth", stream="joint")])
    assert [r.value for r in read_results(tmp_path / "a.csv")] == [0.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,age\nx,3\n", "is no file of results: expected the columns dataset, protocol"),
        (b"\xff\xfe\x00", "is no CSV file"),
        (b"", "is no file of results"),
        ((",".join(COLUMNS) + "\nkth,official\n").encode(), "line 2: expected 13 entries"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        merge_entries(path, [entry()])
    assert path.read_bytes() == content


def test_seeds_are_summarised_by_mean_and_sample_deviation() -> None:
    rows = [replace(ROW, seed=s, value=v) for s, v in ((2, 0.9), (0, 0.8), (1, 0.7))]
    (summary,) = summarise(rows).values()
    assert summary.values == (0.8, 0.7, 0.9)
    assert summary.mean == pytest.approx(0.8)
    assert summary.deviation == pytest.approx(0.1)
    assert format_score(summary) == "0.800 ± 0.100"
    assert format_score(next(iter(summarise([ROW]).values()))) == "0.875"
    assert format_score(None) == "-"


def test_markdown_lines_up_and_keeps_bars_in_their_cells() -> None:
    assert markdown_table(["name", "top-1"], [["a|b", "0.5"], ["c", "0.25"]]) == (
        "| name | top-1 |\n| ---- | ----: |\n| a\\|b |   0.5 |\n| c    |  0.25 |"
    )


def test_markdown_of_generated_data_says_so() -> None:
    rows = [replace(ROW, seed=seed) for seed in range(2)]
    text = results_markdown(rows, "Partitions")
    assert "SYNTHETIC" not in text
    assert "0.875 ± 0.000" in text
    assert "0.8750, 0.8750" in text
    synthetic = [replace(row, dataset="kth_synthetic") for row in rows]
    assert "kth_synthetic (SYNTHETIC DATA)" in results_markdown(synthetic)


def test_the_commit_is_one_of_the_history(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    here = tmp_path / "repository"
    here.mkdir()
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *arguments], cwd=here, check=True)
    assert re.fullmatch(r"[0-9a-f]{40}", commit(here))


def test_the_hardware_is_a_class_and_a_number_of_cores() -> None:
    assert re.search(r"\S.*, \d+ cores?$", hardware())


def test_the_command_names_no_path_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [
        str(tmp_path / "run.py"),
        "--data",
        "/far/away/kth.tar.xz",
        "--out=/far/x y",
        "--n",
        "3",
    ]
    assert command_line(given) == "python run.py --data kth.tar.xz '--out=x y' --n 3"
