"""Detectors of actions for ``stgraph fit``: what they take, how they are made and finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stgraph.cli.options import InputOptions, TaskOptions, TrainingOptions
from stgraph.cli.show import say, share

#: Nothing that depends on where a piece of a recording begins.
DETECTOR_TRANSFORM: list[Any] = ["CenterJoint"]
#: Temporal IoUs at which detectors are measured.
IOU = (0.1, 0.3, 0.5)


def check_task(kind: TaskOptions, training: TrainingOptions) -> None:
    """Refuses options of another task, and shares of nothing.

    Raises:
        ValueError: if there is one.
    """
    if kind.task == "recognition":
        for name, default in vars(TaskOptions()).items():
            if name != "task" and getattr(kind, name) != default:
                raise ValueError(f"--{name} is for --task detection; leave it out, or name that")
        return
    if training.balanced:
        raise ValueError(
            "--balanced weighs the classes of recordings, and a detector gives classes to frames; "
            "take --background_weight"
        )
    if training.ema_decay is not None:
        raise ValueError("--ema_decay is for --task recognition; leave it out for detection")
    for name in ("background_weight", "frame_share"):
        if not getattr(kind, name):
            raise ValueError(f"expected --{name} above 0 (got 0)")


def input_of_detector(seen: InputOptions) -> InputOptions:
    """What a detector sees: without a choice nothing that takes the whole recording."""
    if seen.transform == InputOptions().transform:
        return replace(seen, transform=list(DETECTOR_TRANSFORM))
    return seen


def make_detector(
    build: Callable[[int | None], Any],
    train: Any,
    val: Any,
    kind: TaskOptions,
    dropout: float,
    settings: dict[str, Any],
    loading: dict[str, Any],
) -> tuple[Any, Any]:
    """The task, and the pieces of recordings that it trains on.

    Args:
        build: Makes the encoder (of no classes).
        train: Recordings with ``segments``.
        val: Likewise, or None.
        kind: Options of detection.
        dropout: Before the classifier.
        settings: Transforms, optimiser and schedule.
        loading: Batch size and workers.

    Raises:
        RecordingError: if a recording says nothing of what happens when.
        ValueError: if the encoder gives no embeddings of frames.
    """
    from stgraph.nn import FrameClassifier
    from stgraph.tasks import Detection, SkeletonDataModule, chunk_store

    names = _class_names(train, val)
    encoder = build(None)
    if not hasattr(encoder, "nodes") and not hasattr(encoder, "poses"):
        raise ValueError(
            f"a {type(encoder).__name__} gives one answer a recording and none a frame; take "
            "another --network for detection"
        )
    network = FrameClassifier(encoder, len(names), dropout=dropout)
    task = Detection(
        network,
        names,
        background_weight=kind.background_weight,
        frame_share=kind.frame_share,
        iou=IOU,
        **settings,
    )
    context = kind.context
    if context is None:
        context = kind.piece // 2 if network.reach is None else network.reach
    pieces = chunk_store(train, kind.piece, context)
    return task, SkeletonDataModule(pieces, val, check_classes=False, eval_batch_size=8, **loading)


def _class_names(train: Any, val: Any) -> tuple[str, ...]:
    """Names of the actions, once all recordings are known to have them.

    Raises:
        RecordingError: if one has not.
    """
    from stgraph.tasks.data import source_class_names
    from stgraph.tasks.inspection import check_actions, recordings_digest

    names = source_class_names(train)
    parts = [("the training recordings", train), ("the validation recordings", val)]
    labels = [
        check_actions(source, None if names is None else len(names), part)
        for part, source in parts
        if source is not None
    ]
    for part, source in parts:  # before they are in pieces, whose numbers tell nobody anything
        if source is not None:
            recordings_digest(source, part)
    if not len(labels[0]):
        raise ValueError("the training recordings hold no action: there is nothing to learn")
    if names is not None:
        return names
    return tuple(f"class {i + 1}" for i in range(max(int(y.max()) for y in labels if len(y))))


def missing_actions(train: Any, val: Any, names: tuple[str, ...]) -> list[str]:
    """What to know where a part lacks an action."""
    from stgraph.tasks.inspection import check_actions

    lines = []
    for part, source in (("training", train), ("validation", val)):
        if source is not None:
            there = set(check_actions(source, None, part).tolist())
            missing = [name for i, name in enumerate(names, start=1) if i not in there]
            if missing:
                shown = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
                lines.append(f"NOTE: no {part} recording shows {shown}")
    return lines


def choose_and_save_finder(task: Any, val: Any, folder: Path | None, facts: dict[str, Any]) -> None:
    """Chooses on validation recordings how actions are found, and saves it with the model."""
    from stgraph.evaluation import choose_finder, detection_figures
    from stgraph.tasks import detect, save_detection

    if val is None:
        say(f"finder  {describe_finder(task.finder)} (not chosen: there is no validation)")
        return
    found = detect(task, val)
    classes = task.num_classes
    task.finder = choose_finder(found, iou=IOU, num_classes=classes, by=("map_a", "f1"))
    figures = detection_figures(found, task.finder, IOU, classes)
    at = "/".join(f"{iou:g}" for iou in IOU)
    reached = [
        f"{title} {'/'.join(share(figures[f'{name}@{iou:g}']) for iou in IOU)}"
        for name, title in (("map_a", "mAP_a"), ("f1", "F1"))
    ]
    say(f"finder  {describe_finder(task.finder)}")
    say(f"        chosen by validation: {', '.join(reached)} at IoU {at}")
    if folder is not None:
        save_detection(task, folder, facts)


def describe_finder(finder: Any) -> str:
    """How actions are found, in a few words."""
    rule = "most probable class"
    if finder.method == "threshold":
        rule = "above " + "/".join(f"{t:g}" for t in finder.thresholds)
    words = [rule, f"smoothing {finder.smoothing}", f"at least {finder.min_length} frames"]
    if finder.max_gap:
        words.append(f"gaps up to {finder.max_gap}")
    if finder.nms < 1:
        words.append(f"nms {finder.nms:g}")
    return ", ".join(words)
