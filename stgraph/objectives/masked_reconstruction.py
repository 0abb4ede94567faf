"""The masked autoencoder: hide, encode what is left, fill in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from stgraph.nn import Tokens, make_tokens, take_tokens
from stgraph.objectives.masking import MaskingFunction
from stgraph.objectives.output import ObjectiveOutput
from stgraph.objectives.reconstruction_loss import (
    RECONSTRUCTION_LOSSES,
    ReconstructionLoss,
    squared_error,
)
from stgraph.objectives.target import Target, TargetValues
from stgraph.ops import top_k_of_group
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
        tokens: The tokens of the batch, without hidden ones that were not asked for.
        hidden: Which were hidden, bool [K].
        prediction: [K, l, C].
        target: The answers.
        share: Share of all tokens that was hidden.
    """

    tokens: Tokens
    hidden: Tensor
    prediction: Tensor
    target: TargetValues
    share: Tensor


class Filled(NamedTuple):
    """Recordings before and after hidden joints were filled in, to look at.

    Attributes:
        truth: As they are (after the transform).
        masked: With hidden joints marked as missing.
        prediction: With hidden joints where the prediction puts them.
        hidden: Which nodes were hidden, bool [N].
    """

    truth: SkeletonGraph
    masked: SkeletonGraph
    prediction: SkeletonGraph
    hidden: Tensor


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

        predict_share: Share of the hidden tokens of each recording that are filled in; the decoder
            then works on them and on the visible ones alone, as in `"VideoMAE V2"
            <https://arxiv.org/abs/2303.16727>`_. Most of a step is the decoder's, so that 0.5 saves
            about two fifths of it. For decoders of single tokens
            (:class:`~stgraph.nn.TokenDecoder`).

    Raises:
        ValueError: if the name of a loss is unknown, or the share is out of range.
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
        predict_share: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 < predict_share <= 1:
            raise ValueError(f"predict_share lies in (0, 1] (got {predict_share})")
        if predict_share < 1 and not getattr(decoder, "of_single_tokens", False):
            raise ValueError(
                f"a {type(decoder).__name__} needs all tokens of a pose: predict_share has to be 1"
            )
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
        self.predict_share = predict_share

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
        # an encoder that is bound to a layout refuses others here
        own = getattr(self.encoder, "tokens", None)
        tokens = make_tokens(batch, self.encoder.patch_size) if own is None else own(batch)
        if hidden is None:
            hidden = self.masking(batch, tokens, generator)
        encoded = self.encoder.encode(self.visible_part(batch, tokens, hidden), tokens, ~hidden)
        share = hidden.sum() / max(tokens.num_tokens, 1)
        if self.predict_share < 1:
            asked = ~hidden | self._asked(tokens, hidden, generator)
            tokens, hidden = take_tokens(tokens, asked), hidden[asked]
        with torch.no_grad():
            target = self.target(self._transformed(batch), tokens)
        prediction = self.decoder(encoded, batch, tokens, ~hidden)
        if prediction.numel() != target.value.numel():
            wanted = target.value[0].numel() if len(target.value) else 0
            raise ValueError(
                f"the decoder predicts {prediction.size(-1)} numbers a token and the target asks "
                f"for {wanted} ({target.value.size(1)} poses of {target.value.size(2)} "
                "coordinates); build it for the recordings' dimensions (num_dims)"
            )
        return Reconstruction(tokens, hidden, prediction.view_as(target.value), target, share)

    @torch.no_grad()
    def fill_in(self, batch: SkeletonGraph, generator: torch.Generator | None = None) -> Filled:
        """Hides joints and puts them where the prediction says.

        What the target leaves out (where a motion begins, the size of a normalised token) is taken
        from the truth.

        Args:
            batch: Recordings.
            generator: Draws what is hidden.

        Raises:
            ValueError: if the target is not about positions.
        """
        if not hasattr(self.target, "positions"):
            raise ValueError(f"a {type(self.target).__name__} does not say where joints are")
        tokens, hidden, prediction, *_ = self.reconstruct(batch, generator)
        truth = self._transformed(batch)
        values = prediction[hidden]
        pos = self.target.positions(values, truth, take_tokens(tokens, hidden))
        node = torch.zeros(batch.pos.size(0), dtype=torch.bool, device=pos.device)
        node[tokens.node[hidden][tokens.found[hidden]]] = True
        score = getattr(truth, "score", None)
        score = torch.ones_like(pos[:, 0]) if score is None else score
        masked = with_nodes(truth, score=torch.where(node, 0.0, score))
        return Filled(truth, masked, with_nodes(truth, pos=pos), node)

    def _asked(self, tokens: Tokens, hidden: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which hidden tokens are filled in: an exact share of each recording, bool [K]."""
        device = "cpu" if generator is None else generator.device
        noise = torch.rand(tokens.num_tokens, generator=generator, device=device)
        noise = noise.to(hidden.device).masked_fill(~hidden, -1.0)
        count = torch.bincount(tokens.batch[hidden], minlength=tokens.every_recording.numel())
        number = (count.double() * self.predict_share + 0.5).long().clamp(min=1).minimum(count)
        return top_k_of_group(noise, tokens.batch, number) & hidden

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
        return self._transformed(with_nodes(batch, pos=pos, score=score))

    def _transformed(self, batch: SkeletonGraph) -> SkeletonGraph:
        """The batch after the transform.

        Raises:
            ValueError: if the transform changed which poses there are.
        """
        if self.transform is None:
            return batch
        out = self.transform(batch)
        if out.pos.size(0) != batch.pos.size(0) or not torch.equal(
            out.track_length, batch.track_length
        ):
            raise ValueError(
                f"the transform {self.transform!r} of a masked objective changes which poses there "
                "are, so that tokens would be of others; apply it before hiding (the task's "
                "'before', at the command --prepare)"
            )
        return out

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
        _, hidden, prediction, target, share = reconstruction
        loss = self.loss(prediction[hidden], target.value[hidden], target.valid[hidden])
        return ObjectiveOutput(loss, {"hidden": share})
