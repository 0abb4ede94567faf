"""CTR-GCN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from stgraph.nn.conv import CTRGraphConv
from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.spatial import ConvFactory
from stgraph.nn.stages import stage_channels
from stgraph.nn.streams import each_unit
from stgraph.nn.temporal import TemporalConv
from stgraph.skeleton import Partition, PartitionStrategy, SkeletonLayout


class CTRGCN(STGCN):
    r"""CTR-GCN, from `"Channel-wise Topology Refinement Graph Convolution for Skeleton-Based Action
    Recognition" <https://arxiv.org/abs/2107.12213>`_: an :class:`STGCN` of :class:`CTRGraphConv`
    on a learned adjacency, with temporal units of four branches.

    Weights start as published: the graph units as shortcuts (their batch norms scale by 1e-6), the
    refinements at zero. Differs from the source: persons share the batch norm of the input
    (``data_norm="joint"``), so that any number of persons is welcome; the published one for each
    person slot is ``data_norm="person_joint", as_published=True``.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout that the parameters belong to.
        partition: Where the adjacency starts: a name, a strategy, a function that labels one edge,
            or a finished :class:`Partition`.
        width: Channels of the first unit.
        channels: Output channels of each unit; by default ten units as published.
        strides: Stride of each unit; by default 2 where the channels grow.
        conv: The message-passing layer; None for :class:`CTRGraphConv`.
        adaptive: What each unit learns of the adjacency, see :class:`STGCN`.
        kernel: Taps of the temporal convolutions.
        dilations: Distance between the taps of each of them.
        dropout: Dropout in every unit.
        head_dropout: Dropout before the classifier.
        data_norm: Batch norm of the input, see :class:`STGCN`.
        num_persons: See :class:`STGCN`.
        joints: Names of the joints that the network looks at; None for all. See :class:`STGCN`.
        as_published: See :class:`STGCN`.
        fold: Use the folded path where the layer has one.
        block_kwargs: Further arguments of :class:`STGCNPlusPlusBlock`, or a list with those of
            each unit.
        conv_kwargs: Further arguments of the layers, or a list with those of each unit.
        hidden_channels: See :class:`STGCN`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int | None = None,
        layout: SkeletonLayout | str | None = None,
        partition: str | PartitionStrategy | Partition | Callable[..., Any] = "inward_outward",
        width: int = 64,
        channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        conv: ConvFactory | None = None,
        adaptive: str | None = "init",
        kernel: int = 5,
        dilations: Sequence[int] = (1, 2),
        dropout: float = 0.0,
        head_dropout: float = 0.0,
        data_norm: str = "joint",
        num_persons: int = 1,
        joints: Sequence[str] | None = None,
        as_published: bool = False,
        fold: bool = True,
        block_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        conv_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        hidden_channels: Sequence[int] | None = None,
    ) -> None:
        config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        branches = {"kernel": kernel, "dilations": tuple(dilations), "mix": False}
        channels = channels or stage_channels(width)[0]
        of_block = each_unit(block_kwargs, len(channels), "block_kwargs")
        super().__init__(
            in_channels,
            num_classes,
            layout,
            partition,
            channels=channels,
            strides=strides,
            block="stgcn++",
            conv=CTRGraphConv if conv is None else conv,
            edge_importance=False,
            adaptive=adaptive,
            dropout=dropout,
            head_dropout=head_dropout,
            data_norm=data_norm,
            num_persons=num_persons,
            joints=joints,
            as_published=as_published,
            fold=fold,
            block_kwargs=[{"branches": branches, **own} for own in of_block],
            conv_kwargs=conv_kwargs,
            hidden_channels=hidden_channels,
        )
        self.config = config
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights as published; norms of branches scatter around 1."""
        for module in self.modules():
            if isinstance(module, TemporalConv):
                out, _, kernel = module.weight.shape
                nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / (out * kernel)))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in self.blocks:
            nn.init.constant_(block.norm1.weight, 1e-6)
            if isinstance(block.temporal, MultiBranchTemporalConv):
                block.temporal.reset_reduce()
                if block.temporal.norm is not None:
                    nn.init.normal_(block.temporal.norm.weight, 1.0, 0.02)
                nn.init.normal_(block.norm2.weight, 1.0, 0.02)
        if self.num_classes is not None:
            nn.init.normal_(self.head[-1].weight, 0.0, math.sqrt(2.0 / self.num_classes))
