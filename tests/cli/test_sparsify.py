"""``stgraph sparsify``: from recordings or a trained folder to a smaller recogniser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import stgraph.sparsity as room
from stgraph.cli import pruned
from stgraph.io import Store
from stgraph.nn import STGCN
from stgraph.sparsity import LatencyTarget
from stgraph.tasks import Keeper, Recognition, load_recognition, predict_logits, save_recognition
from tests.cli.conftest import FIT

Run = Callable[..., Any]


@pytest.fixture
def anew(store: Path, tmp_path: Path) -> list[object]:
    """A tiny training from the start."""
    data = ["--data.name", "store", "--data.path", store]
    return ["sparsify", *data, "--out", tmp_path / "run", *FIT]


@pytest.fixture
def tuned(trained: Path, tmp_path: Path) -> list[object]:
    """A tiny training that tunes a trained network."""
    return ["sparsify", "--model", trained / "model", "--out", tmp_path / "run", "--epochs", 2]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_recognition(folder).network.state_dict()


def files(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in sorted(folder.rglob("*.*")) if p.is_file()}


@pytest.mark.parametrize("granularity", ["weight", "channel", "edge"])
def test_the_whole_way_from_recordings_to_a_smaller_network(
    stgraph: Run, anew: list[object], store: Path, tmp_path: Path, granularity: str
) -> None:
    result = stgraph(*anew, "--sparsity", 0.5, "--granularity", granularity)
    assert result.code == 0, result.err
    assert result.err == ""
    lines = result.out.splitlines()
    epochs = [line for line in lines if line.startswith("  epoch ")]
    assert len(epochs) == 2
    assert all("   sparsity 0." in line and len(line) <= 100 for line in epochs)
    out = tmp_path / "run"
    folder = out / "model"
    assert lines[-1] == f"next    stgraph test --model {folder}"
    (kept,) = [line for line in lines if line.startswith("kept ")]
    assert f" {granularity}s (" in kept
    with (out / "costs.csv").open() as file:
        rows = {row["network"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["dense", "masked", "compressed"]
    sizes = {name: int(row["nonzero"]) for name, row in rows.items()}
    assert sizes["compressed"] <= sizes["masked"] < sizes["dense"]
    network = load_recognition(folder).network
    assert type(network) is STGCN
    assert sum(p.numel() for p in network.parameters()) == int(rows["compressed"]["parameters"])
    assert pruned.NOTES[granularity] in (out / "costs.md").read_text()
    facts = json.loads((out / "sparsity.json").read_text())
    assert sum(layer["kept"] for layer in facts["layers"]) == facts["kept"]
    assert facts["kept"] / facts["total"] == pytest.approx(0.5, abs=0.1)
    assert facts["difference"] <= 1e-5
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {"kept_edges.png" if granularity == "edge" else "density.png"}
    assert stgraph("test", "--model", folder).code == 0
    assert stgraph("predict", store, "--model", folder).code == 0


@pytest.mark.parametrize("granularity", ["weight", "channel", "edge"])
def test_what_is_saved_gives_what_the_masked_network_gives(
    stgraph: Run,
    tuned: list[object],
    store: Path,
    tmp_path: Path,
    granularity: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masked = []

    class Watching(pruned.Compressing):
        def __call__(self, plain: Any) -> Any:
            masked.append(plain)
            return super().__call__(plain)

    monkeypatch.setattr("stgraph.cli.sparsify.Compressing", Watching)
    result = stgraph(*tuned, "--sparsity", 0.5, "--granularity", granularity, "--ema_decay", 0.9)
    assert result.code == 0, result.err
    task = load_recognition(tmp_path / "run" / "model")
    (plain,) = masked
    before = predict_logits(Recognition(plain, 3, transform=task.transform), Store.open(store))
    after = predict_logits(task, Store.open(store))
    has = after.has_pose
    assert torch.allclose(before.logits[has], after.logits[has], atol=1e-5, rtol=1e-5)


def test_a_trained_folder_keeps_its_input_and_its_classes(
    stgraph: Run, tuned: list[object], trained: Path, tmp_path: Path
) -> None:
    result = stgraph(*tuned, "--sparsity", 0.7)
    assert result.code == 0, result.err
    assert "data    store: 12 training, 6 validation recordings" in result.out
    assert "of the network of --model" in result.out
    before, after = (
        json.loads((folder / "model" / "task.json").read_text())
        for folder in (trained, tmp_path / "run")
    )
    for name in ("class_names", "transform", "num_classes", "layout"):
        assert before[name] == after[name]
    for name in ("data", "input", "network"):
        assert before["facts"][name] == after["facts"][name]
    assert after["facts"]["sparsify"]["scores"] == "magnitude"


def test_without_training_the_smallest_weights_are_cut_and_nothing_else_changes(
    stgraph: Run, tuned: list[object], trained: Path, tmp_path: Path
) -> None:
    run = [*tuned, "--sparsity", 0.5, "--epochs", 0, "--scope", "layer"]
    result = stgraph(*run)
    assert result.code == 0, result.err
    assert "  epoch " not in result.out
    assert f"run     no training, in {tmp_path / 'run'}" in result.out
    before, after = weights(trained / "model"), weights(tmp_path / "run" / "model")
    cut = 0
    for name, value in before.items():
        stays = after[name] != 0
        assert torch.equal(after[name][stays], value[stays])
        if not bool(stays.all()):
            assert value[~stays].abs().max() <= value[stays].abs().min()
        cut += int((~stays & (value != 0)).sum())
    assert cut > 0
    assert stgraph(*run).code == 0  # the same again
    other = stgraph(*run, "--sparsity", 0.6)
    assert other.code == 1
    assert "holds another run; take another folder, or --resume false" in other.err
    longer = stgraph(*tuned, "--sparsity", 0.5)
    assert longer.code == 1
    assert "holds another run" in longer.err
    assert stgraph(*run, "--sparsity", 0.6, "--resume", "false").code == 0


def test_a_run_that_was_interrupted_goes_on_as_if_nothing_had_been(
    stgraph: Run,
    anew: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = [*anew, "--sparsity", 0.5, "--granularity", "channel", "--epochs", 3]
    other = tmp_path / "other"
    assert stgraph(*run, "--out", other).code == 0
    end = Keeper.on_train_epoch_end

    def stop(self: Keeper, trainer: Any, module: Any) -> None:
        self.stop_asked = trainer.current_epoch == 1
        end(self, trainer, module)

    with monkeypatch.context() as patched:
        patched.setattr(Keeper, "on_train_epoch_end", stop)
        stopped = stgraph(*run)
    assert stopped.code == 130
    assert "stopped after epoch 2" in stopped.err
    assert not (tmp_path / "run" / "model").exists()
    result = stgraph(*run)
    assert result.code == 0, result.err
    assert "  going on after epoch 2" in result.out
    one, two = weights(other / "model"), weights(tmp_path / "run" / "model")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    again = stgraph(*run)
    assert again.code == 0
    assert "   loss " not in again.out
    assert all(torch.equal(one[name], value) for name, value in weights(other / "model").items())


@pytest.mark.parametrize("where", ["network_costs", "compress", "cost_table"])
def test_an_interrupt_leaves_whole_files_and_the_same_command_ends_the_work(
    stgraph: Run,
    tuned: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    run = [*tuned, "--sparsity", 0.5, "--granularity", "channel"]
    with monkeypatch.context() as patched:
        patched.setattr(room, where, interrupt)
        result = stgraph(*run)
    assert result.code == 130
    assert result.err == "stgraph sparsify: interrupted\n"
    out = tmp_path / "run"
    if where == "compress":
        assert not (out / "model").exists()
    else:
        assert load_recognition(out / "model").network is not None
    assert not [path for path in out.rglob("*") if path.suffix == ".tmp"]
    assert stgraph(*run).code == 0
    assert (out / "costs.csv").is_file()


def test_a_network_that_compresses_to_something_else_is_not_saved(
    stgraph: Run, tuned: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compress = room.compress

    def spoil(model: Any) -> Any:
        smaller = compress(model)
        with torch.no_grad():
            next(smaller.head.parameters()).add_(0.01)
        return smaller

    monkeypatch.setattr(room, "compress", spoil)
    result = stgraph(*tuned, "--sparsity", 0.5)
    assert result.code == 1
    assert "the compressed network differs from the masked one by " in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run" / "model").exists()


def test_a_latency_finds_a_sparsity_once(
    stgraph: Run, tuned: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def find(network: Any, seconds: float, recording: Any, **options: Any) -> LatencyTarget:
        asked.append((seconds, recording.num_poses, options["granularity"]))
        torch.rand(1)
        return LatencyTarget(0.5, 0.9 * seconds, 2 * seconds, 0.5 * seconds)

    monkeypatch.setattr(room, "sparsity_for_latency", find)
    run = [*tuned, "--latency", 1000]
    result = stgraph(*run)
    assert result.code == 0, result.err
    assert asked == [(1.0, 4, "channel")]
    assert "target  1000 ms a recording: 900 ms without 50% of the channels" in result.out
    assert "cut     50.0% of " in result.out
    facts = json.loads((tmp_path / "run" / "sparsity.json").read_text())
    assert facts["target"]["sparsity"] == 0.5
    assert facts["granularity"] == "channel"
    assert stgraph(*run).code == 0
    assert len(asked) == 1  # what was found stays
    other = stgraph(*tuned, "--latency", 900)
    assert other.code == 1
    assert "holds another training" in other.err
    assert len(asked) == 1


def test_a_latency_that_training_misses_is_said(
    stgraph: Run, tuned: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = LatencyTarget(0.1, 1e-9, 1e-3, 1e-9)
    monkeypatch.setattr(room, "sparsity_for_latency", lambda *args, **kwargs: found)
    result = stgraph(*tuned, "--latency", 1e-6, "--epochs", 0)
    assert result.code == 0, result.err
    assert "NOTE  " in result.out
    assert "1e-06 ms asked for" in " ".join(result.out.split())


def test_a_latency_out_of_reach_names_the_fastest(
    stgraph: Run, tuned: list[object], tmp_path: Path
) -> None:
    result = stgraph(*tuned, "--latency", 1e-4)
    assert result.code == 1
    assert "0.0001 ms a recording cannot be reached by this STGCN: the fastest is " in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_latency_that_the_dense_network_has_cuts_nothing(
    stgraph: Run, tuned: list[object], trained: Path, tmp_path: Path
) -> None:
    result = stgraph(*tuned, "--latency", 60_000, "--epochs", 0)
    assert result.code == 0, result.err
    assert "cut     0.0% of " in result.out
    before, after = weights(trained / "model"), weights(tmp_path / "run" / "model")
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sparsity", "0.5"], "nothing to begin with: give --model, .*or --data.name"),
        (["--data.name", "kth_synthetic"], r"--sparsity, .* or --latency.*\(got neither\)"),
        (["--data.name", "kth_synthetic", "--sparsity", "0.5", "--latency", "5"], "got both"),
        (["--model", "x", "--sparsity", "1"], r"--sparsity is .* in \[0, 1\).*\(got 1\)"),
        (["--model", "x", "--sparsity", "-0.1"], r"in \[0, 1\)"),
        (["--model", "x", "--sparsity", ".nan"], r"in \[0, 1\)"),
        (["--model", "x", "--latency", "0"], "a time in milliseconds"),
        (["--model", "x", "--latency", ".inf"], "a time in milliseconds"),
        (["--model", "x", "--latency", "5", "--granularity", "weight"], "--granularity channel"),
        (["--model", "x", "--latency", "5", "--devices", "2"], "give --devices 1"),
        (["--model", "x", "--sparsity", "0.5", "--floor", "1"], "--floor is a share"),
        (["--model", "x", "--sparsity", "0.5", "--penalty", "-1"], "--penalty is a factor"),
        (["--model", "x", "--sparsity", "0.5", "--warm_up", "0.8"], "together at most 1"),
        (["--model", "x", "--sparsity", "0.5", "--include", "("], "no regular expression"),
        (
            ["--model", "x", "--sparsity", "0.5", "--granularity", "edge", "--include", "a"],
            "not edges",
        ),
        (["--model", "x", "--sparsity", "0.5", "--scores", "best"], "expected uniform, kaiming"),
        (["--data.name", "kth_synthetic", "--sparsity", "0.5", "--epochs", "0"], "give --model"),
        (["--data.name", "kth_synthetic", "--sparsity", "0.5", "--epochs", "-1"], "--epochs >= 1"),
        (["--config", "none.yaml"], "no file 'none.yaml', nor a recipe .known: kth, "),
    ],
)
def test_wrong_options_are_one_line(
    stgraph: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    result = stgraph("sparsify", "--out", tmp_path / "run", *options)
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert result.err.startswith("stgraph sparsify: ")
    assert re.search(message, result.err), result.err
    assert not (tmp_path / "run").exists()


def folder_of(kind: str, trained: Path, tmp_path: Path) -> Path:
    """A folder that is no recogniser."""
    folder = tmp_path / "other"
    if kind == "nothing":
        return folder
    if kind == "run":
        return trained
    shutil.copytree(trained / "model", folder)
    if kind == "damaged":
        (folder / "model.safetensors").write_bytes(b"no")
        return folder
    if kind == "no weights":
        (folder / "model.safetensors").unlink()
        return folder
    task = json.loads((folder / "task.json").read_text())
    (folder / "task.json").write_text(json.dumps({**task, "task": kind}))
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nothing", "holds no trained task"),
        ("run", "is it '.*model'"),
        ("detection", "holds a detector, not a recogniser"),
        ("pretraining", "holds a pre-trained encoder, not a recogniser"),
        ("prediction", "holds a motion predictor, not a recogniser"),
        ("damaged", "model.safetensors' is damaged"),
        ("no weights", "holds no model.safetensors"),
    ],
)
def test_a_folder_that_holds_no_recogniser_is_refused(
    stgraph: Run, trained: Path, tmp_path: Path, kind: str, message: str
) -> None:
    folder, out = folder_of(kind, trained, tmp_path), tmp_path / "run"
    result = stgraph("sparsify", "--model", folder, "--sparsity", 0.5, "--out", out)
    assert result.code == 1
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert re.search(message, result.err), result.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stream", "bone"], "--stream 'bone': the network of --model was trained with 'joint'"),
        (["--width", "8"], "--width 8: the network of --model was trained with 4"),
        (["--config", "kth"], "the network of --model was trained with "),
        (["--network_args.channels", "[8]"], "leave --network_args out"),
    ],
)
def test_a_trained_network_keeps_what_it_is(
    stgraph: Run, tuned: list[object], options: list[str], message: str
) -> None:
    result = stgraph(*tuned, "--sparsity", 0.5, *options)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert stgraph(*tuned, "--sparsity", 0.5, "--stream", "joint", "--width", 4).code == 0


@pytest.mark.parametrize(
    ("network", "granularity", "message"),
    [
        ("AAGCN", "edge", "AAGCN makes its edges of the data"),
        ("CTRGCN", "edge", "CTRGCN makes its edges of the data"),
    ],
)
def test_what_a_network_cannot_lose_is_said(
    stgraph: Run, anew: list[object], tmp_path: Path, network: str, granularity: str, message: str
) -> None:
    kind = ["--network", network, "--network_args.channels", "[8, 8]"]
    result = stgraph(*anew, *kind, "--sparsity", 0.5, "--granularity", granularity)
    assert result.code == 1
    assert message in result.err
    assert "--granularity weight" in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("network", ["AAGCN", "dg-stgcn", "CTRGCN", "STGCNPlusPlus"])
def test_weights_of_any_network_can_be_cut(
    stgraph: Run, anew: list[object], tmp_path: Path, network: str
) -> None:
    kind = ["--network", network, "--network_args.channels", "[8, 8]", "--epochs", 1]
    result = stgraph(*anew, *kind, "--sparsity", 0.5)
    assert result.code == 0, result.err
    assert stgraph("test", "--model", tmp_path / "run" / "model").code == 0


def test_a_network_without_factors_of_its_edges_is_told_how_to_get_them(
    stgraph: Run, anew: list[object]
) -> None:
    edges = ["--sparsity", 0.5, "--granularity", "edge"]
    result = stgraph(*anew, *edges, "--network_args.edge_importance", "false")
    assert result.code == 1
    assert "--network_args.adaptive init" in result.err
    result = stgraph(*anew, "--sparsity", 0.5, "--include", "nothing")
    assert result.code == 1
    assert "say which may be cut with --include" in result.err


def test_a_network_that_cannot_be_made_smaller_is_saved_with_its_zeros(
    stgraph: Run, anew: list[object], tmp_path: Path
) -> None:
    kind = ["--network", "STRL", "--network_args", "{}", "--width", 8, "--epochs", 1]
    result = stgraph(*anew, *kind, "--sparsity", 0.5)
    assert result.code == 0, result.err
    assert stgraph("test", "--model", tmp_path / "run" / "model").code == 0


def test_an_assembly_loses_weights_and_no_edges(
    stgraph: Run, store: Path, trained: Path, tmp_path: Path
) -> None:
    task = load_recognition(trained / "model")
    members = [STGCN(3, layout="kinect_v1_20", channels=[4]) for _ in range(2)]
    facts = json.loads((trained / "model" / "task.json").read_text())["facts"]
    whole = Recognition(room.SparseAssembly(members, 3), 3, transform=task.transform)
    save_recognition(whole, tmp_path / "mine", facts)
    run = ["sparsify", "--model", tmp_path / "mine", "--sparsity", 0.5, "--epochs", 1]
    for granularity, message in (("edge", "SparseAssembly"), ("channel", "can be left out")):
        out = tmp_path / granularity
        result = stgraph(*run, "--granularity", granularity, "--out", out)
        assert result.code == 1
        assert message in result.err
        assert not out.exists()
    result = stgraph(*run, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    network = load_recognition(tmp_path / "run" / "model").network
    assert isinstance(network, room.SparseAssembly)


def test_the_folder_of_another_run_is_left_alone(
    stgraph: Run, store: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(trained, out)
    before = files(out)
    data = ["--data.name", "store", "--data.path", store]
    for start in (["--model", trained / "model"], [*data, *FIT]):
        for more in (["--sparsity", 0.5], ["--latency", 1000]):
            result = stgraph("sparsify", *start, *more, "--out", out)
            assert result.code == 1
            assert "holds another training" in result.err
    once = stgraph("sparsify", "--model", trained / "model", "--sparsity", 0.5, "--epochs", 0,
                   "--out", out)  # fmt: skip
    assert once.code == 1
    assert "holds another run" in once.err
    over = stgraph("sparsify", "--model", out / "model", "--sparsity", 0.5, "--out", out)
    assert over.code == 2
    assert "would overwrite the network that --model begins with" in over.err
    assert before == files(out)


def test_recordings_of_other_classes_do_not_tune(
    stgraph: Run, tuned: list[object], store: Path, tmp_path: Path
) -> None:
    recordings = Store.open(store)
    path = tmp_path / "b.safetensors"
    graphs = [recordings[i] for i in range(24)]
    Store.write(path, graphs, class_names=["sit", "stand", "wave"])
    result = stgraph(*tuned, "--sparsity", 0.5, "--data.path", path)
    assert result.code == 1
    assert "the network of --model knows 3 classes (sit down, stand up, wave)" in result.err
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(store.read_bytes())
    assert stgraph(*tuned, "--sparsity", 0.5, "--data.path", moved).code == 0
    gone = stgraph(*tuned, "--sparsity", 0.5, "--data.path", tmp_path / "none.safetensors")
    assert gone.code == 1
    assert "none.safetensors" in gone.err


def test_a_folder_saved_in_python_needs_to_be_told_the_recordings(
    stgraph: Run, store: Path, trained: Path, tmp_path: Path
) -> None:
    save_recognition(load_recognition(trained / "model"), tmp_path / "mine")
    run = ["sparsify", "--model", tmp_path / "mine", "--sparsity", 0.5, "--out", tmp_path / "run"]
    result = stgraph(*run)
    assert result.code == 2
    assert "does not say what it was trained on: give --data.name" in result.err
    result = stgraph(*run, "--data.name", "store", "--data.path", store, "--epochs", 1)
    assert result.code == 0, result.err
    assert "model   STGCN, " in result.out
    assert "partition" not in result.out.splitlines()[2]
    assert stgraph("test", "--model", tmp_path / "run" / "model", "--data.name", "store",
                   "--data.path", store).code == 0  # fmt: skip
