"""ST-GCN's preprocessing on clips ``[C, T, V, M]`` (yysijie/st-gcn)."""

from __future__ import annotations

import random as python_random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


def centred_motion(clip: Tensor) -> Tensor:
    """Motion of the two-stream network: x[t] - (x[t+1] + x[t-1]) / 2, zero at both ends."""
    motion = torch.zeros_like(clip)
    motion[:, 1:-1] = clip[:, 1:-1] - 0.5 * clip[:, 2:] - 0.5 * clip[:, :-2]
    return motion


def random_move(
    clip: Tensor,
    angles: Sequence[float] = (-10.0, -5.0, 0.0, 5.0, 10.0),
    scales: Sequence[float] = (0.9, 1.0, 1.1),
    shifts: Sequence[float] = (-0.2, -0.1, 0.0, 0.1, 0.2),
    move_times: Sequence[int] = (1,),
    random: np.random.RandomState | int | None = None,
    choice: python_random.Random | int | None = None,
) -> Tensor:
    """A clip whose x and y turn, grow and shift smoothly from one drawn state to the next.

    Args:
        clip: ``[C, T, V, M]``; channels after the second are left alone.
        angles: Degrees to draw from.
        scales: Factors to draw from.
        shifts: Shifts to draw from, in units of the coordinates.
        move_times: Numbers of stretches to draw from.
        random: Legacy numpy generator for the states, or the seed for one.
        choice: Python generator for the number of stretches, or the seed for one.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    if not isinstance(choice, python_random.Random):
        choice = python_random.Random(choice)
    frames = clip.shape[1]
    stretches = choice.choice(list(move_times))
    nodes = np.arange(0, frames, frames / stretches).round().astype(int)
    nodes = np.append(nodes, frames)
    states = [random.choice(list(c), len(nodes)) for c in (angles, scales, shifts, shifts)]
    path = np.zeros((4, frames))
    for i, (start, end) in enumerate(pairwise(nodes)):
        for row, state in zip(path, states, strict=True):
            row[start:end] = np.linspace(state[i], state[i + 1], end - start)
    angle, scale, shift_x, shift_y = torch.from_numpy(path)
    angle = angle.deg2rad()
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    turn = torch.stack([cosine, -sine, sine, cosine]).view(2, 2, frames).to(clip.dtype)
    shift = torch.stack([shift_x, shift_y]).to(clip.dtype)
    moved = clip.clone()
    moved[:2] = torch.einsum("act,ctvm->atvm", turn, clip[:2]) + shift[:, :, None, None]
    return moved


def openpose_match(clip: Tensor) -> Tensor:
    """People matched greedily from frame to frame, then sorted by their total score.

    In each frame the surest person first takes the nearest candidate (squared distance over all
    joints) of the next frame, then the next surest one of the rest.

    Args:
        clip: ``[3, T, V, M]`` of x, y and score.
    """
    _, frames, _, persons = clip.shape
    rows = torch.arange(frames - 1)
    order = (-clip[2].sum(dim=1)[:-1]).argsort(dim=1, stable=True)  # [T-1, M]
    step = clip[:2, 1:, :, None, :] - clip[:2, :-1, :, :, None]  # [2, T-1, V, now, next]
    distance = step.square().sum(dim=2).sum(dim=0)
    following = torch.zeros(frames - 1, persons, dtype=torch.long)
    # the reference ranks with an argsort where it needs that permutation's inverse
    turn = order.argsort(dim=1)
    for rank in range(persons):
        person = turn[:, rank]
        nearest = distance[rows, person].argmin(dim=1)
        following[rows, person] = nearest
        distance[rows, :, nearest] = torch.inf
    slot = torch.arange(persons)
    slots = [slot]
    for t in range(frames - 1):
        slot = following[t][slot]
        slots.append(slot)
    index = torch.stack(slots)[None, :, None, :].expand_as(clip)
    matched = clip.gather(3, index)
    total = matched[2].sum(dim=1).sum(dim=0)
    return matched[..., (-total).argsort(stable=True)]
