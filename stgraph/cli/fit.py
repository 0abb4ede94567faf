"""``stgraph fit``: trains a recogniser."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Any

from stgraph.cli.options import (
    DataOptions,
    InputOptions,
    NetworkOptions,
    RunOptions,
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
  stgraph fit --config kth --print_config > mine.yaml"""


def add_arguments(parser: Parser) -> None:
    """The options."""
    add_recipe(parser)
    parser.add_options(DataOptions, "data")
    for options in (InputOptions, NetworkOptions, TrainingOptions, RunOptions):
        parser.add_options(options)


def run(config: Any) -> None:
    """Trains, prints what was chosen, and saves it."""
    import torch

    from stgraph.skeleton import resolve_layout, resolve_partition
    from stgraph.tasks import Recognition, fit_task

    data_options = DataOptions(**vars(config.data))
    seen, net = taken(InputOptions, config), taken(NetworkOptions, config)
    training, how = taken(TrainingOptions, config), taken(RunOptions, config)
    with choosing("fit"):
        check_name(data_options.name, data_options.path)
        check_parts(data_options.name, data_options.train, data_options.val)
        check_options(net, training, how, data_options.val != "none")
        out = default_out(data_options, seen, net, training.seed) if how.out is None else how.out
        check_out_folder(out)
        transform, augment = build_input(seen)
        partition = resolve_partition(net.partition, **net.partition_args)
        network_class = find_network(net.network)
        wiring = None if seen.layout is None else resolve_layout(seen.layout)
    data = open_data(data_options, training, how)
    torch.manual_seed(training.seed)
    network = build_network(network_class, net, data, transform, partition, wiring)
    task = Recognition(
        network,
        data.num_classes,
        class_names=data.class_names,
        transform=transform,
        augment=augment,
        **task_arguments(training),
    )
    say_what(data_options, seen, net, training, data, network, out)
    say()
    result = fit_task(
        task,
        data,
        out=out,
        progress=is_first(),
        facts={
            "data": asdict(data_options),
            "input": asdict(seen),
            "network": asdict(net),
            "seed": training.seed,
        },
        **fit_arguments(training, how),
    )
    say()
    say_result(result)
    if result.folder is not None:
        say(f"saved   {result.folder}")
        say(f"next    stgraph test --model {result.folder}")


def open_data(options: DataOptions, training: TrainingOptions, how: RunOptions) -> Any:
    """Training and validation recordings; test recordings stay closed.

    Raises:
        ValueError: if parts share recordings or hold test recordings.
        RecordingError: if a source cannot be read, or a recording has no class.
    """
    from stgraph.tasks import SkeletonDataModule
    from stgraph.tasks.inspection import check_labels

    train = _part(options, options.train)
    val = None if options.val == "none" else _part(options, options.val)
    check_apart(train, val)
    data = SkeletonDataModule(train, val, batch_size=training.batch_size, num_workers=how.workers)
    check_labels(data, data.num_classes)
    return data


def build_input(seen: InputOptions) -> tuple[Any, Any]:
    """The transform of all recordings, and the augmentation of those in training."""
    from stgraph.tasks import build_transform

    return build_transform([*seen.transform, _stream(seen)]), build_transform(seen.augment)


