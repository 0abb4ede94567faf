"""Spatial-temporal graph convolutional networks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.nn.blocks import (
    AAGCNBlock,
    DGSTGCNBlock,
    PlainBlock,
    PreActivationBlock,
    STGCNBlock,
    STGCNPlusPlusBlock,
)
from stgraph.nn.bound_edges import BoundEdges
from stgraph.nn.channels import ChannelGroup
from stgraph.nn.data_norm import JointNorm, make_data_norm
from stgraph.nn.kept_joints import kept_joints
from stgraph.nn.lanes import node_features
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.plan import EncoderPlan, make_encoder_plan, plan_steps
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.spatial import ConvFactory, SpatialOperator, make_conv
from stgraph.nn.stages import stgcn_channels
from stgraph.nn.streams import each_unit, stream_arguments, stream_groups
from stgraph.nn.tokens import check_batch
from stgraph.ops import pool_poses
from stgraph.skeleton import (
    Partition,
    PartitionStrategy,
    SkeletonGraph,
    SkeletonLayout,
    resolve_layout,
    resolve_partition,
)

BLOCKS: dict[str, type[nn.Module]] = {
    "stgcn": STGCNBlock,
    "plain": PlainBlock,
    "preactivation": PreActivationBlock,
    "stgcn++": STGCNPlusPlusBlock,
}
# those that can do without a shortcut, as the first unit does
SHORTCUT_BLOCKS = (STGCNBlock, STGCNPlusPlusBlock, AAGCNBlock, DGSTGCNBlock)


class STGCN(PretrainedMixin, nn.Module):
    r"""Spatial-temporal graph convolutional network, from `"Spatial Temporal Graph Convolutional
    Networks for Skeleton-Based Action Recognition" <https://arxiv.org/abs/1801.07455>`_ and the
    KTH project report of Nagy, Panesar and Qian.

    ``model(batch)`` takes a :class:`SkeletonGraph` or a batch of them, with any number of persons
    and any lengths, and returns one embedding a recording, or logits if ``num_classes`` is given.
    A recording without poses has the embedding zero.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout that joint-bound parameters belong to. None: any layouts, also mixed in
            one batch; then ``edge_importance`` must be False, ``adaptive`` None and ``data_norm``
            not bound to joints.
        partition: Labels the edges: a name, a strategy, a function that labels one edge, or a
            finished :class:`Partition`.
        width: Channels of the first unit.
        depth: 9 or 12, see :func:`stgcn_channels`.
        channels: Output channels of each unit, instead of ``width`` and ``depth``.
        strides: Stride of each unit; by default 2 where the channels grow, else 1.
        block: ``"stgcn"`` (Yan et al.), ``"plain"`` or ``"preactivation"`` (Nagy et al.),
            ``"stgcn++"`` (PYSKL; see :class:`STGCNPlusPlus`), or a block class.
        conv: The message-passing layer: None for :class:`STGraphConv`, a class or factory called
            as ``conv(in_channels, out_channels)``, or the name of a layer of
            ``torch_geometric.nn``.
        temporal_kernel: Taps of the temporal convolutions.
        edge_importance: Learn a factor for each edge in each unit (unless ``adaptive`` says what
            is learned).
        adaptive: What each unit learns of the adjacency: ``"importance"``: a factor for each edge;
            ``"init"``: all of it, between any two joints, from the partition's weights;
            ``"offset"``: the same, added to the partition's weights; None: see above.
        dropout: Dropout in every unit (in ``"stgcn"`` blocks all but the first).
        head_dropout: Dropout before the classifier.
        data_norm: Batch norm of the input for each channel of each ``"joint"`` (Yan et al.), for
            each ``"channel"``, ``"none"``, or for each joint of each person ``"person_joint"``
            (published networks only: ``as_published=True``).
        num_persons: Number of persons in every recording, for ``data_norm="person_joint"``.
        joints: Names of the joints that the network looks at; None for all. Others are cut off
            where a recording comes in, with their edges; the weights of the remaining edges stay.
            Recordings have all joints of the layout, or exactly these in any order.
        first_residual: A shortcut also in the first unit, in blocks that leave it out there.
        as_published: The network is run as its authors run it, on batches of
            ``SkeletonGraph.from_dense(..., keep_absent=True)``, in which absent persons and frames
            are poses at zero that enter batch norms and means. Allows norms that tell the first
            person from the second; such a network is exempt from the law that the order of tracks
            does not matter.
        fold: Use the folded path where the layer has one; False forces message passing.
        block_kwargs: Further arguments of the blocks, or a list with those of each unit.
        conv_kwargs: Further arguments of the layers, or a list with those of each unit.
        hidden_channels: Channels between the two convolutions of each unit; by default its output
            channels.

    Raises:
        ValueError: if joint-bound parameters are asked for without a layout, or a batch does not
            fit the layout or the channels.
    """

    # of blocks, which nn.ModuleList would hide from type checkers
    blocks: Any
    head: Any
    kept: Tensor | None  # joints that are looked at, int64 [V]

    def __init__(
        self,
        in_channels: int,
        num_classes: int | None = None,
        layout: SkeletonLayout | str | None = None,
        partition: str | PartitionStrategy | Partition | Callable[..., Any] = "spatial",
        width: int = 64,
        depth: int = 9,
        channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        block: str | type[nn.Module] = "stgcn",
        conv: ConvFactory | None = None,
        temporal_kernel: int = 9,
        edge_importance: bool = True,
        adaptive: str | None = None,
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
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.layout = None if layout is None else resolve_layout(layout)
        self.strategy = None if isinstance(partition, Partition) else resolve_partition(partition)
        if adaptive is None and edge_importance:
            adaptive = "importance"
        if self.layout is None and (
            adaptive or data_norm.endswith("joint") or isinstance(partition, Partition)
        ):
            raise ValueError(
                "without a layout there are no joints to bind parameters to: set "
                "edge_importance=False, adaptive=None, data_norm='channel' and give a strategy"
            )
        if data_norm == "person_joint" and not as_published:
            raise ValueError(
                "data_norm='person_joint' makes the output depend on the order of persons; it is "
                "there for published networks, set as_published=True"
            )
        self.register_buffer("kept", kept_joints(self.layout, joints), persistent=False)
        fixed = partition if isinstance(partition, Partition) else None
        self._edges = BoundEdges(self.layout, self.strategy, self.kept, fixed)
        own = self._edges.inside
        known = self.layout or resolve_layout("kinect_v2_25")
        self.num_types = self.partition_of(known).num_types
        channels = list(channels or stgcn_channels(width, depth))
        if strides is None:
            before = [channels[0], *channels]
            strides = [2 if c > b else 1 for b, c in zip(before, channels, strict=False)]
        if len(strides) != len(channels):
            raise ValueError(f"expected {len(channels)} strides, one a unit (got {len(strides)})")
        hidden = channels if hidden_channels is None else list(hidden_channels)
        if len(hidden) != len(channels):
            raise ValueError(
                f"expected {len(channels)} hidden_channels, one a unit (got {len(hidden)})"
            )
        of_block = each_unit(block_kwargs, len(channels), "block_kwargs")
        of_conv = each_unit(conv_kwargs, len(channels), "conv_kwargs")
        self.channels, self.strides = channels, list(strides)
        self.out_channels = channels[-1]

        num_joints = None if own is None else own.num_joints
        self.data_norm = make_data_norm(data_norm, in_channels, num_joints, num_persons)
        self.num_slots = num_persons if data_norm == "person_joint" else None
        block_class = BLOCKS.get(block) if isinstance(block, str) else block
        if block_class is None:
            raise ValueError(f"unknown block {block!r}; known are {', '.join(BLOCKS)}")
        self.blocks = nn.ModuleList()
        for i, (inp, out, stride) in enumerate(
            zip([in_channels, *channels], channels, self.strides, strict=False)
        ):
            layer = make_conv(conv, inp, hidden[i], self.num_types, **of_conv[i])
            spatial = SpatialOperator(layer, own, adaptive, fold, hidden[i])
            options = {"dropout": dropout, **of_block[i]}
            if hidden_channels is not None:
                options["hidden_channels"] = hidden[i]
            if i == 0 and block_class in SHORTCUT_BLOCKS:
                options["residual"] = first_residual
            if i == 0 and block_class is STGCNBlock:
                options["dropout"] = 0.0
            self.blocks.append(
                block_class(
                    spatial, inp, out, stride=stride, temporal_kernel=temporal_kernel, **options
                )
            )
        self.in_width = in_channels
        self.plan_index, self.plan_steps = plan_steps(self.strides)
        self.reach = max(getattr(m, "reach", 0) for m in self.blocks.modules())
        self.chunks = any(block.spatial.fold and block.spatial.per_track for block in self.blocks)
        self.head = None
        if num_classes is not None:
            self.head = nn.Sequential(
                nn.Dropout(head_dropout), nn.Linear(self.out_channels, num_classes)
            )

    # --- a batch ---
    def partition_of(self, layout: SkeletonLayout) -> Partition:
        """The labelled edges that the network uses on a layout, by the joint numbers of it.

        Raises:
            ValueError: if the network is bound to a layout of other joints, or in another order.
        """
        return self._edges.of(layout, type(self).__name__)

    def unpack(self, batch: SkeletonGraph) -> tuple[Tensor, EncoderPlan]:
        """The tensors of a batch that :meth:`core` takes: features [V, P, C] and a plan."""
        x = node_features(batch)
        if x.size(1) != self.in_channels:
            raise ValueError(
                f"this STGCN expected {self.in_channels} input channels (got {x.size(1)}). Is a "
                "stream transform missing, or the data of other dimensions?"
            )
        distinct = list(dict.fromkeys(batch.layouts))
        partitions = {layout: self.partition_of(layout) for layout in distinct}
        mixed = len(distinct) > 1 and self.layout is None
        if mixed:
            plan = make_encoder_plan(batch, partitions, self.plan_steps, self.reach, fold=False)
            nodes = make_encoder_plan(batch, partitions, [], self.reach, fold=False).pose
            return x[nodes][None], plan
        plan = make_encoder_plan(
            batch,
            self._edges.inside or partitions[distinct[0]],
            self.plan_steps,
            self.reach,
            chunk=self.chunks,
            num_slots=self.num_slots,
        )
        x = x.view(-1, batch.num_joints, x.size(1)).transpose(0, 1)
        if self.kept is None:
            return x.contiguous(), plan
        columns, *others = [self._edges.columns(layout) for layout in distinct]
        assert columns is not None
        if any(other is None or not torch.equal(columns, other) for other in others):
            names = ", ".join(layout.name for layout in distinct)
            raise ValueError(
                f"this {type(self).__name__} expected recordings whose joints are in one order "
                f"(got layouts {names}); batch them apart"
            )
        return x.index_select(0, columns.to(x.device)), plan

    def core(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to node embeddings [V, P', D]; compiles and exports."""
        return self.propagate(self.enter(x, plan), plan)

    def enter(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """The norm of the input: x [V, P, C] to [V, P, C]."""
        return self.data_norm(x, plan.slot)

    def propagate(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """The blocks alone: x [V, P, C] to [V, P', D]."""
        for block, step in zip(self.blocks, self.plan_index, strict=True):
            x = block(x, plan.edges[step], plan.temporal[step])
        return x

    def pooled(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to what :meth:`forward` returns."""
        x = self.core(x, plan)
        z = pool_poses(x, plan.pool_weight, plan.pool_batch, plan.recordings.size(0))
        return z if self.head is None else self.head(z)

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], or logits [B, num_classes]."""
        z = self.embed(batch)
        return z if self.head is None else self.head(z)

    def embed(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], also of a network with a classifier."""
        check_batch(batch)
        if batch.num_poses == 0:
            return self._nothing(batch.num_recordings)
        x, plan = self.unpack(batch)
        x = self.core(x, plan)
        return pool_poses(x, plan.pool_weight, plan.pool_batch, plan.recordings.size(0))

    def nodes(self, batch: SkeletonGraph) -> NodeEmbeddings:
        """Embeddings of the nodes that remain after the strides, before pooling."""
        check_batch(batch)
        x, plan = self.unpack(batch)
        x = self.core(x, plan)
        x = x[0] if plan.edges[0].unrolled else x.transpose(0, 1)
        return NodeEmbeddings(x, plan.pose, plan.pool_batch, self.kept)

    def _nothing(self, num_recordings: int) -> Tensor:
        """Zeros that still belong to the graph of autograd, so that a training step runs."""
        anchor = sum(p.sum() * 0.0 for p in self.blocks.parameters())
        zeros = next(self.parameters()).new_zeros(num_recordings, self.out_channels)
        return zeros + anchor

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: the norm of the input, then each block."""
        return [
            list(self.data_norm.parameters()),
            *(list(block.parameters()) for block in self.blocks),
        ]

    # --- fewer channels ---
    def channel_groups(self) -> list[ChannelGroup]:
        """Channels that can be left out, within the units and from unit to unit; see
        :func:`~stgraph.nn.with_channels`. A ``conv`` or ``block`` that does not say where its
        channels lie has none, nor have those that it reads and writes."""
        return stream_groups(self.blocks, self.head, self.channels)

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        return {**self.config, **stream_arguments(self, state)}

    # --- joints are only names ---
    @torch.no_grad()
    def permute_joints(self, perm: Sequence[int]) -> STGCN:
        """The same network for a layout whose new joint i is the old ``perm[i]``, in place.

        Raises:
            ValueError: if the network has no layout, or ``perm`` is no permutation.
        """
        if self.layout is None:
            return self
        layout = self.layout.permute(perm)
        order = torch.as_tensor(list(perm))
        partition = self.partition_of(self.layout).among(order)
        self.layout = layout
        self.config["layout"] = layout
        if "partition" in self.config:
            self.config["partition"] = partition
        if self.kept is not None:
            inside = self.kept.cpu()
            self.kept = torch.isin(order, inside).nonzero().flatten().to(self.kept.device)
            # from here on in terms of the joints that are looked at
            order = torch.searchsorted(inside, order[self.kept.cpu()])
        self._edges = BoundEdges(layout, self.strategy, self.kept, partition)
        if isinstance(self.data_norm, JointNorm):
            self.data_norm.permute_joints(order)
        for block in self.blocks:
            for part in block.children():
                if hasattr(part, "permute_joints"):
                    part.permute_joints(order)
        return self

    @classmethod
    def config_names(cls) -> list[str]:
        """Names of the constructor's arguments."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
