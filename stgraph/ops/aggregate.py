"""Partitioned aggregation: every joint adds up what its neighbours send it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

AGGREGATE_BACKENDS = ("auto", "reference", "dense", "edges")


def partitioned_aggregate(
    x: Tensor,
    edge_index: Tensor,
    edge_type: Tensor,
    edge_weight: Tensor,
    num_types: int,
    backend: str = "auto",
) -> Tensor:
    r"""Sums over the typed edges of a pose, the same in every pose.

    .. math::
        \mathbf{y}_{i,p} = \sum_{(j, i, k)} a_{ji}^{(k)} \, \mathbf{x}_{j,p}^{(k)}

    Args:
        x: What each joint sends along each type of edge, [V, P, K*C], type-major.
        edge_index: int64 [2, E], source and target joint.
        edge_type: int64 [E], in 0...K-1.
        edge_weight: [E].
        num_types: K.
        backend: ``"reference"``: gather and scatter; ``"dense"``: one matrix product with
            [V, K*V], which compiles and suits accelerators; ``"edges"``: one scaled addition an
            edge on contiguous rows, 5 to 10 times as fast as either on a CPU, since a
            skeleton has few edges; ``"auto"`` chooses.

    Returns:
        [V, P, C].

    Raises:
        ValueError: if the channels are no multiple of K or the backend is unknown.
    """
    if x.size(2) % num_types:
        raise ValueError(
            f"'partitioned_aggregate' expected channels in a multiple of {num_types} types "
            f"(got {x.size(2)})"
        )
    if backend == "auto":
        slow = torch.compiler.is_compiling() or x.device.type != "cpu"
        # beyond this density a matrix product wins (a learned adjacency has every entry); an edge
        # costs its row and as much again as 12,000 numbers, which few poses do not outweigh
        row = max(x.size(1) * x.size(2) // num_types, 1)
        sparse = edge_type.numel() * 5 * (1 + 12_000 / row) <= num_types * x.size(0) ** 2
        backend = "edges" if sparse and not slow else "dense"
    if backend == "edges":
        return _Edges.apply(x, edge_index, edge_type, edge_weight, num_types)
    if backend == "dense":
        a = adjacency_of(edge_index, edge_type, edge_weight, num_types, x.size(0))
        return dense_aggregate(x, a.to(x.dtype))
    if backend == "reference":
        return _reference(x, edge_index, edge_type, edge_weight, num_types)
    raise ValueError(f"unknown backend {backend!r}; known are {', '.join(AGGREGATE_BACKENDS)}")


def adjacency_of(
    edge_index: Tensor, edge_type: Tensor, values: Tensor, num_types: int, num_joints: int
) -> Tensor:
    """Values [E] of typed edges as a matrix [K, target, source]; those of one place add up."""
    blank = values.new_zeros(num_types, num_joints, num_joints)
    return blank.index_put((edge_type, edge_index[1], edge_index[0]), values, accumulate=True)


def dense_aggregate(x: Tensor, adjacency: Tensor) -> Tensor:
    """The same with a full adjacency [K, target, source]: x [V, P, K*C] to [V, P, C]."""
    v, p, kc = x.shape
    k = adjacency.size(0)
    c = kc // k
    x = x.view(v, p, k, c).permute(2, 0, 1, 3).reshape(k * v, p * c)
    a = adjacency.transpose(0, 1).reshape(adjacency.size(1), k * v)
    return (a @ x).view(adjacency.size(1), p, c)


def _reference(x: Tensor, edge_index: Tensor, edge_type: Tensor, weight: Tensor, k: int) -> Tensor:
    v, p, _ = x.shape
    sent = x.unflatten(2, (k, -1)).transpose(1, 2)  # [V, K, P, C]
    messages = sent[edge_index[0], edge_type] * weight[:, None, None]
    return x.new_zeros(v, p, sent.size(3)).index_add(0, edge_index[1], messages)


class _Edges(torch.autograd.Function):
    # rows are unbound once: an index operation an edge would cost more than its arithmetic on
    # short recordings

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, edge_index: Tensor, edge_type: Tensor, weight: Tensor, k: int
    ) -> Tensor:
        ctx.save_for_backward(x if weight.requires_grad else x.new_empty(0), weight)
        source, target = edge_index.tolist()
        row = [s * k + kind for s, kind in zip(source, edge_type.tolist(), strict=True)]
        scales = weight.detach().to(x.dtype).unbind(0)
        ctx.edges = list(zip(row, target, weight.tolist(), scales, strict=True))
        ctx.k, ctx.shape = k, x.shape
        out = x.new_empty(x.size(0), x.size(1), x.size(2) // k)
        sent, received = _rows(x, k), list(out.unbind(0))
        _accumulate(received, [(t, sent[r], w, tensor) for r, t, w, tensor in ctx.edges])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        received = grad.contiguous().unbind(0)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = grad.new_empty(ctx.shape)
            terms = [(r, received[t], w, tensor) for r, t, w, tensor in ctx.edges]
            _accumulate(_rows(grad_x, ctx.k), terms)
        if ctx.needs_input_grad[3]:
            sent = _rows(x, ctx.k)
            dots = [(sent[r] * received[t]).sum() for r, t, _, _ in ctx.edges]
            grad_weight = torch.stack(dots).to(weight.dtype) if dots else torch.zeros_like(weight)
        return grad_x, None, None, grad_weight, None


def _rows(x: Tensor, k: int) -> list[Tensor]:
    """Views [P, C] of [V, P, K*C], the one of joint s and type e at s * K + e."""
    v, p, kc = x.shape
    return [row for joint in x.view(v, p, k, kc // k).unbind(0) for row in joint.unbind(1)]


def _accumulate(out: list[Tensor], terms: list[tuple[int, Tensor, float, Tensor]]) -> None:
    """Writes the sum of ``weight * row`` over the terms of each place into ``out``.

    A term is (place, row, weight, the weight as a tensor of the row's type): to multiply by a
    Python number makes a tensor of it first, to add a multiple does not.
    """
    started = [False] * len(out)
    for place, row, weight, tensor in terms:
        if started[place]:
            out[place].add_(row, alpha=weight)
        else:
            torch.mul(row, tensor, out=out[place])
            started[place] = True
    for place, done in enumerate(started):
        if not done:
            out[place].zero_()
