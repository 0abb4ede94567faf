"""A class for every frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, prefixed_groups
from stgraph.nn.pose_embeddings import embed_poses, pose_channels
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.shrinking import inner_groups
from stgraph.skeleton import SkeletonGraph


class FrameLogits(NamedTuple):
    """Logits of the frames of a batch, by recording, then time.

    Attributes:
        logits: [F, C + 1]; column 0 is background.
        recording: Recording of each frame, int64 [F].
        frame: Its number, int64 [F].
    """

    logits: Tensor
    recording: Tensor
    frame: Tensor


class FrameClassifier(PretrainedMixin, nn.Module):
    """An encoder with a linear classifier on each frame in which somebody is.

    Several persons in a frame count alike.

    Args:
        encoder: Of :mod:`stgraph.nn`; see :func:`~stgraph.nn.embed_poses`.
        num_classes: Number C of classes without background.
        dropout: Before the classifier.
        encoder_class: Class of an encoder to make instead, as a saved network says it.
        encoder_kwargs: Its arguments.

    Shapes:
        - **input:** a batch of recordings
        - **output:** a :class:`FrameLogits`

    Raises:
        ValueError: if there is no encoder.
    """

    def __init__(
        self,
        encoder: nn.Module | None = None,
        num_classes: int = 1,
        dropout: float = 0.0,
        encoder_class: str | None = None,
        encoder_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if encoder is None:
            import stgraph.nn as room

            if encoder_class is None or encoder_class not in room.encoders:
                known = ", ".join(room.encoders)
                raise ValueError(
                    f"'FrameClassifier' expected an encoder, or the name of one (got "
                    f"{encoder_class!r}; known are {known})"
                )
            encoder = getattr(room, encoder_class)(**(encoder_kwargs or {}))
        self.encoder: Any = encoder
        self.num_classes = num_classes
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(pose_channels(encoder), num_classes + 1)
        )
        self.config = {
            "encoder": None,
            "num_classes": num_classes,
            "dropout": dropout,
            "encoder_class": type(encoder).__name__,
            "encoder_kwargs": _arguments(encoder),
        }

    @property
    def layout(self) -> Any:
        """The layout that the encoder is bound to, if any."""
        return getattr(self.encoder, "layout", None)

    @property
    def reach(self) -> int | None:
        """Frames to either side that a frame depends on; None: any number."""
        return getattr(self.encoder, "reach", None) if hasattr(self.encoder, "poses") else None

    def forward(self, batch: SkeletonGraph, chosen: Tensor | None = None) -> FrameLogits:
        """Logits of every frame in which somebody is, or of some of them.

        Args:
            batch: Recordings.
            chosen: Which frames to classify, bool [F].
        """
        recording, frame, owner = frames_of(batch)
        if chosen is None:
            x = embed_poses(self.encoder, batch)
        else:
            of = chosen[owner].nonzero().flatten()
            x = embed_poses(self.encoder, batch, of)
            owner = (chosen.cumsum(0) - 1)[owner[of]]
            recording, frame = recording[chosen], frame[chosen]
        total = x.new_zeros(frame.numel(), x.size(1)).index_add(0, owner, x)
        count = torch.bincount(owner, minlength=frame.numel()).clamp(min=1)[:, None]
        return FrameLogits(self.head(total / count.to(x.dtype)), recording, frame)

    def channel_groups(self) -> list[ChannelGroup]:
        """What can be left out of the encoder, but for the channels that it returns.

        Raises:
            TypeError: if the encoder does not say.
        """
        return prefixed_groups(inner_groups(self.encoder), "encoder.")

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        prefix = "encoder."
        own = {key[len(prefix) :]: state[key] for key in state if key.startswith(prefix)}
        return {**self.config, "encoder_kwargs": self.encoder.config_of(own)}

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters of the encoder from input to output."""
        return self.encoder.layers()


def frames_of(batch: SkeletonGraph) -> tuple[Tensor, Tensor, Tensor]:
    """The frames in which somebody is, by recording, then time.

    Args:
        batch: Recordings.

    Returns:
        Recording and number of each frame, int64 [F] each, and the frame of each pose, int64 [P].
    """
    if not batch.num_poses:
        return batch.frame, batch.frame, batch.frame
    low, high = (int(end) for end in batch.frame.aminmax())
    key = batch.pose_batch * (high - low + 1) + batch.frame - low
    known, owner = key.unique(return_inverse=True)
    recording = known // (high - low + 1)
    return recording, known - recording * (high - low + 1) + low, owner


def _arguments(encoder: Any) -> dict[str, Any]:
    """What an encoder is made with, as a file can hold it."""
    config = dict(getattr(encoder, "config", {}))
    if isinstance(encoder, PretrainedMixin) and "partition" in config:
        config["partition"] = encoder._partition_to_save()
    return config
