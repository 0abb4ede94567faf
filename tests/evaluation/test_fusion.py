"""What a second model says beside a network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stgraph.evaluation import LogisticRegressionOfStatistics, companion, fuse
from stgraph.evaluation.statistics import as_batch
from stgraph.tasks import Predictions
from tests.evaluation.samples import TINY, tiny_sets


def test_two_models_have_equal_weight() -> None:
    network = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.2]])
    other = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.3, 0.5]])
    predictions = Predictions(network, torch.tensor([0, 1]), torch.tensor([True, True]))
    found = fuse(predictions, other.log()).logits.exp()
    assert torch.allclose(found, (network.softmax(1) * other).sqrt())


def test_a_class_that_nobody_trained_is_never_answered() -> None:
    sets = tiny_sets()
    model = LogisticRegressionOfStatistics(sets.prepared["train"], sets.prepared["val"])
    test = sets.prepared["test"]
    found = model.log_probabilities(test, 4)
    assert found.shape == (len(test), 4)
    assert torch.isinf(found[:, 2:]).all()
    assert torch.allclose(found.exp().sum(1), torch.ones(len(test)))
    posed = as_batch(test).poses_per_recording > 0
    assert torch.equal(found.argmax(1)[posed], model.predict(test)[posed])


def test_no_companion_and_an_unknown_one() -> None:
    assert companion("none", tiny_sets()) is None
    with pytest.raises(ValueError, match="unknown fusion 'trees'; known are none, statistics"):
        companion("trees", tiny_sets())


def test_a_companion_is_fitted_once() -> None:
    sets = tiny_sets()
    assert companion("statistics", sets) == companion("statistics", sets)
    assert companion("statistics", sets) != companion("statistics", sets, refit=True)


@pytest.mark.parametrize("wrong", [{"fuse": "trees"}, {"views": "sides"}])
def test_a_recipe_knows_ways_of_testing_before_it_trains(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"unknown (fuse|views) .*; known are"):
        replace(TINY, **wrong)
