"""What every metric of recognition asks of its arguments."""

from __future__ import annotations

import torch
from torch import Tensor


def check_predictions(
    logits: Tensor, y: Tensor, has_pose: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments, with ``has_pose`` filled in and without recordings that got no answer.

    Raises:
        ValueError: if the shapes contradict each other or a class is out of range.
    """
    if logits.dim() != 2:
        raise ValueError(f"expected logits as [recordings, classes] (got {list(logits.shape)})")
    if has_pose is None:
        has_pose = torch.ones(logits.size(0), dtype=torch.bool, device=logits.device)
    for name, value in (("y", y), ("has_pose", has_pose)):
        if value.shape != (logits.size(0),):
            raise ValueError(
                f"expected {name!r} with one entry for each of the {logits.size(0)} recordings "
                f"(got {list(value.shape)})"
            )
    if y.numel() and (int(y.min()) < 0 or int(y.max()) >= logits.size(1)):
        raise ValueError(
            f"expected class numbers in 0...{logits.size(1) - 1} (got {int(y.min())}..."
            f"{int(y.max())}); is the network for other classes, or are there no labels?"
        )
    return logits, y, has_pose.bool() & has_answer(logits)


def has_answer(logits: Tensor) -> Tensor:
    """Whether the logits of each recording have a softmax, bool [n].

    The greatest of a recording's logits is NaN if one of them is, and infinite if an overflow made
    them so: a diverged network then takes no class for the greatest, not the first one.
    """
    if not logits.numel():
        return torch.ones(logits.size(0), dtype=torch.bool, device=logits.device)
    return logits.amax(dim=1).isfinite()
