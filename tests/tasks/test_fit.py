"""One function trains: what it keeps, what it chooses, what it refuses."""

from __future__ import annotations

import csv
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from stgraph import SkeletonGraph
from stgraph.io import Store
from stgraph.tasks import (
    AtomicCheckpointIO,
    Recognition,
    SkeletonDataModule,
    TrainingDiverged,
    evaluate_recognition,
    fit_task,
    load_checkpoint,
    load_recognition,
)
from tests.tasks.conftest import make_graphs


@pytest.fixture
def data(graphs: Any) -> SkeletonDataModule:
    return SkeletonDataModule(graphs(12), graphs(7, seed=1, empty=(2,)), batch_size=4)


def test_a_folder_holds_all_there_is_to_keep(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    out = tmp_path / "new" / "run"
    made = task()
    result = fit_task(made, data, max_epochs=3, out=out, progress=False)
    assert {p.name for p in out.iterdir()} >= {
        "last.ckpt",
        "best.ckpt",
        "history.csv",
        "run.json",
        "model",
    }
    assert not [p.name for p in out.iterdir() if p.name.startswith(".")]
    with (out / "history.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    assert rows == result.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert json.loads((out / "run.json").read_text())["finished"] is True
    assert result.checkpoint == out / "best.ckpt"
    assert result.folder == out / "model"
    assert result.best["epoch"] == result.best_epoch
    assert oct((out / "last.ckpt").stat().st_mode & 0o777) == oct(0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("select", ["val/top1", "val/mean_class", "val/loss"])
@pytest.mark.parametrize("kept", ["folder", "memory"])
def test_the_task_has_the_weights_of_the_chosen_epoch(
    tmp_path: Path, task: Any, data: SkeletonDataModule, select: str, kept: str
) -> None:
    made = task(lr=0.3, weight_decay=0.0)
    out = tmp_path if kept == "folder" else None
    result = fit_task(made, data, max_epochs=4, out=out, select=select, progress=False)
    column = [row[select] for row in result.history]
    assert result.best[select] == (min(column) if select == "val/loss" else max(column))
    figures = evaluate_recognition(made, data.val)
    assert figures["top1"] == pytest.approx(result.best["val/top1"])
    assert figures["mean_class"] == pytest.approx(result.best["val/mean_class"])
    if out is not None:
        assert evaluate_recognition(load_recognition(out / "model"), data.val) == figures


def test_of_equal_epochs_the_one_of_the_smaller_loss_wins(
    task: Any, data: SkeletonDataModule
) -> None:
    result = fit_task(task(lr=0.001), data, max_epochs=3, progress=False)
    best = max(row["val/top1"] for row in result.history)
    among = [row for row in result.history if row["val/top1"] == best]
    assert result.best["val/loss"] == min(row["val/loss"] for row in among)


def test_early_stopping_ends_after_patience(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    def fit() -> Any:
        made = task(lr=0.0, weight_decay=0.0)
        return fit_task(made, data, max_epochs=9, out=tmp_path, early_stopping=2, progress=False)

    first = fit()
    assert len(first.history) == 3
    assert fit().history == first.history  # and asking again trains no further


def test_a_finished_folder_is_refused_to_another_training(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    fit_task(task(), data, max_epochs=1, out=tmp_path, facts={"a": {"b": 1}}, progress=False)
    with pytest.raises(
        ValueError, match=r"another training \(lr 0\.02 there, 0\.5 here; a\.b 1 th"
    ):
        fit_task(task(lr=0.5), data, max_epochs=1, out=tmp_path, progress=False)
    fit_task(task(lr=0.5), data, max_epochs=1, out=tmp_path, resume=False, progress=False)
    assert json.loads((tmp_path / "run.json").read_text())["lr"] == 0.5


def test_a_checkpoint_without_its_description_is_not_guessed_at(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)
    (tmp_path / "run.json").unlink()
    with pytest.raises(ValueError, match=r"no readable run\.json"):
        fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)


@pytest.mark.parametrize("text", ["[]", "{", "3", "{}"])
def test_a_description_that_is_none_is_not_guessed_at(
    tmp_path: Path, task: Any, data: SkeletonDataModule, text: str
) -> None:
    fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"no readable run\.json"):
        fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)


@pytest.mark.parametrize("other", ["positions", "labels", "names", "validation"])
def test_other_recordings_are_another_training(tmp_path: Path, task: Any, other: str) -> None:
    def fit(**options: Any) -> Any:
        train, val = (Store.from_graphs(g, class_names=names) for g in (graphs, held))
        both = SkeletonDataModule(train, val, batch_size=4)
        return fit_task(task(), both, max_epochs=1, out=tmp_path, progress=False, **options)

    graphs, held, names = make_graphs(6), make_graphs(3, seed=1), ["a", "b", "c"]
    first = fit()
    assert fit().history == first.history
    if other == "positions":
        graphs[5].pos[-1, -1] += 1
    elif other == "labels":
        graphs[5].y = torch.tensor([0])
    elif other == "names":
        names = ["a", "b", "d"]
    else:
        held[0].pos[0, 0] += 1
    with pytest.raises(ValueError, match=r"another training \(of other recordings or classes\)"):
        fit()
    fit(resume=False)


def test_options_that_the_trainer_refuses_leave_the_folder_alone(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    for options in ({"precision": "bogus"}, {"accelerator": "bogus"}, {"devices": 3}, {"seed": -1}):
        with pytest.raises(ValueError):
            fit_task(
                task(), data, max_epochs=1, out=tmp_path, resume=False, progress=False, **options
            )
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("evil",))


@pytest.mark.parametrize("kind", ["pickle", "torch", "cut"])
def test_a_checkpoint_of_a_stranger_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "last.ckpt"
    if kind == "torch":
        torch.save({"state_dict": Evil()}, file)
    elif kind == "pickle":
        file.write_bytes(pickle.dumps(Evil()))
    else:
        torch.save({"state_dict": torch.zeros(100)}, file)
        file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"last\.ckpt' is damaged or holds more than tensors"):
        AtomicCheckpointIO().load_checkpoint(file, weights_only=False)
    assert not (tmp_path / "evil").exists()


def test_a_refused_checkpoint_does_not_advise_to_run_it(tmp_path: Path) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="remove it to begin anew") as caught:
        load_checkpoint(tmp_path / "last.ckpt")
    assert "weights_only" not in str(caught.value)
    assert "trust" not in str(caught.value)


