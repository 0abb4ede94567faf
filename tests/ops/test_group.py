"""Rows in groups of different sizes."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.ops import (
    log_softmax_of_group,
    max_of_group,
    mean_of_group,
    rank_in_group,
    top_k_of_group,
)

GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=20)


@given(group=GROUPS, seed=st.integers(0, 99))
def test_every_group_is_ranked_by_itself(group, seed):
    group = torch.tensor(group)
    value = torch.randn(len(group), generator=torch.Generator().manual_seed(seed))
    rank = rank_in_group(value, group, 5)
    for g in group.unique():
        mine = group == g
        expected = value[mine].argsort(descending=True).argsort()
        assert torch.equal(rank[mine], expected)


@given(group=GROUPS, seed=st.integers(0, 99))
def test_softmax_and_statistics_are_those_of_each_group_alone(group, seed):
    group = torch.tensor(group)
    value = torch.randn(len(group), generator=torch.Generator().manual_seed(seed))
    log_p = log_softmax_of_group(value, group, 5)
    highest, mean = max_of_group(value, group, 5), mean_of_group(value[:, None], group, 5)
    for g in range(5):
        mine = value[group == g]
        if len(mine):
            torch.testing.assert_close(log_p[group == g], mine.log_softmax(dim=0))
            assert highest[g] == mine.max()
            torch.testing.assert_close(mean[g, 0], mine.mean())
        else:
            assert highest[g] == 0
            assert mean[g, 0] == 0


def test_of_equal_values_the_earlier_comes_first():
    value, group = torch.zeros(5), torch.tensor([0, 1, 0, 1, 0])
    assert rank_in_group(value, group, 2).tolist() == [0, 0, 1, 1, 2]
    chosen = top_k_of_group(value, group, torch.tensor([2, 1]))
    assert chosen.tolist() == [True, True, True, False, False]
