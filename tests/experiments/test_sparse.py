"""The scripts on sparse networks: rows, controls, the curve, going on where they were."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import _sparse
import kept_edges
import lottery_tickets
import pytest
import sparse_stgcn

SMALL = ["--epochs", "1", "--seeds", "1", "--width", "4", "--batch-size", "64"]


@pytest.fixture(autouse=True)
def little_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """One range a video, looked at once."""
    monkeypatch.setattr(_sparse, "QUICK_SYNTHETIC", {"ranges_per_video": 1})
    monkeypatch.setattr(_sparse, "QUICK", replace(_sparse.QUICK, views="whole", augment="none"))


def run(script: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [script.__file__, *SMALL, *arguments])
    script.main()


def settings(folder: Path) -> list[str]:
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    return list(dict.fromkeys(row["setting"] for row in rows))


@pytest.mark.slow
def test_both_scripts_fill_one_table_and_one_curve(monkeypatch, tmp_path, capsys):
    out = ("--out", str(tmp_path), "--sparsities", "0.6")
    run(sparse_stgcn, monkeypatch, *out, "--rows", "dense", "generator", "published", "edges")
    assert settings(tmp_path) == [
        "supervised spatial dense",
        "supervised spatial generator 0.6",
        "supervised spatial generator as-published 0.6",
        "supervised spatial edges 0.6",
    ]
    before = capsys.readouterr().out
    assert "kept from before" not in before
    run(lottery_tickets, monkeypatch, *out)
    found = settings(tmp_path)
    for words in ("ticket", "random", "reinitialised"):
        assert f"supervised spatial {words} 0.6" in found
    assert "spatial dense" in capsys.readouterr().out
    assert (tmp_path / "curve.png").stat().st_size > 0
    assert "kth_synthetic" in (tmp_path / "table.md").read_text("utf-8")
    more = (*out, "0.8", "--rows", "dense", "generator")
    run(sparse_stgcn, monkeypatch, *more)
    assert capsys.readouterr().out.count("kept from before") == 2
    assert "supervised spatial generator 0.8" in settings(tmp_path)
    run(sparse_stgcn, monkeypatch, *more)
    assert capsys.readouterr().out.count("kept from before") == 3


@pytest.mark.slow
def test_backbones_and_assembly_are_trained_alike(monkeypatch, tmp_path):
    run(
        sparse_stgcn,
        monkeypatch,
        *("--out", str(tmp_path), "--rows", "backbones", "assembly", "--width", "16"),
    )
    found = settings(tmp_path)
    for name in ("stgcn++", "aagcn", "ctrgcn", "dgstgcn"):
        assert f"supervised spatial dense {name}" in found
    assert "supervised spatial assembly mean" in found


@pytest.mark.slow
def test_a_ticket_can_go_back_to_an_early_epoch(monkeypatch, tmp_path):
    run(
        lottery_tickets,
        monkeypatch,
        *("--out", str(tmp_path), "--sparsities", "0.5", "--rewind-epochs", "1"),
    )
    assert "supervised spatial ticket rewound-to-1 0.5" in settings(tmp_path)
    assert list(tmp_path.glob("runs/*/epoch-1.safetensors"))


@pytest.mark.slow
def test_what_each_set_of_actions_keeps_is_drawn(monkeypatch, tmp_path, capsys):
    run(kept_edges, monkeypatch, "--out", str(tmp_path), "--sparsity", "0.6")
    assert (tmp_path / "kept_edges.png").stat().st_size > 0
    shown = capsys.readouterr().out
    for name in ("with the arms", "on the feet", "all six"):
        assert f"{name:<30} seed 0" in shown
    assert "supervised spatial edges-of with-the-arms 0.6" in settings(tmp_path)
    table = (tmp_path / "table.csv").read_text("utf-8")
    assert ",val," in table
    assert ",test," not in table  # what is kept is looked at without the test part
