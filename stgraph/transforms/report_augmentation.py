"""The augmentation of the KTH report, as its text describes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    draw,
    node_recording,
    pick,
    with_nodes,
    with_positions,
)
from stgraph.transforms.flip import about_point, mirror_node
from stgraph.transforms.rotations import rotation_2d


class ReportDraws(NamedTuple):
    """What happens to each recording."""

    flip: Tensor  # bool [B]
    angle: Tensor  # degrees [B], 0 for none
    shift: Tensor  # [B, 2], 0 for none
    scale: Tensor  # [B], 1 for none


class ReportAugmentation(SkeletonTransform):
    """With probability ``p`` two different ones of mirror, rotation, translation and scaling.

    The report's code differs: it may take one twice, its translation does nothing, and its mirror
    leaves left and right joints where they were. This follows the text, and exchanges them.
    Mirror, rotation and scaling leave the centre of the recording where it is; all act in the
    plane of the first two coordinates, scaling on all. Missing joints stay missing.

    Args:
        p: Probability with which a recording is changed.
        angles: Degrees to draw from; the sign is drawn too.
        shifts: Translations to draw from, in pixels.
        scales: Factors to draw from.
        unit: Length of a pixel in units of ``pos``; 1 for raw pixels.
        about: ``"recording"`` (mean of the joints that are seen), ``"origin"``, or the picture's
            centre in units of ``pos``, one number a coordinate.
        generator: Source of the draws.

    Source: Nagy et al., KTH report, section 3.1.
    """

    def __init__(
        self,
        p: float = 0.5,
        angles: Sequence[float] = (5.0, 10.0, 15.0),
        shifts: Sequence[tuple[float, float]] = ((5.0, 5.0), (0.0, 5.0), (5.0, 0.0)),
        scales: Sequence[float] = (0.95, 1.05, 1.1),
        unit: float = 1.0,
        about: str | tuple[float, ...] = "recording",
        generator: torch.Generator | None = None,
    ) -> None:
        self.p = p
        self.angles = tuple(angles)
        self.shifts = tuple(shifts)
        self.scales = tuple(scales)
        self.unit = unit
        self.about = about
        self.generator = generator

    def choose(self, draws: Tensor) -> ReportDraws:
        """What uniform draws [B, 6] in [0, 1) mean."""
        acts = draws[:, 0] < self.p
        first = pick(draws[:, 1], 4)
        second = (first + 1 + pick(draws[:, 2], 3)) % 4
        flip, turn, move, grow = (acts & ((first == i) | (second == i)) for i in range(4))
        signed = draws.new_tensor([*self.angles, *(-angle for angle in self.angles)])
        shifts = draws.new_tensor(self.shifts) * self.unit
        scales = draws.new_tensor(self.scales)
        return ReportDraws(
            flip=flip,
            angle=signed[pick(draws[:, 3], len(signed))] * turn,
            shift=shifts[pick(draws[:, 4], len(shifts))] * move[:, None],
            scale=torch.where(grow, scales[pick(draws[:, 5], len(scales))], 1.0),
        )

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy in which every recording had its own draws."""
        return self.apply(data, self.choose(draw(data, 6, self.generator)))

    def apply(self, data: SkeletonGraph, chosen: ReportDraws) -> SkeletonGraph:
        """A copy changed by given draws, one row a recording."""
        recording = node_recording(data)
        dims = data.pos.size(1)
        matrix = torch.eye(dims, dtype=data.pos.dtype, device=data.pos.device)
        matrix = matrix.repeat(data.num_recordings, 1, 1)
        matrix[:, :2, :2] = rotation_2d(chosen.angle.deg2rad()).to(data.pos.dtype)
        matrix = matrix * chosen.scale[:, None, None]
        matrix[:, :, 0] *= torch.where(chosen.flip, -1.0, 1.0)[:, None]
        centre = about_point(data, self.about)
        offset = centre.clone()
        offset[:, :2] += chosen.shift
        relative = (data.pos - centre[recording]).unsqueeze(-1)
        pos = (matrix[recording] @ relative).squeeze(-1) + offset[recording]
        same = ~chosen.flip & (chosen.angle == 0) & (chosen.scale == 1) & ~chosen.shift.any(dim=1)
        out = with_positions(data, torch.where(same[recording, None], data.pos, pos))
        node = torch.arange(len(pos), device=pos.device)
        source = torch.where(chosen.flip[recording], mirror_node(data), node)
        moved = {"pos": out.pos[source]}
        if getattr(data, "score", None) is not None:
            moved["score"] = data.score[source]
        return with_nodes(out, **moved)
