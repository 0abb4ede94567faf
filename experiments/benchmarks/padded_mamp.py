"""The padded dense MAMP that its authors run: the baseline of the pre-training rows.

Persons beside recordings, always 120 frames and two persons: [N, C, T, V, M] to [N*M, T/l * V]
tokens. Visible tokens are gathered, attention is torch's fused one, as in a well-kept vision
transformer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.objectives import MaskedReconstruction


class DenseBlock(nn.Module):
    """A pre-norm transformer block on [B, L, D].

    Args:
        width: D.
        heads: Heads.
        hidden: Channels of the feed-forward layer.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d)
        x = x + self.proj(y)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class DenseStack(nn.Module):
    """Blocks and a last norm."""

    def __init__(self, blocks: list[DenseBlock], width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class PaddedMAMP(nn.Module):
    """MAMP on padded arrays, with the weights of a ragged one.

    Args:
        ours: An objective of :func:`stgraph.objectives.mamp` with learned times.
        ratio: Share of the tokens to hide.
        temperature: Of motion-aware masking.
    """

    def __init__(self, ours: MaskedReconstruction, ratio: float = 0.9, temperature: float = 0.8):
        super().__init__()
        encoder, decoder = ours.encoder, ours.decoder
        self.patch, self.ratio, self.temperature = encoder.patch_size, ratio, temperature
        width, channels = encoder.out_channels, encoder.in_channels
        self.embed = nn.Conv2d(channels, width, (self.patch, 1), (self.patch, 1))
        self.encoder = _stack(encoder.stack)
        self.joint = nn.Parameter(encoder.place.joint.weight.detach().clone())
        self.time = nn.Parameter(encoder.place.time.detach().clone())
        self.to_decoder = nn.Linear(*reversed(decoder.embedding.weight.shape))
        self.mask_token = nn.Parameter(decoder.mask_token.detach().clone())
        self.decoder = _stack(decoder.stack)
        self.decoder_joint = nn.Parameter(decoder.place.joint.weight.detach().clone())
        self.decoder_time = nn.Parameter(decoder.place.time.detach().clone())
        self.head = nn.Linear(*reversed(decoder.head.weight.shape))
        with torch.no_grad():
            weight = encoder.embedding.linear.weight.view(width, self.patch, channels)
            self.embed.weight.copy_(weight.transpose(1, 2)[..., None])
            self.embed.bias.copy_(encoder.embedding.linear.bias)  # type: ignore[union-attr]
        self.to_decoder.load_state_dict(decoder.embedding.state_dict())
        self.head.load_state_dict(decoder.head.state_dict())

    def tokens(self, x: Tensor) -> Tensor:
        """[B, C, T, V] cut into [B, T/l * V, l * C]."""
        b, c, t, v = x.shape
        return (
            x.view(b, c, t // self.patch, self.patch, v)
            .permute(0, 2, 4, 3, 1)
            .flatten(3)
            .flatten(1, 2)
        )

    def forward(self, x: Tensor, uniform: Tensor | None = None) -> Tensor:
        """The loss of clips [N, C, T, V, M]; ``uniform`` [N*M, L] are the draws of the mask."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 1, 2, 3).reshape(n * m, c, t, v)
        place = (self.time[: t // self.patch, None] + self.joint[None]).flatten(0, 1)
        raw = self.tokens(x)
        keep, restore, hidden = self.mask(raw, v, uniform)
        h = self.embed(x).flatten(2).transpose(1, 2) + place
        h = self.encoder(h.gather(1, keep[..., None].expand(-1, -1, h.size(2))))
        h = self.to_decoder(h)
        blank = self.mask_token.expand(len(h), raw.size(1) - h.size(1), -1)
        h = torch.cat([h, blank], 1)
        h = h.gather(1, restore[..., None].expand(-1, -1, h.size(2)))
        place = (self.decoder_time[: t // self.patch, None] + self.decoder_joint[None]).flatten(
            0, 1
        )
        prediction = self.head(self.decoder(h + place))
        motion = torch.zeros_like(x)
        motion[:, :, :-1] = x[:, :, 1:] - x[:, :, :-1]
        target = self.tokens(motion)
        target = (target - target.mean(2, keepdim=True)) / (
            target.var(2, keepdim=True) + 1e-6
        ).sqrt()
        loss = (prediction - target).square().mean(2)
        return (loss * hidden).sum() / hidden.sum()

    @torch.no_grad()
    def mask(self, raw: Tensor, v: int, uniform: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Kept tokens, the order that restores all, and which are hidden."""
        b, length, _ = raw.shape
        grid = raw.view(b, length // v, v, -1)
        change = (grid[:, 1:] - grid[:, :-1]).abs().mean(3)
        intensity = torch.cat([change[:, :1], change], 1).flatten(1)
        scaled = intensity / (intensity.amax(1, keepdim=True) * self.temperature + 1e-10)
        u = torch.rand_like(scaled) if uniform is None else uniform
        noise = scaled.log_softmax(1) - torch.log(-torch.log(u + 1e-10) + 1e-10)
        order = noise.argsort(1)
        kept = length - int(length * self.ratio + 0.5)
        restore = order.argsort(1)
        return order[:, :kept], restore, (restore >= kept).float()


def _stack(ours: Any) -> DenseStack:
    blocks = []
    for own in ours.blocks:
        block = DenseBlock(own.qkv.in_features, own.num_heads, own.fc1.out_features)
        block.load_state_dict(own.state_dict())
        blocks.append(block)
    stack = DenseStack(blocks, ours.norm.normalized_shape[0])
    stack.norm.load_state_dict(ours.norm.state_dict())
    return stack
