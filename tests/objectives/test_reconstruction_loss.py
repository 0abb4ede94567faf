"""Losses against slow references."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from stgraph.objectives import scaled_cosine_error, smooth_l1, squared_error


@pytest.fixture
def sample():
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(6, 3, 2, generator=generator, dtype=torch.float64)
    target = torch.randn(6, 3, 2, generator=generator, dtype=torch.float64)
    valid = torch.rand(6, 3, generator=generator) > 0.4
    valid[0] = False
    return prediction, target, valid


def slow(sample, term) -> float:
    """Mean over the valid poses of a token, then over the tokens that have any."""
    tokens = []
    for p, t, ok in zip(*sample, strict=True):
        poses = [float(term(p[i], t[i]).mean()) for i in range(3) if ok[i]]
        if poses:
            tokens.append(sum(poses) / len(poses))
    return sum(tokens) / len(tokens)


def test_squared_error_counts_valid_poses_alone(sample):
    expected = slow(sample, lambda p, t: (p - t) ** 2)
    assert float(squared_error(*sample)) == pytest.approx(expected)


def test_smooth_l1_is_torch_s_own(sample):
    expected = slow(sample, lambda p, t: F.smooth_l1_loss(p, t, reduction="none"))
    assert float(smooth_l1(*sample)) == pytest.approx(expected)


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("as_published", [False, True])
def test_scaled_cosine_error_is_that_of_a_loop(sample, exponent, as_published):
    terms, n = [], int(sample[2].any(dim=1).sum())
    for p, t, ok in zip(*sample, strict=True):
        if ok.any():
            p, t = (p * ok[:, None]).flatten(), (t * ok[:, None]).flatten()
            cosine = float(p @ t / p.norm() / t.norm())
            terms.append(
                ((1 - cosine) / n) ** exponent if as_published else (1 - cosine) ** exponent
            )
    expected = sum(terms) if as_published else sum(terms) / n
    found = scaled_cosine_error(*sample, exponent=exponent, as_published=as_published)
    assert float(found) == pytest.approx(expected)


def test_the_published_reading_differs_by_a_factor_alone(sample):
    n = int(sample[2].any(dim=1).sum())
    ratio = scaled_cosine_error(*sample) / scaled_cosine_error(*sample, as_published=True)
    assert math.isclose(float(ratio), n, rel_tol=1e-9)


@pytest.mark.parametrize("loss", [squared_error, smooth_l1, scaled_cosine_error])
def test_nothing_valid_is_no_loss_and_no_number_that_is_none(loss):
    x = torch.randn(2, 3, 2, requires_grad=True)
    value = loss(x, torch.randn(2, 3, 2), torch.zeros(2, 3, dtype=torch.bool))
    assert value.item() == 0.0
    value.backward()
    assert x.grad is not None
    assert x.grad.abs().sum() == 0
