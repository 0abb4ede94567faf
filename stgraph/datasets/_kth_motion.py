"""Joint angles of the six KTH actions as periodic functions of a phase.

A gait is a short Fourier series per joint, fitted to key angles of one stride (phase 0: that
foot's strike); the three gaits are points 0 (walk), 1 (jog), 2 (run) of one axis, so a person may
have a style between two of them. The arm actions are given by how the two arms move together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["arm_action_angles", "bounce_height", "gait_angles", "gait_duty"]

_TURN = 2 * math.pi
_HARMONICS = 4

# (phase of the stride, degrees), flexion positive; walking, jogging, running.
_HIP = (
    ((0.0, 28), (0.25, 6), (0.5, -12), (0.62, -3), (0.75, 20), (0.87, 33)),
    ((0.0, 33), (0.2, 13), (0.42, -10), (0.56, 8), (0.72, 33), (0.87, 40)),
    ((0.0, 38), (0.15, 20), (0.32, -12), (0.5, 12), (0.7, 52), (0.85, 50)),
)
_KNEE = (
    ((0.0, 4), (0.13, 18), (0.38, 5), (0.5, 11), (0.62, 36), (0.73, 60), (0.87, 22)),
    ((0.0, 17), (0.18, 38), (0.42, 20), (0.55, 60), (0.67, 82), (0.8, 52), (0.9, 24)),
    ((0.0, 20), (0.14, 40), (0.32, 18), (0.45, 68), (0.6, 105), (0.75, 78), (0.9, 30)),
)
_ANKLE = (
    ((0.0, 0), (0.08, -6), (0.45, 10), (0.62, -18), (0.75, 0), (0.9, 2)),
    ((0.0, 4), (0.22, 20), (0.42, -18), (0.6, -6), (0.8, 2)),
    ((0.0, 0), (0.18, 20), (0.33, -20), (0.5, -8), (0.8, 2)),
)
#: Share of the stride during which a foot is on the ground; walking, jogging, running.
_DUTY = (0.62, 0.42, 0.31)


@lru_cache(maxsize=1)
def _gait_series() -> Tensor:
    """Fourier coefficients of hip, knee and ankle, radians, [3 joints, 3 gaits, 1 + 2 * 4]."""
    dense = torch.linspace(0, 1, 65)[:-1]
    basis = _basis(dense)
    rows = []
    for joint in (_HIP, _KNEE, _ANKLE):
        for keys in joint:
            phase = torch.tensor([p for p, _ in keys] + [1.0 + keys[0][0]])
            angle = torch.tensor([float(a) for _, a in keys] + [float(keys[0][1])])
            after = torch.searchsorted(phase, dense, right=True).clamp(1, len(keys))
            share = (dense - phase[after - 1]) / (phase[after] - phase[after - 1])
            # Cosine easing keeps the key angles as the extremes of the curve.
            ease = (1 - torch.cos(math.pi * share)) / 2
            curve = angle[after - 1] + ease * (angle[after] - angle[after - 1])
            rows.append(torch.deg2rad(basis.T @ curve) / basis.square().sum(dim=0))
    return torch.stack(rows).view(3, 3, -1)


def _basis(phase: Tensor) -> Tensor:
    """Fourier basis of a phase in turns: [P] to [P, 1 + 2 * harmonics]."""
    order = torch.arange(1, _HARMONICS + 1) * _TURN
    angle = phase[:, None] * order
    return torch.cat([torch.ones_like(phase)[:, None], torch.cos(angle), torch.sin(angle)], dim=1)


def _between_gaits(table: Tensor, gait: Tensor) -> Tensor:
    """Interpolate rows of a table [3, C] at gait positions [P] in 0..2."""
    lower = gait.clamp(0, 2).floor().clamp(max=1)
    share = (gait - lower)[:, None].clamp(-0.3, 1.3)
    index = lower.long()
    return table[index] * (1 - share) + table[index + 1] * share


def gait_duty(gait: Tensor) -> Tensor:
    """Share of the stride a foot is on the ground, for gaits [P] (0 walk, 1 jog, 2 run)."""
    return _between_gaits(torch.tensor(_DUTY)[:, None], gait)[:, 0].clamp(0.25, 0.7)


def bounce_height(phase: Tensor, gait: Tensor, height: Tensor) -> Tensor:
    """Height of the body above the ground that its lower foot asks for.

    Whoever flies rises while both feet are in the air, so is highest with the legs apart; whoever
    always has a foot on the ground vaults over it, so is highest with the legs together.

    Args:
        phase: Phase of the left foot in turns, [P].
        gait: Gait position, [P].
        height: Peak in metres, [P].

    Returns:
        Metres, [P].
    """
    duty = gait_duty(gait)
    stance = (2 * duty).clamp(max=0.999)
    share = ((2 * phase % 1.0 - stance) / (1 - stance)).clamp(0, 1)
    vault = (1 - torch.cos(2 * _TURN * (phase - 0.05))) / 2
    return height * torch.where(2 * duty < 1, torch.sin(math.pi * share), vault)


def gait_angles(phase: Tensor, style: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Joint angles of walking, jogging or running.

    Args:
        phase: Phase of the left foot in turns, [P]; the right foot is half a stride later.
        style: Per pose [P]: `gait` (0 walk, 1 jog, 2 run), `hip_size`, `knee_size` (factors),
            `lean`, `arm_bend`, `arm_swing`, `arm_base`, `arm_out`, `pump`, `head_turn` (radians),
            `arm_lag` (turns of the arms behind the legs), `pump_lag` (turns of the elbows behind
            the shoulders), `limp` (relative difference of the legs).

    Returns:
        Angles for :func:`~stgraph.datasets._kth_body.body_positions`.
    """
    gait = style["gait"]
    hip_row, knee_row, ankle_row = (_between_gaits(table, gait) for table in _gait_series())
    angles: dict[str, Tensor] = {}
    for name, shift, sign in (("left", 0.0, 1.0), ("right", 0.5, -1.0)):
        basis = _basis(phase + shift)
        uneven = 1 + sign * style["limp"]
        angles[f"hip_{name}"] = (basis * hip_row).sum(1) * style["hip_size"] * uneven
        knee = (basis * knee_row).sum(1) * style["knee_size"] * uneven
        angles[f"knee_{name}"] = knee.clamp(min=0.02)
        angles[f"ankle_{name}"] = (basis * ankle_row).sum(1)
        angles[f"hip_out_{name}"] = torch.full_like(phase, 0.02)
        # An arm goes with the leg of the other side.
        swing = torch.cos(_TURN * (phase + shift + 0.5 - style["arm_lag"]))
        angles[f"shoulder_{name}"] = style["arm_base"] + style["arm_swing"] * uneven * swing
        pumped = torch.cos(_TURN * (phase + shift + 0.5 - style["arm_lag"] - style["pump_lag"]))
        angles[f"elbow_{name}"] = (style["arm_bend"] + style["pump"] * pumped).clamp(min=0.05)
        angles[f"shoulder_out_{name}"] = style["arm_out"]
        angles[f"forearm_out_{name}"] = style["arm_out"] - 0.25 * style["arm_bend"]
    angles["lean"] = style["lean"] + 0.02 * torch.cos(2 * _TURN * phase)
    angles["sway"] = 0.03 * torch.sin(_TURN * phase)
    angles["twist"] = -0.35 * style["arm_swing"] * torch.cos(_TURN * phase)
    angles["head_turn"] = style["head_turn"] - angles["twist"]
    return angles


