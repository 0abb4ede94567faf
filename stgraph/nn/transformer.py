"""Transformer blocks on ragged sequences of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import (
    ChannelGroup,
    ChannelSlice,
    channels_of,
    group_of,
    groups_within,
    prefixed,
    present,
)
from stgraph.ops import AttentionPlan, ragged_attention, sorted_plan, summary_attention


class TransformerBlock(nn.Module):
    r"""Pre-norm attention and feed-forward layer, from `"An Image is Worth 16x16 Words"
    <https://arxiv.org/abs/2010.11929>`_.

    .. math::
        \mathbf{x} \leftarrow \mathbf{x} + \operatorname{MHA}(\operatorname{LN}(\mathbf{x})), \qquad
        \mathbf{x} \leftarrow \mathbf{x} + \mathbf{W}_2 \operatorname{GELU}(\mathbf{W}_1
        \operatorname{LN}(\mathbf{x}))

    Args:
        width: Channels D.
        num_heads: Heads; they divide the width.
        mlp_ratio: Width of the feed-forward layer, in widths.
        dropout: Dropout after attention and in the feed-forward layer.
        drop_path: Probability that a sequence skips a branch in training.
        head_channels: Channels of a head; by default they add up to the width.
        attention_bias: Whether the linear maps of attention have biases.
        hidden_channels: Width of the feed-forward layer, instead of ``mlp_ratio``.

    Shapes:
        - **input:** tokens :math:`(N, D)` by sequence, plan of the sequences
        - **output:** :math:`(N, D)`

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        head_channels: int | None = None,
        attention_bias: bool = True,
        hidden_channels: int | None = None,
    ) -> None:
        super().__init__()
        if head_channels is None and width % num_heads:
            raise ValueError(
                f"'TransformerBlock' expected heads that divide the width {width} (got {num_heads})"
            )
        hidden = int(width * mlp_ratio) if hidden_channels is None else hidden_channels
        inner = width if head_channels is None else num_heads * head_channels
        self.num_heads = num_heads
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * inner, bias=attention_bias)
        self.proj = nn.Linear(inner, width, bias=attention_bias)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform weights, biases at zero."""
        for layer in (self.qkv, self.proj, self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()

    def forward(self, x: Tensor, plan: AttentionPlan) -> Tensor:
        qkv = self.qkv(self.norm1(x)).unflatten(1, (3, self.num_heads, -1))
        x = x + self._kept(self.dropout(self.proj(ragged_attention(qkv, plan))), plan)
        hidden = self.dropout(F.gelu(self.fc1(self.norm2(x))))
        return x + self._kept(self.dropout(self.fc2(hidden)), plan)

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """Whole ``heads``, and the channels within the feed-forward layer, ``mlp``.

        The width itself is none: layer norms see all of it.
        """
        inner = self.proj.in_features
        size = inner // self.num_heads
        out = ChannelSlice("proj.weight", axis=1, width=size)
        seen = present(self.qkv, ChannelSlice("weight"), ChannelSlice("bias"))
        seen = tuple(one._replace(width=size, copies=3, step=inner) for one in seen)
        fc1, fc2 = channels_of(self.fc1, "fc1"), channels_of(self.fc2, "fc2")
        return (
            ChannelGroup("heads", self.num_heads, (out,), (out, *prefixed(seen, "qkv."))),
            *group_of("mlp", self.fc1.out_features, fc1.silences, fc1.writes, fc2.reads),
        )

    def summarise(self, x: Tensor, plan: AttentionPlan) -> Tensor:
        """What :meth:`forward` gives for the last token of each sequence, which sees all: [S, D].

        The other tokens are only keys and values.

        Args:
            x: Tokens (N, D) in the plan's order.
            plan: A :func:`~stgraph.ops.sorted_plan`.
        """
        last = x.index_select(0, plan.length.cumsum(0) - 1)
        seen = self.norm1(x)
        inner = self.qkv.out_features // 3
        weight, bias = self.qkv.weight, self.qkv.bias
        shape = (self.num_heads, inner // self.num_heads)
        queries = self.norm1(last)
        q = F.linear(queries, weight[:inner], None if bias is None else bias[:inner])
        kv = F.linear(seen, weight[inner:], None if bias is None else bias[inner:])
        y = summary_attention(q.unflatten(1, shape), kv.unflatten(1, (2, *shape)), plan)
        last = last + self._kept_alone(self.dropout(self.proj(y)))
        hidden = self.dropout(F.gelu(self.fc1(self.norm2(last))))
        return last + self._kept_alone(self.dropout(self.fc2(hidden)))

    def _kept_alone(self, branch: Tensor) -> Tensor:
        """The branch of one token a sequence, left out for some of them in training."""
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = torch.rand(len(branch), device=branch.device) >= self.drop_path
        return branch * (keep.to(branch.dtype) / (1.0 - self.drop_path))[:, None]

    def _kept(self, branch: Tensor, plan: AttentionPlan) -> Tensor:
        """The branch, left out for some sequences in training and stretched for the others."""
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = torch.rand(plan.length.numel(), device=branch.device) >= self.drop_path
        scale = keep.to(branch.dtype) / (1.0 - self.drop_path)
        return branch * scale.repeat_interleave(plan.length)[:, None]


class TransformerStack(nn.Module):
    """Transformer blocks and, unless left out, a last norm.

    Args:
        width: Channels D.
        depth: Number of blocks.
        num_heads: Heads of each block, one number or a list.
        mlp_ratio: Width of the feed-forward layers, in widths.
        dropout: Of the blocks.
        drop_path: Of the last block; it rises linearly from 0 at the first.
        head_channels: Channels of a head; by default they add up to the width.
        attention_bias: Whether the linear maps of attention have biases.
        last_norm: Whether a norm follows the last block.
        hidden_channels: Width of the feed-forward layers, one number or a list, instead of
            ``mlp_ratio``.

    Raises:
        ValueError: if a list does not have one number a block.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        num_heads: int | Sequence[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        head_channels: int | None = None,
        attention_bias: bool = True,
        last_norm: bool = True,
        hidden_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        heads = each_layer(num_heads, depth, "num_heads")
        hidden = each_layer(hidden_channels, depth, "hidden_channels")
        #: Channels of a head.
        self.attention_channels = width // heads[0] if head_channels is None else head_channels
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width, many, mlp_ratio, dropout, rate, head_channels, attention_bias, inner
            )
            for rate, many, inner in zip(rates, heads, hidden, strict=True)
        )
        self.norm: nn.Module = nn.LayerNorm(width) if last_norm else nn.Identity()

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """Those of its blocks."""
        return groups_within(self, *(f"blocks.{i}" for i in range(len(self.blocks))))

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, list[int]]:
        """Heads and hidden channels of each block, for weights of other shapes.

        Args:
            state: Weights by name.
            prefix: Before the names of this stack's own.
        """
        names = [f"{prefix}blocks.{i}." for i in range(len(self.blocks))]
        widths = [state[f"{name}proj.weight"].size(1) for name in names]
        return {
            "num_heads": [width // self.attention_channels for width in widths],
            "hidden_channels": [state[f"{name}fc1.weight"].size(0) for name in names],
        }

    def forward(self, x: Tensor, plan: AttentionPlan) -> Tensor:
        """Tokens (N, D) by sequence to (N, D)."""
        inner = sorted_plan(plan)  # one order for all blocks
        if plan.take is not None:
            x = x.index_select(0, plan.take)
        for block in self.blocks:
            x = block(x, inner)
        x = self.norm(x)
        return x if plan.back is None else x.index_select(0, plan.back)

    def summarise(self, x: Tensor, plan: AttentionPlan) -> Tensor:
        """What :meth:`forward` gives for the last token of each sequence, which has to see all of
        it: [S, D], with less work in the last block.

        Args:
            x: Tokens (N, D) by sequence.
            plan: Of the sequences.
        """
        inner = sorted_plan(plan)
        if plan.take is not None:
            x = x.index_select(0, plan.take)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, inner)
        y = self.norm(last.summarise(x, inner))  # type: ignore[operator]
        return y if plan.order is None else torch.empty_like(y).index_copy(0, plan.order, y)


Number = TypeVar("Number", int, int | None)


def each_layer(value: Number | Sequence[int], count: int, what: str) -> list[Number | int]:
    """A number for each layer, from one for all or a list.

    Args:
        value: One number, or one for each layer.
        count: Number of layers.
        what: Name of the argument, for messages.

    Raises:
        ValueError: if a list has another length.
    """
    if value is None or isinstance(value, int):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"expected {what!r} for each of {count} layers (got {list(value)})")
    return list(value)
