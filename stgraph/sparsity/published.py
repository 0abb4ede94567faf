"""Weights and scores of the public Sparse-ST-GCN code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stgraph.nn import StateDictMismatch, load_published
from stgraph.sparsity.generator import SparseGenerator, sparsify
from stgraph.sparsity.schedule import SparsitySchedule

SCORE = "_score"

#: Dense for 60 of 100 epochs, then sparse at once, as the public configuration of ST-GCN.
PUBLISHED_SCHEDULE = SparsitySchedule(warm_up=0.6)


@torch.no_grad()
def load_published_sparse(
    weights: Mapping[str, Tensor],
    sparsity: float,
    *,
    schedule: SparsitySchedule = PUBLISHED_SCHEDULE,
    as_published: bool = True,
    **options: Any,
) -> SparseGenerator:
    """A network with weights and scores of the public code: PYSKL's names, with
    ``....weight_score`` beside every masked ``....weight``.

    Args:
        weights: The state dict.
        sparsity: Share that is cut in the end.
        schedule: When; :meth:`SparseGenerator.at` says how far training is.
        as_published: Masks as the public code applies them, see :func:`sparsify`.
        **options: Further ones of :func:`~stgraph.nn.load_published`.

    Raises:
        StateDictMismatch: if tensors do not fit, or there are no scores.
    """
    scores = {k.removesuffix(SCORE): v for k, v in weights.items() if k.endswith(SCORE)}
    plain = {k: v for k, v in weights.items() if not k.endswith(SCORE)}
    if not scores:
        raise StateDictMismatch(
            f"the state dict holds no scores (names that end in {SCORE!r}); load it with "
            "load_published"
        )
    model = load_published(plain, **options)
    # scores have the shapes of their weights and go the same way
    scored = dict(load_published({**plain, **scores}, **options).named_parameters())
    generator = sparsify(model, sparsity, schedule=schedule, as_published=as_published)
    for weight, score in zip(generator.weights, generator.pool.scores, strict=True):
        score.copy_(scored[weight.name])
    return generator
