"""Checks Hi-TRS: windows, the three levels, the four tasks, recognition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from _oracles.cases import ABSOLUTE, Arrays, Case, Result, absolute, as_batch, cases
from torch import Tensor
from torch.nn import functional as F

from stgraph.nn import HierarchyLevels, HiTRSParts, load_hitrs, to_hitrs
from stgraph.objectives import ClipOrder, FutureClip, MaskedPose, VideoOrder, order_loss
from stgraph.ops import Windows, sliding_windows
from stgraph.transforms.base import with_nodes

FAMILIES = ("hitrs_small",)


def check(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result]:
    """Every case, and the tables of windows."""
    for case in cases(arrays, config):
        for name, error, tolerance in hitrs(case):
            yield Result(f"{case.name}/{name}", error, tolerance)
    for key in [key for key in arrays if key.startswith("sliding_window/")]:
        yield Result(key, window_table(key, torch.from_numpy(arrays[key])), 0.0)
    yield Result("lr_schedule", schedule(config["lr_schedule"]), 1e-9)


def window_table(key: str, expected: Tensor) -> float:
    """Difference of a table of windows over zero-padded recordings."""
    sizes, frames = key.split("/")[-2:]
    size, stride, dilation = (int(word[1:]) for word in sizes.split("_"))
    margin = size // 2 * dilation
    length = torch.tensor([int(frames[1:]) + 2 * margin])
    found = sliding_windows(length, size, stride, dilation, margin).pose
    return absolute(found, expected) if found.shape == expected.shape else float("inf")


def schedule(expected: Mapping[str, float]) -> float:
    """Difference of the published learning rates at some steps."""
    from stgraph.tasks import learning_rate_factor

    factor = {
        int(step): learning_rate_factor(
            int(step), schedule="linear", total=50_000, warmup=1000, floor=2e-6 / 4e-4, unit=0
        )
        for step in expected
    }
    return max(abs(4e-4 * factor[int(step)] - rate) for step, rate in expected.items())


def hitrs(case: Case) -> Iterator[Result]:
    c = case.config
    encoder, heads = load_hitrs(
        case.below("state"), c["nhead"], stride=c["stride"], dilation=c["dilate"]
    )
    encoder.eval()
    assert encoder.layout is not None
    masked, plain = case.tensor("batch/masked_seq"), case.tensor("batch/org_seq")
    chosen = case.tensor("batch/mask_seq_mask").bool()
    samples, frames, joints = masked.shape[:3]
    batch = as_batch(masked[:, None], encoder.layout)
    marks = chosen.expand(-1, -1, joints, -1).flatten()
    batch = with_nodes(batch, node_chosen=marks, node_truth=plain.flatten(0, 2))
    margin = c["w_size"] // 2 * c["dilate"]
    for i in range(samples):
        sequence = case.tensor(f"sequence_{i}")
        found = plain[i, margin : margin + len(sequence)]
        yield Result(f"sequence {i}", absolute(found, sequence), 0.0)

    levels = HierarchyLevels(encoder, batch)  # the ends are there already
    tokens = levels.joints.view(samples, frames, joints, -1)
    yield Result("frame tokens", absolute(tokens, case.tensor("expected_frame_tokens")), ABSOLUTE)
    pose = MaskedPose(encoder.width)
    pose.head = heads["s_pose_reg"]
    told = pose.head(tokens)
    yield Result("pose", absolute(told, case.tensor("expected_pose_pred")), ABSOLUTE)
    losses = [pose(levels).loss]
    yield Result("frame loss", absolute(losses[0], case.tensor("expected_frame_loss")), ABSOLUTE)

    # clips
    size = c["w_size"]
    blocked = case.tensor("clip_attention_mask") == 1
    step = torch.arange(size).repeat_interleave(joints)
    ours = F.pad(step[:, None] == step[None], (0, 1, 0, 1)) & ~torch.eye(len(step) + 1).bool()
    yield Result("attention mask", absolute(ours.float(), blocked.float()), 0.0)
    first = torch.arange(samples) * frames

    def windows_of(pose: Tensor, sample: Tensor) -> Windows:
        pose = pose + first[sample][:, None]
        exists = torch.ones_like(pose, dtype=torch.bool)
        return Windows(pose, exists, sample, torch.bincount(sample, minlength=samples))

    every = torch.arange(samples)
    table = case.tensor("batch/slid_window")
    windows = windows_of(table.repeat(samples, 1), every.repeat_interleave(len(table)))
    clips = levels.embed_clips(windows)
    error = absolute(clips.view(samples, len(table), -1), case.tensor("expected_clip_embeddings"))
    yield Result("clip embeddings", error, ABSOLUTE)
    true, altered = case.tensor("batch/c_motion_clip").unbind(1)
    valid = case.tensor("batch/c_motion_valid_flg").bool()
    order = (altered[:, :, None] == true[:, None, :]).long().argmax(dim=2)
    drawn = windows_of(true, every)
    both = torch.stack([levels.embed_clips(drawn), levels.embed_clips(drawn, order)], dim=1)
    expected = case.tensor("expected_order_clip_embeddings")
    yield Result("clips in both orders", absolute(both[valid], expected[valid]), ABSOLUTE)
    clip = ClipOrder(2 * encoder.width)
    clip.head = heads["c_motion_cls"]
    logits = clip.head(both.transpose(0, 1).flatten(0, 1))
    counted = valid.repeat(2)
    mask = case.tensor("clip_order_loss_mask").bool()
    yield Result("clips that count", absolute(counted.float(), mask.float()), 0.0)
    label = torch.arange(2 * samples).lt(samples).long()
    yield Result("clip labels", absolute(label, case.tensor("clip_order_labels")), 0.0)
    expected = case.tensor("expected_clip_order_logits")
    yield Result("clip logits", absolute(logits[counted], expected[counted]), ABSOLUTE)
    losses.append(clip.score(levels, drawn, order, valid).loss)
    yield Result("clip loss", absolute(losses[1], case.tensor("expected_clip_loss")), ABSOLUTE)

    # videos
    length = (case.tensor("batch/w_pad_mask")[:, :-1] == 0).sum(dim=1)
    number = torch.arange(len(table)).repeat(samples, 1)
    real = number < length[:, None]
    base = (every * len(table))[:, None]
    row = (base + number)[real]
    permuted = (base + case.tensor("batch/permute_v"))[real]
    video = levels.embed_videos(clips, length, row)
    expected = case.tensor("expected_video_embedding")
    yield Result("video embeddings", absolute(video, expected), ABSOLUTE)
    assert encoder.video is not None
    from stgraph.nn import make_video_plan

    inner = encoder.video(clips, make_video_plan(length, number[real], row))[1]
    expected = case.tensor("expected_video_clip_tokens")[real]
    yield Result("clips in videos", absolute(inner, expected), ABSOLUTE)
    task = VideoOrder(4 * encoder.width)
    task.head = heads["v_motion_cls"]
    logits = task.head(torch.cat([video, levels.embed_videos(clips, length, permuted)]))
    expected = case.tensor("expected_video_order_logits")
    yield Result("video logits", absolute(logits, expected), ABSOLUTE)
    yield Result("video labels", absolute(label, case.tensor("video_order_labels")), 0.0)
    losses.append(task.score(levels, clips, length, row, permuted).loss)
    again = order_loss(logits, torch.ones(samples, dtype=torch.bool))[0]
    yield Result("video loss", absolute(losses[2], case.tensor("expected_video_loss")), ABSOLUTE)
    yield Result("video loss of logits", absolute(again, losses[2]), ABSOLUTE)
    future = FutureClip(4 * encoder.width, 2 * encoder.width)
    future.head = heads["v_ft_reg"]
    told = future.head(video)
    yield Result("future", absolute(told, case.tensor("expected_last_clip_pred")), ABSOLUTE)
    last = levels.embed_clips(windows_of(case.tensor("batch/last_c"), every))
    expected = case.tensor("expected_last_clip_target")
    yield Result("last clip", absolute(last, expected), ABSOLUTE)
    similar = F.normalize(told, dim=1) @ F.normalize(last, dim=1).T
    expected = case.tensor("expected_nce_similarity")
    near = min(absolute(similar, expected), absolute(similar / 0.07, expected))
    yield Result("similarity", near, ABSOLUTE)
    losses.append(future.score(video, last).loss)
    yield Result("future loss", absolute(losses[3], case.tensor("expected_nce_loss")), ABSOLUTE)

    total = torch.stack(losses).sum()
    yield Result("total loss", absolute(total, case.tensor("expected_total_loss")), ABSOLUTE)
    total.backward()
    gradients = to_hitrs(HiTRSParts(encoder, heads), gradients=True)
    for name, expected in case.below("grad").items():
        error = absolute(gradients[name], expected) / float(expected.abs().max().clamp(min=1e-6))
        yield Result(f"gradient of {name}", error, 1e-3)
    yield from recognition(case)


def recognition(case: Case) -> Iterator[Result]:
    """Logits of windows that are given pose by pose."""
    c = case.config
    state = {k: v for k, v in case.below("state").items() if not k.startswith(("s_pose", "c_mot"))}
    state = {k: v for k, v in state.items() if not k.startswith(("v_mot", "v_ft"))}
    encoder = load_hitrs(
        {**state, **case.below("ar/state")}, c["nhead"], stride=c["stride"], dilation=c["dilate"]
    ).encoder.eval()
    assert encoder.layout is not None
    assert encoder.head is not None
    x, blocked = case.tensor("ar/input"), case.tensor("ar/w_pad_mask").bool()
    n, count, size, persons = x.shape[:4]
    # windows side by side as poses of one track for each person
    dense = x.permute(0, 3, 1, 2, 4, 5).reshape(n, persons, count * size, *x.shape[4:])
    levels = HierarchyLevels(encoder, as_batch(dense, encoder.layout))
    tracks = torch.arange(n * persons)
    pose = torch.arange(n * persons * count * size).view(-1, size)
    windows = Windows(
        pose,
        torch.ones_like(pose, dtype=torch.bool),
        tracks.repeat_interleave(count),
        torch.full_like(tracks, count),
    )
    clips = levels.embed_clips(windows)
    real = ~blocked[:, :, :-1].flatten(0, 1)
    row = torch.arange(len(pose)).view(-1, count)[real]
    video = levels.embed_videos(clips, real.sum(dim=1), row)
    logits = encoder.head(video.view(n, persons, -1).mean(dim=1))
    yield Result("recognition", absolute(logits, case.tensor("ar/expected_logits")), ABSOLUTE)
