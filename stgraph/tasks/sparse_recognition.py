"""Recognition by a network that becomes sparse while it learns."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.skeleton import SkeletonGraph
from stgraph.sparsity import Kept, LearnedMask, SparseAssembly, SparseGenerator, bake_masks
from stgraph.tasks.recognition import Recognition


class SparseRecognition(Recognition):
    r"""Trains a network together with the masks of :func:`~stgraph.sparsity.sparsify`.

    Masks follow their schedule by the share of the steps that is over. Validation and test see the
    network at its final sparsity at any time, so that what chooses an epoch is what is kept; the
    folder of the run gets the plain network, with zeros where it is cut. Every member of a
    :class:`~stgraph.sparsity.SparseAssembly` has a loss of its own beside that of the whole.

    Args:
        model: The network, after :func:`~stgraph.sparsity.sparsify`.
        num_classes: Number of classes.
        generators: What sparsify returned, one or one a member.
        penalty: Factor of the generators' penalty, 0 for none.
        shrink: What makes the network that the folder of the run gets out of the plain one, such as
            :func:`~stgraph.sparsity.compress`; by default it is kept as it is.
        **settings: See :class:`Recognition`.

    Raises:
        ValueError: if there is no generator, or an option is out of range.
    """

    remarks = ("sparsity",)

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        *,
        generators: SparseGenerator | Sequence[SparseGenerator],
        penalty: float = 0.0,
        shrink: Callable[[nn.Module], nn.Module] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(model, num_classes, **settings)
        one = isinstance(generators, SparseGenerator)
        self.generators: list[SparseGenerator] = [generators] if one else list(generators)  # type: ignore[list-item, arg-type]
        if not self.generators:
            raise ValueError("'SparseRecognition' expected what sparsify returned (got nothing)")
        if penalty < 0:
            raise ValueError(f"'penalty' is a factor from 0 on (got {penalty})")
        self.shrink = shrink
        self.present = 0.0  # share that was cut in the last step of training
        self.settings.update(
            sparsity=tuple(g.sparsity for g in self.generators),
            cut=self.generators[0].weights.kind,
            scope=self.generators[0].pool.scope,
            floor=self.generators[0].pool.floor,
            sparse_schedule=tuple(self.generators[0].schedule),
            as_published=self.generators[0].as_published,
            penalty=penalty,
        )

    # --- the masks --------------------------------------------------------------------------------
    def at(self, progress: float) -> None:
        """Sets all masks to a share of the training."""
        for generator in self.generators:
            generator.at(progress)
        if self.average is not None:
            for own, averaged in zip(_masks(self.model), _masks(self.average.module), strict=True):
                averaged.pool.sparsity = own.pool.sparsity

    def final_network(self) -> nn.Module:
        """A copy of the network that predicts, plain, at its final sparsity."""
        self.at(1.0)
        return bake_masks(copy.deepcopy(self.network))

    def kept(self) -> list[Kept]:
        """What is kept now of each part of the network that predicts."""
        pools = {id(mask.pool): mask.pool for mask in _masks(self.network)}.values()
        return [
            Kept(part.name, int(mask.sum()), mask.numel())
            for generator, pool in zip(self.generators, pools, strict=True)
            for part, mask in zip(generator.weights, pool.masks(), strict=True)
        ]

    # --- training ---------------------------------------------------------------------------------
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        super().on_train_batch_start(batch, batch_idx)
        epochs = self.trainer.max_epochs or 1
        steps = max(int(self.trainer.num_training_batches), 1)
        self.at((self.current_epoch + batch_idx / steps) / epochs)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 >= self.trainer.num_training_batches:
            # validation shows the final sparsity before the epoch ends
            self.present = 1 - sum(g.density for g in self.generators) / len(self.generators)

    def answers(self, batch: SkeletonGraph) -> list[Tensor]:
        """Logits of the network; of an assembly also those of its members."""
        if isinstance(self.model, SparseAssembly):
            return self.model.all_logits(batch)
        return super().answers(batch)

    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        factor = self.settings["penalty"]
        if not factor:
            return loss
        return loss + factor * torch.stack([g.penalty() for g in self.generators]).sum()

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self.log("sparsity", self.present)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self.at(1.0)

    def on_test_epoch_start(self) -> None:
        super().on_test_epoch_start()
        self.at(1.0)

    # --- afterwards -------------------------------------------------------------------------------
    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes the plain network at its final sparsity, or what ``shrink`` makes of it, and the
        task."""
        self.at(1.0)
        if self.shrink is None:
            return super().save(folder, facts)
        from stgraph.tasks.saving import save_recognition

        save_recognition(self, folder, facts, self.shrink(self.final_network()))
        return folder


def _masks(network: nn.Module) -> Iterator[LearnedMask]:
    return (module for module in network.modules() if isinstance(module, LearnedMask))
