"""Attention within ragged sequences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.ops import make_attention_plan, ragged_attention, sorted_plan, summary_attention
from stgraph.testing import assert_close

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=8)


@given(lengths=LENGTHS, slack=st.sampled_from([0.0, 0.125, 0.5, 1.0]), seed=st.integers(0, 99))
def test_buckets_agree_with_the_reference_forward_and_backward(lengths, slack, seed):
    generator = torch.Generator().manual_seed(seed)
    n = sum(lengths)
    qkv = torch.randn(n, 3, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    plan = make_attention_plan(torch.tensor(lengths), slack)
    out, expected = (ragged_attention(qkv, plan, name) for name in ("buckets", "reference"))
    assert_close(out, expected)
    weight = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    grads = [torch.autograd.grad((y * weight).sum(), qkv)[0] for y in (out, expected)]
    assert_close(*grads)


def test_the_reference_has_the_right_gradient():
    qkv = torch.randn(5, 3, 1, 2, dtype=torch.float64, requires_grad=True)
    plan = make_attention_plan(torch.tensor([2, 3]))
    assert torch.autograd.gradcheck(lambda x: ragged_attention(x, plan, "reference"), [qkv])


def test_a_sequence_of_one_token_gives_its_own_value():
    qkv = torch.randn(1, 3, 2, 4)
    out = ragged_attention(qkv, make_attention_plan(torch.tensor([1])))
    torch.testing.assert_close(out, qkv[:, 2].flatten(1))


def test_no_sequence_looks_at_another():
    qkv = torch.randn(7, 3, 1, 4, requires_grad=True)
    out = ragged_attention(qkv, make_attention_plan(torch.tensor([3, 4])))
    (grad,) = torch.autograd.grad(out[:3].sum(), qkv)
    assert grad[3:].abs().sum() == 0
    assert grad[:3].abs().sum() > 0


def test_equal_lengths_share_a_bucket_without_a_blank_place():
    plan = make_attention_plan(torch.tensor([4, 9, 4, 9, 9]), slack=0.0)
    assert [(bucket.num_sequences, bucket.length) for bucket in plan.buckets] == [(2, 4), (3, 9)]
    assert all(bucket.token is None for bucket in plan.buckets)


def test_no_sequence_at_all_gives_no_tokens():
    plan = make_attention_plan(torch.zeros(0, dtype=torch.long))
    assert ragged_attention(torch.zeros(0, 3, 2, 4), plan).shape == (0, 8)
    assert ragged_attention(torch.zeros(0, 3, 2, 4), plan, "reference").shape == (0, 8)


def test_an_unknown_backend_is_named():
    plan = make_attention_plan(torch.tensor([1]))
    with pytest.raises(ValueError, match="unknown backend 'flash'; known are auto, buckets"):
        ragged_attention(torch.zeros(1, 3, 1, 2), plan, "flash")


@given(
    lengths=LENGTHS,
    slack=st.sampled_from([0.0, 0.125, 0.5, 1.0]),
    blocks=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_tokens_of_one_block_do_not_see_each_other(lengths, slack, blocks, seed):
    generator = torch.Generator().manual_seed(seed)
    n = sum(lengths)
    qkv = torch.randn(n, 3, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    block = torch.randint(blocks, (n,), generator=generator)
    plan = make_attention_plan(torch.tensor(lengths), slack, block)
    out, expected = (ragged_attention(qkv, plan, name) for name in ("buckets", "reference"))
    assert_close(out, expected)
    weight = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    grads = [torch.autograd.grad((y * weight).sum(), qkv)[0] for y in (out, expected)]
    assert_close(*grads)


def test_a_plan_in_sorted_order_has_its_blocks_in_sorted_order():
    lengths, block = torch.tensor([3, 2]), torch.tensor([0, 0, 1, 5, 5])
    plan = make_attention_plan(lengths, 0.0, block)
    inner = sorted_plan(plan)
    qkv = torch.randn(5, 3, 1, 2)
    out = ragged_attention(qkv[plan.take], inner, "reference")[plan.back]
    torch.testing.assert_close(out, ragged_attention(qkv, plan, "reference"))


def test_sequences_with_blocks_of_the_same_sizes_share_one_mask():
    block = torch.tensor([0, 0, 1, 7, 7, 8])
    (bucket,) = make_attention_plan(torch.tensor([3, 3]), block=block).buckets
    assert bucket.allowed.tolist() == [
        [[True, False, True], [False, True, True], [True, True, True]]
    ]


@given(lengths=LENGTHS, slack=st.sampled_from([0.0, 0.125, 0.5, 1.0]), seed=st.integers(0, 99))
def test_a_summary_is_what_full_attention_gives_for_one_token(lengths, slack, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(sorted(lengths))
    n = int(lengths.sum())
    qkv = torch.randn(n, 3, 2, 4, generator=generator, dtype=torch.float64)
    plan = make_attention_plan(lengths, slack)
    last = lengths.cumsum(0) - 1
    expected = ragged_attention(qkv, plan, "reference")[last]
    for backend in ("buckets", "reference"):
        assert_close(summary_attention(qkv[last, 0], qkv[:, 1:], plan, backend), expected)


def test_a_summary_needs_tokens_in_order():
    plan = make_attention_plan(torch.tensor([3, 2]), 0.0)
    with pytest.raises(ValueError, match="tokens in order"):
        summary_attention(torch.zeros(2, 1, 2), torch.zeros(5, 2, 1, 2), plan)
