"""PYSKL's preprocessing on dense clips ``[M, T, V, C]`` (kennymckormick/pyskl)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stgraph.transforms.published.ctrgcn import rotation_matrix
from stgraph.transforms.rotations import align_direction

NTU_SPINE = (0, 1)
NTU_SHOULDERS = (8, 4)


def pre_normalise_3d(
    clip: Tensor,
    spine: tuple[int, int] = NTU_SPINE,
    shoulders: tuple[int, int] = NTU_SHOULDERS,
    align_spine: bool = True,
) -> tuple[Tensor, Tensor]:
    """Moves a clip to its main person's centre and turns it upright, facing along y.

    Frames without the main person are removed. The main person is the one with more non-zero
    frames; of two equals the first. The centre is joint 1 of the first kept frame for 25 joints,
    else the last joint. Joints that are exactly zero stay zero.

    Args:
        clip: ``[M, T, V, 3]`` with M of 1 or 2.
        spine: Joints whose connecting line in the first kept frame turns onto z.
        shoulders: Joints ``(right, left)`` whose line, left to right, then turns onto x.
        align_spine: Whether to turn at all.

    Returns:
        The clip ``[M, T', V, 3]`` and the centre ``[3]`` that was subtracted.

    Raises:
        ValueError: if there are more than two persons.
    """
    if clip.shape[0] > 2:
        raise ValueError(f"'pre_normalise_3d' expected one or two persons (got {clip.shape[0]})")
    if not bool(clip.any()):
        return clip.clone(), clip.new_zeros(3)
    filled = (clip.abs() > 1e-8).flatten(2).any(dim=-1)  # [M, T]
    count = filled.sum(dim=1)
    main = int(clip.shape[0] == 2 and bool(count[0] < count[-1]))
    clip = clip[:, filled[main]]
    if main:
        clip = clip.flip(0)
    joint = 1 if clip.shape[2] == 25 else -1
    centre = clip[0, 0, joint].clone()
    exists = (clip != 0).any(dim=-1, keepdim=True)
    clip = (clip - centre) * exists
    if align_spine:
        for (start, end), axis in ((spine, 2), (shoulders[::-1], 0)):
            clip = clip @ align_direction(clip[0, 0, end] - clip[0, 0, start], axis).T
    return clip, centre


def pre_normalise_2d(
    keypoint: Tensor,
    score: Tensor | None = None,
    mode: str = "fix",
    threshold: float = 0.01,
    image_size: tuple[float, float] = (1080, 1920),
) -> Tensor:
    """Maps pixels to [-1, 1], by the picture (``"fix"``) or by the range that is used (``"auto"``).

    ``auto`` takes the range of all joints whose score exceeds the threshold, over all people and
    frames, and leaves the clip alone unless both ranges exceed 10 pixels. Joints at or below the
    threshold become 0 in x and y.

    Args:
        keypoint: ``[M, T, V, 2]`` in pixels.
        score: ``[M, T, V]``; appended as third channel where given.
        mode: ``"fix"`` or ``"auto"``.
        threshold: Highest score of a joint that counts as not seen.
        image_size: Height and width of the picture in pixels, for ``"fix"``.

    Raises:
        ValueError: if the mode is unknown.
    """
    if mode not in ("fix", "auto"):
        raise ValueError(f"'pre_normalise_2d' expected mode 'fix' or 'auto' (got {mode!r})")
    seen = torch.ones(keypoint.shape[:-1], dtype=torch.bool) if score is None else score > threshold
    if mode == "fix":
        half = keypoint.new_tensor([image_size[1], image_size[0]]) / 2
        scaled = (keypoint - half) / half
    else:
        used = keypoint[seen]  # [n, 2]
        low = used.amin(dim=0) if len(used) else keypoint.new_zeros(2)
        high = used.amax(dim=0) if len(used) else keypoint.new_zeros(2)
        wide = bool(((high - low) > 10).all())
        scaled = (keypoint - (high + low) / 2) / (high - low) * 2 if wide else keypoint
    scaled = torch.where(seen.unsqueeze(-1), scaled, torch.zeros_like(scaled))
    return scaled if score is None else torch.cat([scaled, score.unsqueeze(-1)], dim=-1)


def joint_to_bone(clip: Tensor, pairs: Tensor, score: bool = False) -> Tensor:
    """Bone vectors ``child - parent``; with ``score`` channel 2 is the mean of both joints' scores.

    Args:
        clip: ``[..., V, C]``.
        pairs: ``[V, 2]`` of (child, parent); a root is its own parent.
        score: Whether channel 2 holds scores.
    """
    bone = torch.zeros_like(clip)
    child, parent = pairs.T
    bone[..., child, :] = clip[..., child, :] - clip[..., parent, :]
    if score:
        bone[..., child, 2] = (clip[..., child, 2] + clip[..., parent, 2]) / 2
    return bone


def to_motion(clip: Tensor, score: bool = False) -> Tensor:
    """Forward differences in time, last frame zero; a score is the mean of both frames' scores.

    Args:
        clip: ``[M, T, V, C]``.
        score: Whether channel 2 holds scores.
    """
    motion = torch.zeros_like(clip)
    motion[:, :-1] = clip[:, 1:] - clip[:, :-1]
    if score:
        motion[:, :-1, :, 2] = (clip[:, 1:, :, 2] + clip[:, :-1, :, 2]) / 2
    return motion


def skeleton_features(
    clip: Tensor, pairs: Tensor, streams: Sequence[str], score: bool = False
) -> Tensor:
    """Streams side by side on the last axis.

    Args:
        clip: ``[M, T, V, C]``.
        pairs: ``[V, 2]`` of (child, parent).
        streams: Of ``"joint"``, ``"bone"``, ``"joint_motion"``, ``"bone_motion"``.
        score: Whether channel 2 holds scores.
    """
    bone = joint_to_bone(clip, pairs, score)
    made = {
        "joint": clip,
        "bone": bone,
        "joint_motion": to_motion(clip, score),
        "bone_motion": to_motion(bone, score),
    }
    return torch.cat([made[stream] for stream in streams], dim=-1)


def _clip_frames(
    start: int | None,
    num_frames: int,
    clip_len: int,
    p_interval: tuple[float, float],
    random: np.random.RandomState,
    index: int = 0,
    num_clips: int = 1,
) -> np.ndarray:
    low, high = p_interval
    kept = int((random.rand() * (high - low) + low) * num_frames)
    offset = random.randint(num_frames - kept + 1)
    if kept < clip_len:
        if start is None:
            start = index if kept < num_clips else index * kept // num_clips
        else:
            start = random.randint(0, kept)
        frames = np.arange(start, start + clip_len)
    elif kept < 2 * clip_len:
        skip = np.zeros(clip_len + 1, dtype=np.int64)
        skip[random.choice(clip_len + 1, kept - clip_len, replace=False)] = 1
        frames = np.arange(clip_len) + np.cumsum(skip)[:-1]
    else:
        edges = np.array([i * kept // clip_len for i in range(clip_len + 1)])
        frames = edges[:-1] + random.randint(np.diff(edges))
    return frames + offset


def _sampled(
    num_frames: int,
    clip_len: int,
    num_clips: int,
    p_interval: float | tuple[float, float],
    random: np.random.RandomState,
    train: bool,
) -> Tensor:
    if num_frames < 1:
        raise ValueError(f"uniform sampling expected at least one frame (got {num_frames})")
    interval = p_interval if isinstance(p_interval, tuple) else (p_interval, p_interval)
    clips = [
        _clip_frames(0 if train else None, num_frames, clip_len, interval, random, i, num_clips)
        for i in range(num_clips)
    ]
    return torch.from_numpy(np.concatenate(clips).astype(np.int64) % num_frames)


def uniform_train_frames(
    num_frames: int,
    clip_len: int,
    num_clips: int = 1,
    p_interval: float | tuple[float, float] = 1.0,
    random: np.random.RandomState | int | None = None,
) -> Tensor:
    """Frame numbers of PYSKL's uniform sampling in training, int64 ``[num_clips * clip_len]``.

    Args:
        num_frames: Frames of the recording, at least 1.
        clip_len: Frames of a clip.
        num_clips: Clips, drawn one after the other.
        p_interval: Part of the recording that is used, or the interval it is drawn from.
        random: Legacy numpy generator, or the seed for one.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    return _sampled(num_frames, clip_len, num_clips, p_interval, random, train=True)


def uniform_test_frames(
    num_frames: int,
    clip_len: int,
    num_clips: int = 1,
    p_interval: float | tuple[float, float] = 1.0,
    seed: int = 255,
) -> Tensor:
    """Frame numbers of PYSKL's uniform sampling in testing, the same at every call.

    The reference seeds numpy's global generator here; this draws from one of its own.

    Args:
        num_frames: Frames of the recording, at least 1.
        clip_len: Frames of a clip.
        num_clips: Clips; those of a short recording start evenly spread.
        p_interval: Part of the recording that is used, or the interval it is drawn from.
        seed: Seed of the legacy numpy generator.
    """
    random = np.random.RandomState(seed)
    return _sampled(num_frames, clip_len, num_clips, p_interval, random, train=False)


def format_gcn_input(clip: Tensor, num_person: int = 2, num_clips: int = 1) -> Tensor:
    """Zero persons added or surplus ones cut, and clips on an axis of their own.

    The reference's ``loop`` mode, meant to repeat the only person, pads with zeros as well.

    Args:
        clip: ``[M, num_clips * T, V, C]``.
        num_person: Persons wanted.
        num_clips: Clips that lie one after the other in time.

    Returns:
        ``[num_clips, num_person, T, V, C]``.
    """
    persons, frames, joints, channels = clip.shape
    if frames % num_clips:
        raise ValueError(
            f"'format_gcn_input' expected a multiple of {num_clips} frames (got {frames})"
        )
    padded = clip.new_zeros(num_person, frames, joints, channels)
    padded[:persons] = clip[:num_person]
    return padded.unflatten(1, (num_clips, -1)).transpose(0, 1).contiguous()


def pad_to(clip: Tensor, length: int, mode: str = "loop") -> Tensor:
    """A clip ``[M, T, V, C]`` repeated (``"loop"``) or filled with zeros to ``length`` frames."""
    frames = clip.shape[1]
    if frames > length or mode not in ("loop", "zero"):
        raise ValueError(
            f"'pad_to' expected at most {length} frames and mode 'loop' or 'zero' "
            f"(got {frames}, {mode!r})"
        )
    padded = clip[:, torch.arange(length) % frames].clone()
    if mode == "zero":
        padded[:, frames:] = 0
    return padded


def random_rotate(
    clip: Tensor, theta: float = 0.3, random: np.random.RandomState | int | None = None
) -> tuple[Tensor, Tensor]:
    """A clip ``[M, T, V, 3]`` turned by Rz Ry Rx with three angles from U(-theta, theta) radians.

    Args:
        clip: Coordinates.
        theta: Largest angle in radians.
        random: Legacy numpy generator, or the seed for one.

    Returns:
        The turned clip, and the angles about x, y and z ``[3]``.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    angles = torch.from_numpy(random.uniform(-theta, theta, size=3))
    if not bool((clip.abs() > 1e-8).any()):
        return clip.clone(), angles
    return clip @ rotation_matrix(angles).to(clip.dtype).T, angles


def random_scale(
    clip: Tensor,
    scale: float | Sequence[float] = 0.2,
    random: np.random.RandomState | int | None = None,
) -> Tensor:
    """A clip ``[..., C]`` with each coordinate scaled by 1 + U(-1, 1) * scale.

    Args:
        clip: Coordinates.
        scale: Half width of the interval, one for all coordinates or one each.
        random: Legacy numpy generator, or the seed for one.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    width = np.broadcast_to(np.asarray(scale, dtype=np.float64), (clip.shape[-1],))
    factor = 1 + random.uniform(-1, 1, size=len(width)) * width
    return clip * torch.from_numpy(factor).to(clip.dtype)
