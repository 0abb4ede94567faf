"""What a recipe says: the constructor arguments of dataclasses, in sections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class DataOptions:
    """recordings

    Args:
        name: kth, nw_ucla, penn_action, utd_mhad, sbu_kinect, msr_action3d, utkinect, pku_mmd,
            kth_synthetic (made on the spot), or store (a file of ours with a column 'split')
        path: folder or archive of the set
        protocol: how the set is split; its official way by default
        train: part to train on
        val: part to choose the epoch by; 'none': the last epoch
        args: further arguments of the set, such as --data.args.val_by camera
    """

    name: str = "kth_synthetic"
    path: str | None = None
    protocol: str | None = None
    train: str = "train"
    val: str = "val"
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class TaskOptions:
    """task

    Args:
        task: recognition: one class a recording; detection: a class or background every frame, of
            recordings that say what happens when ('segments': utkinect, pku_mmd)
        piece: of detection: frames of the pieces of recordings that train
        context: of detection: frames around a piece that are seen as well; by default as far as the
            network looks, else half a piece
        background_weight: of detection: weight of background in the loss
        frame_share: of detection: share of the frames of a step that are learned from
    """

    task: Literal["recognition", "detection"] = "recognition"
    piece: int = 32
    context: int | None = None
    background_weight: float = 1.0
    frame_share: float = 1.0


@dataclass
class InputOptions:
    """what the network sees

    Args:
        stream: joint, bone, relative, their _motion, or several: '[joint, bone]'
        score_channel: append the score of each joint as a channel
        transform: transforms of every recording: names or {name: arguments}, in YAML; by default
            BridgeGaps, FillMissing and Standardise, for detection CenterJoint
        augment: the same for random changes in training, before the others
        layout: wiring of the network, another one of as many joints; that of the set by default
    """

    stream: str | list[str] = "joint"
    score_channel: bool = False
    transform: list[str | dict[str, Any]] = field(
        default_factory=lambda: [
            "BridgeGaps",
            "FillMissing",
            {"Standardise": {"per_coordinate": False}},
        ]
    )
    augment: list[str | dict[str, Any]] = field(default_factory=list)
    layout: str | None = None


@dataclass
class NetworkOptions:
    """network

    Args:
        network: class of stgraph.nn
        partition: uniform, distance, spatial, symmetrical, inward_outward; controls identity,
            random
        partition_args: its arguments, such as --partition_args.max_hop 2, or
            --partition_args.distance measured (on the training recordings)
        width: channels of the first unit
        dropout: dropout of the units
        network_args: further arguments of the class, such as --network_args.block preactivation
    """

    network: str = "STGCN"
    partition: str = "spatial"
    partition_args: dict[str, Any] = field(default_factory=dict)
    width: int = 16
    dropout: float = 0.1
    network_args: dict[str, Any] = field(default_factory=dict)


@dataclass
class TrainingOptions:
    """training

    Args:
        epochs: passes over the training recordings
        batch_size: recordings of a step, over all processes
        optimizer: the optimiser
        lr: highest learning rate
        momentum: of SGD
        nesterov: of SGD
        weight_decay: weight decay
        decay_norm_and_bias: decay biases and the scales of norms as well, as published recipes do
        schedule: how the rate falls
        milestones: epochs at which 'steps' falls, in YAML: '[35, 55]'
        gamma: factor of each fall
        warmup_epochs: epochs of linear warm-up
        min_lr: where 'cosine' ends
        label_smoothing: share of the target that is spread over all classes
        balanced: weigh classes against their numbers
        ema_decay: decay of a moving average of the weights, which then predicts
        gradient_clip: greatest norm of the gradient
        select: what chooses the epoch: val/top1, val/mean_class, val/loss, or last; of detection
            val/map_a, val/map_v, val/f1, val/frames
        early_stopping: stop after so many epochs without a better one
        seed: of first weights, order, augmentation and dropout
    """

    epochs: int = 30
    batch_size: int = 16
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    lr: float = 2e-3
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    decay_norm_and_bias: bool = True
    schedule: Literal["cosine", "steps", "constant"] = "cosine"
    milestones: list[float] = field(default_factory=list)
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    min_lr: float = 0.0
    label_smoothing: float = 0.0
    balanced: bool = False
    ema_decay: float | None = None
    gradient_clip: float | None = None
    select: str | None = None
    early_stopping: int | None = None
    seed: int = 0


@dataclass
class RunOptions:
    """this run

    Args:
        out: folder of the run; by default one below runs, named after what is trained on what
        resume: go on from the folder's last checkpoint, if there is one
        precision: of the numbers
        accelerator: auto (CUDA where there is a device), cpu or cuda
        devices: number of processes
        workers: processes that load batches
        checkpoint_every: steps between checkpoints within an epoch
    """

    out: str | None = None
    resume: bool = True
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = 1
    workers: int = 0
    checkpoint_every: int | None = None


def taken(options: type, config: Any) -> Any:
    """The options of one section from all values."""
    names = options.__dataclass_fields__  # type: ignore[attr-defined]
    return options(**{name: config[name] for name in names})
