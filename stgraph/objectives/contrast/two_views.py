"""Two views of a recording without a queue: SimCLR and BYOL."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.objectives.contrast.gathering import gather_rows
from stgraph.objectives.contrast.losses import nt_xent, regression_loss
from stgraph.objectives.contrast.momentum import follow, projection_head
from stgraph.objectives.contrast.views import View, two_views
from stgraph.objectives.output import ObjectiveOutput
from stgraph.skeleton import SkeletonGraph


class TwoViewContrast(nn.Module):
    """Draws two views of a recording together and those of others apart, from `"A Simple Framework
    for Contrastive Learning of Visual Representations" <https://arxiv.org/abs/2002.05709>`_
    (SimCLR).

    Views of all processes that train together are negatives of each other.

    Args:
        encoder: Gives one embedding a recording, of ``encoder.out_channels``.
        views: Two transforms of batches (:func:`apply_view`).
        head: Embedding to what is contrasted; by default two layers.
        width: What the default head gives.
        temperature: Of the loss.

    Raises:
        ValueError: if there are not two views.
    """

    log_names = ("similarity",)

    def __init__(
        self,
        encoder: nn.Module,
        views: Sequence[View],
        head: nn.Module | None = None,
        *,
        width: int = 128,
        temperature: float = 0.5,
    ) -> None:
        super().__init__()
        if len(views) != 2:
            raise ValueError(f"'TwoViewContrast' expected two views (got {len(views)})")
        self.encoder: Any = encoder
        out: Any = encoder.out_channels
        self.head = projection_head(out, width) if head is None else head
        self.views, self.temperature = views, temperature

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch."""
        seen = two_views(batch, self.views, generator)
        a, b = (self.head(self.encoder(view)) for view in seen)
        similar = nn.functional.cosine_similarity(a, b, dim=1).mean()
        loss = nt_xent(gather_rows(a)[0], gather_rows(b)[0], self.temperature)
        return ObjectiveOutput(loss, {"similarity": similar})


class BootstrapContrast(nn.Module):
    r"""Predicts what a slow copy of itself makes of another view, from `"Bootstrap Your Own Latent"
    <https://arxiv.org/abs/2006.07733>`_ (BYOL).

    After every step of the optimiser the copy follows, :math:`\xi \leftarrow m \xi + (1 - m)
    \theta`.

    Args:
        encoder: Gives one embedding a recording, of ``encoder.out_channels``.
        views: Two transforms of batches (:func:`apply_view`).
        width: What projector and predictor give.
        hidden: Their width between.
        momentum: m.

    Raises:
        ValueError: if there are not two views.
    """

    log_names = ("similarity",)

    def __init__(
        self,
        encoder: nn.Module,
        views: Sequence[View],
        *,
        width: int = 128,
        hidden: int = 512,
        momentum: float = 0.99,
    ) -> None:
        super().__init__()
        if len(views) != 2:
            raise ValueError(f"'BootstrapContrast' expected two views (got {len(views)})")
        self.encoder: Any = encoder
        out: Any = encoder.out_channels
        self.projector = _mlp(out, hidden, width)
        self.predictor = _mlp(width, hidden, width)
        self.slow_encoder: Any = copy.deepcopy(encoder).requires_grad_(False)
        self.slow_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.views, self.momentum = views, momentum

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch, both ways."""
        seen = two_views(batch, self.views, generator)
        if self.training and batch.num_recordings < 2:
            zero = sum(p.sum() * 0.0 for p in self.parameters())  # batch norm needs company
            return ObjectiveOutput(zero, {"similarity": zero.detach()})  # type: ignore[arg-type, union-attr]
        predicted = [self.predictor(self.projector(self.encoder(view))) for view in seen]
        with torch.no_grad():
            targets: list[Tensor] = [self.slow_projector(self.slow_encoder(view)) for view in seen]
        terms = [regression_loss(predicted[i], targets[1 - i]) for i in (0, 1)]
        loss = torch.stack(terms).mean()
        return ObjectiveOutput(loss, {"similarity": 1 - loss / 2})

    def after_step(self) -> None:
        """Moves the slow copy; called after every step of the optimiser."""
        for slow, fast in (
            (self.slow_encoder, self.encoder),
            (self.slow_projector, self.projector),
        ):
            follow(slow.parameters(), fast.parameters(), self.momentum)


def _mlp(inp: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inp, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)
    )
