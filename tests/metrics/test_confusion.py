"""The confusion matrix equals scikit-learn's and loses nobody."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import confusion_matrix as reference

from stgraph.metrics import ConfusionMatrix, confusion_matrix


def test_it_equals_an_independent_reference() -> None:
    logits, y = torch.randn(50, 4), torch.randint(4, (50,))
    expected = torch.from_numpy(reference(y, logits.argmax(1), labels=range(4)))
    assert torch.equal(confusion_matrix(logits, y), expected)


def test_the_missing_column_completes_the_rows() -> None:
    logits, y = torch.randn(30, 3), torch.randint(3, (30,))
    has_pose = torch.rand(30) < 0.5
    table = confusion_matrix(logits, y, has_pose=has_pose, missing_column=True)
    assert torch.equal(table.sum(1), torch.bincount(y, minlength=3))
    assert torch.equal(table[:, 3], torch.bincount(y[~has_pose], minlength=3))
    assert torch.equal(table[:, :3], confusion_matrix(logits, y, has_pose=has_pose))


def test_logits_that_are_no_numbers_are_taken_for_no_class() -> None:
    logits, y = torch.full((2, 2), float("nan")), torch.tensor([0, 1])
    logits[1] = torch.tensor([0.0, 1.0])
    table = confusion_matrix(logits, y, missing_column=True)
    assert table.tolist() == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("missing", [False, True])
def test_batches_add_up(missing: bool) -> None:
    logits, y, has_pose = torch.randn(9, 3), torch.randint(3, (9,)), torch.arange(9) % 4 > 0
    metric = ConfusionMatrix(3, missing)
    for part in zip(*(t.split([2, 6, 1]) for t in (logits, y, has_pose)), strict=True):
        metric.update(*part)
    expected = confusion_matrix(logits, y, 3, has_pose, missing_column=missing)
    assert torch.equal(metric.compute(), expected)


def test_fewer_classes_than_logits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 3 classes \(got 2\)"):
        confusion_matrix(torch.zeros(1, 3), torch.zeros(1).long(), 2)
