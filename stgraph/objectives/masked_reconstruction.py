"""The masked autoencoder: hide, encode what is left, fill in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from stgraph.nn import Tokens, make_tokens
from stgraph.objectives.masking import MaskingFunction
from stgraph.objectives.output import ObjectiveOutput
from stgraph.objectives.reconstruction_loss import (
    RECONSTRUCTION_LOSSES,
    ReconstructionLoss,
    squared_error,
)
from stgraph.objectives.target import Target, TargetValues
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import with_nodes


class MaskedEncoder(Protocol):
    """An encoder that can leave out tokens: :class:`~stgraph.nn.SkeletonTransformer`, or
    :class:`~stgraph.objectives.MaskTokens` around one that works on nodes."""

    patch_size: int
    out_channels: int

    def encode(self, batch: SkeletonGraph, tokens: Tokens, visible: Tensor) -> Tensor:
        """Embeddings of the visible tokens [K', D], or of all, the hidden ones replaced [K, D]."""


class Reconstruction(NamedTuple):
    """A prediction with what it was asked.

    Attributes:
        tokens: The tokens of the batch.
        hidden: Which were hidden, bool [K].
        prediction: [K, l, C].
        target: The answers.
    """

    tokens: Tokens
    hidden: Tensor
    prediction: Tensor
    target: TargetValues


class MaskedReconstruction(nn.Module):
    r"""Hides a part of each recording and learns to fill it in, a graph-level task of parts that
    can each be replaced.

    The values of hidden and of missing joints have no influence on what the encoder gives: a
    transform for the encoder (streams, normalisation) is applied after they were taken out.

    Args:
        encoder: Encodes what is visible.
        decoder: Called as ``decoder(encoded, batch, tokens, visible)``; gives a prediction for
            every token, [K, l * C].
        masking: Chooses what is hidden.
        target: What to fill in.
        loss: A function of predictions, answers and where there are any; or one of
            ``"squared_error"``, ``"smooth_l1"``, ``"scaled_cosine_error"``.
        transform: Applied to what the encoder sees after hiding, and to the whole recording before
            the answers are taken from it.

    Raises:
        ValueError: if the name of a loss is unknown.
    """

    #: Figures of an output besides its loss.
    log_names = ("hidden",)

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        masking: MaskingFunction,
        target: Target,
        loss: str | ReconstructionLoss = squared_error,
        transform: Callable[[SkeletonGraph], SkeletonGraph] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(loss, str):
            if loss not in RECONSTRUCTION_LOSSES:
                known = ", ".join(RECONSTRUCTION_LOSSES)
                raise ValueError(f"unknown loss {loss!r}; known are {known}")
            loss = RECONSTRUCTION_LOSSES[loss]
        self.encoder: Any = encoder
        self.decoder: Any = decoder
        self.masking = masking
        self.target: Any = target
        self.loss = loss
        self.transform = transform

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of one draw of what is hidden.

        Args:
            batch: Recordings.
            generator: Draws what is hidden.
        """
        return self.score(self.reconstruct(batch, generator))

    def reconstruct(
        self,
        batch: SkeletonGraph,
        generator: torch.Generator | None = None,
        hidden: Tensor | None = None,
    ) -> Reconstruction:
        """Predictions with what was hidden.

        Args:
            batch: Recordings.
            generator: Draws what is hidden.
            hidden: What to hide instead, bool [K].
        """
        tokens = make_tokens(batch, self.encoder.patch_size)
        if hidden is None:
            hidden = self.masking(batch, tokens, generator)
        encoded = self.encoder.encode(self.visible_part(batch, tokens, hidden), tokens, ~hidden)
        with torch.no_grad():
            target = self.target(batch if self.transform is None else self.transform(batch), tokens)
        prediction = self.decoder(encoded, batch, tokens, ~hidden)
        if prediction.numel() != target.value.numel():
            asked = target.value[0].numel() if len(target.value) else 0
            raise ValueError(
                f"the decoder predicts {prediction.size(-1)} numbers a token and the target asks "
                f"for {asked} ({target.value.size(1)} poses of {target.value.size(2)} "
                "coordinates); build it for the recordings' dimensions (num_dims)"
            )
        return Reconstruction(tokens, hidden, prediction.view_as(target.value), target)

    def visible_part(self, batch: SkeletonGraph, tokens: Tokens, hidden: Tensor) -> SkeletonGraph:
        """The batch with hidden joints marked as missing, after the transform.

        Args:
            batch: Recordings.
            tokens: Its tokens.
            hidden: Which are hidden, bool [K].
        """
        if self.transform is None:
            return batch  # the encoder takes visible tokens alone
        keep = torch.zeros(batch.pos.size(0), dtype=torch.bool, device=batch.pos.device)
        keep[tokens.node[~hidden][tokens.found[~hidden]]] = True
        score = getattr(batch, "score", None)
        score = keep.to(batch.pos.dtype) if score is None else torch.where(keep, score, 0.0)
        pos = torch.where(keep[:, None], batch.pos, torch.zeros_like(batch.pos))
        return self.transform(with_nodes(batch, pos=pos, score=score))

    def after_step(self) -> None:
        """Lets a target that follows the encoder do so; called after every optimiser step."""
        after = getattr(self.target, "after_step", None)
        if after is not None:
            after()

    def score(self, reconstruction: Reconstruction) -> ObjectiveOutput:
        """The loss over hidden tokens.

        Args:
            reconstruction: Of :meth:`reconstruct`.
        """
        tokens, hidden, prediction, target = reconstruction
        loss = self.loss(prediction[hidden], target.value[hidden], target.valid[hidden])
        share = hidden.sum() / max(tokens.num_tokens, 1)
        return ObjectiveOutput(loss, {"hidden": share})
