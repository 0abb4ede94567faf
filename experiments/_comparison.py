"""What the scripts that compare settings share: options, running, and what was found."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from _running import positive, positive_int, share

from stgraph.evaluation import (
    AUGMENTATIONS,
    FUSIONS,
    VIEWS,
    ComparisonSets,
    Recipe,
    Run,
    Setting,
    Summary,
    control_scores,
    load_comparison_sets,
    run_comparison,
)
from stgraph.io import RecordingError
from stgraph.transforms.stream import STREAMS

#: The generated stand-in at its quick size.
QUICK_SYNTHETIC = {"ranges_per_video": 4}


# --- options -------------------------------------------------------------------------------------
def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that both scripts know."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--dataset",
        choices=("kth", "nw_ucla", "penn_action"),
        default="kth",
        help="the set (default: %(default)s)",
    )
    data.add_argument(
        "--data",
        metavar="PATH",
        help="folder or archive of that set; without it KTH's generated stand-in",
    )
    data.add_argument(
        "--split",
        default="official",
        help="kth: official, 15-5-5, scenario, stratified; nw_ucla: official, copies_removed "
        "(default: %(default)s)",
    )
    data.add_argument("--split-seed", type=int, default=0, help="of what a split draws")
    data.add_argument("--skip-bad", action="store_true", help="leave out unreadable files")
    data.add_argument(
        "--centre",
        choices=("recording", "pose", "none"),
        help="what is the centre of a pose's coordinates (default: of the recording, so that its "
        "path stays; on the stand-in of the pose)",
    )
    data.add_argument("--no-bridge", action="store_true", help="do not join tracks over gaps")
    data.add_argument("--no-fill", action="store_true", help="do not interpolate missing joints")

    run = parser.add_argument_group("budget")
    run.add_argument(
        "--preset",
        choices=("quick", "paper"),
        default="quick",
        help="quick: a small network for minutes on two cores; paper: the report's (days there)",
    )
    run.add_argument("--seeds", type=positive_int, metavar="N", help="number of seeds")
    run.add_argument("--first-seed", type=int, default=0, metavar="N", help="the first of them")
    run.add_argument("--width", type=positive_int, metavar="W", help="channels of the first unit")
    run.add_argument(
        "--epochs", type=positive_int, metavar="E", help="passes over the training recordings"
    )
    run.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="runs at a time, each in a process with one thread (default: one a core, at most 4); "
        "1 shows a line an epoch",
    )

    recipe = parser.add_argument_group("recipe (by default the preset's)")
    recipe.add_argument("--batch-size", type=positive_int, metavar="N")
    recipe.add_argument("--optimizer", choices=("adam", "adamw", "sgd"))
    recipe.add_argument("--lr", type=positive)
    recipe.add_argument("--schedule", choices=("cosine", "steps", "constant"))
    recipe.add_argument("--weight-decay", type=float)
    recipe.add_argument("--dropout", type=share)
    recipe.add_argument("--label-smoothing", type=share)
    recipe.add_argument("--ema-decay", type=share)
    recipe.add_argument("--block", choices=("stgcn", "plain", "preactivation"))
    recipe.add_argument("--depth", type=int, choices=(9, 12))
    recipe.add_argument("--edge-importance", action=argparse.BooleanOptionalAction, default=None)
    recipe.add_argument("--augment", choices=AUGMENTATIONS)
    recipe.add_argument("--views", choices=tuple(VIEWS))
    recipe.add_argument(
        "--fuse",
        choices=FUSIONS,
        help="test the network with logistic regression on motion statistics beside it",
    )
    recipe.add_argument("--score-channel", action=argparse.BooleanOptionalAction, default=None)
    recipe.add_argument("--streams", nargs="+", choices=STREAMS)
    recipe.add_argument(
        "--distance",
        choices=("measured", "hops"),
        help="of the spatial configuration (default: measured on training recordings)",
    )


def recipe_from(arguments: argparse.Namespace, preset: Recipe) -> Recipe:
    """The preset with what the command line changes."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(arguments).items()
        if name in Recipe.__dataclass_fields__ and value is not None
    }
    return replace(preset, **given)


def sets_from(arguments: argparse.Namespace) -> ComparisonSets:
    """The recordings that the command line asks for."""
    quick = arguments.data is None and arguments.preset == "quick"
    try:
        return load_comparison_sets(
            arguments.dataset,
            arguments.data,
            arguments.split,
            split_seed=arguments.split_seed,
            synthetic=QUICK_SYNTHETIC if quick else None,
            skip_bad=arguments.skip_bad,
            centre=arguments.centre or ("pose" if arguments.data is None else "recording"),
            bridge=not arguments.no_bridge,
            fill=not arguments.no_fill,
        )
    except RecordingError:
        raise
    except ValueError as error:  # a split or a set that there is not
        raise SystemExit(f"error: {error}") from None


def num_workers(arguments: argparse.Namespace) -> int:
    """Processes to use."""
    if arguments.workers is not None:
        return arguments.workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(4, cores or 1))


