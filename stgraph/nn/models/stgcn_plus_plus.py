"""ST-GCN++."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.spatial import ConvFactory
from stgraph.nn.stages import stage_channels
from stgraph.skeleton import Partition, PartitionStrategy, SkeletonLayout


class STGCNPlusPlus(STGCN):
    r"""ST-GCN++, from `"PYSKL: Towards Good Practices for Skeleton Action Recognition"
    <https://arxiv.org/abs/2205.09443>`_: an :class:`STGCN` whose units learn their whole adjacency,
    have a shortcut around the graph convolution, and look along time through six branches.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout that the parameters belong to.
        partition: Where the adjacency starts: a name, a strategy, a function that labels one edge,
            or a finished :class:`Partition`.
        width: Channels of the first unit.
        num_stages: Number of units.
        inflate_stages: Units that double the channels, counted from 1.
        down_stages: Units of stride 2, counted from 1.
        channels: Output channels of each unit, instead of the stages.
        strides: Stride of each unit, instead of the stages.
        conv: The message-passing layer, see :class:`STGCN`.
        adaptive: What each unit learns of the adjacency, see :class:`STGCN`.
        dropout: Dropout in every unit.
        head_dropout: Dropout before the classifier.
        data_norm: Batch norm of the input, see :class:`STGCN`.
        num_persons: See :class:`STGCN`.
        joints: Names of the joints that the network looks at; None for all. See :class:`STGCN`.
        first_residual: A shortcut also in the first unit (as where it does not widen the input).
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
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        conv: ConvFactory | None = None,
        adaptive: str | None = "init",
        dropout: float = 0.0,
        head_dropout: float = 0.0,
        data_norm: str = "joint",
        num_persons: int = 1,
        joints: Sequence[str] | None = None,
        first_residual: bool = False,
        as_published: bool = False,
        fold: bool = True,
        block_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        conv_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        hidden_channels: Sequence[int] | None = None,
    ) -> None:
        config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        if channels is None:
            channels, staged = stage_channels(width, num_stages, inflate_stages, down_stages)
            strides = staged if strides is None else strides
        super().__init__(
            in_channels,
            num_classes,
            layout,
            partition,
            channels=channels,
            strides=strides,
            block="stgcn++",
            conv=conv,
            edge_importance=False,
            adaptive=adaptive,
            dropout=dropout,
            head_dropout=head_dropout,
            data_norm=data_norm,
            num_persons=num_persons,
            joints=joints,
            first_residual=first_residual,
            as_published=as_published,
            fold=fold,
            block_kwargs=block_kwargs,
            conv_kwargs=conv_kwargs,
            hidden_channels=hidden_channels,
        )
        self.config = config
        if self.head is not None:
            linear = self.head[-1]
            nn.init.normal_(linear.weight, 0.0, 0.01)
            nn.init.zeros_(linear.bias)
