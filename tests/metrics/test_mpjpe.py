"""The error of predicted joints equals a slow reference, whatever the batches."""

from __future__ import annotations

import math

import pytest
import torch

from stgraph.metrics import MPJPE, mpjpe


def motion(n: int = 7, horizons: int = 4, joints: int = 3, dims: int = 3):
    prediction, target = torch.randn(2, n, horizons, joints, dims)
    return prediction, target, torch.rand(n, horizons, joints) < 0.7


def slow(prediction, target, valid, horizons):
    distances = [
        math.dist(prediction[n, t, v].tolist(), target[n, t, v].tolist())
        for n in range(len(valid))
        for t in horizons
        for v in range(valid.size(2))
        if valid[n, t, v]
    ]
    return sum(distances) / len(distances)


@pytest.mark.parametrize("dims", [2, 3])
def test_it_equals_a_slow_reference(dims: int) -> None:
    prediction, target, valid = motion(dims=dims)
    expected = slow(prediction, target, valid, range(4))
    assert mpjpe(prediction, target, valid).item() == pytest.approx(expected, rel=1e-6)
    each = mpjpe(prediction, target, valid, unit=1000.0, per_horizon=True)
    assert each.tolist() == pytest.approx(
        [1000 * slow(prediction, target, valid, [t]) for t in range(4)], rel=1e-6
    )


def test_a_case_to_check_by_hand() -> None:
    target = torch.zeros(1, 2, 2, 2)
    prediction = torch.tensor([[[[3.0, 4.0], [0, 0]], [[6, 8], [0, 1]]]])
    assert mpjpe(prediction, target).item() == 4  # (5 + 0 + 10 + 1) / 4
    assert mpjpe(prediction, target, per_horizon=True).tolist() == [2.5, 5.5]
    valid = torch.tensor([[[True, False], [True, False]]])
    assert mpjpe(prediction, target, valid, unit=1000.0).item() == 7500


def test_what_does_not_count_may_be_anything() -> None:
    prediction, target, valid = motion()
    expected = mpjpe(prediction, target, valid)
    prediction[~valid], target[~valid] = torch.nan, torch.inf
    assert mpjpe(prediction, target, valid) == expected


def test_a_prediction_that_is_no_number_is_infinitely_far_off() -> None:
    prediction, target, valid = motion()
    prediction[0, 2, 1, 0], valid[0, 2, 1] = torch.nan, True
    assert mpjpe(prediction, target, valid).item() == math.inf
    finite = mpjpe(prediction, target, valid, per_horizon=True).isfinite()
    assert finite.tolist() == [True, True, False, True]


def test_nothing_to_count_is_no_number() -> None:
    prediction, target, valid = motion()
    valid[:, 1] = False
    each = mpjpe(prediction, target, valid, per_horizon=True)
    assert each.isnan().tolist() == [False, True, False, False]
    assert not bool(mpjpe(prediction, target, valid).isnan())


@pytest.mark.parametrize("sizes", [[7], [1, 6], [2, 2, 3]])
def test_accumulated_batches_weigh_by_their_joints(sizes: list[int]) -> None:
    prediction, target, valid = motion()
    metric = MPJPE(4, unit=1000.0)
    for part in zip(*(t.split(sizes) for t in (prediction, target, valid)), strict=True):
        metric.update(*part)
    torch.testing.assert_close(metric.compute(), mpjpe(prediction, target, valid, 1000.0))
    expected = mpjpe(prediction, target, valid, 1000.0, per_horizon=True)
    torch.testing.assert_close(metric.per_horizon(), expected)
    assert metric.count.tolist() == valid.sum(dim=(0, 2)).tolist()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 2, 3), (1, 2, 3), None), r"\[windows, horizons, joints, dims\] alike \(got \[1, 2"),
        (((1, 2, 3, 3), (1, 2, 3, 2), None), r"\[1, 2, 3, 3\] and \[1, 2, 3, 2\]"),
        (((1, 2, 3, 3), (1, 2, 3, 3), (1, 2)), r"'valid' as \[1, 2, 3\] \(got \[1, 2\]\)"),
    ],
)
def test_an_error_says_what_does_not_fit(shapes: tuple, message: str) -> None:
    prediction, target, valid = (None if s is None else torch.zeros(s) for s in shapes)
    with pytest.raises(ValueError, match=message):
        mpjpe(prediction, target, valid)


def test_a_target_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="is 'valid' of others"):
        mpjpe(torch.zeros(1, 1, 1, 2), torch.full((1, 1, 1, 2), torch.nan))