def train_and_say(folder: Path, task: Any, data: SkeletonDataModule, finished: bool) -> None:
    """A training of one epoch, whose folder then says whether it has ended."""
    fit_task(task(), data, max_epochs=1, out=folder, progress=False)
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "finished": finished}))


@pytest.mark.parametrize("finished", [True, False])
def test_a_checkpoint_of_something_else_says_what_it_lacks(
    tmp_path: Path, task: Any, data: SkeletonDataModule, finished: bool
) -> None:
    train_and_say(tmp_path, task, data, finished)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match=r"last\.ckpt' is none of a training .* no 'state_dict'"):
        fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)


@pytest.mark.parametrize("lost", ["optimizer_states", "lr_schedulers", "loops", "callbacks"])
def test_a_checkpoint_that_lost_a_part_of_its_training_does_not_go_on(
    tmp_path: Path, task: Any, data: SkeletonDataModule, lost: str
) -> None:
    train_and_say(tmp_path, task, data, finished=False)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    if lost == "callbacks":
        state[lost] = {}
    else:
        del state[lost]
    torch.save(state, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match=r"last\.ckpt' is none of a training of ours"):
        fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)


def test_a_lost_best_checkpoint_is_missed_before_training_goes_on(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    train_and_say(tmp_path, task, data, finished=False)
    (tmp_path / "best.ckpt").unlink()
    with pytest.raises(ValueError, match=r"has lost best\.ckpt.*begin anew"):
        fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)


def test_a_network_is_no_task(data: SkeletonDataModule, network: Any) -> None:
    with pytest.raises(TypeError, match="expected a task such as Recognition"):
        fit_task(network(), data, max_epochs=1)


