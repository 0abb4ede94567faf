"""What `kth_partitions.py` and `kth_final.py` share: options, running, tables, figures."""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch

from stgraph import viz
from stgraph.evaluation import (
    AUGMENTATIONS,
    CONTROLS,
    ComparisonSets,
    Recipe,
    Run,
    Setting,
    Summary,
    control_rows,
    control_scores,
    format_score,
    load_comparison_sets,
    markdown_table,
    merge_results,
    result_rows,
    results_markdown,
    run_comparison,
    strongest_control,
)
from stgraph.evaluation.recipes import strategy_for
from stgraph.skeleton import Partition, SkeletonLayout, resolve_partition

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
    run.add_argument("--seeds", type=int, metavar="N", help="number of seeds")
    run.add_argument("--first-seed", type=int, default=0, metavar="N", help="the first of them")
    run.add_argument("--width", type=int, metavar="W", help="channels of the first unit")
    run.add_argument("--epochs", type=int, metavar="E", help="passes over the training recordings")
    run.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="runs at a time, each in a process with one thread (default: one a core, at most 4); "
        "1 shows a line an epoch",
    )

    recipe = parser.add_argument_group("recipe (by default the preset's)")
    recipe.add_argument("--batch-size", type=int, metavar="N")
    recipe.add_argument("--optimizer", choices=("adam", "adamw", "sgd"))
    recipe.add_argument("--lr", type=float)
    recipe.add_argument("--schedule", choices=("cosine", "steps", "constant"))
    recipe.add_argument("--weight-decay", type=float)
    recipe.add_argument("--dropout", type=float)
    recipe.add_argument("--label-smoothing", type=float)
    recipe.add_argument("--ema-decay", type=float)
    recipe.add_argument("--block", choices=("stgcn", "plain", "preactivation"))
    recipe.add_argument("--depth", type=int, choices=(9, 12))
    recipe.add_argument("--edge-importance", action=argparse.BooleanOptionalAction, default=None)
    recipe.add_argument("--augment", choices=AUGMENTATIONS)
    recipe.add_argument("--score-channel", action=argparse.BooleanOptionalAction, default=None)
    recipe.add_argument(
        "--streams", nargs="+", choices=("joint", "bone", "joint_motion", "bone_motion")
    )
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


def num_workers(arguments: argparse.Namespace) -> int:
    """Processes to use."""
    if arguments.workers is not None:
        return max(1, arguments.workers)
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


def heading(sets: ComparisonSets, recipe: Recipe, what: str, out: Path) -> None:
    """Says what is about to run."""
    print(f"\n{what}")
    print("=" * len(what))
    if sets.synthetic:
        print(
            "SYNTHETIC DATA: generated, nothing below is about the real KTH (name it with --data)"
        )
    depth = {9: "9+1", 12: "11"}[recipe.depth]
    lines = {
        "recordings": f"{sets.title}; {sets.sizes()}; {len(sets.class_names)} classes",
        "split": f"{sets.protocol}; the epoch is chosen on validation, test is only looked at",
        "network": f"ST-GCN, {depth} units ({recipe.block}), width {recipe.width}, dropout "
        f"{recipe.dropout:g}; input {' + '.join(recipe.streams)}"
        + " + score"
        * recipe.score_channel,
        "training": f"{recipe.optimizer}, rate {recipe.lr:g} ({recipe.schedule}), batch "
        f"{recipe.batch_size}, {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}, "
        + ("not augmented" if recipe.augment == "none" else f"augmentation: {recipe.augment}"),
        "kept in": f"{out} (the same command goes on where it was stopped)",
    }
    for name, text in lines.items():
        print(f"{name:<12} {text}")
    print()


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
    try:
        runs = run_comparison(
            jobs,
            recipe,
            sets,
            out,
            workers=workers,
            progress=workers == 1,
            report=Progress(len(jobs), workers),
        )
    except KeyboardInterrupt:
        raise SystemExit("\nstopped; the same command goes on from here") from None
    return Outcome(sets, recipe, list(settings), runs, controls)


