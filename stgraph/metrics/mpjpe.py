"""How far predicted joints lie from where they were."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

__all__ = ["MPJPE", "mpjpe"]


def joint_distances(
    prediction: Tensor, target: Tensor, valid: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum of the distances of the joints that count at each horizon, and how many count.

    Args:
        prediction: [n, H, V, D].
        target: [n, H, V, D]; anything where a joint does not count.
        valid: Which joints count, bool [n, H, V]; by default all.

    Returns:
        float64 [H], infinite where a joint that counts has a prediction that is no number; and
        int64 [H].

    Raises:
        ValueError: if the shapes contradict each other, or a joint that counts has a target that is
            no number.
    """
    if prediction.dim() != 4 or prediction.shape != target.shape:
        raise ValueError(
            "'mpjpe' expected prediction and target as [windows, horizons, joints, dims] alike "
            f"(got {list(prediction.shape)} and {list(target.shape)})"
        )
    if valid is None:
        valid = torch.ones(target.shape[:3], dtype=torch.bool, device=target.device)
    if valid.shape != target.shape[:3]:
        raise ValueError(
            f"'mpjpe' expected 'valid' as {list(target.shape[:3])} (got {list(valid.shape)})"
        )
    valid = valid.bool()
    if not bool(target[valid].isfinite().all()):
        raise ValueError(
            "'mpjpe' got a target that is no number where a joint counts; is 'valid' of others?"
        )
    distance = (prediction.double() - target.double()).norm(dim=-1)
    # a joint without an answer is wrong by as much as can be; it is not left out
    distance = torch.where(distance.isfinite(), distance, torch.inf)
    distance = torch.where(valid, distance, 0.0)
    return distance.sum(dim=(0, 2)), valid.sum(dim=(0, 2))


def mpjpe(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    unit: float = 1.0,
    per_horizon: bool = False,
) -> Tensor:
    r"""Mean per-joint position error: the mean Euclidean distance over the joints that count.

    .. math::
        \frac{u}{|\mathcal{V}|} \sum_{(n, t, v) \in \mathcal{V}}
        \lVert \hat{\mathbf{x}}_{n,t,v} - \mathbf{x}_{n,t,v} \rVert_2

    over windows n, predicted frames t and joints v. What does not count (a missing joint, a frame
    after the end of its track) has no part in the sum nor in its size. A joint that counts and has
    a prediction that is no number is infinitely far off: a diverged network is never the best.

    Args:
        prediction: [n, H, V, D].
        target: [n, H, V, D]; anything where a joint does not count.
        valid: Which joints count, bool [n, H, V]; by default all.
        unit: What one unit of the coordinates is in the unit of the result; 1000 for millimetres
            of metres.
        per_horizon: Return the mean of each predicted frame, [H], instead of that of all.

    Returns:
        NaN where no joint counts.

    Raises:
        ValueError: if the shapes contradict each other, or a joint that counts has a target that is
            no number.
    """
    return _mean(*joint_distances(prediction, target, valid), unit, per_horizon)


def _mean(total: Tensor, count: Tensor, unit: float, per_horizon: bool) -> Tensor:
    if not per_horizon:
        total, count = total.sum(), count.sum()
    return (unit * total / count).float()


class MPJPE(Metric):
    """:func:`mpjpe` over all windows of all batches and processes.

    Args:
        num_horizons: Number H of predicted frames.
        unit: See :func:`mpjpe`.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = False
    total: Tensor
    count: Tensor

    def __init__(self, num_horizons: int, unit: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_horizons, self.unit = num_horizons, unit
        zeros = torch.zeros(num_horizons)
        self.add_state("total", zeros.double(), dist_reduce_fx="sum")
        self.add_state("count", zeros.long(), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        """Takes the predictions of a batch, as :func:`mpjpe` does."""
        total, count = joint_distances(prediction, target, valid)
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        """The mean over all joints so far that count."""
        return _mean(self.total, self.count, self.unit, per_horizon=False)

    def per_horizon(self) -> Tensor:
        """The mean so far of each predicted frame, [H]; of this process alone."""
        return _mean(self.total, self.count, self.unit, per_horizon=True)
