"""A generated stand-in for the KTH actions, so that a fresh machine needs no download."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from stgraph.datasets._kth_body import SEGMENTS, body_positions
from stgraph.datasets._kth_detector import Clutter, body_height, detect, project
from stgraph.datasets._kth_motion import arm_action_angles, flight_height, gait_angles, gait_duty

__all__ = ["Difficulty"]

_CLASSES = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
_PICTURE = (160, 120)
_SUBJECTS = 25
_SCENARIOS = ("d1", "d2", "d3", "d4")
_VIDEO_FPS = 25.0


@dataclass(frozen=True)
class Difficulty:
    overlap: float = 0.9
    amplitude: float = 0.2
    tempo: float = 0.22
    view: float = 1.0
    style: float = 1.0
    jitter: float = 1.0
    missing: float = 1.0


_DEG = math.pi / 180
# Per quantity: centre for boxing, handclapping, handwaving, jogging, running, walking; standard deviation;
# whether the centres may be drawn together by `overlap`
_STYLE: dict[str, tuple[tuple[float, ...], float, bool]] = {
    "rate": ((1.0, 1.1, 0.8, 1.25, 1.4, 1.0), 0.07, True),
    "raise": ((45 * _DEG, 55 * _DEG, 35 * _DEG, 0, 0, 0), 15 * _DEG, True),
    "raise_size": ((45 * _DEG, 35 * _DEG, 40 * _DEG, 0, 0, 0), 9 * _DEG, True),
    "elbow": ((105 * _DEG, 60 * _DEG, 50 * _DEG, 75 * _DEG, 85 * _DEG, 40 * _DEG), 18 * _DEG, True),
    "elbow_size": ((85 * _DEG, 40 * _DEG, 40 * _DEG, 0, 0, 0), 12 * _DEG, True),
    "out": ((18 * _DEG, 15 * _DEG, 35 * _DEG, 0, 0, 0), 8 * _DEG, True),
    "out_size": ((50 * _DEG, 60 * _DEG, 75 * _DEG, 0, 0, 0), 12 * _DEG, True),
    "sharp": ((1.3, 1.1, 1.0, 1, 1, 1), 0.15, True),
    "lag": ((0.5, 0.0, 0.0, 0, 0, 0), 0.04, False),
    "lean": ((6 * _DEG, 3 * _DEG, 1 * _DEG, 7 * _DEG, 10 * _DEG, 3 * _DEG), 4 * _DEG, True),
    "legs": ((8 * _DEG, 3 * _DEG, 3 * _DEG, 0, 0, 0), 4 * _DEG, True),
    "leg_rate": ((0.5, 0.5, 0.5, 0, 0, 0), 0.15, True),
    "knee": ((14 * _DEG, 8 * _DEG, 7 * _DEG, 0, 0, 0), 5 * _DEG, True),
    "stance": ((9 * _DEG, 7 * _DEG, 7 * _DEG, 0, 0, 0), 3 * _DEG, True),
    "stagger": ((10 * _DEG, 3 * _DEG, 2 * _DEG, 0, 0, 0), 7 * _DEG, True),
    "gait": ((0, 0, 0, 1.0, 2.0, 0.0), 0.12, False),
    "hip_size": ((1, 1, 1, 1.0, 0.75, 1.25), 0.12, False),
    "knee_size": ((1, 1, 1, 1.05, 0.8, 1.3), 0.12, False),
    "pump": ((0, 0, 0, 26 * _DEG, 26 * _DEG, 26 * _DEG), 4 * _DEG, False),
    "pump_lag": ((0, 0, 0, -0.25, 0.25, 0.0), 0.04, False),
    "arm_swing": ((0, 0, 0, 26 * _DEG, 32 * _DEG, 22 * _DEG), 6 * _DEG, True),
    "arm_base": ((0, 0, 0, -8 * _DEG, -10 * _DEG, 0), 6 * _DEG, True),
    "arm_out": ((8 * _DEG,) * 6, 3 * _DEG, True),
    "arm_lag": ((0, 0, 0, 0.12, -0.12, 0.0), 0.03, False),
    "limp": ((0,) * 6, 0.05, True),
    "flight": ((0, 0, 0, 0.07, 0.07, 0.07), 0.012, True),
    "reach": ((1,) * 6, 0.08, True),
    "head_turn": ((0,) * 6, 15 * _DEG, True),
}


def _normal(shape, generator):
    return torch.randn(shape, generator=generator).clamp(-2.2, 2.2)


def generate(seed: int = 0, ranges_per_video: int = 4, frame_step: int = 3, d: Difficulty = Difficulty()):
    g = torch.Generator().manual_seed(seed)
    S, A, C, R = _SUBJECTS, 6, 4, ranges_per_video
    n = S * A * C * R
    idx = torch.arange(n)
    rng, scen, act, subj = idx % R, idx // R % C, idx // (R * C) % A, idx // (R * C * A)
    video = idx // R

    def draw(sd=1.0):
        person = _normal(S, g)[subj]
        habit = _normal(S * A, g)[subj * A + act]
        vid = _normal(S * A * C, g)[video]
        own = _normal(n, g)
        return sd * (0.5 * person + 0.5 * habit + 0.45 * vid + 0.54 * own)

    def uniform(size=n):
        return torch.rand(size, generator=g)

    style = {}
    moves = act >= 3
    for name, (centres, sd, together) in _STYLE.items():
        c = torch.tensor(centres, dtype=torch.float32)
        if together:
            mean = torch.cat([c[:3].mean().expand(3), c[3:].mean().expand(3)])
            c = c + d.overlap * (mean - c)
        style[name] = c[act] + d.style * draw(sd)
    vigour = torch.exp(draw(d.amplitude))
    for k in ("raise_size", "elbow_size", "out_size", "arm_swing", "pump"):
        style[k] = style[k] * vigour
    style["leader"] = torch.where(uniform(S) < 0.8, -1.0, 1.0)[subj]
    one = uniform(S * A * C)[video]
    style["one_arm"] = torch.where(one < 0.2, 0.15 * uniform(), 1 - 0.3 * uniform())
    lengths = {k: v * (1 + 0.05 * _normal(S, g)[subj]) for k, v in SEGMENTS.items()}
    stature = (1 + 0.05 * _normal(S, g))[subj]
    lengths = {k: v * stature for k, v in lengths.items()}
    rate = style["rate"] * torch.exp(draw(d.tempo))

    # camera
    outdoor_zoom = scen == 1
    height_px = torch.tensor([66.0, 62.0, 66.0, 84.0])[scen] * torch.exp(0.08 * _normal(S * A * C, g)[video] + 0.04 * _normal(n, g))
    height_px = torch.where(outdoor_zoom, height_px * torch.exp(0.22 * _normal(n, g)), height_px)
    scale = height_px / body_height(lengths)
    zoom = torch.where(outdoor_zoom, 0.5 * (uniform() - 0.5), 0.04 * (uniform() - 0.5))  # relative change over the range
    camera_pitch = (2 + 6 * uniform(C * S)[subj * C + scen]) * _DEG
    tilt_roll = 2 * _DEG * _normal(n, g)
    arm_yaw = math.pi / 2 + d.view * (30 * _DEG * _normal(S * A * C, g)[video] + 10 * _DEG * _normal(n, g))
    first = torch.where(uniform(S * A * C) < 0.5, 0, 1)[video]
    direction = (first + rng) % 2
    diag = torch.tensor([12.0, 32.0, 12.0, 14.0])[scen] * _DEG * d.view * _normal(n, g)
    walk_yaw = torch.where(direction == 0, diag, math.pi + diag)
    # speed
    duty = gait_duty(style["gait"])
    leg = lengths["thigh"] + lengths["shank"]
    stride = leg * (0.70 + 0.03 * style["gait"]) * 1.25 * style["hip_size"] * style["reach"] / duty
    speed = stride * rate  # m/s along the ground
    speed_px = speed * scale * torch.cos(diag)
    half = _PICTURE[0] / 2 + 0.12 * height_px
    cross = 2 * half / speed_px
    seconds_arm = 2.0 + 2.6 * uniform()
    more = uniform()
    seconds_move = cross * torch.where(more < 0.75, 0.85 + 0.35 * uniform(), 1.4 + 0.8 * uniform())
    seconds = torch.where(moves, seconds_move, seconds_arm).clamp(1.3, 9.0)
    poses = (seconds * _VIDEO_FPS / frame_step).ceil().long()

    # poses
    of = torch.repeat_interleave(idx, poses)
    start = torch.cumsum(poses, 0) - poses
    place = torch.arange(len(of)) - start[of]
    time = place * (frame_step / _VIDEO_FPS)
    P = len(of)

    def wander(size, fast):  # slow random function of time per range, unit variance about
        freq = (0.5 + uniform(n)[:, None] * 0 + torch.rand((n, 3), generator=g)) * fast
        ph = torch.rand((n, 3), generator=g)
        return size * torch.sin(2 * math.pi * (freq[of] * time[:, None] + ph[of])).sum(1) * 0.82

    per_pose = {k: v[of] for k, v in style.items()}
    per_len = {k: v[of] for k, v in lengths.items()}
    phase = uniform()[of] + rate[of] * time + wander(0.03, 0.4)
    for k, s in (("raise", 3), ("elbow", 4), ("out", 2), ("head_turn", 6), ("lean", 1.2)):
        per_pose[k] = per_pose[k] + wander(s * _DEG, 0.5)

    body = torch.zeros(P, 25, 3)
    action = act[of]
    for a, name in enumerate(_CLASSES):
        m = (action == a).nonzero()[:, 0]
        st = {k: v[m] for k, v in per_pose.items()}
        ln = {k: v[m] for k, v in per_len.items()}
        if a < 3:
            ang = arm_action_angles(name, phase[m], st)
            body[m] = body_positions(ang, ln)
        else:
            ang = gait_angles(phase[m], st)
            b = body_positions(ang, ln)
            b[:, :, 2] += flight_height(phase[m], st["gait"], st["flight"])[:, None]
            body[m] = b

    # path
    q = (speed_px[of] * time) / (2 * half[of]) - torch.where(more < 0.75, 0.06, 0.02)[of] * 1.0
    back = (q.clamp(min=0).floor() % 2 == 1) & moves[of]
    fold = torch.where(q < 0, q, 1 - (1 - (q % 2)).abs())
    going = torch.where(direction[of] == 0, 1.0, -1.0)
    x_move = _PICTURE[0] / 2 + going * (2 * fold - 1) * half[of]
    x_stand = (_PICTURE[0] / 2 + 16 * _normal(n, g))[of] + wander(1.2, 0.15)
    x = torch.where(moves[of], x_move, x_stand)
    yaw = torch.where(moves[of], walk_yaw[of] + math.pi * back, arm_yaw[of] + wander(4 * _DEG, 0.2))
    ground = (60 + 0.5 * height_px + 3 * _normal(n, g))[of] + wander(0.5, 0.3)
    s = scale[of] * torch.exp(zoom[of] * (time / seconds[of] - 0.5))
    plane, near = project(body, yaw, camera_pitch[of])
    plane = plane * s[:, None, None]
    roll = tilt_roll[of][:, None]
    plane = torch.stack([plane[..., 0] - roll * plane[..., 1], plane[..., 1] + roll * plane[..., 0]], -1)
    pix = plane + torch.stack([x, ground], -1)[:, None]

    size = s * body_height(per_len)
    sc = scen[of]
    jit = torch.tensor([0.010, 0.011, 0.013, 0.010])[sc] * size * d.jitter * torch.exp(0.2 * _normal(n, g))[of]
    m = d.missing * torch.exp(0.5 * _normal(n, g))[of]
    clutter = Clutter(
        jitter=jit,
        lost_joint=m * torch.tensor([0.06, 0.07, 0.11, 0.06])[sc],
        lost_limbs=m * torch.tensor([0.02, 0.02, 0.06, 0.02])[sc],
        lost_person=m * torch.tensor([0.015, 0.02, 0.02, 0.01])[sc],
        swap=m * torch.tensor([0.02, 0.03, 0.03, 0.02])[sc],
    )
    mirror = torch.arange(25)
    for a, b in ((5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11), (16, 15), (18, 17), (19, 22), (20, 23), (21, 24)):
        mirror[a], mirror[b] = b, a
    pos, score = detect(pix, near, size, place, clutter, mirror, _PICTURE, 0.5, g)
    return dict(pos=pos, score=score, of=of, place=place, poses=poses, subj=subj, act=act, scen=scen, rng=rng, true=pix)
