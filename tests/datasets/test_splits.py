"""Carving: seeded, in proportion, groups in one piece."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.datasets import hold_out, hold_out_groups, partition_groups


@given(
    y=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 99),
)
def test_each_class_gives_its_share(y: list[int], fraction: float, seed: int) -> None:
    labels = torch.tensor(y)
    held = hold_out(labels, fraction, seed)
    for label in labels.unique():
        members = labels == label
        assert int(held[members].sum()) == round(fraction * int(members.sum()))
    assert torch.equal(held, hold_out(labels, fraction, seed))


@given(
    groups=st.lists(st.integers(0, 5), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1),
    seed=st.integers(0, 99),
)
def test_groups_stay_together_and_both_sides_have_one(groups: list[int], seed: int) -> None:
    y = torch.arange(len(groups)) % 3
    held = hold_out_groups(y, groups, 0.3, seed)
    inside = {g for g, h in zip(groups, held.tolist(), strict=True) if h}
    outside = {g for g, h in zip(groups, held.tolist(), strict=True) if not h}
    assert inside
    assert outside
    assert not inside & outside
    assert torch.equal(held, hold_out_groups(y, groups, 0.3, seed))


def test_held_out_groups_are_near_the_share_of_each_class() -> None:
    groups = [g for g in range(10) for _ in range(10)]
    y = torch.arange(100) % 10
    for seed in range(3):
        held = hold_out_groups(y, groups, 0.2, seed)
        assert y[held].bincount().tolist() == [2] * 10


def test_shares_of_groups_are_kept_in_each_class() -> None:
    groups = [f"v{i // 4}" for i in range(160)]
    y = torch.arange(160) // 4 % 4
    part = partition_groups(y, groups, (0.6, 0.2, 0.2), seed=1)
    for label in range(4):
        assert part[y == label].bincount().tolist() == [24, 8, 8]
    for i in range(0, 160, 4):
        assert len(part[i : i + 4].unique()) == 1
    assert not torch.equal(part, partition_groups(y, groups, (0.6, 0.2, 0.2), seed=2))


def test_shares_and_groups_that_make_no_sense_are_refused() -> None:
    y = torch.zeros(4, dtype=torch.long)
    for fraction in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="fraction between 0 and 1"):
            hold_out(y, fraction)
    with pytest.raises(ValueError, match="at least two groups"):
        hold_out_groups(y, ["a"] * 4, 0.5)
