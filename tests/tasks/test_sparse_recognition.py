"""Recognition by networks that become sparse while they learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch_geometric.data import Batch

from stgraph import STGCN, SkeletonGraph
from stgraph.sparsity import (
    SparsitySchedule,
    assemble,
    bake_masks,
    compress,
    prunable_weights,
    sparsify,
)
from stgraph.tasks import (
    SkeletonDataModule,
    SparseRecognition,
    evaluate_recognition,
    fit_task,
    load_recognition,
)


@pytest.fixture
def sparse_task(network: Any) -> Callable[..., SparseRecognition]:
    def make(sparsity: float = 0.6, warm_up: float = 0.5, **options: Any) -> SparseRecognition:
        torch.manual_seed(3)
        model = network(channels=[4, 8])
        generator = sparsify(model, sparsity, schedule=SparsitySchedule(warm_up))
        return SparseRecognition(model, 3, generators=generator, lr=0.02, **options)

    return make


def zeros(network: Any) -> float:
    weights = prunable_weights(network)
    cut = sum(int((getattr(w.module, w.parameter) == 0).sum()) for w in weights)
    return cut / weights.numel


class Watch(Callback):
    """Notes how sparse the network is at each step and in validation."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.validations: list[float] = []

    def on_train_batch_end(self, trainer: Any, task: Any, *args: Any) -> None:
        self.steps.append(1 - task.generators[0].density)

    def on_validation_batch_end(self, trainer: Any, task: Any, *args: Any) -> None:
        self.validations.append(1 - task.generators[0].density)


def test_it_is_dense_first_then_sparse_and_always_sparse_where_it_is_measured(
    sparse_task: Any, graphs: Any
) -> None:
    watch = Watch()
    data = SkeletonDataModule(graphs(9), graphs(6, seed=5), batch_size=3)
    fit_task(sparse_task(), data, max_epochs=4, progress=False, callbacks=[watch])
    assert watch.steps[:6] == [0.0] * 6
    assert watch.steps[6:] == pytest.approx([0.6] * 6, abs=0.02)
    assert watch.validations == pytest.approx([0.6] * len(watch.validations), abs=0.02)


def test_the_folder_holds_a_plain_sparse_network(
    sparse_task: Any, graphs: Any, tmp_path: Path
) -> None:
    task = sparse_task()
    result = fit_task(
        task, SkeletonDataModule(graphs(9)), max_epochs=2, out=tmp_path, progress=False
    )
    assert result.folder is not None
    loaded = load_recognition(result.folder)
    assert type(loaded.network) is STGCN
    assert zeros(loaded.network) == pytest.approx(0.6, abs=0.02)
    batch = Batch.from_data_list(graphs(5, seed=9))
    with torch.no_grad():
        assert torch.equal(loaded(batch), task.final_network()(task.prepare(batch)))


