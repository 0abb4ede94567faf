"""The padded dense Hi-TRS pre-training: the baseline of its rows.

Persons beside recordings, always 100 frames and two persons, poses at zero at both ends: joints of
[N*M, T] poses, windows of [N*M, W] clips, all of the same size. Attention is torch's fused one.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.objectives import HierarchicalPretraining, order_loss
from stgraph.ops import sliding_windows


class Draws(NamedTuple):
    """What a step draws.

    Attributes:
        values: Corrupted coordinates [S, T, V, C], ends included.
        chosen: Joints to tell, bool [S, T, V].
        clip: Frames of a clip of each sequence, int64 [S, w].
        altered: The same with two of them exchanged.
        order: Clips of each sequence but the last, two exchanged, int64 [S, W - 1].
    """

    values: Tensor
    chosen: Tensor
    clip: Tensor
    altered: Tensor
    order: Tensor


class PaddedHiTRS(nn.Module):
    """Hi-TRS's four tasks on padded arrays, with the weights of a ragged objective.

    Args:
        ours: An objective of :func:`stgraph.objectives.hitrs` with all tasks.
    """

    def __init__(self, ours: HierarchicalPretraining) -> None:
        super().__init__()
        self.encoder: Any = copy.deepcopy(ours.encoder)
        self.tasks: Any = copy.deepcopy(ours.tasks)
        size, joints = self.encoder.window, self.encoder.layout.num_joints
        step = torch.arange(size).repeat_interleave(joints)
        same = F.pad(step[:, None] == step[None], (0, 1, 0, 1))
        own = torch.eye(len(step) + 1, dtype=torch.bool)
        self.register_buffer("allowed", ~same | own)

    def forward(self, dense: Tensor, draws: Draws | None = None) -> Tensor:
        """The loss of clips [N, C, T, V, M]."""
        x = dense.permute(0, 4, 2, 3, 1).flatten(0, 1)  # [S, T, V, C]
        encoder, tasks = self.encoder, self.tasks
        margin = encoder.reach
        x = F.pad(x, (0, 0, 0, 0, margin, margin))
        draws = self.draw(x) if draws is None else draws
        s, t = x.shape[:2]
        # joints of poses
        h = encoder.frame.embedding(draws.values) + encoder.frame.joint.weight
        h = _blocks(encoder.frame, h.flatten(0, 1)).unflatten(0, (s, t))
        pose = tasks["masked_pose"]
        told, truth = pose.head(h[draws.chosen]), x[draws.chosen]
        losses = [F.smooth_l1_loss(told * pose.scale, truth * pose.scale)]
        # clips
        table = self.windows(t).to(x.device)
        every = torch.arange(s, device=x.device)[:, None]
        clips = self.clips(h, table.expand(s, -1, -1))
        both = [self.clips(h, frames[:, None])[:, 0] for frames in (draws.clip, draws.altered)]
        valid = torch.ones(s, dtype=torch.bool, device=x.device)
        losses.append(order_loss(tasks["clip_order"].head(torch.cat(both)), valid)[0])
        # videos
        past = clips[:, :-1]
        video = self.video(past)
        other = self.video(past[every, draws.order])
        logits = tasks["video_order"].head(torch.cat([video, other]))
        losses.append(order_loss(logits, valid)[0])
        losses.append(tasks["future_clip"].score(video, clips[:, -1]).loss)
        return torch.stack(losses).sum()

    def clips(self, h: Tensor, frames: Tensor) -> Tensor:
        """Embeddings of clips: joints [S, T, V, D], frames [S, W, w] to [S, W, 2 D]."""
        level = self.encoder.clip
        every = torch.arange(len(h), device=h.device)[:, None, None]
        x = level.embedding(h[every, frames]) + level.place  # [S, W, w, V, 2 D]
        s, w = x.shape[:2]
        x = x.flatten(2, 3).flatten(0, 1)
        x = torch.cat([x, level.token.expand(len(x), 1, -1)], dim=1)
        return _blocks(level, x, self.allowed)[:, -1].unflatten(0, (s, w))  # type: ignore[arg-type]

    def video(self, clips: Tensor) -> Tensor:
        """Embeddings of videos: [S, W, 2 D] to [S, 4 D]."""
        level = self.encoder.video
        x = level.embedding(clips) + level.place[: clips.size(1)]
        x = torch.cat([x, level.token.expand(len(x), 1, -1)], dim=1)
        return _blocks(level, x)[:, -1]

    def windows(self, num_frames: int) -> Tensor:
        """Frames of the windows of padded sequences, int64 [W, w]."""
        e = self.encoder
        length = torch.tensor([num_frames])
        return sliding_windows(length, e.window, e.stride, e.dilation, e.reach).pose

    @torch.no_grad()
    def draw(self, x: Tensor) -> Draws:
        """What a step draws for padded sequences [S, T, V, C]."""
        s, t, v, _ = x.shape
        e = self.encoder
        u = torch.rand(2, s, t, v, device=x.device)
        chosen = u[0] < 0.15
        values = torch.where((chosen & (u[1] < 0.8))[..., None], 1.0, x)
        shuffled = x[:, torch.randperm(t, device=x.device)]
        values = torch.where((chosen & (u[1] >= 0.9))[..., None], shuffled, values)
        centre = torch.randint(e.reach, t - e.reach, (s, 1), device=x.device)
        step = e.dilation * (torch.arange(e.window, device=x.device) - e.window // 2)
        clip = centre + step
        altered = clip.clone()
        altered[:, [0, 2]] = clip[:, [2, 0]]
        order = torch.arange(len(self.windows(t)) - 1, device=x.device).repeat(s, 1)
        order[:, [0, 2]] = order[:, [2, 0]]
        return Draws(values, chosen, clip, altered, order)


def _blocks(level: Any, x: Tensor, allowed: Tensor | None = None) -> Tensor:
    """The blocks of a level on [B, L, D]."""
    for block in level.stack.blocks:
        b, n, _ = x.shape
        qkv = block.qkv(block.norm1(x)).view(b, n, 3, block.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = x + block.dropout(block.proj(y.transpose(1, 2).reshape(b, n, -1)))
        hidden = block.dropout(F.gelu(block.fc1(block.norm2(x))))
        x = x + block.dropout(block.fc2(hidden))
    return x