# --- the table -----------------------------------------------------------------------------------
def table_lines(
    outcome: Outcome,
    published: Mapping[str, Mapping[str, float]],
    columns: Sequence[tuple[str, str, str]],
) -> tuple[list[str], list[list[str]]]:
    """Header and lines of the table of a comparison.

    Args:
        outcome: What was found.
        published: The report's figures: setting name -> ``val`` and ``test``.
        columns: Heading, part and epoch of each column of figures.
    """
    header = ["setting", "params", *(heading for heading, _, _ in columns)]
    known = [p for p in ("val", "test") if any(p in figures for figures in published.values())]
    header += [f"report {part}" for part in known]
    lines = []
    for setting in outcome.settings:
        runs = outcome.of(setting)
        lines.append(
            [
                setting.name + " *" * any(run.diverged for run in runs),
                f"{runs[0].parameters:,}",
                *(format_score(outcome.summary(setting, part, e)) for _, part, e in columns),
                *(
                    f"{published[setting.name][part]:.4f}"
                    if part in published.get(setting.name, {})
                    else ""
                    for part in known
                ),
            ]
        )
    for name, parts in outcome.controls.items():
        cells = [
            f"{parts[part]['top1']:.3f}" if part in parts and epoch == "best" else ""
            for _, part, epoch in columns
        ]
        lines.append([name, "", *cells, *("" for _ in known)])
    return header, lines


def usual_columns(sets: ComparisonSets) -> list[tuple[str, str, str]]:
    """Validation, every test part, the last epoch, and votes where videos have several ranges."""
    columns = [("val", "val", "best")]
    columns += [(part.replace("_", " "), part, "best") for part in sets.tests]
    columns += [("test (last)", "test", "last")]
    if sets.videos("test") is not None:
        columns += [("test (videos)", "test_video", "best")]
    return columns


def write_table(outcome: Outcome, out: Path, title: str, table: str, notes: Sequence[str]) -> None:
    """Writes ``table.csv`` and, made from it, ``table.md``."""
    rows = [*control_rows(outcome.controls, outcome.sets), *result_rows(outcome.runs, outcome.sets)]
    every = merge_results(out / "table.csv", rows)
    mark = " (SYNTHETIC DATA)" if outcome.sets.synthetic else ""
    text = [f"# {title}{mark}", "", table, "", *(f"- {note}" for note in notes), ""]
    text += [results_markdown(every, "Every figure, as in `table.csv`").replace("\n## ", "\n### ")]
    (out / "table.md").write_text("\n".join(text).replace("\n# ", "\n## "), encoding="utf-8")


def as_markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """The table as it is printed and written."""
    return markdown_table(header, lines)


def over_seeds(seeds: int) -> str:
    """What the figures of a table are means of."""
    return f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"


def print_table(title: str, table: str, notes: Sequence[str], synthetic: bool) -> None:
    """Prints a table with its notes, marked where the data were generated."""
    mark = "   [SYNTHETIC DATA]" if synthetic else ""
    print(f"\n{title}{mark}\n\n{table}\n")
    for note in notes:
        print_wrapped(note)


def print_wrapped(text: str, width: int = 100) -> None:
    """Prints a note as a list item."""
    print(textwrap.fill(text, width, initial_indent="- ", subsequent_indent="  "))


