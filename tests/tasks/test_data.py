"""Any source of recordings, in an order that seed and epoch decide."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import SkeletonGraph
from stgraph.io import Store
from stgraph.tasks import SkeletonDataModule, as_source
from stgraph.tasks.data import GraphList, ResumableLoader, source_labels


def names(loader: Any) -> list[str]:
    return [name for batch in loader for name in batch.name]


def epoch(data: SkeletonDataModule, number: int) -> list[str]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)
    return names(loader)


def test_a_list_of_alike_recordings_becomes_a_store(graphs: Any) -> None:
    source = as_source(graphs(4))
    assert isinstance(source, Store)
    assert as_source(source) is source
    assert source_labels(source).tolist() == [0, 1, 2, 0]


def test_a_list_of_any_recordings_keeps_what_they_share(graphs: Any) -> None:
    other = SkeletonGraph(torch.randn(2, 15, 3), layout="jhmdb_15", y=1)
    source = as_source([*graphs(2), other])
    assert isinstance(source, GraphList)
    batch = source.batch([2, 0])
    assert isinstance(batch, Batch)
    assert batch.is_mixed
    assert batch.y.tolist() == [1, 0]
    assert "name" not in batch
    assert source.num_poses.tolist()[2] == 2
    assert len(source) == 3
    assert source[2] is other


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "at least one recording"),
        ("recordings", TypeError, "got str"),
        ([1], TypeError, "got list"),
        (SkeletonGraph(torch.zeros(1, 15, 2), layout="jhmdb_15"), TypeError, "put it into a list"),
    ],
)
def test_anything_else_is_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        as_source(data)


def test_seed_and_epoch_decide_the_order_of_training(graphs: Any) -> None:
    data = SkeletonDataModule(graphs(), batch_size=4)
    first = epoch(data, 0)
    assert epoch(data, 0) == first
    assert epoch(data, 1) != first
    assert sorted(epoch(data, 1)) == sorted(first)
    data.seed = 1
    assert epoch(data, 0) != first


def test_training_leaves_out_recordings_without_a_pose_and_evaluation_keeps_them(
    graphs: Any,
) -> None:
    recordings = graphs(empty=(1, 5))
    data = SkeletonDataModule(recordings, recordings, recordings, batch_size=4)
    assert len(names(data.train_dataloader())) == 7
    assert data.train_labels.tolist() == [0, 2, 0, 1, 0, 1, 2]
    assert data.batches_per_epoch == len(data.train_dataloader()) == 2
    for loader in (data.val_dataloader(), data.test_dataloader()):
        assert names(loader) == [f"r{i}" for i in range(9)]


def test_a_loader_goes_on_in_the_middle_of_an_epoch(graphs: Any) -> None:
    def loader() -> ResumableLoader:
        made = SkeletonDataModule(graphs(), batch_size=2).train_dataloader()
        made.sampler.set_epoch(3)
        return made

    whole = [batch.name for batch in loader()]
    first = loader()
    running = iter(first)
    assert [next(running).name for _ in range(2)] == whole[:2]
    second = loader()
    second.load_state_dict(first.state_dict())
    assert [batch.name for batch in second] == whole[2:]
    assert len(list(second)) == len(whole)  # and the next epoch is a whole one


@pytest.mark.slow
def test_worker_processes_give_the_same_batches(graphs: Any) -> None:
    here = epoch(SkeletonDataModule(graphs(), batch_size=2), 1)
    there = epoch(SkeletonDataModule(graphs(), batch_size=2, num_workers=2), 1)
    assert here == there


def test_the_classes_of_all_parts_are_the_same(graphs: Any) -> None:
    def named(*classes: str) -> Store:
        return Store.from_graphs(graphs(3), class_names=classes)

    data = SkeletonDataModule(named("a", "b", "c"), named("a", "b", "c"))
    assert data.class_names == ("a", "b", "c")
    assert data.num_classes == 3
    with pytest.raises(ValueError, match=r"classes of 'train' in 'test'.*got c, b, a"):
        SkeletonDataModule(named("a", "b", "c"), test=named("c", "b", "a"))


def test_what_cannot_be_trained_on_is_refused(graphs: Any) -> None:
    with pytest.raises(ValueError, match="training recordings with poses"):
        SkeletonDataModule(graphs(2, empty=(0, 1)))
    with pytest.raises(ValueError, match="validation recordings with poses"):
        SkeletonDataModule(graphs(2), graphs(2, empty=(0, 1)))
    with pytest.raises(ValueError, match="batch_size >= 1"):
        SkeletonDataModule(graphs(2), batch_size=0)
    with pytest.raises(ValueError, match=r"eval_batch_size >= 1 \(got 0\)"):
        SkeletonDataModule(graphs(2), eval_batch_size=0)
    with pytest.raises(ValueError, match="no test recordings"):
        SkeletonDataModule(graphs(2)).test_dataloader()
