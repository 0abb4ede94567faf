"""What the experiments on Hi-TRS share: sizes, levels, preparation, pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import _selfsup as common
import torch
from torch_geometric.transforms import Compose

from stgraph.nn import HiTRS
from stgraph.objectives import hitrs
from stgraph.transforms import (
    BodyUnits,
    BridgeGaps,
    CenterJoint,
    FaceForward,
    HiTRSAugmentation,
    RandomRotate,
    Stream,
)

#: Tasks of each level by the paper's letters: frame, clip, video.
LEVEL_TASKS: Mapping[str, tuple[str, ...]] = {
    "F": ("masked_pose",),
    "C": ("clip_order",),
    "V": ("video_order", "future_clip"),
}
#: Settings of the ablation and the levels that they pre-train.
LEVELS: Mapping[str, str] = {
    "none": "",
    "F": "F",
    "C": "C",
    "V": "V",
    "F+C": "FC",
    "F+V": "FV",
    "C+V": "CV",
    "all": "FCV",
}


@dataclass(frozen=True)
class Budget:
    """How large and how long; see the options of the scripts.

    Attributes:
        width: Channels of the frame level.
        depth: Blocks of each level.
        heads: Heads of each block.
        head_channels: Channels of a head.
        window: Poses of a clip.
        stride: Poses from one clip to the next.
        dilation: Poses from one step of a clip to the next.
        dropout: In the blocks.
        steps: Of pre-training.
        batch_size: Recordings of a step of it.
        lr: Highest learning rate of pre-training.
        finetune_steps: Steps of training with labels.
        finetune_batch_size: Recordings of a step of it.
        finetune_lr: Highest learning rate of it.
        recordings: At most so many training recordings, for trials; None: all.
    """

    width: int = 32
    depth: int = 2
    heads: int = 4
    head_channels: int = 16
    window: int = 7
    stride: int = 7
    dilation: int = 2
    dropout: float = 0.1
    steps: int = 2500
    batch_size: int = 16
    lr: float = 1e-3
    finetune_steps: int = 600
    finetune_batch_size: int = 16
    finetune_lr: float = 1e-3
    recordings: int | None = None


#: The supplement's sizes; recognition trains 50 passes of NTU 60 (128 a step) there.
PAPER = Budget(
    width=128,
    depth=3,
    heads=8,
    head_channels=64,
    dropout=0.2,
    steps=30_000,
    batch_size=256,
    lr=4e-4,
    finetune_steps=15_660,
    finetune_batch_size=128,
    finetune_lr=4e-4,
)


class Preparation(NamedTuple):
    """What is done to recordings around hiding.

    Attributes:
        before: Transforms before augmentation and hiding.
        after: Transforms after hiding; the stream follows them.
    """

    before: tuple[Any, ...]
    after: tuple[Any, ...]

    def first(self) -> Any:
        """Those before."""
        return Compose(list(self.before))

    def then(self, stream: str) -> Any:
        """Those after, and the stream."""
        more = [] if stream == "joint" else [Stream(stream)]
        return Compose([*self.after, *more])

    def whole(self, stream: str) -> Any:
        """All of them, for labelled recordings."""
        return Compose([*self.before, *self.then(stream).transforms])


#: Recordings of one action: people face forward, in body units.
TRIMMED = Preparation((BridgeGaps(), FaceForward()), (BodyUnits(),))
#: Pieces of long recordings: nothing that depends on where a piece begins.
UNTRIMMED = Preparation((), (CenterJoint(),))


def dims_of(source: Any) -> int:
    """Dimensions of the coordinates of a data set, a part of one, or a store."""
    store = getattr(source, "store", source)
    return int(store.batch([0]).num_dims)


def turned(dims: int) -> RandomRotate:
    """Random turns of labelled recordings: in 3-D about y by most."""
    return RandomRotate((10.0, 30.0, 10.0) if dims == 3 else 10.0)


def new_encoder(b: Budget, train: Any, seed: int, **changes: Any) -> HiTRS:
    """An encoder with its first weights for the recordings of a source."""
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "width": b.width,
        "depth": b.depth,
        "num_heads": b.heads,
        "head_channels": b.head_channels,
        "window": b.window,
        "stride": b.stride,
        "dilation": b.dilation,
        "dropout": b.dropout,
        "layout": getattr(train, "store", train).layout,
    }
    return HiTRS(dims_of(train), **{**sizes, **changes})


def pretrained_encoder(
    folder: Path,
    train: Any,
    b: Budget,
    levels: str,
    stream: str,
    seed: int,
    facts: dict[str, Any],
    preparation: Preparation = TRIMMED,
) -> HiTRS:
    """An encoder after pre-training, which goes on where it was stopped.

    Args:
        folder: Of the run.
        train: Recordings; their labels are not read.
        b: How large and how long.
        levels: A key of :data:`LEVELS`; ``"none"``: first weights.
        stream: What the encoder sees.
        seed: Of everything.
        facts: What the run is.
        preparation: Of the recordings.
    """
    if levels == "none":
        return new_encoder(b, train, seed)
    epochs = common.passes(1, b.steps, len(train), b.batch_size)
    tasks: Sequence[str] = [task for letter in LEVELS[levels] for task in LEVEL_TASKS[letter]]

    def make() -> tuple[Any, dict[str, Any]]:
        objective = hitrs(
            encoder=new_encoder(b, train, seed),
            tasks=tasks,
            num_dims=dims_of(train),
            transform=preparation.then(stream),
        )
        return objective, {
            "before": preparation.first(),
            "augment": HiTRSAugmentation(),
            "optimizer": "adamw",
            "lr": b.lr,
            "weight_decay": 0.01,
            "decay_norm_and_bias": False,
            "schedule": "linear",
            "warmup_epochs": epochs / 30,
        }

    facts = {"levels": levels, "stream": stream, **facts, **vars(b)}
    return common.pretrained(folder, make, train, epochs, b.batch_size, seed, facts)


def model_name(b: Budget) -> str:
    """The network in a word."""
    return f"hitrs{b.depth}-w{b.width}-{b.steps}+{b.finetune_steps}"