# --- the figures ---------------------------------------------------------------------------------
def draw_all(
    outcome: Outcome,
    out: Path,
    title: str,
    published: Mapping[str, Mapping[str, float]],
    best: Setting,
) -> list[Path]:
    """Scores, learning curves, and the confusion matrix of the setting that validation chose."""
    sets, marked = outcome.sets, outcome.sets.synthetic
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for panel, part in (("validation", "val"), ("test", "test")):
        panels[panel] = {}
        for setting in outcome.settings:
            summary = outcome.summary(setting, part)
            panels[panel][setting.name] = () if summary is None else summary.values
        for name, parts in outcome.controls.items():
            panels[panel][name] = [parts[part]["top1"]] if part in parts else []
    reference = {
        panel: {name: figures[part] for name, figures in published.items() if part in figures}
        for panel, part in (("validation", "val"), ("test", "test"))
    }
    level = strongest_control(outcome.controls)
    scores = viz.draw_scores(
        panels,
        reference=reference if published else None,
        reference_name="the report (other poses, split 15-5-5)",
        controls=[s.name for s in outcome.settings if s.control] + list(CONTROLS),
        level={
            panel: (level, outcome.controls[level][part]["top1"])
            for panel, part in (("validation", "val"), ("test", "test"))
        },
        label="accuracy",
        title=title,
        synthetic=marked,
    )
    plain = [s for s in outcome.settings if s.normalisation != "as_built"]
    plain = [s for s in plain if not s.changes] or plain
    runs = {setting.name: outcome.of(setting) for setting in plain}
    runs = {name: own for name, own in runs.items() if all("val/top1" in r.history for r in own)}
    curves = viz.draw_learning_curves(
        {
            "validation accuracy (points: epochs chosen)": {
                n: [r.history["val/top1"] for r in o] for n, o in runs.items()
            },
            "training loss": {n: [r.history["train/loss"] for r in o] for n, o in runs.items()},
        },
        marks={name: [run.best_epoch - 1 for run in own] for name, own in runs.items()},
        title=title,
        synthetic=marked,
    )
    paths = [viz.save_figure(scores, out / "scores.png")]
    paths += [viz.save_figure(curves, out / "learning_curves.png")]
    whole = [run.confusion for run in outcome.of(best) if run.confusion]
    if whole:
        counts = torch.tensor(whole).sum(dim=0)
        if not counts[:, -1].any():
            counts = counts[:, :-1]
        seeds = f"sum of {len(whole)} seeds" if len(whole) > 1 else "one seed"
        confusion = viz.draw_confusion(
            counts.tolist(),
            sets.class_names,
            title=f"Test: {best.name}",
            subtitle=f"{sets.title}, {seeds}",
            synthetic=marked,
        )
        paths.append(viz.save_figure(confusion, out / "confusion.png"))
    return paths


def draw_partition_figure(sets: ComparisonSets, recipe: Recipe, out: Path) -> Path:
    """The four strategies on a mean pose of the training recordings."""
    names = {
        "uniform": "uniform",
        "distance": "distance",
        "spatial configuration": "spatial",
        "symmetrical": "symmetrical",
    }
    partitions: dict[str, Any] = {}
    for name, word in names.items():
        partitions[name] = (
            strategy_for(Setting(name, word, word), recipe, sets, 0)
            if word == "spatial"
            else resolve_partition(word)
        )
    spatial = partitions["spatial configuration"](sets.layout)
    figure = viz.draw_partitions(
        sets.layout,
        partitions,
        mean_pose(sets),
        root=telling_joint(sets.layout, spatial),
        title=f"Which weights a message uses; mean pose, {sets.title}",
        synthetic=sets.synthetic,
    )
    return viz.save_figure(figure, out / "partitions.png")


def telling_joint(layout: SkeletonLayout, spatial: Partition) -> int:
    """A joint with a mirror image that receives messages of most types."""
    target = spatial.edge_index[1]
    received = [
        spatial.edge_type[target == joint].unique().numel() for joint in range(layout.num_joints)
    ]
    paired = [joint for pair in layout.left_right for joint in pair] or range(layout.num_joints)
    return max(paired, key=lambda joint: received[joint])


def mean_pose(sets: ComparisonSets) -> Any:
    """Mean of complete training poses that look alike, of people who face the camera if KTH's."""
    source = sets.raw["train"]
    chosen = torch.arange(len(source))
    if "handwaving" in sets.class_names:
        chosen = (source.y == sets.class_names.index("handwaving")).nonzero().flatten()
    try:
        return viz.typical_pose(source.batch(chosen), average=300)
    except ValueError:  # no pose is complete
        return None


# --- what the figures say ------------------------------------------------------------------------
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


def say_done(out: Path, paths: Sequence[Path]) -> None:
    """Where everything is."""
    print("\nwritten:")
    for path in [out / "table.csv", out / "table.md", *paths]:
        print(f"  {path}")
