"""The benchmarks compare equal networks, and write what the design promises."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.testing import assert_close


class Benchmarks(NamedTuple):
    padded: ModuleType
    workloads: ModuleType
    padded_mamp: ModuleType
    padded_hitrs: ModuleType
    pretraining: ModuleType
    run: ModuleType
    linear_cost: ModuleType


NAMES = Benchmarks._fields
WIDTH = 4


@pytest.fixture
def benchmarks(repository, monkeypatch):
    """The scripts, imported as Python imports them: from their own folder."""
    monkeypatch.syspath_prepend(str(repository / "experiments" / "benchmarks"))
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    yield Benchmarks(*(importlib.import_module(name) for name in NAMES))
    for name, module in before.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_padded_network_equals_ours_on_full_length_recordings(benchmarks):
    assert 0.0 <= benchmarks.workloads.check_equal(WIDTH) < 1e-5


def test_equality_holds_backward_too(benchmarks):
    workloads = benchmarks.workloads
    workload = workloads.Workload("full", [[12, 12]] * 2, 12, 2)
    ours = workloads.make_side("ours", workload, WIDTH)
    padded = workloads.make_side("padded_eager", workload, WIDTH)
    for side in (ours, padded):
        out = side.model.train().double()(
            side.inputs.double() if isinstance(side.inputs, torch.Tensor) else _double(side.inputs)
        )
        torch.nn.functional.cross_entropy(out, side.labels).backward()
    for mine, theirs in zip(ours.model.blocks, padded.model.blocks, strict=True):
        expected = theirs.tcn[2].weight.grad
        # the shares of poses in the pooled mean are float32
        assert_close(mine.temporal.weight.grad.view_as(expected), expected, 1e-5)
        expected = theirs.gcn.weight.grad
        assert_close(mine.spatial.conv.weight.grad.view_as(expected), expected, 1e-5)


def _double(batch):
    return batch.apply(lambda t: t.double() if t.is_floating_point() else t)


def test_a_network_that_differs_is_no_baseline(benchmarks, monkeypatch):
    twin = benchmarks.workloads.padded_twin

    def wrong(model):
        padded = twin(model)
        padded.fc.bias.data += 1.0
        return padded

    monkeypatch.setattr(benchmarks.workloads, "padded_twin", wrong)
    with pytest.raises(RuntimeError, match="the comparison would be worthless"):
        benchmarks.workloads.check_equal(WIDTH)


@pytest.mark.parametrize(
    ("name", "ratio"), [("ntu_like", 2.25), ("natural", 6.4), ("full_length", 1.0)]
)
@pytest.mark.parametrize("quick", [True, False])
def test_workloads_are_fixed_and_as_padded_as_the_design_says(benchmarks, name, ratio, quick):
    make = benchmarks.workloads.make_workload
    workload = make(name, quick)
    assert workload == make(name, quick)
    assert workload.padded_poses / workload.num_poses == pytest.approx(ratio, rel=0.05)
    assert f"{workload.num_poses} poses" in workload.describe()


def test_the_quick_run_writes_the_promised_table(benchmarks, tmp_path, capsys):
    out = tmp_path / "new" / "bench.csv"
    arguments = ["--quick", "--out", str(out), "--width", str(WIDTH), "--repeats", "1"]
    benchmarks.run.main([*arguments, "--phases", "train", "infer", "--workloads", "ntu_like"])
    rows = read(out)
    header = "workload,phase,other,ours_value,other_value,unit,ratio,commit,hardware,command"
    assert out.read_text().splitlines()[0] == header
    assert [(row["workload"], row["phase"], row["other"]) for row in rows] == [
        ("ntu_like", "train", "padded_eager"),
        ("ntu_like", "infer", "padded_eager"),
    ]
    for row in rows:
        ours, other = float(row["ours_value"]), float(row["other_value"])
        assert float(row["ratio"]) == pytest.approx(ours / other, rel=0.01)
        assert row["unit"] == "recordings/s"
        assert all(row[column] for column in ("commit", "hardware", "command"))
    text = out.with_suffix(".md").read_text()
    assert all(word in text for word in ("hardware:", "threads", "commit:", "11 recordings"))
    printed = capsys.readouterr().out
    assert "10 units of 4, 8, 16 channels" in printed
    assert "largest difference" in printed


def test_the_padded_mamp_equals_ours_on_full_length_recordings(benchmarks):
    assert 0.0 <= benchmarks.pretraining.check_equal_pretraining() < 1e-5


def test_equality_of_pretraining_holds_backward_too(benchmarks):
    pretraining = benchmarks.pretraining
    objective = pretraining.make_objective(width=16, depth=2, decoder_depth=1, num_heads=2)
    padded = benchmarks.padded_mamp.PaddedMAMP(objective)
    workload = benchmarks.workloads.Workload("full", [[120, 120]], 120, 2)
    graphs = workload.graphs()
    dense, batch = benchmarks.padded.to_padded(graphs, 120, 2), Batch.from_data_list(graphs)
    uniform = torch.rand(2, 750, generator=torch.Generator().manual_seed(0))
    raw = dense.permute(0, 4, 1, 2, 3).flatten(0, 1)
    _, _, hidden = padded.mask(padded.tokens(raw), 25, uniform)
    result = objective.reconstruct(batch, hidden=hidden.flatten().bool())
    objective.score(result).loss.backward()
    padded(dense, uniform).backward()
    for mine, theirs in (
        (objective.encoder.stack.blocks[0].qkv.weight, padded.encoder.blocks[0].qkv.weight),
        (objective.decoder.mask_token, padded.mask_token),
        (objective.encoder.place.time, padded.time),
    ):
        assert_close(mine.grad, theirs.grad, 1e-4)


@pytest.mark.slow
def test_pretraining_is_measured_at_the_size_of_the_paper(benchmarks, tmp_path):
    out = tmp_path / "bench.csv"
    arguments = ["--quick", "--out", str(out), "--width", str(WIDTH), "--repeats", "1"]
    benchmarks.run.main([*arguments, "--phases", "pretrain", "--workloads", "ntu_like"])
    (row,) = read(out)
    assert (row["workload"], row["phase"], row["other"]) == ("ntu_like", "pretrain", "padded_eager")
    assert "8 + 5 blocks of 256 channels" in out.with_suffix(".md").read_text()


def test_every_side_runs(benchmarks):
    workloads = benchmarks.workloads
    workload = workloads.Workload("tiny", [[6, 4], [8]], 8, 2)
    for name in ("ours", "padded_eager", "naive_pyg"):
        side = workloads.make_side(name, workload, WIDTH)
        for phase in ("infer", "train"):
            workloads.RUN[phase](side)
    with pytest.raises(ValueError, match="unknown side 'dense'"):
        workloads.make_side("dense", workload, WIDTH)
    with pytest.raises(ValueError, match="unknown workload 'ntu'"):
        workloads.make_workload("ntu")


def test_repeats_end_with_their_budget(benchmarks):
    workloads = benchmarks.workloads
    side = workloads.make_side("ours", workloads.Workload("tiny", [[4]], 4, 1), WIDTH)
    calls = []
    benchmarks.run.interleaved([side], calls.append, repeats=9, budget=0.0)
    assert len(calls) == 3  # one for warming up, two timed


@pytest.mark.slow
def test_memory_is_measured_in_processes_of_their_own(repository, tmp_path):
    out = tmp_path / "bench.csv"
    command = [sys.executable, str(repository / "experiments" / "benchmarks" / "run.py")]
    command += ["--quick", "--out", str(out), "--width", "8", "--phases", "memory"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    subprocess.run([*command, "--workloads", "natural"], check=True, env=environment)
    (row,) = read(out)
    assert (row["phase"], row["unit"]) == ("memory", "MiB")
    assert 0.0 < float(row["ours_value"]) < float(row["other_value"])


def test_linear_cost_writes_three_sweeps_and_their_figure(benchmarks, tmp_path):
    out = tmp_path / "linear_cost.csv"
    benchmarks.linear_cost.main(
        ["--out", str(out), "--width", "4", "--repeats", "1", "--scale", "20"]
    )
    rows = read(out)
    assert [row["sweep"] for row in rows] == ["poses"] * 4 + ["longest"] * 4 + ["people"] * 4
    assert len({row["poses"] for row in rows if row["sweep"] == "longest"}) == 1
    assert len({row["poses"] for row in rows if row["sweep"] == "people"}) == 1
    assert out.with_suffix(".png").stat().st_size > 1000


def test_padding_puts_persons_and_frames_where_they_belong(benchmarks):
    graphs = benchmarks.workloads.Workload("tiny", [[3, 2], [4]], 5, 2).graphs()
    dense = benchmarks.padded.to_padded(graphs, 5, 2)
    assert dense.shape == (2, 3, 5, 25, 2)
    assert torch.equal(dense[0, :, 1, :, 1].T, graphs[0].folded()[4])
    assert not bool(dense[1, :, 4].any())
    assert Batch.from_data_list(graphs).num_poses == 9


@pytest.mark.parametrize("script", ["run", "linear_cost"])
def test_a_place_that_takes_no_table_is_known_before_measuring(
    benchmarks: Benchmarks, script: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    main = getattr(benchmarks, script).main
    with pytest.raises(SystemExit, match=r"error: --out .*file.* is a file, not a folder"):
        main(["--out", str(tmp_path / "file" / "table.csv")])


def test_the_padded_hitrs_equals_ours_on_full_length_recordings(benchmarks):
    assert 0.0 <= benchmarks.pretraining.check_equal_hitrs() < 1e-4
