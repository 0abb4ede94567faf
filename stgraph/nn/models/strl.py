"""The recogniser of SkeletonMAE, which a pre-trained pose encoder is fine-tuned in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import ChannelGroup, groups_within
from stgraph.nn.lanes import make_lanes
from stgraph.nn.models.skeleton_gin import SkeletonGIN
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.plan import EncoderPlan
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.streams import each_unit, of_all
from stgraph.nn.temporal import PoseNorm
from stgraph.nn.token_embedding import sinusoids
from stgraph.ops import pool_poses
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

TEMPORAL = ("layer", "last", "none")


class STRLPlan(NamedTuple):
    """Index tensors of one batch.

    Attributes:
        poses: Edges, temporal plan and shares.
        time: Frame of each place since its track's first, [P].
        meeting: Number of the (recording, frame) of each place, int64 [P]; in a batch of mixed
            layouts a place is a node, and persons meet joint by joint.
        meetings: Zeros, one a meeting.
        pose: Pose of each place in a batch of mixed layouts, int64 [N]; else None.
        every_pose: Zeros, one a pose; else None.
    """

    poses: EncoderPlan
    time: Tensor
    meeting: Tensor
    meetings: Tensor
    pose: Tensor | None = None
    every_pose: Tensor | None = None


class STRL(PretrainedMixin, nn.Module):
    r"""Recognises actions with the pre-trained pose encoder of `"SkeletonMAE"
    <https://arxiv.org/abs/2307.08476>`_ (its section 3.3, and the supplement's eq. 1 and 2).

    .. math::
        \operatorname{SM}(\mathbf{H}) = \operatorname{Repeat}(\operatorname{SumPool}(
        G_E(\mathbf{A}, \mathbf{H}))) \oplus \mathbf{H}, \qquad
        \mathbf{H}^{(l+1)} = \sigma \left( \mathbf{H}^{(l)} + \left[ \operatorname{SM}(
        \mathbf{H}^{(l)}_0) + \operatorname{SM}(\mathbf{H}^{(l-1)}_1) \right] \mathbf{W}^{(l)}
        \right)

    Every layer describes each pose by the sum of its encoded joints, adds what the other persons of
    the frame were a layer before, and looks along time.

    Args:
        encoder: The pose encoder; every layer begins with a copy. None: a fresh one made with
            ``encoder_kwargs``.
        num_classes: Size of a linear classifier on the embedding; None for none.
        num_layers: Number of layers M; 3 as published.
        temporal: Multi-scale temporal convolutions after every ``"layer"``, after the ``"last"``
            one alone, or ``"none"``.
        exchange: Whether persons of a frame exchange what they were a layer before.
        dropout: Dropout of the input's features, in place of the encoder's.
        head_dropout: Dropout before the classifier.
        encoder_kwargs: Of a fresh encoder, or a list with those of each layer's; also says how to
            build them when loading.
        temporal_kwargs: Further arguments of the temporal convolutions, or a list with those of
            each layer.

    Shapes:
        - **input:** a batch of B recordings
        - **output:** :math:`(B, D)` or :math:`(B, \text{num\_classes})`

    Open in the source, and chosen here: :math:`\oplus` concatenates within SM and adds in the
    exchange; a layer's width stays that of the encoder; times are sines and cosines, so that any
    length works; before the first layer the others are their own input; of several others the mean
    counts, and who is alone in a frame exchanges nothing; every layer has an encoder of its own.
    """

    def __init__(
        self,
        encoder: SkeletonGIN | None = None,
        num_classes: int | None = None,
        num_layers: int = 3,
        temporal: str = "layer",
        exchange: bool = True,
        dropout: float = 0.0,
        head_dropout: float = 0.0,
        encoder_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
        temporal_kwargs: dict[str, Any] | Sequence[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        if temporal not in TEMPORAL:
            raise ValueError(f"unknown temporal {temporal!r}; known are {', '.join(TEMPORAL)}")
        # a copy each: norms that every layer shared would remember no layer's statistics
        if encoder is None and isinstance(encoder_kwargs, Sequence):
            of_encoder = each_unit(encoder_kwargs, num_layers, "encoder_kwargs")
            encoders = [SkeletonGIN(**own) for own in of_encoder]
        else:
            first = SkeletonGIN(**(encoder_kwargs or {})) if encoder is None else encoder  # type: ignore[arg-type]
            encoders = [copy.deepcopy(first) for _ in range(num_layers)]
        width = encoders[0].out_channels
        if any(one.out_channels != width for one in encoders):
            raise ValueError(
                f"the encoders of all layers are as wide as the first, {width} (got "
                f"{[one.out_channels for one in encoders]})"
            )
        of_temporal = each_unit(temporal_kwargs, num_layers, "temporal_kwargs")
        self.config = {
            "encoder": None,
            "num_classes": num_classes,
            "num_layers": num_layers,
            "temporal": temporal,
            "exchange": exchange,
            "dropout": dropout,
            "head_dropout": head_dropout,
            "encoder_kwargs": of_all([dict(one.config) for one in encoders]),
            "temporal_kwargs": temporal_kwargs,
        }
        self.num_classes = num_classes
        self.in_channels, self.out_channels = encoders[0].in_channels, width
        self.exchange = exchange
        self.encoders = nn.ModuleList(encoders)
        for i, one in enumerate(self.encoders):
            one.dropout = nn.Dropout(dropout)  # type: ignore[assignment]
            if i:
                one.embedding = nn.Identity()  # joints enter once
        self.time_scale = nn.Parameter(torch.full((1,), 0.1))
        self.mixes = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(num_layers))
        self.norms = nn.ModuleList(PoseNorm(width) for _ in range(num_layers))
        looks = {"layer": range(num_layers), "last": [num_layers - 1], "none": []}[temporal]
        self.temporals = nn.ModuleDict(
            {str(i): MultiBranchTemporalConv(width, width, **of_temporal[i]) for i in looks}
        )
        self.temporal_norms = nn.ModuleDict({str(i): PoseNorm(width) for i in looks})
        self.reach = max([0, *(getattr(module, "reach", 0) for module in self.temporals.modules())])
        self.head = None
        if num_classes is not None:
            self.head = nn.Sequential(nn.Dropout(head_dropout), nn.Linear(width, num_classes))

    @property
    def encoder(self) -> SkeletonGIN:
        """The (first) pose encoder."""
        return self.encoders[0]  # type: ignore[return-value]

    @property
    def layout(self) -> SkeletonLayout | None:
        """The layout that the encoder is kept for."""
        return self.encoder.layout

    # --- a batch ---
    def unpack(self, batch: SkeletonGraph) -> tuple[Tensor, STRLPlan]:
        """The tensors of a batch that :meth:`core` takes: features [V, P, C] and a plan."""
        x, _ = self.encoder.unpack(batch)
        plan = self.encoder.plan(batch, self.reach)
        time = batch.frame - batch.frame[batch.first_pose][batch.track]
        frame = batch.frame - (batch.frame.min() if batch.num_poses else 0)
        span = int(frame.max()) + 1 if batch.num_poses else 1
        meeting = batch.pose_batch * span + frame
        lanes, pose, every = make_lanes(batch), None, None
        if lanes.order is not None:
            pose, every = batch.pose[lanes.order], x.new_zeros(batch.num_poses)
            time = time[batch.pose][lanes.order]
            joints = int(batch.joint.max()) + 1
            meeting = (meeting[batch.pose] * joints + batch.joint)[lanes.order]
        meeting = meeting.unique(return_inverse=True)[1]
        size = int(meeting.max()) + 1 if meeting.numel() else 0
        return x, STRLPlan(plan, time.to(x.dtype), meeting, x.new_zeros(size), pose, every)

    def core(self, x: Tensor, plan: STRLPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to node embeddings [V, P, D]."""
        poses = plan.poses
        encoders: list[Any] = list(self.encoders)
        h = encoders[0].enter(x, poses)
        h = h + self.time_scale * sinusoids(plan.time, h.size(2))
        before = torch.cat([h, h], dim=2)  # the others before the first layer: their own input
        for i, (mix, norm) in enumerate(zip(self.mixes, self.norms, strict=True)):
            encoded = encoders[i].propagate(h, poses)
            spatial = torch.cat([_pose_sum(encoded, plan).expand_as(h), h], dim=2)
            met = spatial + _others(before, plan) if self.exchange else spatial
            before = spatial
            h = F.relu(h + norm(mix(met)))
            key = str(i)
            if key in self.temporals:
                seen = self.temporals[key](h, poses.temporal[0])
                h = F.relu(h + self.temporal_norms[key](seen))
        return h

    def pooled(self, x: Tensor, plan: STRLPlan) -> Tensor:
        """Tensors alone: x [V, P, C] to what :meth:`forward` returns."""
        poses = plan.poses
        z = pool_poses(
            self.core(x, plan), poses.pool_weight, poses.pool_batch, poses.recordings.size(0)
        )
        return z if self.head is None else self.head(z)

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], or logits [B, num_classes]."""
        z = self.embed(batch)
        return z if self.head is None else self.head(z)

    def embed(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], also of a network with a classifier."""
        if batch.num_poses == 0:
            anchor = sum(p.sum() * 0.0 for p in self.parameters())
            return self.time_scale.new_zeros(batch.num_recordings, self.out_channels) + anchor
        x, plan = self.unpack(batch)
        poses = plan.poses
        return pool_poses(
            self.core(x, plan), poses.pool_weight, poses.pool_batch, poses.recordings.size(0)
        )

    def nodes(self, batch: SkeletonGraph) -> NodeEmbeddings:
        """Embeddings of the nodes, before pooling."""
        x, plan = self.unpack(batch)
        x = self.core(x, plan)
        x = x[0] if plan.poses.edges[0].unrolled else x.transpose(0, 1)
        return NodeEmbeddings(x, plan.poses.pose, plan.poses.pool_batch)

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: the linear map of joints, then each layer."""
        out = [[*self.encoder.embedding.parameters(), self.time_scale]]
        parts = zip(self.encoders, self.mixes, self.norms, strict=True)
        for i, (encoder, mix, norm) in enumerate(parts):
            layer = [*encoder.blocks.parameters()]  # type: ignore[union-attr]
            layer += [*mix.parameters(), *norm.parameters()]
            if str(i) in self.temporals:
                layer += self.temporals[str(i)].parameters()
                layer += self.temporal_norms[str(i)].parameters()
            out.append(layer)
        return out

    def channel_groups(self) -> list[ChannelGroup]:
        """Channels within the MLPs of the encoders and within the temporal convolutions; those that
        go from layer to layer carry what joints were, and stay. See
        :func:`~stgraph.nn.with_channels`."""
        names = [f"encoders.{i}" for i in range(len(self.encoders))]
        names += [f"temporals.{i}" for i in self.temporals]
        return list(groups_within(self, *names))

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        of_temporal = each_unit(
            self.config["temporal_kwargs"], len(self.encoders), "temporal_kwargs"
        )
        of_encoder = []
        for i, encoder in enumerate(self.encoders):
            prefix = f"encoders.{i}."
            own = {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
            of_encoder.append(encoder.config_of(own))  # type: ignore[operator]
        for key, temporal in self.temporals.items():
            own = temporal.arguments_of(state, f"temporals.{key}.")  # type: ignore[operator]
            of_temporal[int(key)].update(own)
        changes = {"encoder_kwargs": of_all(of_encoder), "temporal_kwargs": of_all(of_temporal)}
        return {**self.config, **changes}

    def permute_joints(self, perm: Sequence[int]) -> STRL:
        """The same network for a layout in another order: nothing is bound to joints."""
        for one in self.encoders:
            one.permute_joints(perm)  # type: ignore[operator]
        self.config["encoder_kwargs"] = of_all([dict(one.config) for one in self.encoders])  # type: ignore[arg-type]
        return self


def _pose_sum(x: Tensor, plan: STRLPlan) -> Tensor:
    """Sum over the joints of each pose: [V, P, C] to [1, P, C], in mixed layouts [1, N, C]."""
    if plan.pose is None or plan.every_pose is None:
        return x.sum(dim=0, keepdim=True)
    total = x.new_zeros(plan.every_pose.size(0), x.size(2)).index_add(0, plan.pose, x[0])
    return total.index_select(0, plan.pose)[None]


def _others(x: Tensor, plan: STRLPlan) -> Tensor:
    """Mean over the other persons of the frame, 0 where there is none: [V, P, C] to the same."""
    meeting = plan.meeting
    total = x.new_zeros(x.size(0), plan.meetings.size(0), x.size(2)).index_add(1, meeting, x)
    count = plan.meetings.index_add(0, meeting, x.new_ones(meeting.numel()))[meeting]
    others = total.index_select(1, meeting) - x
    alone = count < 2
    return torch.where(alone[:, None], 0.0, others / (count - 1).clamp(min=1)[:, None])
