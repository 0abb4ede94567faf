"""``stgraph sparsify``: trains a recogniser that loses weights, channels or edges."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from stgraph.cli.fit import (
    build_input,
    check_options,
    default_out,
    fit_arguments,
    labelled,
    open_parts,
    say_result,
    say_what,
    task_arguments,
)
from stgraph.cli.networks import build_network, find_network
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
from stgraph.cli.pruned import Compressing, Outcome, say_outcome, unmask
from stgraph.cli.sets import SYNTHETIC, check_name, check_parts, run_name
from stgraph.cli.show import is_first, say
from stgraph.cli.start import (
    Start,
    as_trained,
    check_unused,
    cut_at_once,
    find_target,
    read_start,
)

if TYPE_CHECKING:
    from stgraph.sparsity import SparsitySchedule

DESCRIPTION = """Training begins anew, or from a trained folder (--model), whose
input, network and classes stay and whose weights are tuned for 10 epochs unless --epochs says
otherwise; --epochs 0 cuts them without training. What is cut is learned. What is left is
compressed, compared with the masked network on recordings of the set, and saved as stgraph test and
predict take it. A run that was stopped goes on when the same command is given again."""

EXAMPLES = """  stgraph sparsify --model runs/NAME/model --sparsity 0.9
  stgraph sparsify --model runs/NAME/model --latency 5
  stgraph sparsify --model runs/NAME/model --sparsity 0.5 --epochs 0
  stgraph sparsify --config nw_ucla --data.path PATH --sparsity 0.7 \\
      --granularity channel
  stgraph sparsify --data.name kth_synthetic --sparsity 0.5 --granularity edge"""

#: Passes over the recordings that tune a trained network.
TUNING_EPOCHS = 10
#: Share of a training from the start that is dense.
WARM_UP = 0.2


@dataclass
class SparseOptions:
    """what is cut

    Args:
        model: folder of a trained network to begin with (OUT/model of stgraph fit)
        sparsity: share of the weights, channels or edges that is cut, in [0, 1)
        latency: instead: milliseconds that a recording of median length may take, alone, on one
            core of this machine; so many channels are cut as that needs
        granularity: weight (smaller on disk), channel (smaller and faster) or edge (fewer edges of
            the skeleton); with --latency channel
        warm_up: share of the training that is dense; by default 0.2, with --model 0
        ramp: share of the training after it in which sparsity grows; 0: at once
        shape: how it grows
        scores: how the scores that decide begin; by default uniform, with --model magnitude
        scope: one threshold for all layers, or one for each
        floor: share of itself that every layer keeps; null: it may be emptied
        penalty: factor of the penalty on what will be cut, during warm-up
        include: regular expression of what may be cut
        exclude: regular expression of what may not
    """

    model: str | None = None
    sparsity: float | None = None
    latency: float | None = None
    granularity: Literal["weight", "channel", "edge"] | None = None
    warm_up: float | None = None
    ramp: float = 0.4
    shape: Literal["linear", "cubic"] = "cubic"
    scores: Literal["uniform", "kaiming", "magnitude"] | None = None
    scope: Literal["global", "layer"] = "global"
    floor: float | None = 0.01
    penalty: float = 0.0
    include: str | None = None
    exclude: str | None = None

    def __post_init__(self) -> None:
        tuning = self.model is not None
        if self.granularity is None:
            self.granularity = "weight" if self.latency is None else "channel"
        if self.warm_up is None:
            self.warm_up = 0.0 if tuning else WARM_UP
        if self.scores is None:
            self.scores = "magnitude" if tuning else "uniform"

    @property
    def schedule(self) -> SparsitySchedule:
        """When the network becomes sparse."""
        from stgraph.sparsity import SparsitySchedule

        return SparsitySchedule(self.warm_up or 0.0, self.ramp, self.shape)

    def arguments(self) -> dict[str, Any]:
        """What ``sparsify`` is told, but for the sparsity and the schedule."""
        names = ("granularity", "scope", "scores", "floor", "include", "exclude")
        return {name: getattr(self, name) for name in names}


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.says_given = True
    add_recipe(parser, "fit")
    parser.add_options(SparseOptions)
    parser.add_options(DataOptions, "data")
    for options in (InputOptions, NetworkOptions, TrainingOptions, RunOptions):
        parser.add_options(options)


class _Job(NamedTuple):
    """What was asked for, checked."""

    asked: SparseOptions
    data: DataOptions
    seen: InputOptions
    net: NetworkOptions
    training: TrainingOptions
    how: RunOptions
    start: Start | None
    out: Path

    def facts(self) -> dict[str, Any]:
        """What the saved network says of itself."""
        start = self.start
        own = {key: value for key, value in asdict(self.asked).items() if key != "model"}
        own["start"] = None if start is None else {"path": start.folder, "digest": start.digest}
        return {
            "data": asdict(self.data),
            "input": asdict(self.seen) if start is None else start.facts.get("input", {}),
            "network": asdict(self.net) if start is None else start.facts.get("network", {}),
            "seed": self.training.seed,
            "sparsify": own,
        }


def run(config: Any) -> None:
    """Trains, compresses, compares, saves, and says what is gained."""
    from stgraph.skeleton import resolve_partition
    from stgraph.sparsity import edge_scores, sparsify
    from stgraph.tasks import SparseRecognition, fit_task

    job = _job(config)
    asked, training = job.asked, job.training
    data = labelled(*open_parts(job.data), training, job.how)
    model = _model(job, data)
    dense = copy.deepcopy(model.network).eval()
    compressing = Compressing(data, model.transform)
    facts, found = job.facts(), None
    try:
        if asked.latency is not None:
            found = find_target(
                job.out,
                dense,
                compressing.typical,
                asked.latency / 1000,
                facts,
                job.how.resume,
                asked.arguments(),
            )
        generator = sparsify(
            model.network,
            float(asked.sparsity or 0.0) if found is None else found.sparsity,
            schedule=asked.schedule,
            **asked.arguments(),
        )
        if asked.granularity == "edge":
            edge_scores(dense)  # which refuses a network that has no edges to draw afterwards
    except (ValueError, TypeError) as error:
        raise ValueError(_in_options(str(error), job)) from None
    task = SparseRecognition(
        model.network,
        model.num_classes,
        generators=generator,
        penalty=asked.penalty,
        shrink=compressing,
        class_names=model.class_names,
        transform=model.transform,
        augment=model.augment,
        **task_arguments(training),
    )
    known = {} if job.start is None else job.start.facts
    say_what(
        job.data,
        job.seen if job.start is None or "input" in known else None,
        job.net if job.start is None or "network" in known else None,
        training,
        data,
        dense,
        str(job.out),
    )
    _say_what_goes(job, generator, found)
    if training.epochs:
        if job.how.resume:
            check_unused(job.out, None)
        result = fit_task(
            task,
            data,
            out=job.out,
            progress=is_first(),
            facts=facts,
            **fit_arguments(training, job.how),
        )
        say()
        say_result(result, "val/top1" in result.best)
    else:
        cut_at_once(task, job.out, facts, job.how.resume)
    if is_first():
        if job.start is None:
            unmask(dense, task.network)
        outcome = Outcome(
            task,
            dense,
            compressing,
            found,
            job.out,
            asdict(asked),
            data.val if job.start is not None else None,
            resolve_partition(job.net.partition, **job.net.partition_args),
            job.data.name == SYNTHETIC,
        )
        say_outcome(outcome)


class _Model(NamedTuple):
    """The network to cut, and what it sees and answers."""

    network: Any
    num_classes: int
    class_names: Any
    transform: Any
    augment: Any


def _job(config: Any) -> _Job:
    """The options, after all that can be checked before recordings are opened."""
    given = set(config["given"])
    asked, how = taken(SparseOptions, config), taken(RunOptions, config)
    data = DataOptions(**vars(config.data))
    seen, net = taken(InputOptions, config), taken(NetworkOptions, config)
    training = taken(TrainingOptions, config)
    if asked.model is not None and "epochs" not in given:
        training = replace(training, epochs=TUNING_EPOCHS)
    with choosing("sparsify"):
        _check_asked(asked, training, how, given)
    start = None if asked.model is None else read_start(asked.model)
    with choosing("sparsify"):
        if start is not None:
            data, seen, net = as_trained(start, given, data, seen, net)
        check_name(data.name, data.path)
        check_parts(data.name, data.train, data.val)
        # no epoch is no training, whose limits begin at one
        check_options(net, replace(training, epochs=training.epochs or 1), how, data.val != "none")
        out = _default_out(asked, data, seen, net, training.seed) if how.out is None else how.out
        check_out_folder(out)
        if start is not None and (Path(out) / "model").resolve() == Path(start.folder).resolve():
            raise ValueError(
                f"--out {out} would overwrite the network that --model begins with; name another"
            )
    return _Job(asked, data, seen, net, training, how, start, Path(out))


def _check_asked(
    asked: SparseOptions, training: TrainingOptions, how: RunOptions, given: set[str]
) -> None:
    if asked.model is None and "data.name" not in given:
        raise ValueError(
            "there is nothing to begin with: give --model, a folder that stgraph fit wrote "
            "(OUT/model), or --data.name, recordings to train a network on"
        )
    if (asked.sparsity is None) == (asked.latency is None):
        got = "neither" if asked.sparsity is None else "both"
        raise ValueError(
            f"expected --sparsity, the share that is cut, or --latency, milliseconds (got {got})"
        )
    if asked.sparsity is not None and not 0 <= asked.sparsity < 1:
        raise ValueError(
            f"--sparsity is the share that is cut, in [0, 1): 0.9 keeps a tenth (got "
            f"{asked.sparsity:g})"
        )
    if asked.latency is not None:
        if not (asked.latency > 0 and math.isfinite(asked.latency)):
            raise ValueError(f"--latency is a time in milliseconds (got {asked.latency:g})")
        if asked.granularity != "channel":
            raise ValueError(
                f"--latency needs --granularity channel: without single weights or edges a network "
                f"is not reliably faster (got {asked.granularity})"
            )
        if how.devices > 1:
            raise ValueError("--latency is found by timing one process; give --devices 1")
    if asked.floor is not None and not 0 <= asked.floor < 1:
        raise ValueError(f"--floor is a share of a layer, in [0, 1) (got {asked.floor:g})")
    if not (asked.penalty >= 0 and math.isfinite(asked.penalty)):
        raise ValueError(f"--penalty is a factor from 0 on (got {asked.penalty:g})")
    if asked.granularity == "edge" and (asked.include or asked.exclude):
        raise ValueError("--include and --exclude choose among weights or channels, not edges")
    for name, expression in (("include", asked.include), ("exclude", asked.exclude)):
        try:
            re.compile(expression or "")
        except re.error as error:
            raise ValueError(f"--{name} {expression!r} is no regular expression: {error}") from None
    asked.schedule.check()
    if training.epochs == 0 and asked.model is None:
        raise ValueError("--epochs 0 cuts a trained network without training it; give --model")


def _model(job: _Job, data: Any) -> _Model:
    """The network to cut: that of the folder, or a new one for the recordings."""
    import torch

    from stgraph.skeleton import resolve_layout, resolve_partition

    torch.manual_seed(job.training.seed)
    start, net = job.start, job.net
    with choosing("sparsify"):
        transform, augment = build_input(job.seen)
        if start is None:
            partition = resolve_partition(net.partition, **net.partition_args)
            network_class = find_network(net.network)
            wiring = None if job.seen.layout is None else resolve_layout(job.seen.layout)
    if start is not None:
        start.check(data)
        task = start.task
        return _Model(task.network, task.num_classes, task.class_names, task.transform, augment)
    network = build_network(
        network_class, net, data.train, transform, partition, wiring, data.num_classes
    )
    return _Model(network, data.num_classes, data.class_names, transform, augment)


def _default_out(
    asked: SparseOptions, data: DataOptions, seen: InputOptions, net: NetworkOptions, seed: int
) -> str:
    """Folder of a run that was given none: what is cut, and how much of it."""
    much = f"{asked.latency:g}ms" if asked.sparsity is None else f"{asked.sparsity:g}"
    if asked.model is not None:
        return f"runs/{run_name(asked.model)}_{asked.granularity}{much}"
    return f"{default_out(data, seen, net, seed)}_{asked.granularity}{much}"


def _in_options(message: str, job: _Job) -> str:
    """An error of the library with what to type against it."""
    message = message.replace("include=", "--include")
    if "be left out" in message:
        return f"{message} (--granularity weight)"
    if job.asked.granularity == "edge" and job.start is None:
        message += " (--network STGCN --network_args.adaptive init)"
    return message + "; --granularity weight cuts any" * (job.asked.granularity == "edge")


def _say_what_goes(job: _Job, generator: Any, found: Any) -> None:
    """What will be cut of the network, and when."""
    asked, parts = job.asked, generator.weights
    many = f"{parts.numel:,} {asked.granularity}s"
    if found is not None:
        how = f"without {found.sparsity:.0%} of the channels" if found.sparsity else "dense"
        say(f"target  {asked.latency:g} ms a recording: {1000 * found.latency:.3g} ms {how}")
        say(
            f"        before training; dense {1000 * found.dense:.3g} ms, fastest "
            f"{1000 * found.fastest:.3g} ms; one core of this machine, as busy as it is"
        )
    when = ""
    if job.training.epochs:
        begin, growing, _ = asked.schedule
        when = f", from {begin:.0%} to {begin + growing:.0%} of the training"
    say(f"cut     {generator.sparsity:.1%} of {many}{when}")
    say()
