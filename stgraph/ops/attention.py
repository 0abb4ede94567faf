"""Attention within ragged sequences: tokens of one sequence see each other and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

ATTENTION_BACKENDS = ("auto", "buckets", "reference")

#: Sequences are padded to the longest of their bucket if that adds at most this share of tokens.
SLACK = 0.125


class AttentionBucket(NamedTuple):
    """Sequences of one length, or of nearly one length.

    Where lengths differ, shapes follow from the tensors alone, so that products compile and export.

    Attributes:
        num_sequences: Number of its sequences, where all have one length.
        length: That length.
        token: Token of each place, counted through the bucket, int64 [count, length], where
            lengths differ; else None.
        real: Whether there is a token at each place, bool [count, length]; else None.
        place: Place of each token, int64 [tokens]; else None.
        allowed: Which places a place may look at, bool [count or 1, length, length]; None: all.
    """

    num_sequences: int
    length: int
    token: Tensor | None = None
    real: Tensor | None = None
    place: Tensor | None = None
    allowed: Tensor | None = None


class AttentionPlan(NamedTuple):
    """How the sequences of a batch share products; tokens are ordered by sequence.

    Attributes:
        split: Tokens of each bucket.
        order: The sequences from short to long, int64 [S]; None if they come in that order.
        take: Token at each place of that order, int64 [N]; None likewise.
        back: Place of each token in that order, int64 [N]; None likewise.
        length: Tokens of each sequence as given, int64 [S].
        buckets: The sequences in that order, in groups.
        block: Block of each token as given, int64 [N]; None: every token sees its whole sequence.
    """

    split: list[int]
    order: Tensor | None
    take: Tensor | None
    back: Tensor | None
    length: Tensor
    buckets: tuple[AttentionBucket, ...]
    block: Tensor | None = None


def make_attention_plan(
    length: Tensor, slack: float = SLACK, block: Tensor | None = None
) -> AttentionPlan:
    """The plan for sequences that lie one after another.

    Args:
        length: Tokens of each sequence, int64 [S], each >= 1.
        slack: Share of blank places that a sequence may have in its bucket; 0: only equal lengths
            share one; 1: all do, whatever their lengths, so that the plans of all batches have one
            form and a network compiles once.
        block: A number for each token, int64 [N]: neighbours in a sequence with equal numbers form
            a block, whose tokens do not see each other, only themselves and the rest of the
            sequence. By default every token sees its whole sequence.
    """
    device = length.device
    if slack >= 1:
        bucket = _blocked(_bucket(length, device), block)._replace(num_sequences=0, length=0)
        return AttentionPlan([], None, None, None, length, (bucket,), block)
    sizes, order = length.sort(stable=True)
    take = back = None
    if bool((order[1:] < order[:-1]).any()):
        first = (length.cumsum(0) - length)[order]
        ends = sizes.cumsum(0)
        take = torch.arange(int(sizes.sum()), device=device)
        take = take + (first - ends + sizes).repeat_interleave(sizes)
        back = torch.empty_like(take)
        back[take] = torch.arange(take.numel(), device=device)
    groups = _groups(sizes.tolist(), slack)
    buckets = tuple(
        AttentionBucket(len(group), group[-1])
        if group[0] == group[-1]
        else _bucket(torch.tensor(group, device=device), device)
        for group in groups
    )
    split = [sum(group) for group in groups]
    if block is not None:
        parts = (block if take is None else block[take]).split(split)
        buckets = tuple(_blocked(*pair) for pair in zip(buckets, parts, strict=True))
    return AttentionPlan(split, None if take is None else order, take, back, length, buckets, block)


def sorted_plan(plan: AttentionPlan) -> AttentionPlan:
    """The plan of the same sequences once their tokens lie in the order of ``plan.take``."""
    if plan.order is None:
        return plan
    block = None if plan.block is None or plan.take is None else plan.block[plan.take]
    length = plan.length[plan.order]
    return plan._replace(order=None, take=None, back=None, length=length, block=block)


def _groups(sizes: Sequence[int], slack: float) -> list[list[int]]:
    """Ascending lengths cut into groups whose shortest and longest differ little."""
    groups: list[list[int]] = []
    for size in sizes:
        if groups and size * (1 - slack) <= groups[-1][0]:
            groups[-1].append(size)
        else:
            groups.append([size])
    return groups


def _bucket(length: Tensor, device: torch.device) -> AttentionBucket:
    count, longest = length.numel(), int(length.max()) if length.numel() else 0
    step = torch.arange(longest, device=device)
    real = step < length[:, None]
    first = length.cumsum(0) - length
    index = first[:, None] + torch.where(real, step, 0)  # blanks hold a sequence's first token
    return AttentionBucket(count, longest, index, real, real.flatten().nonzero().flatten())


def _blocked(bucket: AttentionBucket, block: Tensor | None) -> AttentionBucket:
    """The bucket with what its places may look at."""
    if block is None:
        return bucket
    if bucket.token is None:
        rows = block.view(bucket.num_sequences, bucket.length)
    else:
        rows = block[bucket.token]
    run = (rows[:, 1:] != rows[:, :-1]).cumsum(dim=1)
    run = F.pad(run, (1, 0))
    if bucket.token is None and bool((run == run[:1]).all()):
        run = run[:1]  # one mask serves all of them
    own = torch.eye(bucket.length, dtype=torch.bool, device=block.device)
    allowed = (run[:, :, None] != run[:, None, :]) | own
    if bucket.real is not None:
        allowed &= bucket.real[:, None, :]
    return bucket._replace(allowed=allowed)


def ragged_attention(qkv: Tensor, plan: AttentionPlan, backend: str = "auto") -> Tensor:
    r"""Scaled dot-product attention of every token over the tokens of its own sequence.

    .. math::
        \mathbf{y}_i = \sum_{j \in s(i)} \operatorname{softmax}_j
        \left( \tfrac{1}{\sqrt{d}} \, \mathbf{q}_i^\top \mathbf{k}_j \right) \mathbf{v}_j

    Args:
        qkv: Queries, keys and values [N, 3, H, d] of N tokens and H heads, by sequence.
        plan: Of the lengths of the sequences, which add up to N; with blocks, :math:`s(i)` leaves
            out the other tokens of the block of i.
        backend: ``"buckets"``: sequences of (nearly) one length share a product; ``"reference"``:
            one after another, written out; ``"auto"`` chooses.

    Returns:
        [N, H * d].

    Raises:
        ValueError: if the backend is unknown.
    """
    if backend not in ATTENTION_BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; known are {', '.join(ATTENTION_BACKENDS)}")
    if backend == "reference":
        return _reference(qkv, plan.length, plan.block)
    if plan.take is not None:
        qkv = qkv.index_select(0, plan.take)
    n, _, heads, size = qkv.shape
    # split, not narrow: its backward pass writes the gradient once
    parts = qkv.split(plan.split) if len(plan.buckets) > 1 else (qkv,)
    done = [
        _attend(part, bucket).reshape(-1, heads * size)
        for part, bucket in zip(parts, plan.buckets, strict=False)
    ]
    y = done[0] if len(done) == 1 else torch.cat(done) if done else qkv.new_zeros(n, heads * size)
    return y if plan.back is None else y.index_select(0, plan.back)


def summary_attention(
    query: Tensor, key_value: Tensor, plan: AttentionPlan, backend: str = "auto"
) -> Tensor:
    """Attention of one token of each sequence over all tokens of it, blocks or not.

    Args:
        query: [S, H, d], one for each sequence in the plan's order.
        key_value: Keys and values [N, 2, H, d], tokens in the plan's order.
        plan: Of the sequences; with :func:`sorted_plan`, or of sequences that need no order.
        backend: As of :func:`ragged_attention`.

    Returns:
        [S, H * d].

    Raises:
        ValueError: if the backend is unknown, or the plan orders sequences anew.
    """
    if backend not in ATTENTION_BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; known are {', '.join(ATTENTION_BACKENDS)}")
    if plan.take is not None:
        raise ValueError("'summary_attention' expected tokens in order (see sorted_plan)")
    if backend == "reference":
        done = []
        for q, part in zip(query, key_value.split(plan.length.tolist()), strict=True):
            k, v = part.unbind(1)  # [L, H, d] each
            weight = (torch.einsum("hd,jhd->hj", q, k) / q.size(1) ** 0.5).softmax(dim=1)
            done.append(torch.einsum("hj,jhd->hd", weight, v).flatten())
        return torch.stack(done) if done else query.flatten(1)
    parts = key_value.split(plan.split) if len(plan.buckets) > 1 else (key_value,)
    out, first = [], 0
    for part, bucket in zip(parts, plan.buckets, strict=False):
        if bucket.token is None:
            count, mask = bucket.num_sequences, None
            rows = part.unflatten(0, (count, bucket.length))
        else:
            assert bucket.real is not None
            count, mask = bucket.token.size(0), bucket.real[:, None, None, :]
            rows = part.index_select(0, bucket.token.flatten()).unflatten(0, bucket.token.shape)
        k, v = rows.permute(2, 0, 3, 1, 4).unbind(0)  # [S, H, L, d] each
        q = query[first : first + count, :, None]
        out.append(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).flatten(1))
        first += count
    return torch.cat(out) if out else query.flatten(1)


def _attend(qkv: Tensor, bucket: AttentionBucket) -> Tensor:
    """Attention within one bucket, [tokens, H, d]."""
    if bucket.token is None:
        rows = qkv.unflatten(0, (bucket.num_sequences, bucket.length))
    else:
        rows = qkv.index_select(0, bucket.token.flatten()).unflatten(0, bucket.token.shape)
    q, k, v = rows.permute(2, 0, 3, 1, 4).unbind(0)  # [S, H, L, d] each
    mask = None if bucket.real is None else bucket.real[:, None, None, :]
    if bucket.allowed is not None:
        mask = bucket.allowed[:, None]
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(0, 1)
    return y if bucket.place is None else y.index_select(0, bucket.place)


def _reference(qkv: Tensor, length: Tensor, block: Tensor | None) -> Tensor:
    done = []
    first = 0
    for sequence in qkv.split(length.tolist()):
        q, k, v = sequence.unbind(1)  # [L, H, d] each
        score = torch.einsum("ihd,jhd->hij", q, k) / q.size(2) ** 0.5
        for i in range(len(sequence) if block is not None else 0):
            for direction in (range(i + 1, len(sequence)), range(i - 1, -1, -1)):
                for j in direction:
                    if block[first + j] != block[first + i]:  # type: ignore[index]
                        break
                    score[:, i, j] = -torch.inf
        done.append(torch.einsum("hij,jhd->ihd", score.softmax(dim=2), v).flatten(1))
        first += len(sequence)
    return torch.cat(done) if done else qkv.new_zeros(0, qkv.size(2) * qkv.size(3))