def task_arguments(training: TrainingOptions) -> dict[str, Any]:
    """What a task of recognition is told of its training."""
    return {
        "optimizer": training.optimizer,
        "lr": training.lr,
        "momentum": training.momentum,
        "nesterov": training.nesterov,
        "weight_decay": training.weight_decay,
        "decay_norm_and_bias": training.decay_norm_and_bias,
        "schedule": training.schedule,
        "milestones": training.milestones,
        "gamma": training.gamma,
        "warmup_epochs": training.warmup_epochs,
        "min_lr": training.min_lr,
        "label_smoothing": training.label_smoothing,
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


def check_options(
    net: NetworkOptions, training: TrainingOptions, how: RunOptions, has_val: bool
) -> None:
    """What is wrong with an option is said before any recording is opened."""
    from stgraph.tasks import Recognition
    from stgraph.tasks.fit import check_accelerator, check_select
    from stgraph.tasks.limits import check_limits

    check_select(training.select, has_val, Recognition)
    check_limits(asdict(net) | asdict(training) | asdict(how), "expected --")
    check_accelerator(how.accelerator)


def _part(options: DataOptions, part: str) -> Any:
    return open_part(options.name, options.path, part, options.protocol, options.args)


def _stream(options: InputOptions) -> dict[str, Any]:
    arguments: dict[str, Any] = {"stream": options.stream}
    if options.score_channel:
        arguments["score"] = True
    return {"Stream": arguments}


def find_network(name: str) -> Any:
    """A class of :mod:`stgraph.nn` that classifies, by its name.

    Raises:
        ValueError: if there is none.
    """
    import stgraph.nn

    found = [getattr(stgraph.nn, each) for each in stgraph.nn.__all__]
    known = {
        each.__name__.lower(): each
        for each in found
        if inspect.isclass(each)
        and issubclass(each, stgraph.nn.PretrainedMixin)
        and "num_classes" in inspect.signature(each.__init__).parameters
    }
    key = name.lower().replace("-", "").replace("_", "")
    if key not in known:
        names = ", ".join(each.__name__ for each in known.values())
        raise ValueError(f"unknown network {name!r}; known are {names}")
    return known[key]


def build_network(
    network_class: Any,
    options: NetworkOptions,
    data: Any,
    transform: Any,
    partition: Any,
    layout: Any,
) -> Any:
    """The network for some recordings, whose partition may measure those of training."""
    from stgraph.tasks import fit_partition

    batch = transform(_first(data.train))
    own = batch.layouts[0]
    wiring = layout or own
    if wiring.num_joints != own.num_joints:
        raise ValueError(
            f"--layout {wiring.name} has {wiring.num_joints} joints, and the recordings "
            f"({own.name}) have {own.num_joints}"
        )
    known = inspect.signature(network_class).parameters
    sizes = {"in_channels": batch.x.size(1), "width": options.width, "layout": wiring}
    if "encoder_kwargs" in known:  # a network around an encoder of poses
        sizes = {"encoder_kwargs": sizes}
    if "partition" in known:
        sizes["partition"] = fit_partition(partition, data.train)
    try:
        return network_class(
            num_classes=data.num_classes,
            **{**sizes, "dropout": options.dropout, **options.network_args},
        )
    except TypeError as error:
        raise ValueError(f"the network does not take that: {error}") from None


def _first(source: Any) -> Any:
    """A batch of the first recording that has a pose."""
    from stgraph.tasks.data import source_indices, source_num_poses

    indices = source_indices(source)
    return source.store.batch(indices[source_num_poses(source) > 0][:1])


def default_out(data: DataOptions, seen: InputOptions, net: NetworkOptions, seed: int) -> str:
    """Folder of a run that was given none."""
    stream = seen.stream if isinstance(seen.stream, str) else "+".join(seen.stream)
    return f"runs/{name_of(data.name, data.path)}_{stream}_{net.partition}_s{seed}"


def say_what(
    data: DataOptions,
    seen: InputOptions | None,
    net: NetworkOptions | None,
    training: TrainingOptions,
    module: Any,
    network: Any,
    out: str,
) -> None:
    """Says what is trained on what, and where it goes; of input and network what is known."""
    number = sum(p.numel() for p in network.parameters() if p.requires_grad)
    streams = "as trained" if seen is None else seen.stream
    stream = streams if isinstance(streams, str) else " + ".join(streams)
    layout = getattr(network, "layout", None)
    val = "no validation" if module.val is None else f"{len(module.val):,} validation"
    say(f"data    {title_of(data.name)}: {len(module.train):,} training, {val} recordings")
    for line in _missing_classes(module):
        say(f"        {line}")
    empty = len(module.train) - module.train_labels.numel()
    if empty:
        say(f"        {count(empty, 'training recording')} without a pose left out")
    shape = "" if net is None else f"{net.partition} partition, width {net.width}, "
    say(f"model   {type(network).__name__}, {shape}{number:,} parameters")
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


def say_result(result: Any) -> None:
    """Says which epoch was chosen, and its figures."""
    row = result.best
    figures = [
        f"{title} {share(row[name])}"
        for name, title in (
            ("val/top1", "top-1"),
            ("val/mean_class", "mean class"),
            ("train/loss", "training loss"),
        )
        if name in row
    ]
    chosen = "by validation" if "val/top1" in row else "the last"
    say(f"chosen  epoch {result.best_epoch} ({chosen}): {', '.join(figures)}")
