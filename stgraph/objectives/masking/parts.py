"""Masking of body parts, as SkeletonMAE does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stgraph.nn import Tokens, distinct_layouts
from stgraph.objectives.masking.base import Masking
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

SCHEMES = ("layout", "skeletonmae")

#: Words of canonical joint names by SkeletonMAE's six parts; limbs exist left and right.
_TRUNK = ("shoulder", "hip", "spine", "neck", "pelvis", "chest")
_ARM = ("elbow", "wrist", "hand", "hand_tip", "thumb", "index", "pinky")
_LEG = ("knee", "ankle", "foot", "big_toe", "small_toe", "heel", "foot_index")


def skeletonmae_parts(layout: SkeletonLayout) -> dict[str, tuple[int, ...]]:
    """The six parts V0...V5 of SkeletonMAE on any body layout, by canonical joint names.

    V0 head, V1 torso (shoulders, hips and what lies between), V2 left arm, V3 right arm (from the
    elbow), V4 left leg, V5 right leg (from the knee). On COCO's 17 joints they have 5, 4, 2, 2, 2
    and 2 joints, the sizes that the paper states; it does not list their members.

    Args:
        layout: A layout of a body.

    Raises:
        ValueError: if a joint has no canonical name, or is none of a body.
    """
    parts: dict[str, list[int]] = {f"V{i}": [] for i in range(6)}
    for joint, name in enumerate(layout.canonical):
        side, _, word = (name or "").partition("_")
        if side not in ("left", "right"):
            side, word = "", name or ""
        if word in _TRUNK:
            part = "V1"
        elif side and word in _ARM:
            part = "V2" if side == "left" else "V3"
        elif side and word in _LEG:
            part = "V4" if side == "left" else "V5"
        elif word in ("head", "head_top", "nose", "upper_neck") or word.split("_")[0] in (
            "eye",
            "ear",
            "mouth",
        ):
            part = "V0"
        else:
            raise ValueError(
                f"joint {layout.joints[joint]!r} of layout {layout.name!r} is in none of "
                "SkeletonMAE's parts, which are those of a body with canonical joint names; use "
                "the layout's own parts (scheme='layout')"
            )
        parts[part].append(joint)
    return {part: tuple(members) for part, members in parts.items()}


class BodyParts(Masking):
    """Hides whole body parts, from `"SkeletonMAE: Graph-based Masked Autoencoder for Skeleton
    Sequence Pre-training" <https://arxiv.org/abs/2307.08476>`_.

    Joints that belong to no part are never hidden.

    Args:
        parts: Names of the parts to hide, always these; None: a share of them, drawn anew for each
            recording.
        ratio: Share of the parts to hide where ``parts`` is None.
        scheme: ``"layout"``: the parts that each layout names; ``"skeletonmae"``: V0...V5, see
            :func:`skeletonmae_parts`.
        group: See :class:`Masking`.

    Raises:
        ValueError: if the scheme is unknown, or a layout has no part of a name, or no parts.
    """

    def __init__(
        self,
        parts: Sequence[str] | str | None = None,
        ratio: float = 0.5,
        scheme: str = "skeletonmae",
        group: str = "recording",
    ) -> None:
        super().__init__(ratio, group)
        if scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {scheme!r}; known are {', '.join(SCHEMES)}")
        self.parts = (parts,) if isinstance(parts, str) else None if parts is None else tuple(parts)
        self.scheme = scheme

    def parts_of(self, layout: SkeletonLayout) -> Mapping[str, tuple[int, ...]]:
        """The parts of a layout by the scheme.

        Raises:
            ValueError: if it has none, or lacks one of those to hide.
        """
        found = skeletonmae_parts(layout) if self.scheme == "skeletonmae" else layout.parts
        if not found:
            raise ValueError(
                f"layout {layout.name!r} names no body parts; give it some (parts=...)"
            )
        for name in self.parts or ():
            if name not in found:
                raise ValueError(
                    f"layout {layout.name!r} has no part {name!r}; it has {', '.join(found)}"
                )
        return found

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        rows, offset = [], 0
        for layout in distinct_layouts(batch):
            own = torch.full((layout.num_joints,), -1)
            parts = self.parts_of(layout)
            for number, (name, members) in enumerate(parts.items()):
                if self.parts is None or name in self.parts:
                    own[list(members)] = number + offset
            offset += len(parts)
            rows.append(own)
        return torch.cat(rows).to(tokens.site.device)[tokens.site]

    def __call__(
        self, batch: SkeletonGraph, tokens: Tokens, generator: torch.Generator | None = None
    ) -> Tensor:
        """What is hidden, bool [K]."""
        if self.parts is None:
            return super().__call__(batch, tokens, generator)
        return self.units(batch, tokens) >= 0
