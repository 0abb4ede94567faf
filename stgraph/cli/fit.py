"""``stgraph fit``: trains a recogniser, or a detector of actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from stgraph.cli.detection import (
    check_task,
    choose_and_save_finder,
    input_of_detector,
    make_detector,
    missing_actions,
)
from stgraph.cli.networks import build_network, find_network
from stgraph.cli.options import (
    DataOptions,
    InputOptions,
    NetworkOptions,
    RunOptions,
    TaskOptions,
    TrainingOptions,
    taken,
)
from stgraph.cli.parsing import Parser, add_recipe, choosing
from stgraph.cli.places import check_out_folder
from stgraph.cli.sets import check_apart, check_name, check_parts, name_of, open_part, title_of
from stgraph.cli.show import count, is_first, say, share

DESCRIPTION = """Every option can stand in the recipe; what
follows --config on the command line wins. The epoch is chosen by validation recordings, never by
test recordings, which are not even opened. A run that was stopped goes on when the same command is
given again."""

EXAMPLES = """  stgraph fit                             on the embedded synthetic set
  stgraph fit --config kth --data.path PATH
  stgraph fit --config kth --data.path PATH --stream bone --partition distance
  stgraph fit --config nw_ucla --data.path PATH --data.val none --seed 1
  stgraph fit --config kth --print_config > mine.yaml
  stgraph fit --task detection --data.name utkinect --data.path PATH
  stgraph fit --config utkinect_detection --data.path PATH --out runs/detector"""


def add_arguments(parser: Parser) -> None:
    """The options."""
    add_recipe(parser)
    parser.add_options(DataOptions, "data")
    for options in (TaskOptions, InputOptions, NetworkOptions, TrainingOptions, RunOptions):
        parser.add_options(options)


def run(config: Any) -> None:
    """Trains, prints what was chosen, and saves it."""
    import torch

    from stgraph.skeleton import resolve_layout, resolve_partition
    from stgraph.tasks import fit_task

    data_options, kind = DataOptions(**vars(config.data)), taken(TaskOptions, config)
    seen, net = taken(InputOptions, config), taken(NetworkOptions, config)
    training, how = taken(TrainingOptions, config), taken(RunOptions, config)
    detects = kind.task == "detection"
    with choosing("fit"):
        check_name(data_options.name, data_options.path)
        check_parts(data_options.name, data_options.train, data_options.val)
        check_task(kind, training)
        check_options(net, training, how, data_options.val != "none", kind)
        seen = input_of_detector(seen) if detects else seen
        out = how.out
        if out is None:
            out = default_out(data_options, seen, net, training.seed, kind.task)
        check_out_folder(out)
        transform, augment = build_input(seen)
        partition = resolve_partition(net.partition, **net.partition_args)
        network_class = find_network(net.network)
        wiring = None if seen.layout is None else resolve_layout(seen.layout)
    train, val = open_parts(data_options)

    def build(num_classes: int | None) -> Any:
        torch.manual_seed(training.seed)
        return build_network(network_class, net, train, transform, partition, wiring, num_classes)

    prepared = {"transform": transform, "augment": augment}
    if detects:
        loading = {"batch_size": training.batch_size, "num_workers": how.workers}
        settings = {**prepared, **training_arguments(training)}
        task, data = make_detector(build, train, val, kind, net.dropout, settings, loading)
    else:
        data = labelled(train, val, training, how)
        task = _make_recogniser(build, data, training, prepared)
    read = Read(kind, train, val, task.class_names)
    say_what(data_options, seen, net, training, data, task.network, out, read)
    say()
    facts = {
        "data": asdict(data_options),
        "input": asdict(seen),
        "network": asdict(net),
        "seed": training.seed,
        **({"detection": asdict(kind)} if detects else {}),
    }
    result = fit_task(
        task,
        data,
        out=out,
        progress=is_first(),
        facts=facts,
        **fit_arguments(training, how),
    )
    say()
    say_result(result, val is not None and training.select != "last")
    if detects and is_first():
        choose_and_save_finder(task, val, result.folder, facts)
    if result.folder is not None:
        say(f"saved   {result.folder}")
        say(f"next    stgraph test --model {result.folder}")


def open_parts(options: DataOptions) -> tuple[Any, Any]:
    """Training and validation recordings (or None); test recordings stay closed.

    Raises:
        ValueError: if parts share recordings or hold test recordings.
        RecordingError: if a source cannot be read.
    """
    train = _part(options, options.train)
    val = None if options.val == "none" else _part(options, options.val)
    check_apart(train, val)
    return train, val


def labelled(train: Any, val: Any, training: TrainingOptions, how: RunOptions) -> Any:
    """The recordings of a recogniser.

    Raises:
        RecordingError: if a recording has no class.
    """
    from stgraph.tasks import SkeletonDataModule
    from stgraph.tasks.inspection import check_labels

    data = SkeletonDataModule(train, val, batch_size=training.batch_size, num_workers=how.workers)
    check_labels(data, data.num_classes)
    return data


def build_input(seen: InputOptions) -> tuple[Any, Any]:
    """The transform of all recordings, and the augmentation of those in training."""
    from stgraph.tasks import build_transform

    return build_transform([*seen.transform, _stream(seen)]), build_transform(seen.augment)


def training_arguments(training: TrainingOptions) -> dict[str, Any]:
    """What all tasks are told of optimiser, schedule and loss."""
    names = (
        "optimizer",
        "lr",
        "momentum",
        "nesterov",
        "weight_decay",
        "decay_norm_and_bias",
        "schedule",
        "milestones",
        "gamma",
        "warmup_epochs",
        "min_lr",
        "label_smoothing",
    )
    return {name: getattr(training, name) for name in names}


def task_arguments(training: TrainingOptions) -> dict[str, Any]:
    """What a task of recognition is told of its training."""
    return {
        **training_arguments(training),
        "class_weight": "balanced" if training.balanced else None,
        "ema_decay": training.ema_decay,
    }


def fit_arguments(training: TrainingOptions, how: RunOptions) -> dict[str, Any]:
    """What the function that fits is told of a training."""
    return {
        "max_epochs": training.epochs,
        "resume": how.resume,
        "seed": training.seed,
        "select": training.select,
        "early_stopping": training.early_stopping,
        "gradient_clip": training.gradient_clip,
        "precision": how.precision,
        "accelerator": how.accelerator,
        "devices": how.devices,
        "checkpoint_every": how.checkpoint_every,
    }


def _make_recogniser(
    build: Callable[[int], Any], data: Any, training: TrainingOptions, prepared: dict[str, Any]
) -> Any:
    from stgraph.tasks import Recognition

    return Recognition(
        build(data.num_classes),
        data.num_classes,
        class_names=data.class_names,
        **prepared,
        **task_arguments(training),
    )


def check_options(
    net: NetworkOptions,
    training: TrainingOptions,
    how: RunOptions,
    has_val: bool,
    kind: TaskOptions | None = None,
) -> None:
    """What is wrong with an option is said before any recording is opened."""
    from stgraph.tasks import Detection, Recognition
    from stgraph.tasks.fit import check_accelerator, check_select
    from stgraph.tasks.limits import check_limits

    kind = TaskOptions() if kind is None else kind
    task: Any = Detection if kind.task == "detection" else Recognition
    check_select(training.select, has_val, task)
    check_limits(asdict(kind) | asdict(net) | asdict(training) | asdict(how), "expected --")
    check_accelerator(how.accelerator)


def _part(options: DataOptions, part: str) -> Any:
    return open_part(options.name, options.path, part, options.protocol, options.args)


def _stream(options: InputOptions) -> dict[str, Any]:
    arguments: dict[str, Any] = {"stream": options.stream}
    if options.score_channel:
        arguments["score"] = True
    return {"Stream": arguments}


def default_out(
    data: DataOptions,
    seen: InputOptions,
    net: NetworkOptions,
    seed: int,
    task: str = "recognition",
) -> str:
    """Folder of a run that was given none."""
    stream = seen.stream if isinstance(seen.stream, str) else "+".join(seen.stream)
    name = name_of(data.name, data.path) + f"_{task}" * (task != "recognition")
    return f"runs/{name}_{stream}_{net.partition}_s{seed}"


class Read(NamedTuple):
    """Recordings before a detector cuts them to pieces.

    Attributes:
        kind: Options of the task.
        train: Training recordings.
        val: Validation recordings, or None.
        class_names: Names of the classes.
    """

    kind: TaskOptions
    train: Any
    val: Any
    class_names: tuple[str, ...]


def say_what(
    data: DataOptions,
    seen: InputOptions | None,
    net: NetworkOptions | None,
    training: TrainingOptions,
    module: Any,
    network: Any,
    out: str,
    read: Read | None = None,
) -> None:
    """Says what is trained on what, and where it goes.

    Args:
        data: What was asked for.
        seen: The input, where it is not that of a trained folder.
        net: The network, likewise.
        training: Epochs.
        module: What is trained on.
        network: What is trained.
        out: Where it goes.
        read: The recordings as they were read; by default those of a recogniser, which are
            trained on as they are.
    """
    kind, train, val, names = read or Read(TaskOptions(), module.train, module.val, ())
    detects = kind.task == "detection"
    number = sum(p.numel() for p in network.parameters() if p.requires_grad)
    streams = "as trained" if seen is None else seen.stream
    stream = streams if isinstance(streams, str) else " + ".join(streams)
    layout = getattr(network, "layout", None)
    held = "no validation" if val is None else f"{len(val):,} validation"
    say(f"data    {title_of(data.name)}: {len(train):,} training, {held} recordings")
    if detects:
        say(f"        {count(len(module.train), 'piece')} of {kind.piece} frames to train on")
        missing = missing_actions(train, val, names)
    else:
        missing = _missing_classes(module)
    for line in missing:
        say(f"        {line}")
    empty = 0 if detects else len(module.train) - module.train_labels.numel()
    if empty:
        say(f"        {count(empty, 'training recording')} without a pose left out")
    encoder = network.encoder if detects else network
    what = type(encoder).__name__ + ", a class or background a frame" * detects
    if net is not None:
        if "partition" in getattr(encoder, "config", {}):
            what += f", {net.partition} partition"
        what += f", width {net.width}"
    say(f"model   {what}, {number:,} parameters")
    joints = "any layout" if layout is None else layout.name
    say(f"input   {stream}{'' if seen is None else ' stream'}, {joints}")
    steps = count(module.batches_per_epoch, "step")
    run = f"{count(training.epochs, 'epoch')} of {steps}" if training.epochs else "no training"
    say(f"run     {run}, in {out}")


def _missing_classes(module: Any) -> list[str]:
    """What to know where a part lacks a class: its figures do not mean what they seem to."""
    from stgraph.tasks.data import source_labels

    names = module.class_names or tuple(map(str, range(module.num_classes)))
    lines = []
    for part, source in (("training", module.train), ("validation", module.val)):
        if source is None:
            continue
        there = set(source_labels(source).tolist())
        missing = [name for number, name in enumerate(names) if number not in there]
        if missing:
            shown = ", ".join(missing[:3]) + ", ..." * (len(missing) > 3)
            lines.append(f"NOTE: no {part} recording of {shown}")
    return lines


def say_result(result: Any, by_validation: bool) -> None:
    """Says which epoch was chosen, and its figures."""
    row = result.best
    figures = [
        f"{title} {share(row[name])}"
        for name, title in (
            ("val/top1", "top-1"),
            ("val/mean_class", "mean class"),
            ("val/frames", "frames"),
            ("val/map_a", "mAP_a"),
            ("val/f1", "F1"),
            ("train/loss", "training loss"),
        )
        if name in row
    ]
    chosen = "by validation" if by_validation else "the last"
    say(f"chosen  epoch {result.best_epoch} ({chosen}): {', '.join(figures)}")
