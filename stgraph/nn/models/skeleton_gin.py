"""The graph isomorphism network of SkeletonMAE: one graph a pose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, groups_within
from stgraph.nn.lanes import make_lanes, node_features
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.plan import EncoderPlan, make_encoder_plan
from stgraph.nn.pose_layers import POSE_LAYERS, GATLayer, GCNLayer, GINLayer
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.transformer import each_layer
from stgraph.ops import pool_poses
from stgraph.skeleton import Partition, SkeletonGraph, SkeletonLayout, Uniform, resolve_layout


class SkeletonGIN(PretrainedMixin, nn.Module):
    r"""Encoder of `"SkeletonMAE: Graph-based Masked Autoencoder for Skeleton Sequence Pre-training"
    <https://arxiv.org/abs/2307.08476>`_: a linear map of each joint, then GIN layers
    over each pose.

    Poses are not related to each other; an embedding is the mean over joints and poses of a person,
    then over persons. For sequences see :class:`~stgraph.nn.STRL`, which is built on this one.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``).
        width: Channels D.
        depth: Number of layers.
        hidden_channels: Channels within the MLP of a layer, one number or a list; by default D.
        dropout: Dropout of the input's features.
        layout: Kept to refuse recordings of other joints; None: any layouts, also mixed in one
            batch. No parameter is bound to joints.
        layer: ``"gin"``; ``"gcn"`` and ``"gat"`` are of the paper's ablation of backbones.

    Shapes:
        - **input:** a batch of B recordings
        - **output:** :math:`(B, D)`

    Open in the source, and chosen here: edges as the layout has them, unweighted; batch norm in
    the layers; 4 D within the MLP gives about the 1.5 M parameters that the paper states for
    D = 256, none of which it says.
    """

    #: Poses of a token.
    patch_size = 1

    def __init__(
        self,
        in_channels: int = 2,
        width: int = 64,
        depth: int = 3,
        hidden_channels: int | Sequence[int] | None = None,
        dropout: float = 0.2,
        layout: SkeletonLayout | str | None = None,
        layer: str = "gin",
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.in_channels = in_channels
        self.in_width = self.out_channels = width
        self.layout = None if layout is None else resolve_layout(layout)
        if layer not in POSE_LAYERS:
            raise ValueError(f"unknown layer {layer!r}; known are {', '.join(POSE_LAYERS)}")
        self.strategy = Uniform(
            normalisation="symmetric" if layer == "gcn" else "none", alpha=1e-12
        )
        self._partitions: dict[SkeletonLayout, Partition] = {}
        self.embedding = nn.Linear(in_channels, width)
        self.dropout = nn.Dropout(dropout)
        hidden = each_layer(hidden_channels, depth, "hidden_channels")
        make: dict[str, Callable[[int | None], nn.Module]] = {
            "gin": lambda own: GINLayer(width, width, own),
            "gcn": lambda _: GCNLayer(width, width),
            "gat": lambda _: GATLayer(width, width),
        }
        self.blocks = nn.ModuleList(make[layer](own) for own in hidden)

    def unpack(self, batch: SkeletonGraph) -> tuple[Tensor, EncoderPlan]:
        """The tensors of a batch that :meth:`core` takes: features [V, P, C] and a plan."""
        x = node_features(batch)
        if x.size(1) != self.in_channels:
            raise ValueError(
                f"this {type(self).__name__} expected {self.in_channels} input channels (got "
                f"{x.size(1)}). Is a stream transform missing, or the data of other dimensions?"
            )
        return make_lanes(batch).enter(x).contiguous(), self.plan(batch)

    def plan(self, batch: SkeletonGraph, reach: int = 0) -> EncoderPlan:
        """Edges and shares of the poses of a batch.

        Args:
            batch: Recordings.
            reach: Of temporal kernels that will use the plan.
        """
        distinct = list(dict.fromkeys(batch.layouts))
        for layout in distinct:
            conflict = None if self.layout is None else self.layout.joint_conflict(layout)
            if conflict is not None:
                raise ValueError(
                    f"this {type(self).__name__} is bound to layout {self.layout.name!r} and "  # type: ignore[union-attr]
                    f"got {layout.name!r} ({conflict}); build it with layout=None for any layout"
                )
            if layout not in self._partitions:
                self._partitions[layout] = self.strategy(layout)
        parts = {layout: self._partitions[layout] for layout in distinct}
        mixed = batch.is_mixed
        partition = parts if mixed else parts[distinct[0]]
        return make_encoder_plan(batch, partition, [1], reach, fold=not mixed)

    def enter(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """The linear map of each joint: x [V, P, C] to [V, P, D]."""
        return self.embedding(self.dropout(x))

    def propagate(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """The layers alone: x [V, P, D] to [V, P, D]."""
        for block in self.blocks:
            x = block(x, plan.edges[0])
        return x

    def core(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to node embeddings [V, P, D]; compiles and exports."""
        return self.propagate(self.enter(x, plan), plan)

    def pooled(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to what :meth:`forward` returns."""
        x = self.core(x, plan)
        return pool_poses(x, plan.pool_weight, plan.pool_batch, plan.recordings.size(0))

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D]; 0 for a recording without a pose."""
        if batch.num_poses == 0:
            anchor = sum(p.sum() * 0.0 for p in self.parameters())
            return self.embedding.weight.new_zeros(batch.num_recordings, self.out_channels) + anchor
        return self.pooled(*self.unpack(batch))

    def nodes(self, batch: SkeletonGraph) -> NodeEmbeddings:
        """Embeddings of the nodes, before pooling."""
        x, plan = self.unpack(batch)
        x = self.core(x, plan)
        x = x[0] if plan.edges[0].unrolled else x.transpose(0, 1)
        return NodeEmbeddings(x, plan.pose, plan.pool_batch)

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: the linear map, then each layer."""
        return [
            list(self.embedding.parameters()),
            *(list(block.parameters()) for block in self.blocks),
        ]

    def channel_groups(self) -> list[ChannelGroup]:
        """The channels within the MLP of each layer (of GIN alone, as the others have none); see
        :func:`~stgraph.nn.with_channels`."""
        return list(groups_within(self, *(f"blocks.{i}" for i in range(len(self.blocks)))))

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        if self.config["layer"] != "gin":
            return dict(self.config)
        count = range(len(self.blocks))
        hidden = [state[f"blocks.{i}.first.weight"].size(0) for i in count]
        return {**self.config, "hidden_channels": hidden}

    def permute_joints(self, perm: Sequence[int]) -> Any:
        """The same network for a layout in another order: nothing is bound to joints."""
        if self.layout is not None:
            self.layout = self.layout.permute(perm)
            self.config["layout"] = self.layout
        return self
