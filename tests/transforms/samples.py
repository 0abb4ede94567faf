"""Random recordings, and equality of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph, SkeletonLayout

LAYOUT = "openpose_coco_18"

# hip - left hand, hip - right hand
HAND = SkeletonLayout(
    "three", ["hip", "left_hand", "right_hand"], [(0, 1), (0, 2)], 0, left_right=[(1, 2)]
)


def recording(
    track_length: list[int],
    person: list[int],
    first_frame: list[int],
    seed: int,
    layout: str = LAYOUT,
    dims: int = 3,
    missing: float = 0.2,
) -> SkeletonGraph:
    """Random people; each track begins at its own frame, some joints are missing."""
    generator = torch.Generator().manual_seed(seed)
    joints = SkeletonLayout.named(layout).num_joints
    poses = sum(track_length)
    pos = 100 + 20 * torch.randn(poses, joints, dims, generator=generator)
    score = 0.2 + 0.8 * torch.rand(poses, joints, generator=generator)
    hidden = torch.rand(poses, joints, generator=generator) < missing
    score[hidden] = 0
    pos[hidden] = 0
    frames = [
        torch.arange(start, start + length)
        for start, length in zip(first_frame, track_length, strict=True)
    ]
    return SkeletonGraph(
        pos,
        layout=layout,
        score=score,
        frame=torch.cat(frames) if frames else [],
        fps=25.0,
        track_length=track_length,
        person=person,
        y=seed % 3,
        name=f"recording {seed}",
    )


def assert_same(found: SkeletonGraph, expected: SkeletonGraph) -> None:
    """Every attribute of two recordings is equal, floats within rounding."""
    assert set(found.keys()) == set(expected.keys())
    for key in expected.keys():  # noqa: SIM118 - Data iterates over pairs
        a, b = found[key], expected[key]
        if isinstance(b, Tensor):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), key
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-4, msg=key)
        else:
            assert a == b, key


def chain(pos: list, score: list | None = None, **kwargs: Any) -> SkeletonGraph:
    """A recording of the three-joint layout below, 2-D unless the numbers say otherwise."""
    tensor = torch.tensor(pos, dtype=torch.float32)
    return SkeletonGraph(
        tensor.reshape(-1, 3, tensor.size(-1)),
        layout=HAND,
        score=None if score is None else torch.tensor(score, dtype=torch.float32),
        **kwargs,
    )
