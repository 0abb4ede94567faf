"""A transformer that fills in tokens which an encoder did not see."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.token_embedding import PlaceEmbedding
from stgraph.nn.tokens import Tokens, distinct_layouts
from stgraph.nn.transformer import TransformerStack
from stgraph.ops import make_attention_plan
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout


class TokenDecoder(PretrainedMixin, nn.Module):
    """Decoder of MAMP: embedded visible tokens and mask tokens to a prediction for each.

    Args:
        in_channels: Width of the encoder's tokens.
        out_channels: Numbers to predict for each token.
        layout: As of the encoder.
        width: Channels.
        depth: Number of blocks.
        num_heads: Heads of each block.
        mlp_ratio: Width of the feed-forward layers, in widths.
        num_times: As of the encoder.
        joint_names: As of the encoder.
    """

    #: Tokens may be left out; those that are there attend to each other.
    of_single_tokens = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        layout: SkeletonLayout | str | None = None,
        width: int = 256,
        depth: int = 5,
        num_heads: int = 8,
        mlp_ratio: float = 4.0,
        num_times: int | None = None,
        joint_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.layout = None if layout is None else resolve_layout(layout)
        self.embedding = nn.Linear(in_channels, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.place = PlaceEmbedding(width, self.layout, num_times, joint_names)
        self.stack = TransformerStack(width, depth, num_heads, mlp_ratio)
        self.head = nn.Linear(width, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform maps, mask token truncated normal of deviation 0.02."""
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        for layer in (self.embedding, self.head):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, encoded: Tensor, batch: SkeletonGraph, tokens: Tokens, visible: Tensor
    ) -> Tensor:
        """Predictions for all tokens, [K, out_channels].

        Args:
            encoded: Embeddings of the visible tokens, [K', D].
            batch: The recordings.
            tokens: All tokens.
            visible: Which of them are visible, bool [K].
        """
        layouts = distinct_layouts(batch) if self.layout is None else [self.layout]
        site = tokens.site if self.layout is None else tokens.site % self.layout.num_joints
        x = self.mask_token.expand(tokens.num_tokens, -1)
        x = x.index_copy(0, visible.nonzero().flatten(), self.embedding(encoded).to(x.dtype))
        x = x + self.place(self.place.joint.describe(layouts), site, tokens.time)
        plan = make_attention_plan(tokens.length[tokens.length > 0])
        return self.head(self.stack(x, plan))
