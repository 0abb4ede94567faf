"""Which joints of a layout a network looks at, and where they are in a recording."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonLayout


def kept_joints(layout: SkeletonLayout | None, names: Sequence[str] | None) -> Tensor | None:
    """Numbers of named joints, ascending, int64 [V']; None for all.

    Args:
        layout: Knows the names, own or canonical.
        names: All different.

    Raises:
        ValueError: if there is no layout, no name, a name twice, or one that the layout has not.
    """
    if names is None:
        return None
    if layout is None:
        raise ValueError("'joints' names joints of a layout: give the network a layout")
    if isinstance(names, str):
        raise ValueError(f"'joints' expected a list of names (got {names!r}); write [{names!r}]")
    numbers = sorted(layout.index(name) for name in names)
    if not numbers or len(set(numbers)) != len(numbers):
        raise ValueError(f"'joints' expected at least one joint, each once (got {list(names)})")
    return torch.tensor(numbers)


def columns_of(layout: SkeletonLayout, kept: Tensor, other: SkeletonLayout) -> Tensor | None:
    """Where the kept joints of one layout are in another, int64 [V'].

    Args:
        layout: The network's.
        kept: Numbers of the joints that it looks at, int64 [V'].
        other: A recording's: the same joints, or exactly the kept ones in any order.

    Returns:
        Numbers in the other layout; None if it is neither.
    """
    if layout.joint_conflict(other) is None:
        return kept
    if other.num_joints != kept.numel():
        return None
    found = []
    for joint in kept.tolist():
        name, known = layout.joints[joint], layout.canonical[joint]
        if name in other.joints:
            found.append(other.joints.index(name))
        elif known is not None and known in other.canonical:
            found.append(other.canonical.index(known))
    return torch.tensor(found) if len(set(found)) == kept.numel() else None
