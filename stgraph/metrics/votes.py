"""One prediction for a video from those of its parts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.metrics.checks import has_answer

__all__ = ["VideoVotes", "video_votes"]


class VideoVotes(NamedTuple):
    """Predictions of the videos, in the order of their first recordings.

    Attributes:
        scores: [m, C]; take them as logits: the greatest wins.
        first: First recording of each video, int64 [m]: ``y[first]`` are the videos' classes.
        has_pose: Whether any recording of the video has a vote, bool [m].
    """

    scores: Tensor
    first: Tensor
    has_pose: Tensor


def video_votes(
    logits: Tensor,
    video: Iterable[Hashable],
    has_pose: Tensor | None = None,
    how: str = "mean",
) -> VideoVotes:
    """Joins the predictions of the recordings of each video.

    Args:
        logits: [n, C].
        video: Video of each recording (names or numbers), of length n.
        has_pose: Whether each recording has a pose, bool [n]; those without have no vote, nor have
            those whose logits are no numbers.
        how: ``"mean"``: mean of the probabilities; ``"majority"``: number of recordings that are
            taken for a class, equal numbers parted by the mean of the probabilities.

    Raises:
        ValueError: if the lengths differ or ``how`` is unknown.
    """
    if how not in ("mean", "majority"):
        raise ValueError(f"unknown way to vote {how!r}; known are mean, majority")
    names = video.tolist() if hasattr(video, "tolist") else list(video)
    if logits.dim() != 2 or len(names) != logits.size(0):
        raise ValueError(
            f"'video_votes' expected logits [n, C] and n videos (got {list(logits.shape)} and "
            f"{len(names)} videos)"
        )
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    group = torch.tensor([number[name] for name in names], dtype=torch.long)
    first = torch.full((len(number),), len(names))
    first = first.scatter_reduce(0, group, torch.arange(len(names)), "amin")
    group = group.to(logits.device)
    voter = has_answer(logits)
    if has_pose is not None:
        voter = voter & has_pose.bool()

    def total(value: Tensor) -> Tensor:
        zeros = value.new_zeros(len(number), *value.shape[1:])
        return zeros.index_add_(0, group, value)

    weight = voter.double()
    count = total(weight)
    probability = logits.double().softmax(dim=1).masked_fill(~voter[:, None], 0.0)
    scores = total(probability) / count.clamp(min=1)[:, None]
    if how == "majority":
        choice = torch.nn.functional.one_hot(logits.argmax(dim=1), logits.size(1))
        scores = total(choice.double() * weight[:, None]) + scores / 2
    return VideoVotes(scores.float(), first, count > 0)
