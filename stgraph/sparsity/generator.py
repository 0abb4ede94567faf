"""A sparse network out of a dense one, learned together with its weights."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from stgraph.sparsity.masking import LearnedMask, bake_masks
from stgraph.sparsity.prunable import (
    Prunable,
    PrunableParts,
    prunable_channels,
    prunable_edges,
    prunable_weights,
)
from stgraph.sparsity.schedule import AT_ONCE, SparsitySchedule
from stgraph.sparsity.score_pool import ScorePool, threshold

#: Half the width of the interval that scores of ``"uniform"`` begin in: that of Kaiming's rule for
#: 64 channels and nine taps, so that learning rates of published recipes fit.
UNIFORM = 0.1


GRANULARITIES = ("weight", "channel", "edge")


class Kept(NamedTuple):
    """How much of a weight, or of all of them, is there.

    Attributes:
        name: Of the weight.
        kept: Entries that are not cut.
        total: Entries.
    """

    name: str
    kept: int
    total: int

    @property
    def density(self) -> float:
        """Share that is kept."""
        return self.kept / self.total


class SparseGenerator:
    """What :func:`sparsify` returns: holds the scores of a network and says what they cut.

    Attributes:
        model: The network, changed in place.
        sparsity: Share of the prunable entries that is cut in the end.
        schedule: When.
        weights: What may be cut: weights, channels or edges; prints as a table.
        pool: Scores and masks.
    """

    def __init__(
        self,
        model: nn.Module,
        sparsity: float,
        schedule: SparsitySchedule,
        weights: PrunableParts,
        pool: ScorePool,
        as_published: bool,
    ) -> None:
        self.model, self.sparsity, self.schedule = model, sparsity, schedule
        self.weights, self.pool, self.as_published = weights, pool, as_published
        self.progress = 0.0
        self.at(0.0)

    def at(self, progress: float) -> float:
        """Sets and returns the sparsity after a share ``progress`` of the training, 0 to 1."""
        self.progress = progress
        self.pool.sparsity = self.sparsity * self.schedule.factor(progress)
        return self.pool.sparsity

    def masks(self) -> dict[str, Tensor]:
        """Which entries are kept now, bool, by the name of the weight."""
        return {w.name: m for w, m in zip(self.weights, self.pool.masks(), strict=True)}

    def kept(self) -> list[Kept]:
        """What is kept of each weight now."""
        return [Kept(name, int(m.sum()), m.numel()) for name, m in self.masks().items()]

    @property
    def density(self) -> float:
        """Share of all prunable entries that is kept now."""
        kept = self.kept()
        return sum(k.kept for k in kept) / sum(k.total for k in kept)

    def penalty(self) -> Tensor:
        r"""What pulls weights to zero before they are cut.

        .. math:: \lambda \sum_{\text{blocks}} \lVert W \odot (1 - m) \rVert_2

        with the mask of the final sparsity; the weight grows from 0 to 1 during the warm-up, after
        which there is no penalty. ``as_published`` it has no gradient, a threshold of its own in
        each block, and counts what lies on the threshold.
        """
        warm_up = self.schedule.warm_up
        if warm_up == 0 or self.progress > warm_up:
            return self.pool.scores[0].new_zeros(())
        blocks: dict[str, list[int]] = {}
        for i, weight in enumerate(self.weights):
            blocks.setdefault(block_of(weight.name), []).append(i)
        cut = self._cut_in_the_end(list(blocks.values()))
        norms = []
        for places in blocks.values():
            pieces = [piece for i in places for piece in _entries(self.weights[i], cut[i])]
            norms.append(torch.linalg.vector_norm(torch.cat(pieces)))
        total = torch.stack(norms).sum() * (self.progress / warm_up)
        return total.detach() if self.as_published else total

    @torch.no_grad()
    def _cut_in_the_end(self, blocks: list[list[int]]) -> list[Tensor]:
        if not self.as_published:
            return [~mask for mask in self.pool.masks_at(self.sparsity)]
        scores = self.pool.scores
        cut = [torch.empty(0)] * len(scores)
        for places in blocks:
            together = torch.cat([scores[i].flatten() for i in places])
            least = threshold(together, self.sparsity)
            for i in places:
                cut[i] = scores[i] <= least
        return cut

    def finalize(self) -> nn.Module:
        """The network at its final sparsity, plain: zeros where it is cut, nothing that learns."""
        self.at(1.0)
        return bake_masks(self.model)

    def __str__(self) -> str:
        kept = self.kept()
        kept.append(Kept("kept", sum(k.kept for k in kept), sum(k.total for k in kept)))
        width = max(len(k.name) for k in kept)
        lines = [
            f"{k.name:<{width}}  {k.kept:>10,} of {k.total:>10,}  {k.density:7.2%}" for k in kept
        ]
        return "\n".join(lines)


def sparsify(
    model: nn.Module,
    sparsity: float,
    *,
    scope: str = "global",
    schedule: SparsitySchedule = AT_ONCE,
    scores: str = "uniform",
    floor: float | None = 0.01,
    granularity: str = "weight",
    include: str | None = None,
    exclude: str | None = None,
    as_published: bool = False,
) -> SparseGenerator:
    r"""Gives every prunable weight of a network a score of its shape that learns which entries are
    cut, the *sparse generator* of `"Are Spatial-Temporal Graph Convolution Networks for Human
    Action Recognition Over-Parameterized?" <https://arxiv.org/abs/2505.10679>`_

    Entries whose scores are among the lowest share are zero in every pass; gradients go straight
    through to the scores of all entries, so that what was cut can return. Train as ever and tell
    :meth:`SparseGenerator.at` how far training is; add :meth:`SparseGenerator.penalty` to the loss
    if wanted; :meth:`SparseGenerator.finalize` makes a plain network again.

    Args:
        model: Any network, changed in place.
        sparsity: Share of the prunable entries that is cut in the end.
        scope: ``"global"``: one threshold for all layers; ``"layer"``: one for each.
        schedule: When the network becomes sparse.
        scores: How scores begin: ``"uniform"``: alike in all layers; ``"kaiming"``: as the weights
            of their layer, which makes a global threshold cut wide layers first; ``"magnitude"``:
            the size of the weight beside that of its layer.
        floor: Share of its entries that every layer keeps in any case; None: it may be emptied.
        granularity: ``"weight"``: one score an entry; ``"channel"``: one a channel, which
            :func:`compress` then takes out (:func:`prunable_channels`); ``"edge"``: one an edge of
            the graph, in all units together (:func:`prunable_edges`).
        include: See :func:`prunable_weights` and :func:`prunable_channels`.
        exclude: Likewise.
        as_published: As the public code: Kaiming's scores, no floor, convolutions of shortcuts
            always keep the scores from 0 on, about half, and the penalty has no gradient.

    Raises:
        ValueError: if a share is outside of [0, 1), a word is unknown, or the network is masked
            already.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"'sparsity' is the share that is cut, in [0, 1) (got {sparsity})")
    schedule.check()
    rules: dict[str, Callable[[Tensor], Tensor]] = {
        "uniform": uniform_scores,
        "kaiming": kaiming_scores,
        "magnitude": magnitude_scores,
    }
    if scores not in rules:
        raise ValueError(f"unknown scores {scores!r}; known are {', '.join(rules)}")
    if any(parametrize.is_parametrized(module) for module in model.modules()):
        raise ValueError(
            "this network has masks or other parametrizations already; finalize it first"
        )
    if granularity not in GRANULARITIES:
        raise ValueError(
            f"unknown granularity {granularity!r}; known are {', '.join(GRANULARITIES)}"
        )
    if as_published and granularity != "weight":
        raise ValueError("the published code masks weights; as_published needs that granularity")
    if granularity == "weight":
        weights = prunable_weights(model, include, exclude)
    elif granularity == "channel":
        weights = prunable_channels(model, include, exclude)
    else:
        weights = prunable_edges(model)
    rule = kaiming_scores if as_published else rules[scores]
    learned = [nn.Parameter(rule(part.magnitude())) for part in weights]
    pool = ScorePool(
        learned,
        "global" if as_published else scope,
        None if as_published else floor,
        [as_published and w.residual for w in weights],
    )
    for i, part in enumerate(weights):
        for gate in part.gates:
            mask = LearnedMask(pool, i, gate.slice)
            parametrize.register_parametrization(gate.module, gate.parameter, mask, unsafe=True)
    return SparseGenerator(model, sparsity, schedule, weights, pool, as_published)


