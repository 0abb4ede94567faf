"""DG-STGCN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from stgraph.nn.blocks import DGSTGCNBlock
from stgraph.nn.conv import DynamicGroupGraphConv
from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.spatial import ConvFactory
from stgraph.nn.stages import stage_channels
from stgraph.nn.streams import each_unit
from stgraph.skeleton import Partition, SkeletonLayout, resolve_layout

#: Mean and deviation of the adjacency that PYSKL's configurations start from.
START_MEAN, START_DEVIATION = 0.04, 0.02


class DGSTGCN(STGCN):
    r"""DG-STGCN, from `"DG-STGCN: Dynamic Spatial-Temporal Modeling for Skeleton-based Action
    Recognition" <https://arxiv.org/abs/2210.05895>`_: an :class:`STGCN` of
    :class:`DynamicGroupGraphConv`, with :class:`JointSkeletonTemporalConv` along time. It knows
    nothing of bones: each of its groups starts from a random graph between all joints.

    Differs from the source: what the source takes over a clip, padding included, is taken over the
    poses of a track.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout that the parameters belong to.
        num_groups: Groups of channels with a graph each.
        width: Channels of the first unit.
        num_stages: Number of units.
        inflate_stages: Units that double the channels, counted from 1.
        down_stages: Units of stride 2, counted from 1.
        channels: Output channels of each unit, instead of the stages.
        strides: Stride of each unit, instead of the stages.
        conv: The message-passing layer; None for :class:`DynamicGroupGraphConv`.
        dropout: Dropout in every unit.
        head_dropout: Dropout before the classifier.
        data_norm: Batch norm of the input, see :class:`STGCN`.
        num_persons: See :class:`STGCN`.
        first_residual: A shortcut also in the first unit (as where it does not widen the input).
        as_published: See :class:`STGCN`.
        fold: Use the folded path where the layer has one.
        block_kwargs: Further arguments of :class:`DGSTGCNBlock`, or a list with those of each unit.
        conv_kwargs: Further arguments of the layers, or a list with those of each unit.
        hidden_channels: See :class:`STGCN`.

    Raises:
        ValueError: if there is no layout.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int | None = None,
        layout: SkeletonLayout | str | None = None,
        num_groups: int = 8,
        width: int = 64,
        num_stages: int = 10,
        inflate_stages: Sequence[int] = (5, 8),
        down_stages: Sequence[int] = (5, 8),
        channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        conv: ConvFactory | None = None,
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
        if layout is None:
            raise ValueError("a DGSTGCN learns graphs between the joints of a layout; give one")
        if channels is None:
            channels, staged = stage_channels(width, num_stages, inflate_stages, down_stages)
            strides = staged if strides is None else strides
        joints = resolve_layout(layout).num_joints
        of_block = [
            {**own, "branches": {"num_joints": joints, **own.get("branches", {})}}
            for own in each_unit(block_kwargs, len(channels), "block_kwargs")
        ]
        every_pair = torch.full((num_groups, joints, joints), START_MEAN)
        super().__init__(
            in_channels,
            num_classes,
            layout,
            Partition.from_dense(every_pair),
            channels=channels,
            strides=strides,
            block=DGSTGCNBlock,
            conv=DynamicGroupGraphConv if conv is None else conv,
            edge_importance=False,
            adaptive="init",
            dropout=dropout,
            head_dropout=head_dropout,
            data_norm=data_norm,
            num_persons=num_persons,
            first_residual=first_residual,
            as_published=as_published,
            fold=fold,
            block_kwargs=of_block,
            conv_kwargs=conv_kwargs,
            hidden_channels=hidden_channels,
        )
        self.config = config
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws one random graph that all units start from, and the classifier."""
        first = self.blocks[0].spatial.adjacency
        nn.init.normal_(first, START_MEAN, START_DEVIATION)
        for block in self.blocks[1:]:
            block.spatial.adjacency.copy_(first)
        if self.head is not None:
            nn.init.normal_(self.head[-1].weight, 0.0, 0.01)
            nn.init.zeros_(self.head[-1].bias)
