"""Recognising classes of which a few examples are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.evaluation.features import Features
from stgraph.evaluation.nearest_neighbours import nearest_neighbours

__all__ = ["few_shot"]


def few_shot(
    examples: Features,
    test: Features,
    classes: Sequence[int],
    shots: int = 1,
    draws: int = 10,
    seed: int = 0,
    ties: str = "similarity",
) -> Tensor:
    """Accuracy on classes that pre-training has not seen, from n examples of each.

    The protocol of `"STARS" <https://arxiv.org/abs/2407.10935>`_: cosine similarity to the
    examples, and a vote of the n nearest. The paper leaves open where examples come from, how often
    they are drawn, and what decides a tie: here they are drawn from training recordings, several
    times, and the greatest sum of similarities decides.

    Args:
        examples: Training features; those of ``classes`` with a pose may be drawn.
        test: Test features; those of ``classes`` are asked, recordings without a pose count as
            wrong.
        classes: The new classes.
        shots: Examples n of each class.
        draws: How often examples are drawn.
        seed: Of the draws.
        ties: See :func:`nearest_neighbours`.

    Returns:
        Accuracy of each draw, float64 [draws].

    Raises:
        ValueError: if a class has fewer examples than ``shots``, or no test recording is of the
            classes.
    """
    asked = test.take(torch.isin(test.y, torch.tensor(list(classes))))
    if not len(asked.y):
        raise ValueError("'few_shot' expected test recordings of the new classes (got none)")
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        chosen = []
        for label in classes:
            mine = ((examples.y == label) & examples.has_pose).nonzero().flatten()
            if len(mine) < shots:
                raise ValueError(
                    f"'few_shot' expected {shots} examples of class {label} (got {len(mine)})"
                )
            chosen.append(mine[torch.randperm(len(mine), generator=generator)[:shots]])
        bank = examples.take(torch.cat(chosen))
        predicted = nearest_neighbours(bank, asked, shots, ties)
        found.append((predicted == asked.y).double().mean())
    return torch.stack(found)
