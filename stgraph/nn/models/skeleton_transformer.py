"""The space-time transformer of MAMP and STARS, on the tokens that exist."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, channels_of, group_of, groups_within
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.token_embedding import PlaceEmbedding, TokenEmbedding
from stgraph.nn.tokens import (
    Tokens,
    check_batch,
    check_joints,
    distinct_layouts,
    make_tokens,
    take_tokens,
    token_values,
)
from stgraph.nn.transformer import TransformerStack
from stgraph.ops import SLACK, AttentionPlan, make_attention_plan
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout


class TokenPlan(NamedTuple):
    """Index tensors of the tokens that an encoder sees; its core takes nothing else.

    Attributes:
        found: Which poses of each token were found, bool [K, l].
        description: Of the joints, see :class:`~stgraph.nn.PlaceEmbedding`.
        site: Row of the description for each token, int64 [K].
        time: [K].
        attention: Plan of the sequences.
        pool_weight: Share of each token in the mean of its recording, [K].
        joint_weight: Share of each token in the mean of its joint in its recording, [K].
        pool_batch: Recording of each token, int64 [K].
        recordings: 0...B-1.
    """

    found: Tensor
    description: Tensor
    site: Tensor
    time: Tensor
    attention: AttentionPlan
    pool_weight: Tensor
    joint_weight: Tensor
    pool_batch: Tensor
    recordings: Tensor


HEADS = ("linear", "joints")


class SkeletonTransformer(PretrainedMixin, nn.Module):
    r"""Space-time transformer over skeletons, from `"Masked Motion Predictors are Strong 3D Action
    Representation Learners" <https://arxiv.org/abs/2308.07092>`_ (MAMP), also the encoder of STARS.

    A token is one joint over ``patch_size`` poses of a track. The tokens of one track attend to
    each other; those of other tracks, absent persons, absent frames and missing joints take no
    part and cost nothing. An embedding is the mean over the tokens of a person, then over persons.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``; there a
            missing last coordinate is 0, so that 2-D recordings enter a 3-D network).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout whose joints have an embedding each; None: any layouts, also mixed in
            one batch, see :class:`~stgraph.nn.GraphJointEmbedding`.
        width: Channels D.
        depth: Number of blocks.
        num_heads: Heads of each block, one number or a list.
        mlp_ratio: Width of the feed-forward layers, in widths.
        patch_size: Poses of a token.
        num_times: Number of patches with a learned time each, as published; None: any length.
        dropout: Dropout in the blocks.
        drop_path: Probability that a track skips a branch of the last block in training; it rises
            linearly from 0 at the first.
        head: What classifies: ``"linear"`` on the embedding; or ``"joints"``, the head of MAMP's
            fine-tuning: the mean over time of each joint, joints side by side, the mean over
            persons, then linear, batch norm, ReLU, linear. It belongs to one layout.
        head_channels: Channels within the head ``"joints"``.
        head_dropout: Dropout before the classifier.
        joint_names: Canonical names with an embedding where ``layout`` is None.
        attention_channels: Channels of each of the ``num_heads``; by default they add up to the
            width.
        hidden_channels: Width of the feed-forward layers, one number or a list, instead of
            ``mlp_ratio``.

    Shapes:
        - **input:** a batch of B recordings
        - **output:** :math:`(B, D)` or :math:`(B, \text{num\_classes})`

    Raises:
        ValueError: if a batch does not fit the layout or the channels, or a recording is longer
            than the learned times.

    Differs from the source: missing joints and absent persons leave no tokens; with a batch of
    ``SkeletonGraph.from_dense(..., keep_absent=True)`` they do, as published.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int | None = None,
        layout: SkeletonLayout | str | None = None,
        width: int = 256,
        depth: int = 8,
        num_heads: int | Sequence[int] = 8,
        mlp_ratio: float = 4.0,
        patch_size: int = 4,
        num_times: int | None = None,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        head: str = "linear",
        head_channels: int = 2048,
        head_dropout: float = 0.0,
        joint_names: Sequence[str] | None = None,
        attention_channels: int | None = None,
        hidden_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.layout = None if layout is None else resolve_layout(layout)
        self.patch_size = patch_size
        self.out_channels = width
        #: See :func:`~stgraph.ops.make_attention_plan`; 1 to compile or export.
        self.slack = SLACK
        self.embedding = TokenEmbedding(patch_size, in_channels, width)
        self.place = PlaceEmbedding(width, self.layout, num_times, joint_names)
        if self.layout is None:
            self.config["joint_names"] = list(self.place.joint.joint_names)  # type: ignore[arg-type]
        self.stack = TransformerStack(
            width,
            depth,
            num_heads,
            mlp_ratio,
            dropout,
            drop_path,
            attention_channels,
            hidden_channels=hidden_channels,
        )
        if head not in HEADS:
            raise ValueError(f"unknown head {head!r}; known are {', '.join(HEADS)}")
        self.by_joint = head == "joints" and num_classes is not None
        self.head = None
        if self.by_joint:
            if self.layout is None:
                raise ValueError("the head 'joints' puts joints side by side and needs a layout")
            self.head = nn.Sequential(
                nn.Dropout(head_dropout),
                nn.Linear(width * self.layout.num_joints, head_channels),
                nn.BatchNorm1d(head_channels),
                nn.ReLU(),
                nn.Linear(head_channels, num_classes or 1),
            )
        elif num_classes is not None:
            self.head = nn.Sequential(nn.Dropout(head_dropout), nn.Linear(width, num_classes))

    # --- a batch ---
    def tokens(self, batch: SkeletonGraph) -> Tokens:
        """The tokens of a batch.

        Raises:
            ValueError: if the network is bound to a layout of other joints.
        """
        check_joints(self.layout, batch, type(self).__name__)
        tokens = make_tokens(batch, self.patch_size)
        self.place.check_times(tokens.time)
        return tokens

    def features(self, batch: SkeletonGraph) -> Tensor:
        """What of the nodes enters the network, [N, C]."""
        x = getattr(batch, "x", None)
        if x is not None:
            if x.size(1) != self.in_channels:
                raise ValueError(
                    f"this {type(self).__name__} expected {self.in_channels} input channels (got "
                    f"{x.size(1)}). Is a stream transform missing, or one too many?"
                )
            return x
        if batch.num_dims > self.in_channels:
            raise ValueError(
                f"this {type(self).__name__} expected at most {self.in_channels} coordinates (got "
                f"{batch.num_dims})"
            )
        return nn.functional.pad(batch.pos, (0, self.in_channels - batch.num_dims))

    def unpack(
        self, batch: SkeletonGraph, tokens: Tokens | None = None, visible: Tensor | None = None
    ) -> tuple[Tensor, TokenPlan]:
        """The tensors that :meth:`core` takes: values [K, l, C] and a plan.

        Args:
            batch: The recordings.
            tokens: Its tokens, if they are known.
            visible: Which of them the network sees, bool [K]; by default all.
        """
        tokens = self.tokens(batch) if tokens is None else tokens
        if visible is not None:
            tokens = take_tokens(tokens, visible)
        person = tokens.person[tokens.track]
        # persons of whom nothing is visible have no share
        num_persons = int(tokens.person.max()) + 1 if tokens.person.numel() else 0
        count = tokens.length.new_zeros(num_persons).index_add_(0, tokens.person, tokens.length)
        owner = tokens.every_recording.new_zeros(num_persons)
        owner[tokens.person] = tokens.recording
        company = torch.bincount(owner[count > 0], minlength=tokens.every_recording.numel())
        share = 1.0 / (count * company[owner]).clamp(min=1).float()
        layouts = distinct_layouts(batch) if self.layout is None else [self.layout]
        plan = TokenPlan(
            tokens.found,
            self.place.joint.describe(layouts),
            tokens.site if self.layout is None else tokens.site % self.layout.num_joints,
            tokens.time,
            make_attention_plan(tokens.length[tokens.length > 0], self.slack),
            share[person],
            _joint_share(person, tokens.site) / company[tokens.batch],
            tokens.batch,
            tokens.every_recording,
        )
        return token_values(self.features(batch), tokens), plan

    def core(self, x: Tensor, plan: TokenPlan) -> Tensor:
        """Tensors alone: token values [K, l, C] to token embeddings [K, D]."""
        x = self.embedding(x, plan.found) + self.place(plan.description, plan.site, plan.time)
        return self.stack(x, plan.attention)

    def pooled(self, x: Tensor, plan: TokenPlan) -> Tensor:
        """Tensors alone: token values [K, l, C] to what :meth:`forward` returns."""
        x = self.core(x, plan)
        z = pool_joints(x, plan, self._num_joints) if self.by_joint else pool_tokens(x, plan)
        return z if self.head is None else self.head(z)

    @property
    def _num_joints(self) -> int:
        return 0 if self.layout is None else self.layout.num_joints

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], or logits [B, num_classes]."""
        check_batch(batch)
        return self.pooled(*self.unpack(batch))

    def embed(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], also of a network with a classifier; 0 without a found joint."""
        check_batch(batch)
        x, plan = self.unpack(batch)
        return pool_tokens(self.core(x, plan), plan)

    def encode(self, batch: SkeletonGraph, tokens: Tokens, visible: Tensor) -> Tensor:
        """Embeddings of the visible tokens alone, [K', D]; the others take no part."""
        return self.core(*self.unpack(batch, tokens, visible))

    def nodes(self, batch: SkeletonGraph) -> NodeEmbeddings:
        """Embeddings of patches, at the first pose of each: [P', V, D], 0 for missing joints.

        Raises:
            ValueError: if layouts of different joints share the batch.
        """
        tokens = self.tokens(batch)
        embedded = self.core(*self.unpack(batch, tokens))
        v = batch.num_joints
        pose, patch = (tokens.node[:, 0] // v).unique(return_inverse=True)
        x = embedded.new_zeros(pose.numel() * v, embedded.size(1))
        x = x.index_copy(0, patch * v + tokens.node[:, 0] % v, embedded)
        return NodeEmbeddings(x.view(-1, v, x.size(1)), pose, batch.pose_batch[pose])

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: embeddings, each block, the last norm."""
        return [
            [*self.embedding.parameters(), *self.place.parameters()],
            *(list(block.parameters()) for block in self.stack.blocks),
            list(self.stack.norm.parameters()),
        ]

    # --- fewer channels ---
    def channel_groups(self) -> list[ChannelGroup]:
        """What can be left out of the blocks, and within the head ``"joints"``, ``head``; see
        :func:`~stgraph.nn.with_channels`."""
        groups = list(groups_within(self, "stack"))
        if self.by_joint and self.head is not None:
            first, norm, last = (channels_of(self.head[i], f"head.{i}") for i in (1, 2, 4))
            parts = (first.writes, norm.writes, last.reads)
            groups += group_of("head", self.config["head_channels"], norm.silences, *parts)
        return groups

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        sizes: dict[str, Any] = {"attention_channels": self.stack.attention_channels}
        if self.by_joint:
            sizes["head_channels"] = state["head.1.weight"].size(0)
        return {**self.config, **sizes, **self.stack.arguments_of(state, "stack.")}

    # --- joints are only names ---
    @torch.no_grad()
    def permute_joints(self, perm: Sequence[int]) -> SkeletonTransformer:
        """The same network for a layout whose new joint i is the old ``perm[i]``, in place."""
        if self.layout is not None:
            self.layout = self.layout.permute(perm)
            self.config["layout"] = self.layout
            self.place.joint.permute_joints(torch.as_tensor(list(perm)))  # type: ignore[operator]
        return self

    @classmethod
    def config_names(cls) -> list[str]:
        """Names of the constructor's arguments."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]


def pool_tokens(x: Tensor, plan: TokenPlan) -> Tensor:
    """Mean over the tokens of a person, then over persons: [K, D] to [B, D]."""
    weighted = x * plan.pool_weight[:, None].to(x.dtype)
    return x.new_zeros(plan.recordings.size(0), x.size(1)).index_add(0, plan.pool_batch, weighted)


def pool_joints(x: Tensor, plan: TokenPlan, num_joints: int) -> Tensor:
    """Mean of each joint over time, then over persons, side by side: [K, D] to [B, V * D]."""
    weighted = x * plan.joint_weight[:, None].to(x.dtype)
    total = x.new_zeros(plan.recordings.size(0) * num_joints, x.size(1))
    total = total.index_add(0, plan.pool_batch * num_joints + plan.site, weighted)
    return total.view(plan.recordings.size(0), -1)


def _joint_share(person: Tensor, site: Tensor) -> Tensor:
    """One over the number of tokens of the same joint of the same person, [K]."""
    if not site.numel():
        return site.float()
    cell = (person * (site.max() + 1) + site).unique(return_inverse=True)[1]
    return 1.0 / torch.bincount(cell)[cell].float()
