"""Channels and strides of the units of published networks."""

from __future__ import annotations

from collections.abc import Sequence


def stgcn_channels(width: int = 64, depth: int = 9) -> list[int]:
    """Output channels of each unit.

    Args:
        width: Channels of the first unit.
        depth: 9: the ten units of Yan et al. and of Nagy et al. (the first, "+1", makes
            ``width`` channels of the coordinates); 12: the eleven units of the list that the
            report prints for its deeper network.

    Raises:
        ValueError: for another depth; give ``channels`` instead.
    """
    if depth == 9:
        return [width] * 4 + [2 * width] * 3 + [4 * width] * 3
    if depth == 12:
        return [width] * 5 + [2 * width] * 4 + [4 * width] * 2
    raise ValueError(f"'depth' is 9 or 12 (got {depth}); give a list of 'channels' instead")


def stage_channels(
    width: int = 64,
    num_stages: int = 10,
    inflate_stages: Sequence[int] = (5, 8),
    down_stages: Sequence[int] = (5, 8),
) -> tuple[list[int], list[int]]:
    """Channels and strides of each unit in PYSKL's terms.

    Args:
        width: Channels of the first unit.
        num_stages: Number of units.
        inflate_stages: Units that double the channels, counted from 1.
        down_stages: Units of stride 2, counted from 1.
    """
    stages = range(1, num_stages + 1)
    channels = [width * 2 ** sum(1 < i <= stage for i in inflate_stages) for stage in stages]
    return channels, [2 if stage > 1 and stage in down_stages else 1 for stage in stages]
