"""Momentum contrast on one stream, and across streams."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.objectives.contrast.gathering import gather_rows
from stgraph.objectives.contrast.losses import info_nce, multi_positive_nce
from stgraph.objectives.contrast.queue import FeatureQueue
from stgraph.objectives.contrast.views import View, apply_view, two_views
from stgraph.objectives.output import ObjectiveOutput
from stgraph.skeleton import SkeletonGraph


def projection_head(width: int, out: int = 128) -> nn.Sequential:
    """Two layers with a ReLU between, as of SkeletonCLR.

    Args:
        width: Of the embedding, and between.
        out: Of what is contrasted.
    """
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


@torch.no_grad()
def follow(slow: Iterable[Tensor], fast: Iterable[Tensor], momentum: float) -> None:
    r"""One step of a moving average, :math:`s \leftarrow m s + (1 - m) f`, in place."""
    for old, new in zip(slow, fast, strict=True):
        old.mul_(momentum).add_(new, alpha=1 - momentum)


class MomentumContrast(nn.Module):
    r"""Momentum contrast of two views of a recording, from `"Momentum Contrast for Unsupervised
    Visual Representation Learning" <https://arxiv.org/abs/1911.05722>`_; on skeletons, SkeletonCLR
    of `"3D Human Action Representation Learning via Cross-View Consistency Pursuit"
    <https://arxiv.org/abs/2104.14466>`_ (CrosSCLR).

    A step moves the key encoder, :math:`\theta_k \leftarrow m \theta_k + (1 - m) \theta_q`,
    contrasts queries with keys against the queue before the batch, and enqueues the keys. Batch
    norms of the key encoder follow its own batches.

    Args:
        encoder: Gives one embedding a recording, of ``encoder.out_channels``.
        head: Embedding to what is contrasted; by default :func:`projection_head`.
        queue_size: Entries of the queue.
        width: D, what the head gives.
        momentum: m.
        temperature: :math:`\tau`.
        views: Two transforms of batches (:func:`apply_view`); None: no alteration.

    Raises:
        ValueError: if there are not two views.
    """

    log_names = ("accuracy",)

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module | None = None,
        *,
        queue_size: int = 32_768,
        width: int = 128,
        momentum: float = 0.999,
        temperature: float = 0.07,
        views: Sequence[View] | None = None,
    ) -> None:
        super().__init__()
        if views is not None and len(views) != 2:
            raise ValueError(f"'MomentumContrast' expected two views (got {len(views)})")
        self.encoder: Any = encoder
        out: Any = encoder.out_channels
        self.head = projection_head(out, width) if head is None else head
        self.key_encoder: Any = copy.deepcopy(encoder).requires_grad_(False)
        self.key_head = copy.deepcopy(self.head).requires_grad_(False)
        self.queue = FeatureQueue(queue_size, width)
        self.momentum, self.temperature = momentum, temperature
        self.views = views

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch; in training keys follow and join the queue."""
        first, second = two_views(batch, self.views, generator)
        query = self.query(first)
        if self.training:
            self.move_keys()
        key = self.key(second)
        loss, logits = info_nce(query, key, self.queue.features.clone(), self.temperature)
        if self.training:
            self.enqueue(key)
        return ObjectiveOutput(loss, {"accuracy": (logits.argmax(dim=1) == 0).float().mean()})

    def query(self, batch: SkeletonGraph) -> Tensor:
        """Queries of length 1, [B, D]."""
        return F.normalize(self.head(self.encoder(batch)), dim=1)

    @torch.no_grad()
    def key(self, batch: SkeletonGraph) -> Tensor:
        """Keys of length 1, [B, D]."""
        return F.normalize(self.key_head(self.key_encoder(batch)), dim=1)

    def move_keys(self) -> None:
        """One step of the key encoder and its head towards the others."""
        for slow, fast in ((self.key_encoder, self.encoder), (self.key_head, self.head)):
            follow(slow.parameters(), fast.parameters(), self.momentum)

    def enqueue(self, key: Tensor) -> None:
        """The keys of all processes join the queue."""
        self.queue.enqueue(gather_rows(key)[0])


