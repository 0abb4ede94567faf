"""Learned vectors in place of hidden nodes, for encoders that work on whole poses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from stgraph.nn import Tokens, make_lanes
from stgraph.skeleton import SkeletonGraph


class MaskTokens(nn.Module):
    """Lets :class:`MaskedReconstruction` hide nodes from an encoder that needs all of them.

    Hidden nodes enter the encoder's layers as one learned vector, missing ones as another, in place
    of what they hold. Works with :class:`~stgraph.nn.STGCN` and its kin (the vector replaces
    coordinates after the norm of the input) and with :class:`~stgraph.nn.SkeletonGIN` (it replaces
    the linear map of them, as in SkeletonMAE).

    Args:
        encoder: Has ``unpack``, ``enter``, ``propagate``, ``in_width`` and ``out_channels``.

    Raises:
        ValueError: if the encoder does not look at all joints.
    """

    patch_size = 1

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        if getattr(encoder, "kept", None) is not None:
            raise ValueError(
                "an encoder that looks at some joints alone cannot fill in the others: build it "
                "without 'joints', on a layout of these joints alone"
            )
        self.encoder: Any = encoder
        self.in_width: int = encoder.in_width  # type: ignore[assignment]
        self.out_channels: int = encoder.out_channels  # type: ignore[assignment]
        self.hidden = nn.Parameter(torch.zeros(self.in_width))
        self.missing = nn.Parameter(torch.zeros(self.in_width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal vectors of deviation 0.02."""
        nn.init.trunc_normal_(self.hidden, std=0.02)
        nn.init.trunc_normal_(self.missing, std=0.02)

    def vectors(self) -> dict[str, nn.Parameter]:
        """The learned vectors by name."""
        return {"hidden": self.hidden, "missing": self.missing}

    def encode(self, batch: SkeletonGraph, tokens: Tokens, visible: Tensor) -> Tensor:
        """Embeddings of all tokens, [K, D].

        Args:
            batch: Recordings.
            tokens: Its nodes that are found, as tokens of one pose.
            visible: Which of them keep their values, bool [K].
        """
        kept = torch.zeros(batch.pos.size(0), dtype=torch.bool, device=visible.device)
        kept[tokens.node[visible, 0]] = True
        found = torch.zeros_like(kept)
        found[tokens.node[:, 0]] = True
        return self._nodes(batch, kept, found)[tokens.node[:, 0]]

    def _nodes(self, batch: SkeletonGraph, kept: Tensor, found: Tensor) -> Tensor:
        x, plan = self.encoder.unpack(batch)
        lanes = make_lanes(batch, not plan.edges[0].unrolled)
        # whatever fills the place of a node must not meet a batch norm
        kept_here, found_here = lanes.enter(kept)[..., None], lanes.enter(found)[..., None]
        x = self.encoder.enter(torch.where(kept_here, x, torch.zeros_like(x)), plan)
        token = torch.where(found_here, self.hidden.to(x.dtype), self.missing.to(x.dtype))
        x = self.encoder.propagate(torch.where(kept_here, x, token), plan)
        return lanes.leave(lanes.stretched(x, plan))

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """The encoder's own embeddings, nothing hidden."""
        return self.encoder(batch)
