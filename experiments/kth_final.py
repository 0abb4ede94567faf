"""Residual units, dropout, depth, edge importance: the KTH report's final table and figure 10.

``--study`` chooses among the report's experiments: ``final`` (its last table), ``depth`` (its
figure 10: 9 and 12 layers, plain and residual, uniform and spatial), ``lr`` (learning rates at
dropout .25 and .5), ``norm`` (where batch norm stands), ``relu`` (before or after batch norm), or
``all``. The epoch is chosen on validation.

Examples:
    python experiments/kth_final.py
    python experiments/kth_final.py --data kth_openpose.tar.xz --seeds 3
    python experiments/kth_final.py --data kth_openpose.tar.xz --study all
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import _comparison as common
import _comparison_report as report
import kth_partitions
from _comparison import Outcome
from _running import results_folder, run

from stgraph import viz
from stgraph.evaluation import Recipe, Setting, markdown_table, strongest_control

#: The report's final table: test accuracy of one run with augmentation.
FINAL = {
    "uniform, dropout .5": {"test": 0.7109},
    "spatial, dropout .5": {"test": 0.7734},
    "spatial, residual": {"test": 0.8047},
    "spatial, residual, edge importance": {"test": 0.7031},
}
#: The report's figure 10: validation accuracy of one run, 100 epochs without dropout.
DEPTH = {
    "9 layers, uniform": {"val": 0.5703},
    "9 layers, uniform, residual": {"val": 0.6796},
    "9 layers, spatial": {"val": 0.5156},
    "9 layers, spatial, residual": {"val": 0.7188},
    "12 layers, uniform": {"val": 0.4688},
    "12 layers, uniform, residual": {"val": 0.5547},
    "12 layers, spatial": {"val": 0.6719},
    "12 layers, spatial, residual": {"val": 0.6953},
}
#: Best validation accuracies in the report's public logs (learning rates) and text (ReLU).
LEARNING_RATE = {
    "dropout .25, rate 0.01": {"val": 0.60},
    "dropout .25, rate 0.001": {"val": 0.766},
    "dropout .25, rate 0.0001": {"val": 0.805},
}
RELU = {"ReLU before batch norm": {"val": 0.57}}
STUDIES = ("final", "depth", "lr", "norm", "relu")

#: That of the partition study, with the augmentation of the report's section 3.1.
PAPER = replace(kth_partitions.PAPER, augment="report")
QUICK = Recipe(width=8, epochs=8, block="plain", data_norm="none", lr=6e-3, augment="none")
QUICK_REAL = replace(kth_partitions.QUICK_REAL, block="plain", data_norm="none")
#: What the report changes in each study, with ``--preset paper``.
PAPER_CHANGES: dict[str, dict[str, Any]] = {
    "final": {},
    "depth": {"epochs": 100, "lr": 0.01, "augment": "none"},
    "lr": {"epochs": 200, "augment": "none"},
    "norm": {"epochs": 500, "augment": "none"},
    "relu": {"epochs": 200, "augment": "none"},
}


def changed(base: dict[str, Any], **changes: Any) -> tuple[tuple[str, Any], ...]:
    """Changes of a row beside those of its study."""
    return tuple({**base, **changes}.items())


def final_rows(base: dict[str, Any]) -> list[Setting]:
    """The four rows of the last table."""
    residual = changed(base, dropout=0.0, block="preactivation")
    rows = [
        ("uniform, dropout .5", "uniform", changed(base, dropout=0.5)),
        ("spatial, dropout .5", "spatial", changed(base, dropout=0.5)),
        ("spatial, residual", "spatial", residual),
        (
            "spatial, residual, edge importance",
            "spatial",
            changed(dict(residual), edge_importance=True),
        ),
    ]
    return [Setting(name, _words(name, "final"), word, changes=own) for name, word, own in rows]


def depth_rows(base: dict[str, Any]) -> list[Setting]:
    """Figure 10, and what the text says of dropout with residual units."""
    rows = []
    for depth, word, residual in product((9, 12), ("uniform", "spatial"), (False, True)):
        name = f"{depth} layers, {word}" + ", residual" * residual
        block = "preactivation" if residual else "plain"
        own = changed(base, depth=depth, block=block, dropout=0.0)
        rows.append(Setting(name, _words(name, "depth", word), word, changes=own))
    name = "9 layers, spatial, residual, dropout .5"
    own = changed(base, depth=9, block="preactivation", dropout=0.5)
    return [*rows, Setting(name, _words(name, "depth", "spatial"), "spatial", changes=own)]


def lr_rows(base: dict[str, Any]) -> list[Setting]:
    """Figures 4 to 6."""
    rows = []
    for dropout, rate in product((0.25, 0.5), (1e-2, 1e-3, 1e-4)):
        name = f"dropout {dropout:g}, rate {rate:g}".replace("0.25", ".25").replace("0.5,", ".5,")
        own = changed(base, dropout=dropout, lr=rate)
        rows.append(Setting(name, _words(name, "lr", "spatial"), "spatial", changes=own))
    return rows


def norm_rows(base: dict[str, Any]) -> list[Setting]:
    """Figures 7 and 8."""
    rows = []
    for name, norm, data_norm in (
        ("batch norm at both ends", "both", "none"),
        ("batch norm at the start", "start", "none"),
        ("batch norm at the end", "end", "none"),
        ("batch norm of the input only", "none", "channel"),
    ):
        own = changed(base, norm=norm, data_norm=data_norm)
        rows.append(Setting(name, _words(name, "norm", "spatial"), "spatial", changes=own))
    return rows


def relu_rows(base: dict[str, Any]) -> list[Setting]:
    """The order of ReLU and batch norm."""
    rows = []
    for name, first in (("ReLU after batch norm", False), ("ReLU before batch norm", True)):
        own = changed(base, relu_first=first)
        rows.append(Setting(name, _words(name, "relu", "spatial"), "spatial", changes=own))
    return rows


def _words(name: str, study: str, partition: str | None = None) -> str:
    """Words for results files, the partition first."""
    parts = name.lower().replace(",", "").replace(".", "0.").replace("00.", "0.").split()
    partition = partition or parts[0]
    return " ".join([partition, study, *(part for part in parts if part != partition)])


ROWS = {
    "final": (final_rows, FINAL, "Final table"),
    "depth": (depth_rows, DEPTH, "Depth and residual units"),
    "lr": (lr_rows, LEARNING_RATE, "Learning rate and dropout"),
    "norm": (norm_rows, {}, "Where batch norm stands"),
    "relu": (relu_rows, RELU, "ReLU and batch norm"),
}


def conclusions(outcome: Outcome, study: str) -> list[str]:
    """What a table says, in sentences with its own figures."""
    best = common.chosen_setting(outcome, outcome.settings)
    test = outcome.summary(best, "test")
    assert test is not None
    control = strongest_control(outcome.controls)
    level = outcome.controls[control]["test"]["top1"]
    spread = f" ± {test.deviation:.3f}" if test.deviation is not None else ""
    notes = [
        f"Validation chooses {best.name!r}: test {test.mean:.3f}{spread}; the strongest control "
        f"without a network ({control}) has {level:.3f}."
    ]
    deviation = common.pooled_deviation(outcome, outcome.settings, "val")
    if deviation is not None:
        notes.append(
            f"Seeds of one row lie {deviation:.3f} apart on validation (standard deviation): "
            "smaller differences between rows say nothing."
        )
    if study == "depth":
        notes.append("The report's figures are validation accuracies of one run each.")
    if study == "lr":
        notes.append("The report's figures are the best epochs in its public logs.")
    if any(run.diverged for run in outcome.runs.values()):
        notes.append("* at least one seed diverged; its best epoch before that counts.")
    return notes


def depth_figure(outcome: Outcome, title: str, out: Path) -> Path:
    """Figure 10: validation accuracy, plain beside residual."""
    panels: dict[str, dict[str, Sequence[float]]] = {}
    reference: dict[str, dict[str, float]] = {}
    for setting in outcome.settings:
        changes = dict(setting.changes)
        if changes["dropout"]:
            continue
        panel = "residual" if changes["block"] == "preactivation" else "plain"
        row = setting.name.removesuffix(", residual")
        summary = outcome.summary(setting, "val")
        panels.setdefault(panel, {})[row] = () if summary is None else summary.values
        reference.setdefault(panel, {})[row] = DEPTH[setting.name]["val"]
    figure = viz.draw_scores(
        panels,
        reference=reference,
        reference_name="the report (other poses, split 15-5-5)",
        label="validation accuracy",
        title=title,
        synthetic=outcome.sets.synthetic,
    )
    return viz.save_figure(figure, out / "depth.png")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/kth_final", help="folder (default: %(default)s)")
    parser.add_argument(
        "--study",
        nargs="+",
        choices=(*STUDIES, "all"),
        default=["final", "depth"],
        help="which of the report's experiments (default: final depth)",
    )
    common.add_options(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse(arguments)
    paper = args.preset == "paper"
    recipe = common.recipe_from(
        args, PAPER if paper else QUICK if args.data is None else QUICK_REAL
    )
    seeds = args.seeds or (1 if args.data is None and not paper else 3)
    studies = STUDIES if "all" in args.study else args.study
    folders = {study: results_folder(Path(args.out) / study) for study in studies}
    sets = common.sets_from(args)
    for study in studies:
        make_rows, figures, name = ROWS[study]
        # what the command line says holds in every study
        base = {
            key: value
            for key, value in (PAPER_CHANGES[study] if paper else {}).items()
            if getattr(args, key) is None
        }
        published = figures if sets.key in ("kth", "kth_synthetic") else {}
        out = folders[study]
        title = f"{name}: {sets.title}, {sets.protocol} split"
        shared = replace(recipe, **base)
        common.heading(sets, shared, title, out)
        outcome = common.compare(args, sets, shared, make_rows(base), seeds)
        columns = report.usual_columns(sets)
        table = markdown_table(*report.table_lines(outcome, published, columns))
        notes = conclusions(outcome, study)
        how = report.over_seeds(seeds)
        heading = f"{title}; top-1 accuracy, {how}"
        report.print_table(heading, table, notes, sets.synthetic)
        report.write_table(outcome, out, title, table, notes)
        best = common.chosen_setting(outcome, outcome.settings)
        paths = report.draw_all(outcome, out, title, published, best)
        if study == "depth":
            paths.append(depth_figure(outcome, title, out))
        report.say_done(out, paths)


if __name__ == "__main__":
    run(main)
