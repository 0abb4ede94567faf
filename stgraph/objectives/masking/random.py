"""Masking by chance: tokens, joints, tubes, frames, persons."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.nn import Tokens
from stgraph.objectives.masking.base import Masking
from stgraph.skeleton import SkeletonGraph


def time_blocks(tokens: Tokens, duration: int) -> Tensor:
    """Blocks of consecutive patches of a track, counted through the batch, int64 [K].

    Args:
        tokens: K tokens.
        duration: Patches of a block.
    """
    block = (tokens.time / duration).floor().long()
    return tokens.track * (int(block.max()) + 1) + block if tokens.num_tokens else block


class RandomTokens(Masking):
    """Hides single space-time tokens."""

    def __init__(
        self, ratio: float = 0.9, group: str = "recording", rounding: str = "nearest"
    ) -> None:
        super().__init__(ratio, group, rounding)

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        return torch.arange(tokens.num_tokens, device=tokens.site.device)


class RandomJoints(Masking):
    """Hides joints: all tokens of a joint of a recording, or of a joint in one patch.

    Args:
        ratio: Share of the joints to hide.
        per: ``"recording"``: the same joints throughout (of all persons, or of each where the group
            is ``"person"``); ``"patch"``: others in every patch.
        group: See :class:`Masking`.
        rounding: See :func:`number_hidden`.

    Raises:
        ValueError: if ``per`` is unknown.
    """

    def __init__(
        self,
        ratio: float = 0.5,
        per: str = "recording",
        group: str = "recording",
        rounding: str = "nearest",
    ) -> None:
        super().__init__(ratio, group, rounding)
        if per not in ("recording", "patch"):
            raise ValueError(f"unknown per {per!r}; known are recording, patch")
        self.per = per

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        return tokens.site

    def groups(self, tokens: Tokens) -> Tensor:
        return super().groups(tokens) if self.per == "recording" else time_blocks(tokens, 1)


class Frames(Masking):
    """Hides all joints of a track over several patches.

    Args:
        ratio: Share of the blocks to hide.
        duration: Patches of a block; a track's last may be shorter.
        group: See :class:`Masking`.
        rounding: See :func:`number_hidden`.

    Raises:
        ValueError: if the duration is below 1.
    """

    def __init__(
        self,
        ratio: float = 0.5,
        duration: int = 1,
        group: str = "recording",
        rounding: str = "nearest",
    ) -> None:
        super().__init__(ratio, group, rounding)
        if duration < 1:
            raise ValueError(
                f"'{type(self).__name__}' expected a duration of at least 1 (got {duration})"
            )
        self.duration = duration

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        return time_blocks(tokens, self.duration)


class Tubes(Frames):
    """Hides a joint over several patches of its track; arguments as of :class:`Frames`."""

    def __init__(
        self,
        ratio: float = 0.9,
        duration: int = 4,
        group: str = "recording",
        rounding: str = "nearest",
    ) -> None:
        super().__init__(ratio, duration, group, rounding)

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        sites = int(tokens.site.max()) + 1 if tokens.num_tokens else 1
        return super().units(batch, tokens) * sites + tokens.site


class Persons(Masking):
    """Hides whole persons; one of each recording stays, so one who is alone is never hidden."""

    def __init__(self, ratio: float = 0.5, rounding: str = "nearest") -> None:
        super().__init__(ratio, "recording", rounding)

    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        return tokens.person[tokens.track]