def arm_action_angles(action: str, phase: Tensor, style: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Joint angles of boxing, handclapping or handwaving.

    In boxing the arms reach out in turns, in clapping both close in front of the body together,
    in waving both rise and fall at the sides together.

    Args:
        action: "boxing", "handclapping" or "handwaving".
        phase: Phase of the repetition in turns, [P].
        style: Per pose [P]: `raise`, `raise_size`, `elbow`, `elbow_size`, `out`, `out_size`
            (radians), `sharp` (exponent of the pulse), `lag` (turns between the arms),
            `one_arm` (share of the motion that the weaker arm makes), `leader` (-1 right, 1 left),
            `lean`, `stance`, `stagger`, `knee`, `legs`, `head_turn` (radians), `leg_rate` (turns
            of the legs per turn of the arms).

    Returns:
        Angles for :func:`~stgraph.datasets._kth_body.body_positions`.

    Raises:
        ValueError: If the action is none of the three.
    """
    angles: dict[str, Tensor] = {}
    twist = torch.zeros_like(phase)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        leads = style["leader"] == sign
        share = torch.where(leads, torch.ones_like(phase), style["one_arm"])
        own = phase + torch.where(leads, torch.zeros_like(phase), style["lag"])
        pulse = ((1 - torch.cos(_TURN * own)) / 2).pow(style["sharp"])
        if action == "boxing":
            out = pulse * share
            angles[f"shoulder_{name}"] = style["raise"] + style["raise_size"] * out
            angles[f"elbow_{name}"] = (style["elbow"] - style["elbow_size"] * out).clamp(min=0.05)
            angles[f"shoulder_out_{name}"] = 1.3 * style["out"] * (1 - 0.3 * out)
            angles[f"forearm_out_{name}"] = -0.25 + 0.1 * out
            twist = twist - sign * 0.35 * (out - 0.5)
        elif action == "handclapping":
            apart = 1 - (1 - pulse) * share
            angles[f"shoulder_{name}"] = style["raise"] + 0.25 * style["raise_size"] * apart
            angles[f"elbow_{name}"] = (style["elbow"] - 0.4 * style["elbow_size"] * apart).clamp(
                min=0.05
            )
            angles[f"shoulder_out_{name}"] = style["out"] + 0.5 * style["out_size"] * apart
            # At the clap the forearms slant inwards just enough for the hands to meet.
            meet = -torch.asin((0.68 + 1.07 * torch.sin(style["out"])).clamp(max=0.98))
            angles[f"forearm_out_{name}"] = meet + 1.25 * style["out_size"] * apart
        elif action == "handwaving":
            high = pulse * share
            angles[f"shoulder_{name}"] = 0.7 * style["raise"] * (1 - 0.4 * high)
            angles[f"elbow_{name}"] = 0.6 * style["elbow"] * (1 - 0.6 * high)
            angles[f"shoulder_out_{name}"] = 1.1 * style["out"] + 0.65 * style["out_size"] * high
            angles[f"forearm_out_{name}"] = style["out"] + 1.1 * style["out_size"] * high
        else:
            raise ValueError(
                f"'arm_action_angles' expected 'boxing', 'handclapping' or 'handwaving' (got "
                f"{action!r}); use 'gait_angles' for the others."
            )
        step = style["legs"] * torch.sin(_TURN * (style["leg_rate"] * phase + 0.25 * (1 - sign)))
        knee = style["knee"] + 0.5 * step.abs()
        angles[f"hip_{name}"] = 0.5 * knee + sign * style["stagger"] + 0.3 * step
        angles[f"knee_{name}"] = knee
        angles[f"ankle_{name}"] = knee - angles[f"hip_{name}"]
        angles[f"hip_out_{name}"] = style["stance"]
    angles["lean"] = style["lean"]
    angles["sway"] = 0.5 * style["legs"] * torch.sin(_TURN * style["leg_rate"] * phase)
    angles["twist"] = twist
    angles["head_turn"] = style["head_turn"] - twist
    return angles