class CrossViewContrast(nn.Module):
    r"""Momentum contrast of several streams that mine each other's positives, from `"3D Human
    Action Representation Learning via Cross-View Consistency Pursuit"
    <https://arxiv.org/abs/2104.14466>`_ (CrosSCLR).

    At first each stream contrasts by itself. Then the queue entries that one stream finds most
    similar become positives of another, and (``context``) the products of both streams'
    similarities are a second row of logits with the same positives:

    .. math::
        \mathcal{L}_{u \leftarrow v} = - \frac{1}{|P_v|} \sum_{p \in P_v} \log
        \operatorname{softmax} \left( \left[ \tfrac{s^u_+}{\tau}, \tfrac{s^u}{\tau},
        \tfrac{s^u \odot s^v}{\tau} \right] \right)_p

    A stream's loss is the mean over its partners; the streams' losses add up.

    Args:
        contrasts: For each stream a :class:`MomentumContrast` with queues of one size; what they
            see is made here, their own views are not used.
        streams: For each stream a transform from a view to what its encoder takes.
        views: Two transforms of batches (:func:`apply_view`); None: no alteration.
        top: Entries that a stream gives another.
        context: Whether products of similarities are logits too.
        mine_from: Epoch (counted from 0) from which streams mine; see :meth:`set_epoch`.
        encoder: Stream whose encoder counts as that of the objective; by default the first.
        published_updates: While streams mine, move the key encoder of the second stream alone, as
            the published code does; see the oracle's notes.

    Raises:
        ValueError: if names of streams or sizes of queues differ, or there is but one.

    Differs from the source: its code moves one key encoder alone while streams mine, and lets
    the heads of further streams end in the head of the first; here every stream has its own.
    """

    log_names: tuple[str, ...]

    def __init__(
        self,
        contrasts: Mapping[str, MomentumContrast],
        streams: Mapping[str, View],
        *,
        views: Sequence[View] | None = None,
        top: int = 1,
        context: bool = True,
        mine_from: int = 150,
        encoder: str | None = None,
        published_updates: bool = False,
    ) -> None:
        super().__init__()
        if set(contrasts) != set(streams) or len(contrasts) < 2:
            raise ValueError(
                "'CrossViewContrast' expected a contrast and a transform for each of at least two "
                f"streams (got {', '.join(contrasts)} and {', '.join(streams)})"
            )
        sizes = {len(contrast.queue) for contrast in contrasts.values()}
        if len(sizes) > 1:
            raise ValueError(
                f"'CrossViewContrast' expected queues of one size (got {sorted(sizes)})"
            )
        self.contrasts = nn.ModuleDict(contrasts)
        self.streams = dict(streams)
        self.views = views
        self.top, self.context, self.mine_from = top, context, mine_from
        self.main = next(iter(contrasts)) if encoder is None else encoder
        self.published_updates = published_updates
        self.epoch = 0
        self.log_names = tuple(contrasts)

    @property
    def encoder(self) -> Any:
        """The encoder of the main stream."""
        return self.contrasts[self.main].encoder

    @property
    def encoders(self) -> dict[str, Any]:
        """The encoders of all streams."""
        return {name: contrast.encoder for name, contrast in self.contrasts.items()}

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch of training it is, counted from 0."""
        self.epoch = epoch

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a batch; in training keys follow and join the queues."""
        first, second = two_views(batch, self.views, generator)
        contrasts: dict[str, Any] = dict(self.contrasts.items())
        mining = self.epoch >= self.mine_from
        query = {
            name: c.query(apply_view(self.streams[name], first)) for name, c in contrasts.items()
        }
        if self.training:
            moved = list(contrasts)
            if mining and self.published_updates:
                moved = moved[1:2]
            for name in moved:
                contrasts[name].move_keys()
        key = {name: c.key(apply_view(self.streams[name], second)) for name, c in contrasts.items()}
        losses = self.mined(query, key) if mining else self.alone(query, key)
        if self.training:
            for name, contrast in contrasts.items():
                contrast.enqueue(key[name])
        logs = {name: loss.detach() for name, loss in losses.items()}
        return ObjectiveOutput(torch.stack(list(losses.values())).sum(), logs)

    def alone(self, query: Mapping[str, Tensor], key: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of each stream by itself."""
        out = {}
        contrasts: dict[str, Any] = dict(self.contrasts.items())
        for name, contrast in contrasts.items():
            entries = contrast.queue.features.clone()
            out[name] = info_nce(query[name], key[name], entries, contrast.temperature)[0]
        return out

    def mined(self, query: Mapping[str, Tensor], key: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The loss of each stream with the positives of its partners."""
        out = {}
        for name in query:
            partners = [other for other in query if other != name]
            terms = [
                multi_positive_nce(*self.logits(name, other, query, key)) for other in partners
            ]
            out[name] = torch.stack(terms).mean()
        return out

    def logits(
        self, name: str, partner: str, query: Mapping[str, Tensor], key: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Logits of a stream and which are positives by its partner: two [B, 1 + K (+ K)].

        Args:
            name: The stream.
            partner: The stream that mines for it.
            query: Queries of each stream.
            key: Keys of each stream.
        """
        contrast: Any = self.contrasts[name]
        own = query[name] @ contrast.queue.features.clone().T
        other = query[partner] @ self.contrasts[partner].queue.features.clone().T  # type: ignore[union-attr, operator]
        found = torch.zeros_like(own, dtype=torch.bool)
        found.scatter_(1, other.topk(self.top, dim=1).indices, True)
        positive = (query[name] * key[name]).sum(dim=1, keepdim=True)
        first = torch.ones_like(positive, dtype=torch.bool)
        logits, mask = [positive, own], [first, found]
        if self.context:
            logits.append(own * other)
            mask.append(found)
        return torch.cat(logits, dim=1) / contrast.temperature, torch.cat(mask, dim=1)
