"""CTR-GCN's preprocessing (Uason-Chen/CTR-GCN; MAMP and STARS share its NTU part)."""

from __future__ import annotations

import random as python_random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stgraph.transforms.rotations import rotation_3d

MIN_CROP = 64


def rotation_matrix(angles: Tensor) -> Tensor:
    """Rz Ry Rx in the reference's (transposed, passive) sign convention.

    Args:
        angles: ``[..., 3]`` about x, y, z, in radians.

    Returns:
        ``[..., 3, 3]``, to be multiplied from the left onto column vectors.
    """
    return rotation_3d(-angles, order="zyx")


def random_rotation(
    clip: Tensor, theta: float = 0.3, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A clip ``[C, T, V, M]`` turned by one rotation with angles from U(-theta, theta) radians.

    Returns:
        The clip, and the angles ``[3]`` about x, y, z.
    """
    angles = torch.zeros(3).uniform_(-theta, theta, generator=generator)
    turned = torch.einsum("ac,ctvm->atvm", rotation_matrix(angles), clip)
    return turned, angles


def _resize(clip: Tensor, window: int) -> Tensor:
    channels, frames, joints, persons = clip.shape
    rows = clip.permute(0, 2, 3, 1).reshape(1, -1, frames)
    rows = F.interpolate(rows, size=window, mode="linear", align_corners=False)
    return rows.view(channels, joints, persons, window).permute(0, 3, 1, 2)


def crop_resize(clip: Tensor, valid: int, p: float = 0.95, window: int = 64) -> Tensor:
    """The middle of the valid frames, resized in time: CTR-GCN's crop for testing.

    Args:
        clip: ``[C, T, V, M]`` whose first ``valid`` frames hold people.
        valid: Number of valid frames.
        p: Part that is kept; ``int((1 - p) * valid / 2)`` frames go at both ends.
        window: Frames wanted; linear interpolation, half-pixel centres, clamped at the edge.

    Returns:
        ``[C, window, V, M]``.
    """
    bias = int((1 - p) * valid / 2)
    return _resize(clip[:, bias : valid - bias], window)


def random_crop_resize(
    clip: Tensor,
    valid: int,
    p_interval: tuple[float, float] = (0.5, 1.0),
    window: int = 64,
    random: np.random.RandomState | int | None = None,
) -> tuple[Tensor, tuple[int, int]]:
    """A random stretch of the valid frames, resized in time: CTR-GCN's crop for training.

    Args:
        clip: ``[C, T, V, M]`` whose first ``valid`` frames hold people.
        valid: Number of valid frames.
        p_interval: Interval of the part that is kept, never below 64 frames or all of them.
        window: Frames wanted.
        random: Legacy numpy generator, or the seed for one.

    Returns:
        The crop ``[C, window, V, M]``, and start and length of the stretch.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    low, high = p_interval
    p = float(random.rand(1)[0] * (high - low) + low)
    length = min(max(int(np.floor(valid * p)), MIN_CROP), valid)
    start = int(random.randint(0, valid - length + 1))
    return _resize(clip[:, start : start + length], window), (start, length)


def ntu_origin(clip: Tensor, joint: int = 1) -> Tensor:
    """A clip ``[M, T, V, 3]`` moved so that a joint of actor 1's first frame is the origin.

    The first frame is the first in which actor 1 exists; poses that are all zero stay zero.
    """
    filled = clip.flatten(2).ne(0).any(dim=-1)  # [M, T]
    if not bool(filled[0].any()):
        return clip.clone()
    origin = clip[0, int(filled[0].int().argmax()), joint]
    return torch.where(filled[..., None, None], clip - origin, clip)


def ucla_centre(clip: Tensor, joint: int = 1) -> Tensor:
    """A clip ``[T, V, 3]`` less one joint's position in the first frame."""
    return clip - clip[0, joint]


def view_transform(clip: Tensor, angle_x: float, angle_y: float, scale: float) -> Tensor:
    """Row vectors times Ry Rx scale: the random camera of the NW-UCLA feeder.

    Args:
        clip: ``[..., 3]``.
        angle_x: Degrees about x.
        angle_y: Degrees about y.
        scale: Factor for all three coordinates.
    """
    angles = torch.tensor([angle_x, angle_y, 0.0], dtype=torch.float64).deg2rad()
    matrix = rotation_3d(-angles, order="zyx") * scale
    return clip @ matrix.to(clip.dtype)


def min_max(clip: Tensor) -> Tensor:
    """A clip ``[T, V, C]`` with every coordinate mapped to [-1, 1] by its range over the clip."""
    low, high = clip.amin(dim=(0, 1)), clip.amax(dim=(0, 1))
    return (clip - low) / (high - low) * 2 - 1


def even_frames(num_frames: int, num_samples: int = 52) -> Tensor:
    """Test table of the NW-UCLA feeder: evenly spaced numbers from 0 to L-1, truncated."""
    return torch.from_numpy(np.linspace(0, num_frames - 1, num_samples).astype(np.int64))


def repeated_frames(
    num_frames: int, num_samples: int = 52, random: python_random.Random | int | None = None
) -> Tensor:
    """Training table of the NW-UCLA feeder: 52 of a hundred copies of each frame, sorted.

    Args:
        num_frames: Frames of the recording.
        num_samples: Frames wanted.
        random: Python generator, or the seed for one.
    """
    if not isinstance(random, python_random.Random):
        random = python_random.Random(random)
    return torch.tensor(sorted(random.sample(list(range(num_frames)) * 100, num_samples)))
