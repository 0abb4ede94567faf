"""Optimisers and schedules of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from stgraph.tasks import (
    class_weights,
    learning_rate_factor,
    make_optimizer,
    make_schedule,
    parameter_groups,
)
from stgraph.tasks.optimisation import average_weights


def rates(epochs: int, steps: int, **options: object) -> list[float]:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = make_schedule(optimizer, steps_per_epoch=steps, total=epochs, **options)
    found = []
    for _ in range(epochs * steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_is_that_of_torch() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12, eta_min=0.1)
    expected = []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    assert rates(4, 3, schedule="cosine", floor=0.1) == pytest.approx(expected)


def test_the_published_steps_with_warm_up_by_epoch() -> None:
    found = rates(8, 2, schedule="steps", milestones=(4, 6), gamma=0.1, warmup=2, by_epoch=True)
    assert found[::2] == pytest.approx([0.5, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert found[1::2] == found[::2]


def test_warm_up_by_step_begins_above_zero_and_reaches_the_whole() -> None:
    found = rates(3, 4, schedule="constant", warmup=1)
    assert found == pytest.approx([0.25, 0.5, 0.75, 1.0, *[1.0] * 8])


def test_cosine_begins_after_warm_up() -> None:
    options = {"total": 10, "schedule": "cosine", "warmup": 2}
    assert learning_rate_factor(2, **options) == 1
    assert learning_rate_factor(6, **options) == pytest.approx(0.5)
    assert learning_rate_factor(10, **options) == pytest.approx(0)


def test_weight_decay_spares_norms_and_biases_on_request() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    (everything,) = parameter_groups([network, network], 0.1)
    assert len(everything["params"]) == 4
    decayed, spared = parameter_groups([network], 0.1, decay_norm_and_bias=False)
    assert [p.dim() for p in decayed["params"]] == [2]
    assert [p.dim() for p in spared["params"]] == [1, 1, 1]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_an_optimiser_by_its_name(name: str, kind: type) -> None:
    groups = parameter_groups([nn.Linear(1, 1)], 0.1)
    optimizer = make_optimizer(groups, name, lr=0.3)
    assert type(optimizer) is kind
    assert optimizer.param_groups[0]["lr"] == 0.3
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    assert optimizer.param_groups[0].get("nesterov", True)


def test_nesterov_needs_momentum() -> None:
    groups = parameter_groups([nn.Linear(1, 1)], 0.0)
    assert not make_optimizer(groups, "sgd", momentum=0.0).param_groups[0]["nesterov"]


def test_class_weights_equal_an_independent_reference() -> None:
    y = torch.tensor([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y.numpy())
    torch.testing.assert_close(class_weights(y, 3), torch.from_numpy(expected).float())
    assert class_weights(y, 5)[3:].tolist() == [0, 0]
    torch.testing.assert_close(class_weights(y, 5)[y].mean(), torch.tensor(1.0))


def test_the_moving_average_forgets_the_first_weights_quickly() -> None:
    average, counter = torch.zeros(1), torch.tensor(0)
    average_weights([average, counter], [torch.ones(1), torch.tensor(7)], 0, 0.999)
    assert average.item() == pytest.approx(0.9)
    assert counter.item() == 7
    average.zero_()
    average_weights([average], [torch.ones(1)], 10**6, 0.999)
    assert average.item() == pytest.approx(0.001, rel=1e-3)


def test_an_unknown_name_lists_the_known() -> None:
    groups = parameter_groups([nn.Linear(1, 1)], 0.0)
    with pytest.raises(ValueError, match="known are sgd, adam, adamw"):
        make_optimizer(groups, "lion")
    with pytest.raises(ValueError, match="known are cosine, linear, steps, constant"):
        learning_rate_factor(0, total=1, schedule="line")


def test_a_factor_is_never_more_than_one() -> None:
    assert all(
        0 <= learning_rate_factor(p / 7, total=9, warmup=w, unit=0.2) <= 1
        for p in range(70)
        for w in (0, 0.5, 3)
    )
    assert math.isclose(learning_rate_factor(99, total=9), 0, abs_tol=1e-12)


def test_a_linear_schedule_falls_evenly_to_its_floor() -> None:
    found = [
        learning_rate_factor(p, total=10, schedule="linear", warmup=2, floor=0.5)
        for p in (2, 6, 10, 12)
    ]
    assert found == [1.0, 0.75, 0.5, 0.5]
