"""AAGCN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from stgraph.nn.blocks import AAGCNBlock
from stgraph.nn.conv import AdaptiveGraphConv
from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.spatial import ConvFactory
from stgraph.nn.stages import stage_channels
from stgraph.nn.streams import each_unit
from stgraph.nn.temporal import TemporalConv
from stgraph.skeleton import Partition, PartitionStrategy, SkeletonLayout, resolve_layout


class AAGCN(STGCN):
    r"""Attention-enhanced adaptive graph network, from `"Skeleton-Based Action Recognition with
    Multi-Stream Adaptive Graph Convolutional Networks" <https://arxiv.org/abs/1912.06971>`_: an
    :class:`STGCN` of :class:`AdaptiveGraphConv` on a learned adjacency, whose graph units end with
    :class:`STCAttention`. ``attention=False`` is the adaptive network of `2s-AGCN
    <https://arxiv.org/abs/1805.07694>`_, in PYSKL's form.

    Weights start as PYSKL has it: the graph units as shortcuts (their batch norms scale by 1e-6),
    attention between joints at zero. Differs from the source: what the source takes over a clip,
    padding included, is taken over the poses of a track; and persons share the batch norm of the
    input (the published one is ``data_norm="person_joint", as_published=True``).

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
        conv: The message-passing layer; None for :class:`AdaptiveGraphConv`.
        adaptive: What each unit learns of the adjacency, see :class:`STGCN`.
        attention: End each graph unit with :class:`STCAttention`.
        temporal_kernel: Taps of the temporal convolutions.
        dropout: Dropout in every unit.
        head_dropout: Dropout before the classifier.
        data_norm: Batch norm of the input, see :class:`STGCN`.
        num_persons: See :class:`STGCN`.
        first_residual: A shortcut also in the first unit (as where it does not widen the input).
        as_published: See :class:`STGCN`.
        fold: Use the folded path where the layer has one.
        block_kwargs: Further arguments of :class:`AAGCNBlock`, or a list with those of each unit.
        conv_kwargs: Further arguments of the layers, or a list with those of each unit.
        hidden_channels: See :class:`STGCN`.

    Raises:
        ValueError: if attention to joints is asked for without a layout.
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
        attention: bool = True,
        temporal_kernel: int = 9,
        dropout: float = 0.0,
        head_dropout: float = 0.0,
        data_norm: str = "joint",
        num_persons: int = 1,
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
        attended = None
        if attention:
            if layout is None:
                raise ValueError(
                    "attention to joints needs a layout to bind parameters to; give one, or set "
                    "attention=False"
                )
            attended = resolve_layout(layout).num_joints
        of_block = each_unit(block_kwargs, len(channels), "block_kwargs")
        super().__init__(
            in_channels,
            num_classes,
            layout,
            partition,
            channels=channels,
            strides=strides,
            block=AAGCNBlock,
            conv=AdaptiveGraphConv if conv is None else conv,
            temporal_kernel=temporal_kernel,
            edge_importance=False,
            adaptive=adaptive,
            dropout=dropout,
            head_dropout=head_dropout,
            data_norm=data_norm,
            num_persons=num_persons,
            first_residual=first_residual,
            as_published=as_published,
            fold=fold,
            block_kwargs=[{"attended_joints": attended, **own} for own in of_block],
            conv_kwargs=conv_kwargs,
            hidden_channels=hidden_channels,
        )
        self.config = config
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weights as PYSKL does: convolutions by fan-out, graph units as shortcuts."""
        for block in self.blocks:
            nn.init.constant_(block.norm1.weight, 1e-6)
            for module in (block.inner.conv, block.temporal):
                if isinstance(module, TemporalConv):
                    out, _, kernel = module.weight.shape
                    nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / (out * kernel)))
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)
        if self.head is not None:
            nn.init.normal_(self.head[-1].weight, 0.0, 0.01)
            nn.init.zeros_(self.head[-1].bias)
