"""Contrastive losses; each is a function of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    query: Tensor, key: Tensor, negatives: Tensor, temperature: float = 0.07
) -> tuple[Tensor, Tensor]:
    r"""InfoNCE against a queue, from `"Momentum Contrast for Unsupervised Visual Representation
    Learning" <https://arxiv.org/abs/1911.05722>`_ (eq. 1).

    .. math::
        -\log \frac{\exp(\mathbf{q} \cdot \mathbf{k}_+ / \tau)}{\exp(\mathbf{q} \cdot \mathbf{k}_+ /
        \tau) + \sum_i \exp(\mathbf{q} \cdot \mathbf{k}_i / \tau)}

    Args:
        query: Of length 1, [B, D].
        key: Of length 1, [B, D].
        negatives: Of length 1, [K, D].
        temperature: :math:`\tau`.

    Returns:
        The mean loss, and the logits [B, 1 + K] whose first column is the positive.
    """
    positive = (query * key).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, query @ negatives.T], dim=1) / temperature
    return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long)), logits


def multi_positive_nce(logits: Tensor, positive: Tensor) -> Tensor:
    r"""Mean log-likelihood of several positives, from `"CrosSCLR"
    <https://arxiv.org/abs/2105.05682>`_.

    .. math::
        -\frac{1}{|P|} \sum_{p \in P} \log \operatorname{softmax}(\mathbf{l})_p

    Args:
        logits: [B, K].
        positive: Which are positives, bool [B, K]; one at least in each row.
    """
    log_p = logits.log_softmax(dim=1)
    weight = positive.to(log_p.dtype)
    return -((log_p * weight).sum(dim=1) / weight.sum(dim=1)).mean()


def nearest_neighbour_nce(
    neighbour: Tensor, prediction: Tensor, temperature: float = 0.07, first: int = 0
) -> tuple[Tensor, Tensor]:
    r"""InfoNCE between neighbours and predictions of a batch, from `"With a Little Help from My
    Friends" <https://arxiv.org/abs/2104.14548>`_ (NNCLR, eq. 3).

    .. math::
        -\log \frac{\exp(\operatorname{NN}(z_i, Q) \cdot z_i^+ / \tau)}
        {\sum_k \exp(\operatorname{NN}(z_i, Q) \cdot z_k^+ / \tau)}

    Args:
        neighbour: Of length 1, [B, D].
        prediction: Of length 1, [B', D]: of this batch, or of the batches of all processes.
        temperature: :math:`\tau`.
        first: Row of ``prediction`` at which this batch begins.

    Returns:
        The mean loss, and the logits [B, B'].
    """
    logits = neighbour @ prediction.T / temperature
    answer = torch.arange(first, first + len(neighbour), device=logits.device)
    return F.cross_entropy(logits, answer), logits


def nt_xent(a: Tensor, b: Tensor, temperature: float = 0.5) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy, from `"A Simple Framework for Contrastive
    Learning of Visual Representations" <https://arxiv.org/abs/2002.05709>`_ (SimCLR, eq. 1).

    Every view's answer is the other view of its recording among all other views of the batch.

    Args:
        a: First views, [B, D].
        b: Second views, [B, D].
        temperature: :math:`\tau`.
    """
    z = F.normalize(torch.cat([a, b]), dim=1)
    n = len(z)
    own = torch.eye(n, dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(own, float("-inf"))
    answer = torch.arange(n, device=z.device).roll(n // 2)
    return F.cross_entropy(logits, answer)


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Squared distance of directions, from `"Bootstrap Your Own Latent"
    <https://arxiv.org/abs/2006.07733>`_ (BYOL, eq. 2).

    .. math::
        \| \bar{\mathbf{p}} - \bar{\mathbf{z}} \|^2 = 2 - 2 \cos(\mathbf{p}, \mathbf{z})

    Args:
        prediction: [B, D].
        target: [B, D]; no gradient flows into it.
    """
    return (2 - 2 * F.cosine_similarity(prediction, target.detach(), dim=1)).mean()
