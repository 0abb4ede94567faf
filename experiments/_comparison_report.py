"""What the scripts that compare settings write: tables and figures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from _comparison import Outcome, recipe_lines

from stgraph import viz
from stgraph.evaluation import (
    CONTROLS,
    ComparisonSets,
    Recipe,
    Setting,
    control_rows,
    format_score,
    merge_results,
    result_rows,
    results_markdown,
    strongest_control,
)
from stgraph.evaluation.recipes import strategy_for
from stgraph.skeleton import Partition, SkeletonLayout, resolve_partition


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
    shared = recipe_lines(outcome.sets, outcome.recipe)
    text = [f"# {title}{mark}", "", table, "", *(f"- {note}" for note in notes)]
    text += [*(f"- {name}: {words}" for name, words in shared.items()), ""]
    for what in ("scores", "learning_curves"):  # drawn beside the table
        text += [f"![{title}: {what.replace('_', ' ')}]({what}.png)", ""]
    text += [results_markdown(every, "Every figure, as in `table.csv`").replace("\n## ", "\n### ")]
    (out / "table.md").write_text("\n".join(text).replace("\n# ", "\n## "), encoding="utf-8")


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
        controls=[setting.name for setting in plain if setting.control],
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


def say_done(out: Path, paths: Sequence[Path]) -> None:
    """Where everything is."""
    print("\nwritten:")
    for path in [out / "table.csv", out / "table.md", *paths]:
        print(f"  {path}")
