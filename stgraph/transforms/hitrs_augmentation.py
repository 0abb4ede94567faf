"""The augmentation of Hi-TRS."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw, node_recording, pick, with_nodes
from stgraph.transforms.crop_resize import random_stretch
from stgraph.transforms.joint_noise import JointNoise
from stgraph.transforms.random_scale import RandomScale
from stgraph.transforms.random_shear import RandomShear
from stgraph.transforms.time_crop import keep_stretch
from stgraph.transforms.time_interpolation import interpolate
from stgraph.transforms.timeline import timeline


class HiTRSAugmentation(SkeletonTransform):
    """One change in space and one in time, from `"Hierarchically Self-Supervised Transformer for
    Human Skeleton Representation Learning" <https://arxiv.org/abs/2207.09644>`_ (supplement 1).

    In space: shearing or adding noise; in time: interpolation or cropping. Lengths are metres.

    Args:
        p: Probability that a recording is changed at all.
        shear: Greatest share of :class:`RandomShear`.
        noise: Greatest displacement of :class:`JointNoise`.
        num_joints: Joints that :class:`JointNoise` moves.
        crop: Least part of the frames that a crop keeps; the text does not say, the code has 0.8.
        scale: Greatest relative change of size, a third change in space; 0: none, as in the text.
        as_published: As in the code: ``p`` 0.5, noise constant over time, ``scale`` 0.2.
        generator: Source of the draws.

    Raises:
        ValueError: if the probability or the part is out of range.
    """

    def __init__(
        self,
        p: float = 1.0,
        shear: float = 0.5,
        noise: float = 0.2,
        num_joints: int = 5,
        crop: float = 0.8,
        scale: float = 0.0,
        as_published: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"'HiTRSAugmentation' expected p within [0, 1] (got {p})")
        if not 0 < crop <= 1:
            raise ValueError(f"'HiTRSAugmentation' expected a crop within (0, 1] (got {crop})")
        self.p = 0.5 if as_published else p
        self.shear, self.noise, self.num_joints, self.crop = shear, noise, num_joints, crop
        self.scale = 0.2 if as_published else scale
        self.as_published = as_published
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy; each recording changed by itself."""
        draws = draw(data, 6, self.generator)
        changed = draws[:, 0] < self.p
        kinds = [
            RandomShear(self.shear, generator=self.generator),
            JointNoise(
                self.num_joints, self.noise, constant=self.as_published, generator=self.generator
            ),
        ]
        if self.scale:
            kinds.append(RandomScale((1 - self.scale, 1 + self.scale), generator=self.generator))
        kind = pick(draws[:, 1], len(kinds))
        recording, pos = node_recording(data), data.pos
        for number, transform in enumerate(kinds):
            here = (changed & (kind == number))[recording]
            pos = torch.where(here[:, None], transform(data).pos, pos)
        data = with_nodes(data, pos=pos)
        crops = draws[:, 2] < 0.5
        data = interpolate(data, torch.where(changed & ~crops, draws[:, 3], 0.0))
        place, length = timeline(data)
        start, kept = random_stretch(length, draws[:, 4:], (self.crop, 1.0), 1)
        cropped = changed & crops
        return keep_stretch(
            data, place, torch.where(cropped, start, 0), torch.where(cropped, kept, length)
        )
