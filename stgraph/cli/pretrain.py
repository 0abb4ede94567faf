"""``stgraph pretrain``: learns an encoder without labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from stgraph.cli.options import RunOptions, taken
from stgraph.cli.parsing import Parser, add_recipe, choosing
from stgraph.cli.places import check_out_folder
from stgraph.cli.sets import check_apart, check_name, check_parts, name_of, open_part, title_of
from stgraph.cli.show import count, is_first, say
from stgraph.cli.systems import (
    HIDING,
    build_masking,
    build_objective,
    build_target,
    build_views,
    check_system,
)

DESCRIPTION = """Labels are never read (but to leave classes out), and of every set
only the part to train on is opened. Several sets, of any joints, train one encoder together
(--more). A run that was stopped goes on when the same command is given again."""

EXAMPLES = """  stgraph pretrain                        on the embedded synthetic set
  stgraph pretrain --config mamp --data.name nw_ucla --data.path PATH
  stgraph pretrain --config stars --encoder runs/NAME/model \\
      --data.name nw_ucla --data.path PATH
  stgraph pretrain --config mamp --data.name nw_ucla --data.path PATH \\
      --data.leave_out novel
  stgraph pretrain --config mamp --data.name utd_mhad --data.path PATH \\
      --more '[{name: nw_ucla, path: PATH}, {name: kth, path: PATH}]'"""


@dataclass
class PretrainingData:
    """recordings

    Args:
        name: kth, nw_ucla, penn_action, utd_mhad, sbu_kinect, msr_action3d, utkinect, pku_mmd,
            kth_synthetic (made on the spot), or store (a file of ours with a column 'split')
        path: folder or archive of the set
        protocol: how the set is split; its official way by default
        train: part to train on
        val: part whose loss is shown after every epoch; 'none': no such part
        leave_out: numbers of classes to train without, in YAML, or 'novel': the third that
            few-shot protocols ask for
        args: further arguments of the set
    """

    name: str = "kth_synthetic"
    path: str | None = None
    protocol: str | None = None
    train: str = "train"
    val: str = "none"
    leave_out: list[int] | Literal["novel"] | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class SystemOptions:
    """what is learned

    Args:
        system: mamp (masked motion prediction), skeletonmae (masked body parts), stars (contrast of
            nearest neighbours, which tunes the encoder of another run), skeletonclr (momentum
            contrast), crossclr (the same of three streams that mine each other's positives), hitrs
            (joints, clips and videos at once)
        backbone: transformer, hitrs, stgcn, or gin, gcn, gat over each pose; the system's own by
            default
        encoder: folder of an encoder to begin with (OUT/model of another run)
        bound: give every joint of the set an embedding of its own; 'false': joints are known by
            name, hops, part and side, so that sets of any joints train together
        width: channels of the encoder
        depth: its layers (an stgcn has nine)
        heads: heads of its attention
        patch_size: poses of a token
        window: poses of a clip of hitrs
        stride: poses from one clip to the next
        dilation: poses from one step of a clip to the next
        decoder_depth: layers of the decoder
        masking: motion, tokens, joints, parts, tubes or frames; the system's own by default
        ratio: share to hide
        target: motion, coordinates or bones; the system's own by default
        queue_size: entries of the queue of a contrast
        views: random changes that make the two views of a contrast, in YAML; by default shear and
            a crop in time, and for stars none: one view
        system_args: further arguments of the system
        prepare: transforms of every recording before anything else, augmentation and hiding
            included: names or {name: arguments}, in YAML
        transform: likewise, after hiding
        augment: random changes in training, before anything else
        more: further sets, each {name, path, protocol, train, args}, in YAML
    """

    system: Literal["mamp", "skeletonmae", "stars", "skeletonclr", "crossclr", "hitrs"] = "mamp"
    backbone: Literal["transformer", "hitrs", "gin", "gcn", "gat", "stgcn"] | None = None
    encoder: str | None = None
    bound: bool = False
    width: int = 32
    depth: int = 3
    heads: int = 4
    patch_size: int = 4
    window: int = 7
    stride: int = 7
    dilation: int = 2
    decoder_depth: int = 1
    masking: str | None = None
    ratio: float | None = None
    target: str | None = None
    queue_size: int = 2048
    views: list[str | dict[str, Any]] | None = None
    system_args: dict[str, Any] = field(default_factory=dict)
    prepare: list[str | dict[str, Any]] = field(default_factory=lambda: ["BridgeGaps"])
    transform: list[str | dict[str, Any]] = field(default_factory=lambda: ["BodyUnits"])
    augment: list[str | dict[str, Any]] = field(default_factory=list)
    more: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class PretrainingOptions:
    """training

    Args:
        epochs: passes over the recordings
        batch_size: recordings of a step, over all processes
        optimizer: the optimiser
        lr: highest learning rate
        betas: of adam and adamw, in YAML: '[0.9, 0.95]'
        weight_decay: weight decay
        decay_norm_and_bias: decay biases and the scales of norms as well
        schedule: how the rate falls
        milestones: epochs at which 'steps' falls to a tenth, in YAML
        warmup_epochs: epochs of linear warm-up
        min_lr: where 'cosine' and 'linear' end
        layer_decay: rates of the encoder's layers fall by this factor towards its input
        tuned_layers: train only so many layers of the encoder, from its output on
        gradient_clip: greatest norm of the gradient
        clip_each: greatest norm of the gradient of each parameter by itself
        seed: of first weights, order, augmentation and what is hidden
    """

    epochs: int = 10
    batch_size: int = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    lr: float = 1e-3
    betas: list[float] = field(default_factory=lambda: [0.9, 0.95])
    weight_decay: float = 0.05
    decay_norm_and_bias: bool = False
    schedule: Literal["cosine", "linear", "steps", "constant"] = "cosine"
    milestones: list[float] = field(default_factory=list)
    warmup_epochs: float = 1.0
    min_lr: float = 0.0
    layer_decay: float | None = None
    tuned_layers: int | None = None
    gradient_clip: float | None = None
    clip_each: float | None = None
    seed: int = 0


def add_arguments(parser: Parser) -> None:
    """The options."""
    add_recipe(parser)
    parser.add_options(PretrainingData, "data")
    for options in (SystemOptions, PretrainingOptions, RunOptions):
        parser.add_options(options)


def run(config: Any) -> None:
    """Pre-trains and saves the encoder."""
    import torch

    from stgraph.tasks import Pretraining, SkeletonDataModule, build_transform, fit_task
    from stgraph.tasks.limits import check_limits

    sets = [PretrainingData(**vars(config.data))]
    system, training = taken(SystemOptions, config), taken(PretrainingOptions, config)
    how = taken(RunOptions, config)
    with choosing("pretrain"):
        sets += [_one_more(entry) for entry in system.more]
        for options in sets:
            check_name(options.name, options.path)
            check_parts(options.name, options.train, options.val)
        check_limits(asdict(system) | asdict(training) | asdict(how), "expected --")
        check_system(system)
        out = _default_out(sets, system, training) if how.out is None else how.out
        check_out_folder(out)
        transform = build_transform(system.transform)
        before = build_transform(system.prepare)
        augment = build_transform(system.augment)
        masking, target, views = build_masking(system), build_target(system), build_views(system)
    parts = [_part(options, options.train) for options in sets]
    val = None if sets[0].val == "none" else _part(sets[0], sets[0].val)
    for number, part in enumerate(parts):
        check_apart(part, val if number == 0 else None)
    train = _joined([_left(part, options) for part, options in zip(parts, sets, strict=True)])
    data = SkeletonDataModule(
        train,
        val,
        batch_size=training.batch_size,
        num_workers=how.workers,
        numbered=True,
        check_classes=False,
    )
    torch.manual_seed(training.seed)
    objective = build_objective(system, train, masking, target, views, transform)
    task = Pretraining(
        objective,
        before=before,
        transform=None if system.system in HIDING else transform,
        augment=augment,
        optimizer=training.optimizer,
        lr=training.lr,
        betas=tuple(training.betas),
        weight_decay=training.weight_decay,
        decay_norm_and_bias=training.decay_norm_and_bias,
        schedule=training.schedule,
        milestones=training.milestones,
        warmup_epochs=training.warmup_epochs,
        min_lr=training.min_lr,
        layer_decay=training.layer_decay,
        tuned_layers=training.tuned_layers,
        clip_each=training.clip_each,
    )
    _say_what(sets, system, training, data, task, out)
    result = fit_task(
        task,
        data,
        max_epochs=training.epochs,
        out=out,
        resume=how.resume,
        seed=training.seed,
        select="last",
        gradient_clip=training.gradient_clip,
        precision=how.precision,
        accelerator=how.accelerator,
        devices=how.devices,
        checkpoint_every=how.checkpoint_every,
        progress=is_first(),
        facts={
            "data": [asdict(options) for options in sets],
            "system": asdict(system),
            "training": asdict(training),
            "seed": training.seed,
        },
    )
    say()
    say(f"saved   {result.folder}")
    say(f"next    stgraph evaluate --model {result.folder}")


def _one_more(entry: dict[str, Any]) -> PretrainingData:
    try:
        return PretrainingData(**entry)
    except TypeError as error:
        raise ValueError(
            f"--more expected sets as {{name, path, protocol, train, args}} ({error})"
        ) from None


def _part(options: PretrainingData, part: str) -> Any:
    return open_part(options.name, options.path, part, options.protocol, options.args)


def _left(part: Any, options: PretrainingData) -> Any:
    """A part without the classes to leave out; facts then hold their numbers."""
    if options.leave_out is None:
        return part
    from stgraph.evaluation import hold_out_classes, without_classes
    from stgraph.tasks.data import source_labels

    if options.leave_out == "novel":
        number = len(part.class_names or ()) or int(source_labels(part).max()) + 1
        options.leave_out = list(hold_out_classes(number))
    return without_classes(part, options.leave_out)


def _joined(parts: list[Any]) -> Any:
    from stgraph.tasks import JoinedParts

    return parts[0] if len(parts) == 1 else JoinedParts(parts)


def _default_out(
    sets: list[PretrainingData], system: SystemOptions, training: PretrainingOptions
) -> str:
    names = "+".join(name_of(options.name, options.path) for options in sets)
    return f"runs/{system.system}_{names}_s{training.seed}"


def _say_what(
    sets: list[PretrainingData],
    system: SystemOptions,
    training: PretrainingOptions,
    data: Any,
    task: Any,
    out: str,
) -> None:
    number = sum(p.numel() for p in task.network.parameters())
    names = ", ".join(title_of(options.name) for options in sets)
    val = "" if data.val is None else f", {len(data.val):,} to watch the loss"
    say(f"data    {names}: {count(len(data.train), 'recording')} without labels{val}")
    for options in sets:
        if options.leave_out:
            say(f"        without the classes {options.leave_out} of {title_of(options.name)}")
    say(f"model   {type(task.network).__name__}, {number:,} parameters")
    say(f"system  {system.system}")
    steps = count(data.batches_per_epoch, "step")
    say(f"run     {count(training.epochs, 'epoch')} of {steps}, in {out}")
    say()