def test_stopped_and_resumed_is_as_never_stopped(
    sparse_task: Any, graphs: Any, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    class Stop(Callback):
        def on_train_epoch_end(self, trainer: Any, task: Any) -> None:
            if trainer.current_epoch == 2:
                raise Stopped

    data = SkeletonDataModule(graphs(9), batch_size=3)
    whole = sparse_task(penalty=0.1)
    fit_task(whole, data, max_epochs=4, progress=False)
    with pytest.raises(Stopped):
        fit_task(
            sparse_task(penalty=0.1),
            data,
            max_epochs=4,
            out=tmp_path,
            progress=False,
            callbacks=[Stop()],
        )
    resumed = sparse_task(penalty=0.1)
    fit_task(resumed, data, max_epochs=4, out=tmp_path, progress=False)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_another_sparsity_is_another_training(
    sparse_task: Any, graphs: Any, tmp_path: Path
) -> None:
    data = SkeletonDataModule(graphs(6))
    fit_task(sparse_task(), data, max_epochs=1, out=tmp_path, progress=False)
    with pytest.raises(ValueError, match="another training"):
        fit_task(sparse_task(0.5), data, max_epochs=1, out=tmp_path, progress=False)
    network = sparse_task().model
    bake_masks(network)
    generator = sparsify(network, 0.6, schedule=SparsitySchedule(0.5), granularity="channel")
    other = SparseRecognition(network, 3, generators=generator, lr=0.02)
    with pytest.raises(ValueError, match="another training"):
        fit_task(other, data, max_epochs=1, out=tmp_path, progress=False)


def test_the_penalty_is_added_to_the_loss(sparse_task: Any, graphs: Any) -> None:
    batch: SkeletonGraph = Batch.from_data_list(graphs(6))
    losses = {}
    for factor in (0.0, 0.5):
        task = sparse_task(penalty=factor).train()
        task.at(0.25)
        losses[factor] = float(task.training_step(batch, 0).detach())
        penalty = float(task.generators[0].penalty().detach())
    assert penalty > 0
    assert losses[0.5] == pytest.approx(losses[0.0] + 0.5 * penalty, rel=1e-5)


def test_averages_of_weights_are_as_sparse(sparse_task: Any, graphs: Any, tmp_path: Path) -> None:
    task = sparse_task(ema_decay=0.5)
    result = fit_task(
        task,
        SkeletonDataModule(graphs(9), graphs(6, seed=5)),
        max_epochs=2,
        out=tmp_path,
        progress=False,
    )
    assert result.folder is not None
    assert zeros(load_recognition(result.folder).network) == pytest.approx(0.6, abs=0.02)


def test_every_member_of_an_assembly_learns_and_the_whole_answers(
    graphs: Any, network: Any, tmp_path: Path
) -> None:
    assembled = assemble(
        lambda: STGCN(3, None, layout="kinect_v1_20", channels=[4], temporal_kernel=3),
        3,
        (0.5, 0.8),
    )
    task = SparseRecognition(assembled.model, 3, generators=assembled.generators, lr=0.02)
    batch: SkeletonGraph = Batch.from_data_list(graphs(6))
    assert len(task.answers(batch)) == 3
    data = SkeletonDataModule(graphs(9), test=graphs(6, seed=5))
    result = fit_task(task, data, max_epochs=2, out=tmp_path, progress=False)
    for head in (assembled.model.head, *assembled.model.auxiliary):
        assert head.weight.grad is not None
    assert result.folder is not None
    loaded = load_recognition(result.folder)
    assert [zeros(member) for member in loaded.network.members] == pytest.approx(
        [0.5, 0.8], abs=0.05
    )
    assert evaluate_recognition(loaded, data.test)["n"] == 6


def test_a_network_without_masks_is_refused(network: Any) -> None:
    with pytest.raises(ValueError, match="what sparsify returned"):
        SparseRecognition(network(), 3, generators=[])


def test_the_history_says_how_sparse_the_network_was(
    sparse_task: Any, graphs: Any, tmp_path: Path
) -> None:
    data = SkeletonDataModule(graphs(9), graphs(6, seed=5), batch_size=3)
    result = fit_task(sparse_task(), data, max_epochs=4, out=tmp_path, progress=False)
    assert [row["sparsity"] for row in result.history] == pytest.approx([0, 0, 0.6, 0.6], abs=0.02)
    assert (tmp_path / "history.csv").read_text().splitlines()[0].count("sparsity") == 1


def test_the_folder_may_hold_a_smaller_network(graphs: Any, network: Any, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = network(channels=[4, 8])
    generator = sparsify(model, 0.5, granularity="channel")
    task = SparseRecognition(model, 3, generators=generator, ema_decay=0.5, shrink=compress)
    result = fit_task(
        task, SkeletonDataModule(graphs(9)), max_epochs=2, out=tmp_path, progress=False
    )
    assert result.folder is not None
    loaded = load_recognition(result.folder)
    number = sum(p.numel() for p in loaded.network.parameters())
    assert number < sum(p.numel() for p in network(channels=[4, 8]).parameters())
    batch = Batch.from_data_list(graphs(5, seed=9))
    with torch.no_grad():
        assert torch.allclose(loaded(batch), task.final_network()(task.prepare(batch)), atol=1e-5)
    kept = task.kept()
    assert [part.name for part in kept] == [part.name for part in generator.weights]
    assert sum(part.kept for part in kept) == pytest.approx(
        0.5 * sum(part.total for part in kept), abs=1.5
    )
