"""From a person in space to what a pose detector would report of a small, coarse picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Clutter", "detect", "project"]

_ARMS = (3, 4, 6, 7)
_LEGS = (10, 11, 13, 14, 19, 20, 21, 22, 23, 24)
# Toes, heels, eyes and ears are a few pixels wide here and are missed more often.
_SMALL = (15, 16, 17, 18, 19, 20, 21, 22, 23, 24)


@dataclass(frozen=True)
class Clutter:
    """How badly the detector sees: every entry per pose, [P]."""

    jitter: Tensor  # standard deviation, pixels
    lost_joint: Tensor  # chance that a joint is not found
    lost_limbs: Tensor  # chance that a bout of lost arms or legs begins in a frame
    lost_person: Tensor  # chance that a bout without the person begins in a frame
    swap: Tensor  # chance that left and right are swapped in a frame
    stray: Tensor  # chance that a joint is taken to be somewhere in the surroundings


def project(body: Tensor, yaw: Tensor, camera_pitch: Tensor) -> tuple[Tensor, Tensor]:
    """See a body from the side of the camera, in metres.

    Args:
        body: Positions (forward, left, up) in metres, [P, V, 3].
        yaw: Direction the body faces, radians, [P]: 0 to the right of the picture, pi / 2 towards
            the camera.
        camera_pitch: Downward tilt of the camera, radians, [P].

    Returns:
        Picture axes (right, down) in metres relative to the point on the ground under the
        mid-hip, [P, V, 2], and the distance towards the camera from the mid-hip, [P, V].
    """
    cos, sin = torch.cos(yaw)[:, None], torch.sin(yaw)[:, None]
    forward, left, up = body.unbind(-1)
    right = cos * forward + sin * left
    near = sin * forward - cos * left
    down = -up * torch.cos(camera_pitch)[:, None] + near * torch.sin(camera_pitch)[:, None]
    return torch.stack([right, down], dim=-1), near


def _bouts(start: Tensor, length: Tensor, place: Tensor) -> Tensor:
    """Extend starts [P] by bouts of 1..4 frames, never across the beginning of a recording."""
    active = start.clone()
    for late in range(1, 4):
        from_before = torch.zeros_like(start)
        from_before[late:] = start[:-late] & (length[:-late] > late) & (place[late:] >= late)
        active |= from_before
    return active


def detect(
    pixels: Tensor,
    near: Tensor,
    size: Tensor,
    place: Tensor,
    clutter: Clutter,
    mirror: Tensor,
    picture: tuple[int, int],
    quantum: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Add the errors of a pose detector.

    Args:
        pixels: True positions, [P, V, 2].
        near: Distance towards the camera from the mid-hip in metres, [P, V].
        size: Height of the person in pixels, [P].
        place: Number of each frame in its recording, [P].
        clutter: Chances and sizes of the errors.
        mirror: Number of each joint's counterpart on the other side, [V].
        picture: Width and height in pixels.
        quantum: Grid of the heat map in pixels (0: none).
        generator: Source of randomness.

    Returns:
        Positions [P, V, 2] and scores [P, V]; a joint that was not found has both 0.
    """
    num_poses, num_joints = near.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    # Student's t with 3 degrees of freedom: mostly small errors and now and then a wild one.
    chi = torch.randn((3, num_poses, num_joints), generator=generator).square().mean(0).sqrt()
    hidden = torch.sigmoid(-(near + 0.12) / 0.04)
    small = torch.zeros(num_joints)
    small[list(_SMALL)] = 1.0
    spread = clutter.jitter[:, None] * (1 + 0.7 * hidden + 0.3 * small)
    error = torch.randn((num_poses, num_joints, 2), generator=generator)
    error = error * (spread / chi.clamp(min=0.15))[..., None]
    seen = pixels + error
    middle = pixels.mean(dim=1, keepdim=True)
    around = middle + size[:, None, None] * (uniform(num_poses, num_joints, 2) - 0.5) * 1.6
    astray = uniform(num_poses, num_joints) < clutter.stray[:, None]
    seen = torch.where(astray[..., None], around, seen)

    swap = uniform(num_poses) < clutter.swap
    arms_only = uniform(num_poses) < 0.3
    joint = torch.arange(num_joints)
    is_arm = torch.isin(joint, torch.tensor([2, 5, *_ARMS]))
    swapped = swap[:, None] & torch.where(arms_only[:, None], is_arm, ~is_arm)
    order = torch.where(swapped, mirror, joint)
    seen = seen.gather(1, order[..., None].expand(-1, -1, 2))
    error_size = error.norm(dim=-1).gather(1, order) / size[:, None]

    score = 0.88 - 3.0 * error_size - 0.15 * hidden - 0.12 * small
    score = score + 0.07 * torch.randn((num_poses, num_joints), generator=generator)
    score = score - 0.2 * swapped - 0.3 * astray
    score = score.clamp(0.06, 0.98)

    chance = clutter.lost_joint[:, None] * (
        0.4 + 1.2 * hidden + 0.6 * small + 6 * (0.7 - score).clamp(min=0)
    )
    found = uniform(num_poses, num_joints) >= chance
    length = 1 + (uniform(num_poses) * 4).long()
    gone = _bouts(uniform(num_poses) < clutter.lost_limbs, length, place)
    legs_gone = uniform(num_poses) < 0.6
    in_legs = torch.isin(joint, torch.tensor(_LEGS))
    in_arms = torch.isin(joint, torch.tensor(_ARMS))
    limb = torch.where(legs_gone[:, None], in_legs, in_arms)
    found &= ~(gone[:, None] & limb & (uniform(num_poses, num_joints) < 0.75))

    if quantum > 0:
        seen = (seen / quantum).round() * quantum
    width, height = picture
    inside = (seen >= 0).all(-1) & (seen[..., 0] <= width - 1) & (seen[..., 1] <= height - 1)
    found &= inside
    # A detector finds nobody in a picture that shows only a foot or an ear.
    person = (found.sum(1) >= 6) & ~_bouts(uniform(num_poses) < clutter.lost_person, length, place)
    found &= person[:, None]
    return seen * found[..., None], score * found


def body_height(lengths: Mapping[str, Tensor]) -> Tensor:
    """Height of a person in metres from segment lengths, each [P]."""
    return lengths["trunk"] + lengths["thigh"] + lengths["shank"] + 1.3 * lengths["head"] + 0.06
