"""Do partition strategies matter? Table 1 of the KTH report, with what a partition has to beat.

Four strategies (uniform, distance, spatial configuration, symmetrical) train with one recipe and
several seeds beside their controls: no edges, random edges of the same degrees, the report's
formula as written (and, with ``--as-published``, its code's normalisation, which erases the
partitions), and controls without a network. The epoch is chosen on validation; the last one is
printed too, since the report's table is of last epochs.

Examples:
    python experiments/kth_partitions.py
    python experiments/kth_partitions.py --data kth_openpose.tar.xz --seeds 3 --as-published
    python experiments/kth_partitions.py --data kth_openpose.tar.xz --split 15-5-5
    python experiments/kth_partitions.py --dataset nw_ucla --data nw_ucla.tar.xz
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import _comparison as common
import _comparison_report as report
from _comparison import Outcome
from _running import results_folder, run
from scipy.stats import f_oneway

from stgraph.evaluation import (
    ComparisonSets,
    Recipe,
    Setting,
    build_network,
    count_parameters,
    equal_width,
    markdown_table,
    strongest_control,
)

#: Table 1 of the report: BODY_25 poses, subjects 15/5/5, last of 1,000 epochs, one run.
REPORT = {
    "uniform": {"val": 0.7109, "test": 0.6484},
    "distance": {"val": 0.5156, "test": 0.4837},
    "spatial configuration": {"val": 0.7188, "test": 0.7031},
    "symmetrical": {"val": 0.6250, "test": 0.6562},
}
STRATEGIES = {
    "uniform": "uniform",
    "distance": "distance",
    "spatial": "spatial configuration",
    "symmetrical": "symmetrical",
}
#: Graphs that say nothing about bodies.
CONTROL_GRAPHS = {"identity": "no edges (identity)", "random": "random edges"}
#: The report's: plain units without a norm of the input, dropout .5, Adam at 1e-4, 1,000 epochs.
PAPER = Recipe(
    width=64,
    block="plain",
    data_norm="none",
    dropout=0.5,
    epochs=1000,
    lr=1e-4,
    schedule="constant",
    weight_decay=0.0,
    augment="none",
)
#: The stand-in is small, so that everything takes minutes.
QUICK = Recipe(
    width=8,
    epochs=12,
    lr=6e-3,
    data_norm="channel",
    dropout=0.0,
    augment="none",
    weight_decay=1e-4,
    score_channel=True,
)
#: Found on validation recordings of real KTH.
QUICK_REAL = Recipe(
    width=16,
    epochs=40,
    streams=("relative", "joint_motion"),
    score_channel=True,
    optimizer="adamw",
    label_smoothing=0.05,
    ema_decay=0.99,
    augment="strong",
    views="stretches",
)


def make_settings(
    partitions: Sequence[str],
    formula: Sequence[str],
    as_published: bool,
    refit: bool = False,
    controls: Sequence[str] = tuple(CONTROL_GRAPHS),
) -> list[Setting]:
    """The rows of the table, strategies first.

    Args:
        partitions: Words of the strategies.
        formula: Those that the report's formula as written is added for.
        as_published: Add each strategy as the report's code normalised it.
        refit: Add each strategy trained on training and validation recordings.
        controls: Words of the control graphs.
    """
    rows = [Setting(STRATEGIES[word], word, word) for word in partitions]
    rows += [Setting(CONTROL_GRAPHS[word], word, word, control=True) for word in controls]
    for word in formula:
        name = f"{word}, report-formula"
        rows.append(Setting(name, f"{word} report-formula", word, "symmetric", control=True))
    for word in partitions if as_published else ():
        name = f"{word}, as-published"
        rows.append(Setting(name, f"{word} as-published", word, "as_built", control=True))
    for word in partitions if refit else ():
        rows.append(Setting(f"{word}, train + val", word, word, refit=True))
    return rows


def add_equal_parameters(
    settings: Sequence[Setting], recipe: Recipe, sets: ComparisonSets
) -> list[Setting]:
    """A wider twin of each row that has fewer parameters than the largest strategy."""
    plain = [s for s in settings if s.normalisation == "target" and not s.refit]
    sizes = {s: count_parameters(build_network(s, recipe, sets)) for s in plain}
    most = max(sizes.values())
    twins = []
    for setting in plain:
        if sizes[setting] < 0.98 * most:
            width = equal_width(setting, recipe, sets, most)
            title = "no edges" if setting.words == "identity" else setting.words
            twins.append(
                replace(
                    setting,
                    name=f"{title}, equal params",
                    words=f"{setting.words} equal-parameters",
                    changes=(*setting.changes, ("width", width)),
                )
            )
    return [*settings, *twins]


def in_order(settings: Sequence[Setting]) -> list[Setting]:
    """Strategies, wider ones, those with more data; then the same of the controls."""
    return sorted(settings, key=lambda s: (s.control, s.refit, bool(s.changes)))


def conclusions(outcome: Outcome) -> list[str]:
    """What the table says, in sentences with its own figures."""
    strategies = [s for s in outcome.settings if not s.control and not s.changes and not s.refit]
    best = common.chosen_setting(outcome, strategies)
    test = outcome.summary(best, "test")
    assert test is not None
    control = strongest_control(outcome.controls)
    level = outcome.controls[control]["test"]["top1"]
    n = len(test.values)
    spread = f" ± {test.deviation:.3f}" if test.deviation is not None else ""
    notes = [
        f"Validation chooses {best.name!r}: test {test.mean:.3f}{spread} over {n} "
        f"{'seeds' if n > 1 else 'seed'}, {_beside(test.mean - level)} the strongest "
        f"control without a network ({control}, {level:.3f}; also chosen on validation)."
    ]
    if len(strategies) > 1:
        means = {s.name: outcome.summary(s, "test").mean for s in strategies}  # type: ignore[union-attr]
        gap = max(means.values()) - min(means.values())
        deviation = common.pooled_deviation(outcome, strategies, "test")
        text = f"Best and worst strategy lie {gap:.3f} apart on test"
        if deviation is not None:
            p = analysis_of_variance(outcome, strategies)
            verdict = "more than" if p < 0.05 else "not clearly more than"
            text += (
                f"; seeds of one strategy {deviation:.3f} (standard deviation): strategies differ "
                f"{verdict} seeds do (one-way analysis of variance: p = {p:.2g})"
            )
        notes.append(text + ".")
    for setting in outcome.settings:
        other = outcome.summary(setting, "test")
        if setting.name in CONTROL_GRAPHS.values() and other is not None:
            what = setting.name.removesuffix(" (identity)")
            notes.append(f"It is {_beside(test.mean - other.mean)} {what}.")
        if setting.refit and setting.partition == best.partition and other is not None:
            spread = f" ± {other.deviation:.3f}" if other.deviation is not None else ""
            notes.append(
                f"Trained on training and validation recordings it has {other.mean:.3f}{spread}."
            )
    if any(run.diverged for run in outcome.runs.values()):
        notes.append("* at least one seed diverged; its best epoch before that counts.")
    return notes


def analysis_of_variance(outcome: Outcome, settings: Sequence[Setting]) -> float:
    """Chance that settings of equal worth differ on test as much as these do between seeds."""
    groups = [outcome.summary(setting, "test").values for setting in settings]  # type: ignore[union-attr]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seeds that agree exactly
        p = float(f_oneway(*groups).pvalue)
    return 1.0 if math.isnan(p) else p


def _beside(difference: float) -> str:
    if abs(difference) < 5e-4:
        return "level with"
    return f"{abs(difference):.3f} {'above' if difference > 0 else 'below'}"


def about_the_report(sets: ComparisonSets) -> list[str]:
    """Why the report's figures are no target."""
    if sets.key not in ("kth", "kth_synthetic"):
        return []
    return [
        "The report's figures are of other poses (BODY_25) and 15/5/5 subjects, one run, the last "
        "epoch, means over batches; its code's normalisation had erased the partitions."
    ]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", default="runs/kth_partitions", help="folder (default: %(default)s)"
    )
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--partitions",
        nargs="+",
        choices=list(STRATEGIES),
        default=list(STRATEGIES),
        help="strategies to compare (default: all)",
    )
    rows.add_argument(
        "--as-published", action="store_true", help="add the report's code's normalisation"
    )
    rows.add_argument(
        "--report-formula",
        nargs="*",
        choices=[*STRATEGIES, "none"],
        help="strategies to add with the report's formula (default: spatial; paper: all; none: no "
        "such rows)",
    )
    rows.add_argument(
        "--controls",
        nargs="*",
        choices=[*CONTROL_GRAPHS, "none"],
        default=list(CONTROL_GRAPHS),
        help="graphs without or with arbitrary edges to add (default: both; none: neither)",
    )
    rows.add_argument(
        "--equal-parameters", action="store_true", help="add rows widened to equal parameters"
    )
    rows.add_argument(
        "--refit", action="store_true", help="add rows trained on training + validation"
    )
    common.add_options(parser)
    args = parser.parse_args(arguments)
    for name in ("report_formula", "controls"):
        if "none" in (getattr(args, name) or ()):
            setattr(args, name, [])
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    out = results_folder(args.out)
    paper = args.preset == "paper"
    preset = PAPER if paper else QUICK if args.data is None else QUICK_REAL
    recipe = common.recipe_from(args, preset)
    seeds = args.seeds or (2 if args.data is None and not paper else 3)
    sets = common.sets_from(args)
    formula = args.report_formula
    if formula is None:
        formula = args.partitions if paper else [w for w in args.partitions if w == "spatial"]
    settings = make_settings(args.partitions, formula, args.as_published, args.refit, args.controls)
    if args.equal_parameters:
        settings = add_equal_parameters(settings, recipe, sets)

    title = f"Partition strategies: {sets.title}, {sets.protocol} split"
    title += ", with statistics beside" * (recipe.fuse != "none")
    common.heading(sets, recipe, title, out)
    outcome = common.compare(args, sets, recipe, in_order(settings), seeds)
    published = REPORT if sets.key in ("kth", "kth_synthetic") else {}
    columns = report.usual_columns(sets)
    table = markdown_table(*report.table_lines(outcome, published, columns))
    notes = [*conclusions(outcome), *about_the_report(sets)]
    how = report.over_seeds(seeds)
    heading = f"{title}; top-1 accuracy, {how}"
    report.print_table(heading, table, notes, sets.synthetic)
    report.write_table(outcome, out, title, table, notes)
    best = common.chosen_setting(outcome, [s for s in settings if not s.control and not s.refit])
    paths = [report.draw_partition_figure(sets, recipe, out)]
    paths += report.draw_all(outcome, out, title, published, best)
    report.say_done(out, paths)


if __name__ == "__main__":
    run(main)
