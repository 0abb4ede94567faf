"""A queue of embeddings of earlier steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FeatureQueue(nn.Module):
    """The last ``size`` embeddings, first in, first out.

    At the start it holds random directions, as published, which count as nobody's. Processes that
    train together enqueue the same rows (see :func:`gather_rows`), so their queues stay equal.

    Args:
        size: Number K of entries.
        width: D.
        generator: Draws the first entries.

    Raises:
        ValueError: if ``size`` is below 1.
    """

    features: Tensor
    ids: Tensor
    pointer: Tensor

    def __init__(self, size: int, width: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"'FeatureQueue' expected a size of at least 1 (got {size})")
        first = F.normalize(torch.randn(size, width, generator=generator), dim=1)
        self.register_buffer("features", first)
        self.register_buffer("ids", torch.full((size,), -1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return self.features.size(0)

    @torch.no_grad()
    def enqueue(self, features: Tensor, ids: Tensor | None = None) -> None:
        """Overwrites the oldest entries; of more than fit the last stay.

        Args:
            features: [B, D].
            ids: Recording of each, int64 [B]; by default -1, nobody's.
        """
        size = len(self)
        kept = features[-size:]
        place = (self.pointer + len(features) - len(kept) + self._steps(len(kept))) % size
        self.features[place] = kept.to(self.features.dtype)
        self.ids[place] = -1 if ids is None else ids[-size:].to(self.ids.device)
        self.pointer.add_(len(features)).remainder_(size)

    def _steps(self, count: int) -> Tensor:
        return torch.arange(count, device=self.features.device)

    @torch.no_grad()
    def similarity(self, query: Tensor, ids: Tensor | None = None) -> Tensor:
        """Cosine similarity to every entry, -1 to those of the same recording, [B, K].

        Args:
            query: Of length 1, [B, D].
            ids: Recordings of the queries, int64 [B]; None excludes nothing.
        """
        similar = query.to(self.features.dtype) @ self.features.T
        if ids is not None:
            similar = similar.masked_fill(ids[:, None] == self.ids, -1.0)
        return similar

    @torch.no_grad()
    def neighbours(
        self,
        query: Tensor,
        ids: Tensor | None = None,
        top: int = 1,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The most similar entry for each query, or one drawn among the ``top`` ones.

        Args:
            query: Of length 1, [B, D].
            ids: Recordings of the queries, whose own entries are left out.
            top: Number of entries to draw from.
            generator: Draws.

        Returns:
            The entries [B, D] and their places, int64 [B].
        """
        best = self.similarity(query, ids).topk(min(top, len(self)), dim=1).indices
        choice = torch.zeros(len(query), 1, dtype=torch.long)
        if top > 1:
            choice = torch.randint(best.size(1), choice.shape, generator=generator)
        place = best.gather(1, choice.to(best.device))[:, 0]
        return self.features[place], place
