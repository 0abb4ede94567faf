"""What a slow copy of the encoder makes of the whole recording, as a target."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from stgraph.nn import Tokens
from stgraph.objectives.contrast.momentum import follow
from stgraph.objectives.target import TargetValues
from stgraph.skeleton import SkeletonGraph


class LatentTarget(nn.Module):
    r"""Token embeddings of a slow-moving teacher that sees everything, from `"data2vec"
    <https://arxiv.org/abs/2202.03555>`_.

    After every step of the optimiser the teacher follows, :math:`\xi \leftarrow m \xi + (1 - m)
    \theta`. Each embedding is normalised over its channels, so that it cannot shrink to nothing.

    Args:
        encoder: The encoder that is trained; the teacher begins as a copy.
        momentum: m.
    """

    def __init__(self, encoder: nn.Module, momentum: float = 0.996) -> None:
        super().__init__()
        self.teacher: Any = copy.deepcopy(encoder).requires_grad_(False)
        self.momentum = momentum
        self._student = [encoder]  # in a list: its parameters are not the target's

    def size(self, patch_size: int, num_dims: int) -> int:
        """Numbers to predict for each token: the width of the encoder."""
        return int(self.teacher.out_channels)

    @torch.no_grad()
    def forward(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        """The answers [K, 1, D]."""
        every = torch.ones(tokens.num_tokens, dtype=torch.bool, device=tokens.site.device)
        self.teacher.eval()
        x = self.teacher.encode(batch, tokens, every)
        return TargetValues(F.layer_norm(x, x.shape[1:])[:, None], every[:, None])

    def after_step(self) -> None:
        """Moves the teacher; called after every step of the optimiser."""
        follow(self.teacher.parameters(), self._student[0].parameters(), self.momentum)
