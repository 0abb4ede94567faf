"""Contrast with nearest neighbours of earlier steps: STARS' tuning, and NNCLR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.objectives.contrast.gathering import gather_rows
from stgraph.objectives.contrast.losses import nearest_neighbour_nce
from stgraph.objectives.contrast.queue import FeatureQueue
from stgraph.objectives.contrast.views import View, apply_view
from stgraph.objectives.output import ObjectiveOutput
from stgraph.skeleton import SkeletonGraph


class StarsPredictor(nn.Sequential):
    """Linear without bias, batch norm, ReLU, linear: the predictor of STARS' code.

    Args:
        width: D.
        hidden: Width between; 4096 as published.
    """

    def __init__(self, width: int, hidden: int = 4096) -> None:
        super().__init__(
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, width),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal weights of deviation 0.02, biases 0, scales normal around 1."""
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm1d):
                nn.init.normal_(layer.weight, 1.0, 0.02)


class NearestNeighbourContrast(nn.Module):
    r"""Draws each recording towards its nearest neighbour in a queue, from `"STARS: Self-supervised
    Tuning for 3D Action Recognition in Skeleton Sequences" <https://arxiv.org/abs/2407.10935>`_ and
    `"With a Little Help from My Friends" <https://arxiv.org/abs/2104.14548>`_ (NNCLR).

    .. math::
        \mathbf{z} = g(f(\mathbf{S})), \qquad \mathbf{z}^+ = h(\mathbf{z}), \qquad
        \mathcal{L} = -\log \frac{\exp(\operatorname{NN}(\mathbf{z}_i, Q) \cdot
        \mathbf{z}^+_i / \tau)}{\sum_k \exp(\operatorname{NN}(\mathbf{z}_i, Q) \cdot
        \mathbf{z}^+_k / \tau)}

    STARS shows each recording once and unaltered; with two views (NNCLR) the neighbour of one
    is the answer for the other, both ways. The queue is that before the batch; then the batch's
    (first) :math:`\mathbf{z}` join it. Entries of the same recording, told by ``batch.number``, are
    no neighbours. No gradient flows through neighbours.

    Args:
        encoder: Gives one embedding a recording, of ``encoder.out_channels``.
        projector: g; by default batch norm, as in STARS.
        predictor: h; by default :class:`StarsPredictor`.
        queue_size: Entries of the queue; 32,768 as published.
        temperature: :math:`\tau`.
        views: None: one view, unaltered; else one or two transforms of batches
            (:func:`apply_view`).
        top: Draw the neighbour among so many nearest.
        width: Width of :math:`\mathbf{z}`, if the projector changes it.
        predictor_width: Hidden width of the default predictor.
        as_published: As the code of STARS runs: the same recording goes through twice, which moves
            running statistics twice, and only one of both directions has a gradient, of half
            weight. The value of the loss is the same.

    Raises:
        ValueError: if there are more than two views.
    """

    log_names = ("same_recording", "neighbour_similarity")

    def __init__(
        self,
        encoder: nn.Module,
        projector: nn.Module | None = None,
        predictor: nn.Module | None = None,
        *,
        queue_size: int = 32_768,
        temperature: float = 0.07,
        views: Sequence[View] | None = None,
        top: int = 1,
        width: int | None = None,
        predictor_width: int = 4096,
        as_published: bool = False,
    ) -> None:
        super().__init__()
        if views is not None and len(views) not in (1, 2):
            raise ValueError(f"'NearestNeighbourContrast' expected 1 or 2 views (got {len(views)})")
        self.encoder: Any = encoder
        out: int = encoder.out_channels  # type: ignore[assignment]
        self.projector = nn.BatchNorm1d(out) if projector is None else projector
        width = out if width is None else width
        self.predictor = StarsPredictor(width, predictor_width) if predictor is None else predictor
        self.queue = FeatureQueue(queue_size, width)
        self.temperature, self.top = temperature, top
        self.views = views
        self.as_published = as_published

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch; in training the batch joins the queue."""
        views: Sequence[View | None] = (None,) if self.views is None else self.views
        if self.as_published and len(views) == 1:
            views = [views[0], views[0]]
        features = []
        for view in views:
            features.append(self.encoder(apply_view(view, batch, generator)))
        return self.contrast(features, getattr(batch, "number", None), generator)

    def contrast(
        self,
        features: Sequence[Tensor],
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> ObjectiveOutput:
        """The loss of embeddings of one or two views; 0 in training on a single recording.

        Args:
            features: For each view [B, D].
            ids: Recordings, int64 [B].
            generator: Draws among the ``top`` neighbours.
        """
        if self.training and len(features[0]) < 2:
            # batch norm and contrast need company: a lone last recording teaches nothing
            zero = features[0].sum() * 0.0 + sum(p.sum() * 0.0 for p in self.parameters())
            return ObjectiveOutput(zero, dict.fromkeys(self.log_names, zero.detach()))
        projected = [self.projector(x) for x in features]
        predicted = [F.normalize(self.predictor(z), dim=1) for z in projected]
        if self.as_published:
            predicted[1:] = [p.detach() for p in predicted[1:]]
        anchors = [F.normalize(z, dim=1).detach() for z in projected]
        losses = []
        similar = None
        for i, anchor in enumerate(anchors):
            neighbour, place = self.queue.neighbours(anchor, ids, self.top, generator)
            others, first = gather_rows(predicted[-1 - i])
            losses.append(nearest_neighbour_nce(neighbour, others, self.temperature, first)[0])
            if similar is None:
                similar = (anchor * neighbour).sum(dim=1).mean()
                same = torch.zeros_like(similar)
                if ids is not None:
                    same = (self.queue.ids[place] == ids).float().mean()
        if self.training:
            rows, _ = gather_rows(anchors[0])
            self.queue.enqueue(rows, None if ids is None else gather_rows(ids)[0])
        assert similar is not None
        logs = {"same_recording": same, "neighbour_similarity": similar}
        return ObjectiveOutput(torch.stack(losses).mean(), logs)
