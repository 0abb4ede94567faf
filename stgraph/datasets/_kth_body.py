"""A limb model of a person with the joints of OpenPose BODY_25, and its forward kinematics.

Directions are given in the body's own axes: forward, to the person's left, up. Angles are in
radians. A segment that hangs straight down has pitch 0 and lateral angle 0; pitch swings it
forward, the lateral angle swings it away from the body on its own side.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["SEGMENTS", "body_positions", "segment_direction"]

#: Length of each segment in metres, for a person of about 1.75 m.
SEGMENTS: Mapping[str, float] = {
    "trunk": 0.50,
    "half_shoulders": 0.185,
    "half_hips": 0.10,
    "upper_arm": 0.29,
    "forearm": 0.27,
    "thigh": 0.43,
    "shank": 0.42,
    "foot": 0.17,
    "head": 0.19,
}

# Joint numbers of BODY_25, (right, left).
_SHOULDER, _ELBOW, _WRIST = (2, 5), (3, 6), (4, 7)
_HIP, _KNEE, _ANKLE = (9, 12), (10, 13), (11, 14)
_EYE, _EAR = (15, 16), (17, 18)
_BIG_TOE, _SMALL_TOE, _HEEL = (22, 19), (23, 20), (24, 21)
_NOSE, _NECK, _MID_HIP = 0, 1, 8


def segment_direction(pitch: Tensor, lateral: Tensor, side: float) -> Tensor:
    """Return the unit direction of a limb segment in body axes.

    Args:
        pitch: Forward swing from hanging down, radians, [P].
        lateral: Swing away from the body on its own side, radians, [P].
        side: -1 for the right limb, 1 for the left.

    Returns:
        Directions (forward, left, up), [P, 3].
    """
    return torch.stack(
        [
            torch.sin(pitch) * torch.cos(lateral),
            side * torch.sin(lateral),
            -torch.cos(pitch) * torch.cos(lateral),
        ],
        dim=-1,
    )


def _turn(vectors: Tensor, angle: Tensor) -> Tensor:
    """Turn body-axis vectors [P, 3] to the left about the vertical by an angle [P]."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    forward, left, up = vectors.unbind(-1)
    return torch.stack([cos * forward - sin * left, sin * forward + cos * left, up], dim=-1)


def _offset(forward: Tensor, left: Tensor, up: Tensor) -> Tensor:
    return torch.stack([forward, left, up], dim=-1)


def body_positions(angles: Mapping[str, Tensor], lengths: Mapping[str, Tensor]) -> Tensor:
    """Place the 25 joints from joint angles and segment lengths, the lower foot on the ground.

    Args:
        angles: Radians, each [P]: `lean`, `sway`, `twist`, `head_turn`; and for each side, with
            the suffix `_right` or `_left`, `hip`, `hip_out`, `knee`, `ankle`, `shoulder`,
            `shoulder_out`, `elbow`, `forearm_out`. The elbow's angle adds to the shoulder's pitch,
            the knee's is taken from the hip's.
        lengths: Metres, each [P], the keys of :data:`SEGMENTS`.

    Returns:
        Positions (forward, left, up) in metres, [P, 25, 3]; the mid-hip lies above the origin and
        the lowest foot point has height 0.
    """
    lean = angles["lean"]
    zero = torch.zeros_like(lean)
    joints: list[Tensor] = [zero.new_zeros(())] * 25
    hips = _offset(zero, zero, zero)
    trunk = _offset(
        torch.sin(lean), torch.sin(angles["sway"]), torch.cos(lean) * torch.cos(angles["sway"])
    )
    neck = hips + lengths["trunk"][:, None] * trunk
    joints[_MID_HIP], joints[_NECK] = hips, neck

    look = angles["twist"] + angles["head_turn"]
    head = lengths["head"]
    skull = neck + 0.4 * head[:, None] * trunk
    joints[_NOSE] = skull + _turn(_offset(0.55 * head, zero, 0.45 * head), look)

    for index, side in enumerate((-1.0, 1.0)):
        name = ("right", "left")[index]
        joints[_EYE[index]] = skull + _turn(
            _offset(0.45 * head, side * 0.17 * head, 0.65 * head), look
        )
        joints[_EAR[index]] = skull + _turn(_offset(zero, side * 0.4 * head, 0.55 * head), look)

        shoulder = neck + _turn(
            _offset(zero, side * lengths["half_shoulders"], -0.02 + zero), angles["twist"]
        )
        pitch = angles[f"shoulder_{name}"]
        upper = segment_direction(pitch, angles[f"shoulder_out_{name}"], side)
        lower = segment_direction(
            pitch + angles[f"elbow_{name}"], angles[f"forearm_out_{name}"], side
        )
        elbow = shoulder + lengths["upper_arm"][:, None] * _turn(upper, angles["twist"])
        joints[_SHOULDER[index]], joints[_ELBOW[index]] = shoulder, elbow
        joints[_WRIST[index]] = elbow + lengths["forearm"][:, None] * _turn(lower, angles["twist"])

        hip = hips + _turn(_offset(zero, side * lengths["half_hips"], zero), -0.4 * angles["twist"])
        out = angles[f"hip_out_{name}"]
        shank_pitch = angles[f"hip_{name}"] - angles[f"knee_{name}"]
        knee = hip + lengths["thigh"][:, None] * segment_direction(angles[f"hip_{name}"], out, side)
        ankle = knee + lengths["shank"][:, None] * segment_direction(shank_pitch, out, side)
        joints[_HIP[index]], joints[_KNEE[index]], joints[_ANKLE[index]] = hip, knee, ankle

        foot, tilt = lengths["foot"], shank_pitch + angles[f"ankle_{name}"]
        along = _offset(torch.cos(tilt), zero, torch.sin(tilt)) * foot[:, None]
        down = _offset(torch.sin(tilt), zero, -torch.cos(tilt)) * foot[:, None]
        across = _offset(zero, side * foot, zero)
        joints[_BIG_TOE[index]] = ankle + 0.95 * along + 0.35 * down
        joints[_SMALL_TOE[index]] = ankle + 0.8 * along + 0.35 * down + 0.3 * across
        joints[_HEEL[index]] = ankle - 0.25 * along + 0.3 * down

    pos = torch.stack(joints, dim=1)
    feet = pos[:, [*_BIG_TOE, *_SMALL_TOE, *_HEEL], 2]
    ground = torch.zeros_like(pos)
    ground[:, :, 2] = feet.amin(dim=1, keepdim=True)
    return pos - ground
