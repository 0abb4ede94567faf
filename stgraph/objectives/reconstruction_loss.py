"""Losses of a prediction for hidden tokens; each is a function of tensors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

#: A function of predictions [K, l, C], answers [K, l, C] and where there are any, bool [K, l].
ReconstructionLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def mean_over_tokens(error: Tensor, valid: Tensor) -> Tensor:
    """Mean error of the valid poses of each token, then over the tokens that have any.

    Args:
        error: Of each pose, [K, l].
        valid: Which count, bool [K, l].
    """
    weight = valid.to(error.dtype)
    count = weight.sum(dim=1)
    token = (error * weight).sum(dim=1) / count.clamp(min=1)
    return token.sum() / (count > 0).sum().clamp(min=1)


def squared_error(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error of hidden tokens, from `"Masked Autoencoders Are Scalable Vision Learners"
    <https://arxiv.org/abs/2111.06377>`_.

    Args:
        prediction: [K, l, C].
        target: [K, l, C].
        valid: Where there is an answer, bool [K, l].
    """
    return mean_over_tokens((prediction - target).square().mean(dim=2), valid)


def smooth_l1(prediction: Tensor, target: Tensor, valid: Tensor, beta: float = 1.0) -> Tensor:
    """Squared below ``beta``, absolute above; arguments as of :func:`squared_error`."""
    error = F.smooth_l1_loss(prediction, target, reduction="none", beta=beta)
    return mean_over_tokens(error.mean(dim=2), valid)


def scaled_cosine_error(
    prediction: Tensor,
    target: Tensor,
    valid: Tensor,
    exponent: float = 2.0,
    as_published: bool = False,
) -> Tensor:
    r"""Re-weighted cosine error of `"SkeletonMAE" <https://arxiv.org/abs/2307.08476>`_ and
    `"GraphMAE" <https://arxiv.org/abs/2205.10803>`_.

    .. math::
        \frac{1}{n} \sum_v \left( 1 - \cos(\mathbf{x}_v, \mathbf{z}_v) \right)^\beta

    over the n hidden tokens. Read to the letter, SkeletonMAE's sum is of :math:`\left(\tfrac1n
    (1 - \cos)\right)^\beta`, which is this divided by :math:`n^{\beta - 1}`: the same minimum, and
    a weight that falls with the number of hidden tokens.

    Args:
        prediction: [K, l, C].
        target: [K, l, C]; a token of zeros counts as at a right angle.
        valid: Where there is an answer, bool [K, l].
        exponent: :math:`\beta`; above 1 easy tokens count less.
        as_published: The formula to the letter.
    """
    keep = valid[:, :, None]
    zero = prediction.new_zeros(())
    p = torch.where(keep, prediction, zero).flatten(1)
    t = torch.where(keep, target, zero).flatten(1)
    error = (1.0 - F.cosine_similarity(p, t, dim=1)).clamp(min=0).pow(exponent)
    has = valid.any(dim=1)
    count = has.sum().clamp(min=1)
    total = (error * has).sum()
    return total / count**exponent if as_published else total / count


RECONSTRUCTION_LOSSES: dict[str, ReconstructionLoss] = {
    "squared_error": squared_error,
    "smooth_l1": smooth_l1,
    "scaled_cosine_error": scaled_cosine_error,
}