def test_a_missing_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.ckpt")


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path) -> None:
    plugin, file = AtomicCheckpointIO(), tmp_path / "a.ckpt"
    plugin.save_checkpoint({"value": torch.ones(2)}, file)

    class Breaks:
        def __reduce__(self) -> Any:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        plugin.save_checkpoint({"value": torch.zeros(2), "more": Breaks()}, file)
    assert torch.equal(plugin.load_checkpoint(file)["value"], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16-mixed"},
        {"precision": "64-true"},
        {"gradient_clip": 0.1},
        {"accumulate": 2},
        {"select": "last"},
        {"early_stopping": 1},
    ],
    ids=str,
)
def test_every_option_trains(task: Any, data: SkeletonDataModule, options: dict[str, Any]) -> None:
    result = fit_task(task(ema_decay=0.9), data, max_epochs=2, progress=False, **options)
    assert result.history[-1]["train/loss"] < 3
    assert result.checkpoint is None
    assert result.folder is None


def test_clipping_and_accumulation_take_effect(task: Any, data: SkeletonDataModule) -> None:
    class Watch(Callback):
        steps = 0
        norm = 0.0

        def on_before_optimizer_step(self, *args: Any) -> None:
            self.steps += 1

        def on_train_batch_end(self, trainer: Any, module: Any, *args: Any) -> None:
            self.norm = max(float(p.grad.norm()) for p in module.parameters() if p.grad is not None)

    watch = Watch()
    options = {"gradient_clip": 1e-3, "accumulate": 3}
    fit_task(
        task(), data, max_epochs=2, progress=False, callbacks=[watch], select="last", **options
    )
    assert watch.steps == 2
    assert 0 < watch.norm <= 1e-3


def test_a_loss_that_is_no_number_ends_the_training(task: Any, data: SkeletonDataModule) -> None:
    made = task()
    with torch.no_grad():
        next(made.model.parameters()).fill_(float("inf"))
    with pytest.raises(TrainingDiverged, match=r"loss is nan in epoch 1; try a smaller learning"):
        fit_task(made, data, max_epochs=2, progress=False)


def test_a_validation_loss_that_is_no_number_ends_the_training(
    tmp_path: Path, task: Any, data: SkeletonDataModule
) -> None:
    single = SkeletonDataModule(data.train, data.val, batch_size=99)  # one step, from sane weights
    with pytest.raises(TrainingDiverged, match=r"validation loss is nan in epoch 1; try a smaller"):
        fit_task(task(lr=1e30), single, max_epochs=1, out=tmp_path, progress=False)
    assert not (tmp_path / "model").exists()


class Pooled(nn.Module):
    """A network of the user's own, which cannot be saved to a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3)

    def forward(self, batch: SkeletonGraph) -> Tensor:
        total = batch.pos.new_zeros(batch.num_recordings, 3).index_add_(0, batch.batch, batch.pos)
        return self.head(total / 100)


def test_any_module_that_takes_a_batch_trains(tmp_path: Path, data: SkeletonDataModule) -> None:
    made = Recognition(Pooled(), 3, lr=0.01)
    result = fit_task(made, data, max_epochs=2, out=tmp_path, progress=False)
    assert result.folder is None
    assert result.checkpoint is not None
    assert len(result.history) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_epochs": 0}, r"max_epochs >= 1 \(got 0\)"),
        (
            {"max_epochs": 1, "select": "val/f1"},
            "no figure 'val/f1' to choose by; known are val/lo",
        ),
    ],
)
def test_an_error_says_what_was_expected(
    task: Any, data: SkeletonDataModule, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_task(task(), data, progress=False, **options)


def test_early_stopping_needs_validation(task: Any, graphs: Any) -> None:
    with pytest.raises(ValueError, match="without validation recordings"):
        fit_task(task(), SkeletonDataModule(graphs(3)), max_epochs=1, early_stopping=1)


def test_a_training_shows_a_line_an_epoch_and_nothing_else(
    task: Callable[..., Recognition], data: SkeletonDataModule, capfd: pytest.CaptureFixture[str]
) -> None:
    fit_task(task(), data, max_epochs=2)
    shown = capfd.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("  epoch 1/2   loss ")
    assert lines[0].endswith(" s  best")
    assert shown.err == ""
    fit_task(task(), data, max_epochs=1, progress=False)
    shown = capfd.readouterr()
    assert shown.out + shown.err == ""


@pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("tensorboard") is None,
    reason="needs the extra 'log'",
)
def test_tensorboard_gets_the_figures(tmp_path: Path, task: Any, data: SkeletonDataModule) -> None:
    fit_task(task(), data, max_epochs=1, out=tmp_path, progress=False)
    assert list((tmp_path / "tensorboard").glob("events.*"))