def _entries(part: Prunable, cut: Tensor) -> list[Tensor]:
    """What lies below the masks of a part where they will cut."""
    found = []
    for gate in part.gates:
        layers: Any = gate.module.parametrizations
        original = layers[gate.parameter].original
        if gate.slice is None:
            found.append(original[cut])
        else:
            found.append(original.index_select(gate.slice.axis, gate.slice.rows(cut)).flatten())
    return found


def uniform_scores(size: Tensor) -> Tensor:
    """Uniform in an interval that is the same for all layers."""
    return torch.empty_like(size).uniform_(-UNIFORM, UNIFORM)


def kaiming_scores(size: Tensor) -> Tensor:
    """Kaiming's uniform rule of the weight's fan-in, for ReLU."""
    bound = math.sqrt(6 / size[0].numel())
    return torch.empty_like(size).uniform_(-bound, bound)


def magnitude_scores(size: Tensor) -> Tensor:
    """Sizes of what may be cut, in units of their layer's mean, on the scale of the others."""
    return size / size.mean().clamp_min(torch.finfo(size.dtype).tiny) * UNIFORM


def block_of(name: str) -> str:
    """The block that a weight belongs to: its name up to the number of the block."""
    found = re.match(r"(.*\bblocks\.\d+)\.", name)
    return found[1] if found else name.rpartition(".")[0]
