"""Accuracies equal scikit-learn's, whatever the batches."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import recall_score, top_k_accuracy_score

from stgraph.metrics import MeanClassAccuracy, TopKAccuracy, mean_class_accuracy, top_k_accuracy


def predictions(n: int = 40, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.randn(n, classes)
    y = torch.randint(classes - 1, (n,))  # the last class never occurs
    return logits + torch.nn.functional.one_hot(y, classes), y


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_an_independent_reference(k: int) -> None:
    logits, y = predictions()
    expected = top_k_accuracy_score(y, logits, k=k, labels=range(6))
    torch.testing.assert_close(top_k_accuracy(logits, y, k), torch.tensor(expected).float())


def test_mean_class_equals_an_independent_reference_and_skips_absent_classes() -> None:
    logits, y = predictions()
    expected = recall_score(y, logits.argmax(1), labels=y.unique(), average="macro")
    torch.testing.assert_close(mean_class_accuracy(logits, y), torch.tensor(expected).float())


def test_a_case_to_check_by_hand() -> None:
    logits = torch.tensor([[2.0, 1, 0], [0, 2, 1], [0, 2, 1], [1, 0, 2]])
    y = torch.tensor([0, 1, 2, 0])
    assert top_k_accuracy(logits, y).item() == 0.5
    assert top_k_accuracy(logits, y, 2).item() == 1.0
    assert mean_class_accuracy(logits, y).item() == 0.5  # (1/2 + 1 + 0) / 3


def test_a_recording_without_a_pose_is_wrong_and_still_counted() -> None:
    logits, y = torch.eye(4), torch.arange(4)
    has_pose = torch.tensor([True, True, True, False])
    assert top_k_accuracy(logits, y, 1, has_pose).item() == 0.75
    assert top_k_accuracy(logits, y, 9, has_pose).item() == 0.75
    assert mean_class_accuracy(logits, y, has_pose).item() == 0.75


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_wrong_and_still_counted(odd: float) -> None:
    y = torch.tensor([0, 0, 1, 2])
    assert top_k_accuracy(torch.full((4, 3), odd), y).item() == 0
    logits = torch.nn.functional.one_hot(y, 3).float()
    logits[1, 0] = odd
    assert top_k_accuracy(logits, y).item() == 0.75
    assert top_k_accuracy(logits, y, 3).item() == 0.75
    assert mean_class_accuracy(logits, y).item() == pytest.approx(2.5 / 3)
    top1, mean_class = TopKAccuracy(1), MeanClassAccuracy(3)
    for metric, expected in ((top1, 0.75), (mean_class, 2.5 / 3)):
        metric.update(logits, y)
        assert metric.compute().item() == pytest.approx(expected)


def test_a_probability_of_zero_is_an_answer() -> None:
    assert top_k_accuracy(torch.tensor([[0.0, -float("inf")]]), torch.tensor([0])).item() == 1


@pytest.mark.parametrize("sizes", [[40], [1, 39], [7, 13, 20]])
def test_accumulated_batches_weigh_by_their_recordings(sizes: list[int]) -> None:
    logits, y = predictions()
    has_pose = torch.rand(40) < 0.8
    metrics = {
        TopKAccuracy(1): top_k_accuracy(logits, y, 1, has_pose),
        TopKAccuracy(5): top_k_accuracy(logits, y, 5, has_pose),
        MeanClassAccuracy(6): mean_class_accuracy(logits, y, has_pose),
    }
    for metric, expected in metrics.items():
        for part in zip(*(t.split(sizes) for t in (logits, y, has_pose)), strict=True):
            metric.update(*part)
        assert torch.equal(metric.compute(), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3), torch.zeros(3).long()), r"\[recordings, classes\] \(got \[3\]\)"),
        ((torch.zeros(3, 2), torch.zeros(2).long()), "'y' with one entry for each of the 3"),
        ((torch.zeros(1, 2), torch.tensor([2])), r"class numbers in 0\.\.\.1 \(got 2"),
        ((torch.zeros(1, 2), torch.tensor([-1])), "are there no labels"),
        ((torch.zeros(1, 2), torch.tensor([0]), 0), r"k >= 1 \(got 0\)"),
    ],
)
def test_an_error_says_what_does_not_fit(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        top_k_accuracy(*arguments)
