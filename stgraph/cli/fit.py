"""``stgraph fit``: trains a recogniser, or a detector of actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

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
    from stgraph.tasks import build_transform, fit_task

    data_options, kind = DataOptions(**vars(config.data)), taken(TaskOptions, config)
    seen, net = taken(InputOptions, config), taken(NetworkOptions, config)
    training, how = taken(TrainingOptions, config), taken(RunOptions, config)
    detects = kind.task == "detection"
    with choosing("fit"):
        check_name(data_options.name, data_options.path)
        check_parts(data_options.name, data_options.train, data_options.val)
        check_task(kind, training)
        _check_options(kind, net, training, how, data_options.val != "none")
        seen = input_of_detector(seen) if detects else seen
        out = how.out
        if out is None:
            out = default_out(data_options, seen, net, training.seed, kind.task)
        check_out_folder(out)
        transform = build_transform([*seen.transform, _stream(seen)])
        augment = build_transform(seen.augment)
        partition = resolve_partition(net.partition, **net.partition_args)
        network_class = find_network(net.network)
        wiring = None if seen.layout is None else resolve_layout(seen.layout)
    train = _part(data_options, data_options.train)
    val = None if data_options.val == "none" else _part(data_options, data_options.val)
    check_apart(train, val)

    def build(num_classes: int | None) -> Any:
        torch.manual_seed(training.seed)
        return build_network(network_class, net, train, transform, partition, wiring, num_classes)

    settings = {"transform": transform, "augment": augment, **_settings(training)}
    loading = {"batch_size": training.batch_size, "num_workers": how.workers}
    if detects:
        task, data = make_detector(build, train, val, kind, net.dropout, settings, loading)
    else:
        task, data = _make_recogniser(build, train, val, training, settings, loading)
    _say_what(data_options, seen, net, training, kind, (train, val), data, task, out)
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
        max_epochs=training.epochs,
        out=out,
        resume=how.resume,
        seed=training.seed,
        select=training.select,
        early_stopping=training.early_stopping,
        gradient_clip=training.gradient_clip,
        precision=how.precision,
        accelerator=how.accelerator,
        devices=how.devices,
        checkpoint_every=how.checkpoint_every,
        progress=is_first(),
        facts=facts,
    )
    say()
    _say_result(result, val is not None and training.select != "last")
    if detects and is_first():
        choose_and_save_finder(task, val, result.folder, facts)
    if result.folder is not None:
        say(f"saved   {result.folder}")
        say(f"next    stgraph test --model {result.folder}")


def _settings(training: TrainingOptions) -> dict[str, Any]:
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


def _make_recogniser(
    build: Callable[[int], Any],
    train: Any,
    val: Any,
    training: TrainingOptions,
    settings: dict[str, Any],
    loading: dict[str, Any],
) -> tuple[Any, Any]:
    """The task, and the recordings that it trains on."""
    from stgraph.tasks import Recognition, SkeletonDataModule
    from stgraph.tasks.inspection import check_labels

    data = SkeletonDataModule(train, val, **loading)
    check_labels(data, data.num_classes)
    task = Recognition(
        build(data.num_classes),
        data.num_classes,
        class_names=data.class_names,
        class_weight="balanced" if training.balanced else None,
        ema_decay=training.ema_decay,
        **settings,
    )
    return task, data


def _check_options(
    kind: TaskOptions,
    net: NetworkOptions,
    training: TrainingOptions,
    how: RunOptions,
    has_val: bool,
) -> None:
    """What is wrong with an option is said before any recording is opened."""
    from stgraph.tasks import Detection, Recognition
    from stgraph.tasks.fit import check_accelerator, check_select
    from stgraph.tasks.limits import check_limits

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


def _say_what(
    data: DataOptions,
    seen: InputOptions,
    net: NetworkOptions,
    training: TrainingOptions,
    kind: TaskOptions,
    parts: tuple[Any, Any],
    module: Any,
    task: Any,
    out: str,
) -> None:
    network = task.network
    number = sum(p.numel() for p in network.parameters() if p.requires_grad)
    stream = seen.stream if isinstance(seen.stream, str) else " + ".join(seen.stream)
    layout = getattr(network, "layout", None)
    train, val = parts
    held = "no validation" if val is None else f"{len(val):,} validation"
    say(f"data    {title_of(data.name)}: {len(train):,} training, {held} recordings")
    detects = kind.task == "detection"
    if detects:
        say(f"        {count(len(module.train), 'piece')} of {kind.piece} frames to train on")
    missing = missing_actions(train, val, task.class_names) if detects else _missing_classes(module)
    for line in missing:
        say(f"        {line}")
    empty = 0 if detects else len(module.train) - module.train_labels.numel()
    if empty:
        say(f"        {count(empty, 'training recording')} without a pose left out")
    encoder = network.encoder if detects else network
    what = type(encoder).__name__ + ", a class or background a frame" * detects
    if "partition" in getattr(encoder, "config", {}):
        what += f", {net.partition} partition"
    say(f"model   {what}, width {net.width}, {number:,} parameters")
    say(f"input   {stream} stream, {layout.name if layout is not None else 'any layout'}")
    steps = count(module.batches_per_epoch, "step")
    say(f"run     {count(training.epochs, 'epoch')} of {steps}, in {out}")
    say()


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


def _say_result(result: Any, by_validation: bool) -> None:
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