# --- running -------------------------------------------------------------------------------------
class Progress:
    """A line for each run, and how long the others may take.

    Args:
        total: Number of runs.
        workers: Runs at a time.
    """

    def __init__(self, total: int, workers: int) -> None:
        self.total, self.workers = total, workers
        self.done = self.fresh = 0
        self.began = time.monotonic()

    def __call__(self, setting: Setting, run: Run, kept: bool) -> None:
        self.done += 1
        self.fresh += not kept
        val, test = run.top1("val"), run.top1("test")
        figures = [] if val is None else [f"val {val:.3f} (epoch {run.best_epoch}/{run.epochs})"]
        figures += [] if test is None else [f"test {test:.3f}"]
        figures += ["DIVERGED"] if run.diverged else []
        figures.append("kept from before" if kept else f"{run.seconds:.0f} s")
        left = ""
        if self.fresh and self.done < self.total:
            rate = (time.monotonic() - self.began) / self.fresh
            left = f"   about {duration(rate * (self.total - self.done))} left"
        width = len(str(self.total))
        text = f"[{self.done:{width}}/{self.total}] {setting.name:<32} seed {run.seed}   "
        print(text + "   ".join(figures) + left, flush=True)


def duration(seconds: float) -> str:
    """``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Outcome(NamedTuple):
    """Everything that a comparison found."""

    sets: ComparisonSets
    recipe: Recipe
    settings: list[Setting]
    runs: dict[tuple[Setting, int], Run]
    controls: dict[str, dict[str, dict[str, float]]]

    def of(self, setting: Setting) -> list[Run]:
        """The runs of a setting, by seed."""
        return [run for (own, _), run in self.runs.items() if own == setting]

    def summary(self, setting: Setting, part: str, epoch: str = "best") -> Summary | None:
        """Top-1 of a setting over its seeds; None where it was not measured."""
        runs = self.of(setting)
        figures = [run.scores.get(epoch, {}).get(part) for run in runs]
        if not figures or any(figure is None for figure in figures):
            return None
        values = tuple(figure["top1"] for figure in figures if figure is not None)
        return Summary(values, tuple(run.seed for run in runs), int(figures[0]["n"]))  # type: ignore[index]


def recipe_lines(sets: ComparisonSets, recipe: Recipe) -> dict[str, str]:
    """What all rows share, in words."""
    depth = {9: "9+1", 12: "11"}[recipe.depth]
    inputs = [*recipe.streams, *(["score"] if recipe.score_channel else [])]
    tested = ["; tested on the mean over stretches of time"] * (recipe.views == "stretches")
    tested += ["; with logistic regression on motion statistics beside"] * (recipe.fuse != "none")
    return {
        "recordings": f"{sets.title}; {sets.sizes()}; {len(sets.class_names)} classes",
        "split": f"{sets.protocol}; the epoch is chosen on validation, test is only looked at",
        "network": f"ST-GCN, {depth} units ({recipe.block}), width {recipe.width:g}, dropout "
        f"{recipe.dropout:g}; input {' + '.join(inputs)}",
        "training": f"{recipe.optimizer}, rate {recipe.lr:g} ({recipe.schedule}), batch "
        f"{recipe.batch_size}, {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}, "
        + ("not augmented" if recipe.augment == "none" else f"augmentation: {recipe.augment}")
        + "".join(tested),
    }


def heading(sets: ComparisonSets, recipe: Recipe, what: str, out: Path) -> None:
    """Says what is about to run."""
    print(f"\n{what}")
    print("=" * len(what))
    if sets.synthetic:
        print(
            "SYNTHETIC DATA: generated, nothing below is about the real KTH (name it with --data)"
        )
    for name, text in recipe_lines(sets, recipe).items():
        print(f"{name:<12} {text}")
    print(f"{'kept in':<12} {out} (the same command goes on where it was stopped)\n")


def compare(
    arguments: argparse.Namespace,
    sets: ComparisonSets,
    recipe: Recipe,
    settings: Sequence[Setting],
    seeds: int,
) -> Outcome:
    """Scores the controls and runs all settings with all seeds, one seed after the other."""
    out = Path(arguments.out)
    controls = control_scores(sets, out)
    print(
        "controls     "
        + ", ".join(f"{name} {parts['test']['top1']:.3f}" for name, parts in controls.items())
        + " (test)\n"
    )
    numbers = range(arguments.first_seed, arguments.first_seed + seeds)
    jobs = [(setting, seed) for seed in numbers for setting in settings]
    workers = num_workers(arguments)
    runs = run_comparison(
        jobs,
        recipe,
        sets,
        out,
        workers=workers,
        progress=workers == 1,
        report=Progress(len(jobs), workers),
    )
    return Outcome(sets, recipe, list(settings), runs, controls)


def pooled_deviation(outcome: Outcome, settings: Sequence[Setting], part: str) -> float | None:
    """Root mean square over settings of the deviation between seeds; None with one seed."""
    found = [outcome.summary(setting, part) for setting in settings]
    deviations = [s.deviation for s in found if s is not None and s.deviation is not None]
    return fmean(d * d for d in deviations) ** 0.5 if deviations else None


def chosen_setting(outcome: Outcome, settings: Sequence[Setting]) -> Setting:
    """The one with the best mean validation accuracy."""

    def score(setting: Setting) -> float:
        summary = outcome.summary(setting, "val")
        return -1.0 if summary is None else summary.mean

    return max(settings, key=score)
