"""A linear classifier on embeddings that stay as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stgraph.evaluation.features import Features

__all__ = ["LinearProbe"]


class LinearProbe:
    """The linear protocol of MAMP and STARS: batch norm without scale, then a linear layer.

    The encoder is frozen, statistics included, so that the classifier learns on features extracted
    once. SGD with momentum and a cosine to 0; the last epoch counts, nothing is chosen.

    Args:
        train: Training features with classes; recordings without a pose are left out.
        num_classes: Number C of classes; by default the greatest of training plus one.
        lr: Highest learning rate.
        epochs: Passes over the training features.
        batch_size: Recordings of a step.
        momentum: Of SGD.
        weight_decay: Weight decay.
        normalise: Whether the batch norm stands before the linear layer.
        seed: Of initial weights and order.

    Raises:
        ValueError: if no training recording has a pose.
    """

    def __init__(
        self,
        train: Features,
        num_classes: int | None = None,
        *,
        lr: float = 0.1,
        epochs: int = 100,
        batch_size: int = 256,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        normalise: bool = True,
        seed: int = 0,
    ) -> None:
        train = train.take(train.has_pose)
        if not len(train.y):
            raise ValueError("'LinearProbe' expected training recordings with poses (got none)")
        generator = torch.Generator().manual_seed(seed)
        width = train.x.size(1)
        classes = int(train.y.max()) + 1 if num_classes is None else num_classes
        linear = nn.Linear(width, classes)
        with torch.no_grad():
            weight = torch.randn(linear.weight.shape, generator=generator).clamp(-2, 2) * 0.01
            linear.weight.copy_(weight)
            linear.bias.zero_()
        norm = nn.BatchNorm1d(width, affine=False, eps=1e-6) if normalise else nn.Identity()
        self.model = nn.Sequential(norm, linear).train()
        optimizer = torch.optim.SGD(
            linear.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay
        )
        steps = epochs * -(-len(train.y) // batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for chosen in torch.randperm(len(train.y), generator=generator).split(batch_size):
                if len(chosen) > 1 or not normalise:  # one recording has no spread to norm by
                    optimizer.zero_grad()
                    logits = self.model(train.x[chosen])
                    nn.functional.cross_entropy(logits, train.y[chosen]).backward()
                    optimizer.step()
                schedule.step()
        self.model.eval()

    @torch.no_grad()
    def logits(self, test: Features) -> Tensor:
        """Logits [n, C]."""
        return self.model(test.x)
