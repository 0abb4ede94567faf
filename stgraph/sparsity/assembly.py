"""Several sparse copies of a network that answer together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph import nn as networks
from stgraph.nn import PretrainedMixin
from stgraph.skeleton import SkeletonGraph
from stgraph.sparsity.generator import SparseGenerator, sparsify
from stgraph.sparsity.schedule import AT_ONCE, SparsitySchedule

FUSIONS = ("mean", "scale", "mix")

#: Sparsities of the published assembly; together they keep .66 of one dense network.
LEVELS = (0.6, 0.8, 0.95, 0.99)


class SparseAssembly(PretrainedMixin, nn.Module):
    r"""Members see the same recordings; what they make of them is fused, then classified, from
    `"Are Spatial-Temporal Graph Convolution Networks for Human Action Recognition
    Over-Parameterized?" <https://arxiv.org/abs/2505.10679>`_

    Each member also has a classifier of its own, which only training looks at: see
    :meth:`all_logits`. The published code fuses maps of features and pools then; pooling is a mean,
    so that fusing what is pooled is the same.

    Args:
        members: Encoders of equally many channels, or what :meth:`save_pretrained` wrote of them.
        num_classes: Number of classes.
        fusion: ``"mean"``; ``"scale"``: the mean after a learned factor for each member; ``"mix"``:
            a linear layer on all of them.
        head_dropout: Dropout before the classifiers.

    Raises:
        ValueError: if members do not fit together, or a word is unknown.
    """

    members: Any

    def __init__(
        self,
        members: Sequence[nn.Module | Mapping[str, Any]],
        num_classes: int,
        fusion: str = "mean",
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise ValueError(f"unknown fusion {fusion!r}; known are {', '.join(FUSIONS)}")
        if not members:
            raise ValueError("an assembly has at least one member (got none)")
        built = [m if isinstance(m, nn.Module) else _build(m) for m in members]
        self.config = {
            "members": [_describe(member) for member in built],
            "num_classes": num_classes,
            "fusion": fusion,
            "head_dropout": head_dropout,
        }
        widths = [int(member.out_channels) for member in built]  # type: ignore[arg-type]
        if len(set(widths)) > 1:
            raise ValueError(f"members give embeddings of different sizes, {widths}")
        self.members = nn.ModuleList(built)
        self.num_classes, self.fusion = num_classes, fusion
        self.out_channels = widths[0]
        self.in_channels = built[0].in_channels
        self.layout = getattr(built[0], "layout", None)
        self.scale = nn.Parameter(torch.ones(len(built))) if fusion == "scale" else None
        self.mix = nn.Linear(sum(widths), widths[0]) if fusion == "mix" else None
        self.dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(widths[0], num_classes)
        self.auxiliary = nn.ModuleList(nn.Linear(width, num_classes) for width in widths)

    def fuse(self, parts: Sequence[Tensor]) -> Tensor:
        """Embeddings of the members, [B, D] each, to one [B, D]."""
        if self.mix is not None:
            return self.mix(torch.cat(list(parts), dim=1))
        stacked = torch.stack(list(parts))
        if self.scale is not None:
            stacked = stacked * self.scale[:, None, None]
        return stacked.mean(dim=0)

    def embed(self, batch: SkeletonGraph) -> Tensor:
        """Fused embeddings [B, D]."""
        return self.fuse([member.embed(batch) for member in self.members])

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Logits [B, num_classes] of the fused embeddings."""
        return self.head(self.dropout(self.embed(batch)))

    def all_logits(self, batch: SkeletonGraph) -> list[Tensor]:
        """Logits of the fused embeddings, then those of each member, to train all of them."""
        parts = [member.embed(batch) for member in self.members]
        own = [head(self.dropout(z)) for head, z in zip(self.auxiliary, parts, strict=True)]
        return [self.head(self.dropout(self.fuse(parts))), *own]


class Assembled(NamedTuple):
    """An assembly and what makes its members sparse.

    Attributes:
        model: The assembly.
        generators: One a member.
    """

    model: SparseAssembly
    generators: list[SparseGenerator]

    @property
    def density(self) -> float:
        """Prunable entries that all members keep, in units of one dense member."""
        return sum(generator.density for generator in self.generators)


def assemble(
    make_member: Callable[[], nn.Module],
    num_classes: int,
    sparsities: Sequence[float] = LEVELS,
    *,
    fusion: str = "mean",
    head_dropout: float = 0.0,
    schedule: SparsitySchedule = AT_ONCE,
    **options: Any,
) -> Assembled:
    """Several levels of sparsity of one network, to be trained together.

    Args:
        make_member: Makes an encoder without a classifier, with weights of its own each time.
        num_classes: Number of classes.
        sparsities: One a member.
        fusion: See :class:`SparseAssembly`.
        head_dropout: Likewise.
        schedule: When the members become sparse.
        **options: Further ones of :func:`sparsify`.
    """
    members = [make_member() for _ in sparsities]
    model = SparseAssembly(members, num_classes, fusion, head_dropout)
    generators = [
        sparsify(member, sparsity, schedule=schedule, **options)
        for member, sparsity in zip(members, sparsities, strict=True)
    ]
    return Assembled(model, generators)


def _describe(member: nn.Module) -> dict[str, Any]:
    if not isinstance(member, PretrainedMixin):
        raise ValueError(f"a member is an encoder of stgraph (got {type(member).__name__})")
    return {"model": type(member).__name__, **member.config}


def _build(description: Mapping[str, Any]) -> nn.Module:
    arguments = dict(description)
    name = arguments.pop("model", None)
    kind = getattr(networks, str(name), None) if name in networks.__all__ else None
    if not (isinstance(kind, type) and issubclass(kind, PretrainedMixin)):
        raise ValueError(f"a member of the assembly is a {name!r}, which is no encoder of stgraph")
    member: Any = kind(**arguments)
    return member
