"""Which weights of a network may be cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from torch import nn

from stgraph.nn.temporal import Shortcut

#: Every tensor of a message-passing, temporal or attention layer inside of a block. What identifies
#: joints, embeds the input, normalises or classifies stays whole.
PRUNABLE = r"(^|\.)blocks\..*weight$"


class PrunableWeight(NamedTuple):
    """A tensor whose entries may be cut.

    Attributes:
        name: Its name in the network.
        module: What owns it.
        parameter: Its name there.
        shape: Its shape.
        residual: Whether it is the 1x1 convolution of a shortcut.
    """

    name: str
    module: nn.Module
    parameter: str
    shape: tuple[int, ...]
    residual: bool

    @property
    def numel(self) -> int:
        """Number of entries."""
        return getattr(self.module, self.parameter).numel()


class PrunableWeights(Sequence[PrunableWeight]):
    """The weights of a network that may be cut; prints as a table."""

    def __init__(self, weights: Iterable[PrunableWeight], parameters: int) -> None:
        self.weights = list(weights)
        self.parameters = parameters

    @overload
    def __getitem__(self, index: int) -> PrunableWeight: ...
    @overload
    def __getitem__(self, index: slice) -> list[PrunableWeight]: ...
    def __getitem__(self, index: int | slice) -> PrunableWeight | list[PrunableWeight]:
        return self.weights[index]

    def __len__(self) -> int:
        return len(self.weights)

    def __iter__(self) -> Iterator[PrunableWeight]:
        return iter(self.weights)

    @property
    def numel(self) -> int:
        """Number of entries of all of them."""
        return sum(weight.numel for weight in self.weights)

    def __str__(self) -> str:
        width = max((len(weight.name) for weight in self.weights), default=6)
        lines = [
            f"{weight.name:<{width}}  {weight.numel:>10,}  {' x '.join(map(str, weight.shape))}"
            for weight in self.weights
        ]
        share = self.numel / self.parameters if self.parameters else 0.0
        lines.append(
            f"{'prunable':<{width}}  {self.numel:>10,}  of {self.parameters:,} parameters "
            f"({share:.0%})"
        )
        return "\n".join(lines)


def prunable_weights(
    model: nn.Module, include: str | None = None, exclude: str | None = None
) -> PrunableWeights:
    r"""The weights of a network that may be cut.

    By default every tensor of two or more dimensions called ``weight`` (or ``..._weight``) of the
    layers inside of blocks: graph, temporal and attention layers, multilayer perceptrons,
    projections of shortcuts. Biases, norms, learned adjacencies, embeddings of the input and of
    joints and the classifier stay whole.

    Args:
        model: Any network.
        include: Regular expression that a name has to contain, instead of the rule above.
        exclude: Regular expression of names to leave out.

    Raises:
        ValueError: if there is none, or an expression is wrong.
    """
    try:
        wanted = re.compile(include or PRUNABLE)
        unwanted = None if exclude is None else re.compile(exclude)
    except re.error as error:
        raise ValueError(f"{error.pattern!r} is no regular expression: {error}") from None
    residual = {
        id(inner)
        for module in model.modules()
        if isinstance(module, Shortcut)
        for inner in module.modules()
    }
    found = []
    for name, parameter in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        if parameter.dim() < 2 or isinstance(module, nn.Embedding) or not wanted.search(name):
            continue
        if unwanted is not None and unwanted.search(name):
            continue
        found.append(
            PrunableWeight(name, module, leaf, tuple(parameter.shape), id(module) in residual)
        )
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no weight whose name fits {include or PRUNABLE!r}; say "
            "which may be cut with include="
        )
    return PrunableWeights(found, sum(p.numel() for p in model.parameters()))
