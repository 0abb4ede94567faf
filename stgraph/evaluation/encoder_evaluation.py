"""All protocols on one encoder and one data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.evaluation.features import Features, extract_features
from stgraph.evaluation.few_shot import few_shot
from stgraph.evaluation.fine_tune import fine_tune
from stgraph.evaluation.linear_probe import LinearProbe
from stgraph.evaluation.nearest_neighbours import nearest_neighbours
from stgraph.evaluation.subsets import labelled_subset
from stgraph.tasks import StoreSubset, predict_logits
from stgraph.tasks.data import source_labels

__all__ = ["EncoderEvaluation", "Measured"]


class Measured(NamedTuple):
    """One figure.

    Attributes:
        setting: Protocol, such as ``"finetune 10%"``.
        metric: ``"knn1"``, ``"linear"`` or ``"top1"``.
        part: Part of the set that was asked.
        seed: Seed or draw.
        value: Share of right answers; a recording without a pose is answered wrongly.
        n: Number of recordings asked.
        predicted: The answers, -1 without a pose, int64 [n]; None for few-shot.
    """

    setting: str
    metric: str
    part: str
    seed: int
    value: float
    n: int
    predicted: Tensor | None


class EncoderEvaluation:
    """What an encoder is worth on a data set, by every protocol.

    Classifiers learn from the training part; the parts to ask are only looked at. Features of
    frozen protocols are extracted once.

    Args:
        encoder: A pre-trained encoder; stays as it is.
        train: Labelled training recordings.
        tests: Recordings to ask, by the names of their parts.
        num_classes: Number of classes; by default the greatest label of training plus one.
        transform: As in pre-training.
        cache: Folder of features, see :func:`extract_features`.
        batch_size: Recordings at a time; changes no figure of frozen features.
    """

    def __init__(
        self,
        encoder: nn.Module,
        train: Any,
        tests: Mapping[str, Any],
        *,
        num_classes: int | None = None,
        transform: Callable[..., Any] | None = None,
        cache: str | Path | None = None,
        batch_size: int = 64,
    ) -> None:
        self.encoder, self.train, self.tests = encoder, train, dict(tests)
        found = int(source_labels(train).max()) + 1
        self.num_classes = found if num_classes is None else num_classes
        self.transform, self.cache, self.batch_size = transform, cache, batch_size

    @cached_property
    def bank(self) -> Features:
        """Features of the training part."""
        return self._features(self.train)

    @cached_property
    def asked(self) -> dict[str, Features]:
        """Features of the parts to ask."""
        return {part: self._features(source) for part, source in self.tests.items()}

    def knn(self, k: int = 1) -> Iterator[Measured]:
        """Nearest neighbours by cosine.

        Args:
            k: Neighbours that vote.
        """
        setting, metric = ("knn", "knn1") if k == 1 else (f"knn k={k}", "top1")
        for part, asked in self.asked.items():
            yield _measured(
                setting, metric, part, 0, nearest_neighbours(self.bank, asked, k), asked
            )

    def linear(self, seed: int = 0) -> Iterator[Measured]:
        """A linear layer on frozen features.

        Args:
            seed: Of its first weights and order.
        """
        probe = LinearProbe(self.bank, self.num_classes, seed=seed)
        for part, asked in self.asked.items():
            predicted = probe.logits(asked).argmax(dim=1).where(asked.has_pose, -1)
            yield _measured("linear", "linear", part, seed, predicted, asked)

    def few_shot(
        self, classes: Sequence[int], shots: int = 1, draws: int = 10, seed: int = 0
    ) -> Iterator[Measured]:
        """A few examples of classes that pre-training has not seen; one figure a draw.

        Args:
            classes: Their numbers.
            shots: Examples of each.
            draws: How often they are drawn.
            seed: Of the draws.
        """
        for part, asked in self.asked.items():
            n = int(torch.isin(asked.y, torch.tensor(list(classes))).sum())
            if n:
                found = few_shot(self.bank, asked, classes, shots, draws, seed=seed)
                for draw, value in enumerate(found.tolist()):
                    yield Measured(f"fewshot {shots}-shot", "top1", part, draw, value, n, None)

    def finetune(
        self, share: float | None = None, fresh: bool = False, seed: int = 0, **options: Any
    ) -> Iterator[Measured]:
        """The whole network, with all labels or a share of each class's.

        Args:
            share: Of the labels, see :func:`labelled_subset`; None: all.
            fresh: From scratch, for comparison.
            seed: Of the share and the training.
            **options: Of :func:`fine_tune`.
        """
        taught, setting = self.train, "finetune"
        if share is not None:
            chosen = labelled_subset(source_labels(self.train), share, seed)
            taught, setting = StoreSubset(self.train, chosen), f"finetune {100 * share:g}%"
        task, _ = fine_tune(
            self.encoder,
            taught,
            num_classes=self.num_classes,
            fresh=fresh,
            transform=self.transform,
            seed=seed,
            **options,
        )
        setting += " from-scratch" * fresh
        for part, source in self.tests.items():
            logits, y, has_pose = predict_logits(task, source, batch_size=self.batch_size)
            predicted = logits.argmax(dim=1).where(has_pose, -1)
            yield _measured(setting, "top1", part, seed, predicted, Features(logits, y, has_pose))

    def _features(self, source: Any) -> Features:
        return extract_features(
            self.encoder,
            source,
            transform=self.transform,
            batch_size=self.batch_size,
            cache=self.cache,
        )


def _measured(
    setting: str, metric: str, part: str, seed: int, predicted: Tensor, asked: Features
) -> Measured:
    value = float((predicted == asked.y).double().mean())
    return Measured(setting, metric, part, seed, value, len(asked.y), predicted)
