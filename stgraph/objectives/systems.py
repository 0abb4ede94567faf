"""The published systems, put together from their parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from stgraph.nn import HiTRS, NodeDecoder, SkeletonGIN, SkeletonTransformer, TokenDecoder
from stgraph.objectives.contrast import (
    CrossViewContrast,
    MomentumContrast,
    NearestNeighbourContrast,
)
from stgraph.objectives.hierarchy import (
    ClipOrder,
    FutureClip,
    HierarchicalPretraining,
    MaskedPose,
    PoseCorruption,
    VideoOrder,
)
from stgraph.objectives.mask_tokens import MaskTokens
from stgraph.objectives.masked_reconstruction import MaskedReconstruction
from stgraph.objectives.masking import BodyParts, MaskingFunction, MotionAware
from stgraph.objectives.reconstruction_loss import ReconstructionLoss
from stgraph.objectives.target import Coordinates, Motion, Target
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.transforms import Stream

Transform = Callable[[SkeletonGraph], SkeletonGraph]


def mamp(
    layout: SkeletonLayout | str | None = None,
    *,
    encoder: SkeletonTransformer | None = None,
    in_channels: int = 3,
    width: int = 256,
    depth: int = 8,
    num_heads: int = 8,
    patch_size: int = 4,
    decoder_width: int | None = None,
    decoder_depth: int = 5,
    num_times: int | None = None,
    masking: MaskingFunction | None = None,
    target: Target | None = None,
    loss: str | ReconstructionLoss = "squared_error",
    num_dims: int = 3,
    transform: Transform | None = None,
    predict_share: float = 1.0,
    as_published: bool = False,
) -> MaskedReconstruction:
    """MAMP: motion-aware masking of space-time tokens, prediction of motion, from `"Masked Motion
    Predictors are Strong 3D Action Representation Learners" <https://arxiv.org/abs/2308.07092>`_.

    Args:
        layout: The layout whose joints have an embedding each; None: any layouts, also mixed.
        encoder: One that exists already, instead of the sizes below.
        in_channels: Channels of what the encoder sees.
        width: Channels of the encoder; 256 as published.
        depth: Its blocks; 8 as published.
        num_heads: Heads of encoder and decoder.
        patch_size: Poses of a token.
        decoder_width: Channels of the decoder; by default as the encoder.
        decoder_depth: Its blocks: 5 in the papers, 3 in MAMP's scripts for NTU 60.
        num_times: Number of patches with a learned time each, as published; None: any length.
        masking: By default 90 % by motion, temperature 0.8.
        target: By default motion over one pose, each token normalised.
        loss: See :class:`MaskedReconstruction`.
        num_dims: Coordinates to predict for each pose of a token.
        transform: See :class:`MaskedReconstruction`.
        predict_share: See :class:`MaskedReconstruction`; 1 as published.
        as_published: The share to hide is that of each person, rounded as the code rounds, and
            the last pose of a track moves by 0.
    """
    if encoder is None:
        encoder = SkeletonTransformer(
            in_channels,
            layout=layout,
            width=width,
            depth=depth,
            num_heads=num_heads,
            patch_size=patch_size,
            num_times=num_times,
        )
    if masking is None:
        rules = {"group": "person", "rounding": "keep_floor"} if as_published else {}
        masking = MotionAware(0.9, 0.8, **rules)
    if target is None:
        target = Motion(1, "token", keep_ends=as_published)
    decoder = TokenDecoder(
        encoder.out_channels,
        target.size(encoder.patch_size, num_dims),
        layout=encoder.layout,
        width=encoder.out_channels if decoder_width is None else decoder_width,
        depth=decoder_depth,
        num_heads=num_heads,
        num_times=encoder.config["num_times"],
        joint_names=encoder.config["joint_names"],
    )
    return MaskedReconstruction(encoder, decoder, masking, target, loss, transform, predict_share)


def stars(
    encoder: nn.Module,
    *,
    queue_size: int = 32_768,
    temperature: float = 0.07,
    predictor_width: int = 4096,
    **options: Any,
) -> NearestNeighbourContrast:
    """The second stage of STARS: a pre-trained encoder is tuned by nearest-neighbour contrast, from
    `"STARS: Self-supervised Tuning for 3D Action Recognition in Skeleton Sequences"
    <https://arxiv.org/abs/2407.10935>`_.

    One view, unaltered; a batch norm projects. Train it with
    ``Pretraining(..., layer_decay=0.2, tuned_layers=depth // 2 + 1)``, which leaves the lower half
    of the encoder as it is; the three-stage variant first trains the heads alone
    (``tuned_layers=0``).

    Args:
        encoder: Of the first stage, for instance that of :func:`mamp`.
        queue_size: Entries of the queue.
        temperature: Of the contrast.
        predictor_width: Hidden width of the predictor.
        **options: Further ones of :class:`NearestNeighbourContrast`.
    """
    return NearestNeighbourContrast(
        encoder,
        queue_size=queue_size,
        temperature=temperature,
        predictor_width=predictor_width,
        **options,
    )


def skeletonmae(
    layout: SkeletonLayout | str | None = None,
    *,
    encoder: nn.Module | None = None,
    in_channels: int = 2,
    width: int = 64,
    depth: int = 3,
    hidden_channels: int | None = None,
    dropout: float = 0.2,
    masking: MaskingFunction | None = None,
    target: Target | None = None,
    loss: str | ReconstructionLoss = "scaled_cosine_error",
    remask: bool = False,
    num_dims: int = 2,
    transform: Transform | None = None,
) -> MaskedReconstruction:
    """SkeletonMAE: body parts of each pose are hidden and filled in by graph isomorphism networks,
    from `"SkeletonMAE: Graph-based Masked Autoencoder for Skeleton Sequence Pre-training"
    <https://arxiv.org/abs/2307.08476>`_.

    Args:
        layout: Kept to refuse other joints; None: any layouts.
        encoder: One that exists already, instead of the sizes below; also an
            :class:`~stgraph.nn.STGCN` or its kin.
        in_channels: Channels of what the encoder sees.
        width: Channels of encoder and decoder.
        depth: Layers of the encoder; 3 as published.
        hidden_channels: Channels within the MLP of a layer.
        dropout: Dropout of the input's features; 0.2 as published.
        masking: By default part V3, a limb, as in the paper's ablation of backbones.
        target: By default the coordinates.
        loss: By default the re-weighted cosine error.
        remask: See :class:`~stgraph.nn.NodeDecoder`.
        num_dims: Coordinates to predict for each joint.
        transform: Such as ``BodyUnits("pose")``: the cosine of coordinates needs an origin.

    Open in the source, and chosen here: the target is the coordinates (the embedded joints could
    collapse); masks are drawn for a recording, not for each frame; a batch is of recordings.
    """
    network: Any = encoder
    if network is None:
        network = SkeletonGIN(in_channels, width, depth, hidden_channels, dropout, layout)
    target = Coordinates() if target is None else target
    decoder = NodeDecoder(
        network.out_channels,
        target.size(1, num_dims),
        network.out_channels,
        hidden_channels=network.config.get("hidden_channels"),
        remask=remask,
        layer=network.config.get("layer", "gin"),
    )
    masking = BodyParts("V3") if masking is None else masking
    return MaskedReconstruction(MaskTokens(network), decoder, masking, target, loss, transform)


def skeletonclr(
    encoder: nn.Module, views: Sequence[Any], *, queue_size: int = 32_768, **options: Any
) -> MomentumContrast:
    """SkeletonCLR: momentum contrast of two views of a recording, from `"3D Human Action
    Representation Learning via Cross-View Consistency Pursuit" <https://arxiv.org/abs/2104.14466>`_.

    Args:
        encoder: Gives one embedding a recording.
        views: Two transforms of batches; shear and a temporal crop as published.
        queue_size: Entries of the queue.
        **options: Further ones of :class:`MomentumContrast`.
    """
    return MomentumContrast(encoder, queue_size=queue_size, views=views, **options)


def crossclr(
    encoders: Mapping[str, nn.Module],
    views: Sequence[Any],
    *,
    queue_size: int = 32_768,
    mine_from: int = 150,
    streams: Mapping[str, Any] | None = None,
    momentum: float = 0.999,
    temperature: float = 0.07,
    width: int = 128,
    **options: Any,
) -> CrossViewContrast:
    """CrosSCLR: momentum contrast of streams that mine each other's positives, from `"3D Human
    Action Representation Learning via Cross-View Consistency Pursuit"
    <https://arxiv.org/abs/2104.14466>`_.

    Args:
        encoders: For each stream one of its own, for instance of ``joint``, ``joint_motion`` and
            ``bone``.
        views: Two transforms of batches; shear and a temporal crop as published.
        queue_size: Entries of each queue.
        mine_from: Epoch from which streams mine; 150 of 300 as published.
        streams: For each stream what makes its encoder's input of a view; by default
            :class:`~stgraph.transforms.Stream` of its name.
        momentum: See :class:`MomentumContrast`.
        temperature: See :class:`MomentumContrast`.
        width: See :class:`MomentumContrast`.
        **options: Further ones of :class:`CrossViewContrast`.
    """
    shared: Any = {"momentum": momentum, "temperature": temperature, "width": width}
    return CrossViewContrast(
        {
            name: MomentumContrast(encoder, queue_size=queue_size, **shared)
            for name, encoder in encoders.items()
        },
        {name: Stream(name) for name in encoders} if streams is None else streams,
        views=views,
        mine_from=mine_from,
        **options,
    )


#: The tasks of Hi-TRS and the level that each is about.
HITRS_TASKS = {
    "masked_pose": "frame",
    "clip_order": "clip",
    "video_order": "video",
    "future_clip": "video",
}


def hitrs(
    layout: SkeletonLayout | str | None = None,
    *,
    encoder: HiTRS | None = None,
    tasks: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    corruption: PoseCorruption | None = None,
    num_dims: int = 3,
    scale: float = 10.0,
    temperature: float = 0.07,
    transform: Transform | None = None,
    **sizes: Any,
) -> HierarchicalPretraining:
    """Hi-TRS: joints, clips and videos are pre-trained at once, from `"Hierarchically
    Self-Supervised Transformer for Human Skeleton Representation Learning"
    <https://arxiv.org/abs/2207.09644>`_.

    Args:
        layout: The layout whose joints have a place each; None: any layouts, also mixed.
        encoder: One that exists already, instead of ``sizes``.
        tasks: Some of ``"masked_pose"``, ``"clip_order"``, ``"video_order"``,
            ``"future_clip"``; by default all that the encoder has the level for.
        weights: Of the losses by task; 1 as published.
        corruption: What happens to joints; by default as published.
        num_dims: Numbers to tell of each joint.
        scale: Of :class:`MaskedPose`.
        temperature: Of :class:`FutureClip`.
        transform: Streams and normalisation, applied while replaced joints are missing.
        **sizes: Arguments of :class:`~stgraph.nn.HiTRS`.

    Raises:
        ValueError: if a task is unknown, or the encoder lacks its level.
    """
    if encoder is None:
        encoder = HiTRS(layout=layout, **sizes)
    if tasks is None:
        tasks = [task for task, level in HITRS_TASKS.items() if level in encoder.levels]
    for task in tasks:
        if task not in HITRS_TASKS:
            raise ValueError(f"unknown task {task!r}; known are {', '.join(HITRS_TASKS)}")
        if HITRS_TASKS[task] not in encoder.levels:
            raise ValueError(
                f"the task {task!r} needs a {HITRS_TASKS[task]} level; the encoder has "
                f"{', '.join(encoder.levels)}"
            )
    d = encoder.width
    make: dict[str, Callable[[], nn.Module]] = {
        "masked_pose": lambda: MaskedPose(d, num_dims, scale),
        "clip_order": lambda: ClipOrder(2 * d),
        "video_order": lambda: VideoOrder(4 * d),
        "future_clip": lambda: FutureClip(4 * d, 2 * d, temperature),
    }
    parts = {task: make[task]() for task in tasks}
    return HierarchicalPretraining(encoder, parts, weights, corruption, transform)
