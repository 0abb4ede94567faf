"""A decoder of motion whose nodes are the joints."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgraph.nn.joint_identity import JointEmbedding
from stgraph.nn.models.motion_predictor import MotionContext
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.ops import partitioned_aggregate
from stgraph.skeleton import (
    Partition,
    PartitionStrategy,
    SkeletonLayout,
    resolve_layout,
    resolve_partition,
)

#: Displacements from pose to pose are about so much smaller than a body.
SLOW = 10.0


class GraphDecoder(PretrainedMixin, nn.Module):
    r"""Message passing among the joints of the last pose, then velocities of all poses at once.

    A joint begins with what the encoder says of it and of the whole track, its place in the body
    and its last displacements; joints exchange messages along the typed edges of the skeleton. A
    linear map of what a joint then knows, and a filter of its last displacements that all joints
    share, give its velocities, whose running sum moves it:

    .. math::
        \mathbf{x}_{v,t} = \mathbf{x}_{v,0} + \sum_{s \le t} \Bigl( \mathbf{W}_s \mathbf{h}_v +
        \sum_{k < K} a_{s,k} (\mathbf{x}_{v,-k} - \mathbf{x}_{v,-k-1}) \Bigr)

    Args:
        in_channels: Channels of the encoder's embedding.
        layout: The joints; a :class:`~stgraph.skeleton.SkeletonLayout` or a name.
        num_future: Greatest number of poses to predict.
        node_channels: Channels of the encoder's nodes; 0: the decoder asks for no nodes.
        num_dims: Coordinates of a joint.
        width: Channels of a joint.
        depth: Rounds of messages.
        num_recent: Last displacements of a joint that enter.
        dropout: Within each round.
        partition: Labels the edges, see :func:`~stgraph.skeleton.resolve_partition`.

    Shapes:
        - **input:** a :class:`~stgraph.nn.MotionContext` of W tracks and the number H of poses
        - **output:** :math:`(W, H, V, D)`

    Raises:
        ValueError: if more poses are asked for than there are velocities.
    """

    def __init__(
        self,
        in_channels: int,
        layout: SkeletonLayout | str,
        num_future: int = 25,
        node_channels: int = 0,
        num_dims: int = 3,
        width: int = 128,
        depth: int = 3,
        num_recent: int = 6,
        dropout: float = 0.1,
        partition: str | Partition | PartitionStrategy = "spatial",
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.layout: SkeletonLayout = resolve_layout(layout)
        self.config["layout"] = self.layout
        self.num_dims, self.num_future, self.num_recent = num_dims, num_future, num_recent
        self.needs_nodes = node_channels > 0
        self._partition = (
            partition
            if isinstance(partition, Partition)
            else resolve_partition(partition)(self.layout)
        )
        size = num_dims * (1 + num_recent) + 2 * node_channels
        self.of_joint, self.of_track = nn.Linear(size, width), nn.Linear(in_channels, width)
        self.joint = JointEmbedding(self.layout.num_joints, width)
        self.rounds = nn.ModuleList(
            _Round(width, self._partition.num_types, dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.velocity = nn.Linear(width, num_future * num_dims)
        self.filter = nn.Parameter(torch.zeros(num_future, num_recent))
        nn.init.zeros_(self.velocity.weight)  # begins as the baseline that stands still
        nn.init.zeros_(self.velocity.bias)

    def partition_of(self, layout: SkeletonLayout) -> Partition:
        """The labelled edges."""
        return self._partition

    def forward(self, context: MotionContext, num_future: int) -> Tensor:
        if num_future > self.num_future:
            raise ValueError(
                f"this GraphDecoder predicts at most {self.num_future} poses (got {num_future}); "
                "build it with a larger num_future"
            )
        start, recent = context.start, SLOW * context.recent
        parts = [start, recent.flatten(2)]
        if context.nodes is not None:
            parts.append(context.nodes)
        x = self.of_joint(torch.cat(parts, dim=2).transpose(0, 1))  # [V, W, C]
        x = x + self.of_track(context.embedding) + self.joint.weight[:, None]
        # a joint that was never seen has nothing to tell
        known = context.known.t()[..., None].to(x.dtype)
        for step in self.rounds:
            x = step(x, known, self._partition)
        v = self.velocity(self.norm(x)).unflatten(2, (self.num_future, self.num_dims))
        v = v.transpose(0, 1) + torch.einsum("hk,wvkd->wvhd", self.filter, recent)
        moved = v[:, :, :num_future].cumsum(dim=2)
        return start[:, None] + moved.transpose(1, 2)

    @torch.no_grad()
    def permute_joints(self, perm: Sequence[int]) -> GraphDecoder:
        """The same decoder for a layout whose new joint i is the old ``perm[i]``, in place."""
        order = torch.as_tensor(list(perm))
        where = torch.empty_like(order)
        where[order] = torch.arange(len(order))
        old = self._partition
        self._partition = Partition(
            where[old.edge_index], old.edge_type, old.edge_weight, old.num_types, old.num_joints
        )
        self.layout = self.layout.permute(perm)
        self.config.update(layout=self.layout, partition=self._partition)
        self.joint.permute_joints(order)
        return self


class _Round(nn.Module):
    """Messages along the edges, then a small network in each joint, both added to what is there.

    Args:
        width: Channels of a joint.
        num_types: Types of edges.
        dropout: Of messages and of the network's output.
    """

    def __init__(self, width: int, num_types: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.message = nn.Linear(width, num_types * width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, known: Tensor, edges: Partition) -> Tensor:
        # [V, W, C]
        sent = self.message(self.norm(x)) * known
        device = x.device
        got = partitioned_aggregate(
            sent,
            edges.edge_index.to(device),
            edges.edge_type.to(device),
            edges.edge_weight.to(device, x.dtype),
            edges.num_types,
        )
        x = x + self.dropout(got)
        hidden = nn.functional.gelu(self.inner(self.second_norm(x)))
        return x + self.dropout(self.outer(hidden))
