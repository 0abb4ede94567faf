"""The controls of a comparison, scored on all of its parts and kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stgraph.evaluation.comparison import score_predictions
from stgraph.evaluation.comparison_sets import ComparisonSets
from stgraph.evaluation.controls import (
    NO_POSE,
    logistic_regression,
    majority_class,
    nearest_neighbour_pose,
    visibility_only,
)
from stgraph.evaluation.statistics import as_batch, rich_motion_statistics
from stgraph.evaluation.tables import ResultRow, command_line, commit, hardware
from stgraph.files import replacing
from stgraph.tasks import Predictions

__all__ = [
    "CONTROLS",
    "Control",
    "ControlScores",
    "control_rows",
    "control_scores",
    "strongest_control",
]

ControlScores = dict[str, dict[str, dict[str, float]]]


class Control(NamedTuple):
    """A figure that needs no network.

    Attributes:
        model: Word for it in results files.
        predict: Function of training recordings, questions and validation recordings, and keywords.
        refit: Whether validation recordings are training recordings at the end, as in the rows
            ``train + val`` of networks.
    """

    model: str
    predict: Callable[..., Tensor]
    refit: bool = False


def _rich(train: Any, asked: Any, val: Any, **kwargs: Any) -> Tensor:
    return logistic_regression(train, asked, val, features=rich_motion_statistics, **kwargs)


def _rich_refit(train: Any, asked: Any, val: Any) -> Tensor:
    return _rich(train, asked, val, refit=True)


def _nearest(train: Any, asked: Any, val: Any) -> Tensor:
    return nearest_neighbour_pose(train, asked, num_frames=32, scale=True)


def _majority(train: Any, asked: Any, val: Any) -> Tensor:
    return majority_class(train, asked)


#: The controls by their names in tables.
CONTROLS: dict[str, Control] = {
    "logistic regression": Control("logistic-regression", logistic_regression),
    "logistic regression, rich": Control("logistic-regression-rich", _rich),
    "logistic regression, rich, train + val": Control(
        "logistic-regression-rich", _rich_refit, refit=True
    ),
    "1-NN, raw poses": Control("1-nn", _nearest),
    "visibility only": Control("visibility", visibility_only),
    "majority class": Control("majority", _majority),
}


def strongest_control(scores: ControlScores) -> str:
    """Name of the control with the best validation accuracy: what a network has to beat."""
    return max(
        (name for name, parts in scores.items() if "val" in parts),
        key=lambda name: scores[name]["val"]["top1"],
    )


def control_scores(
    sets: ComparisonSets,
    out: str | Path | None = None,
    report: Callable[[str, dict[str, dict[str, float]]], None] | None = None,
) -> ControlScores:
    """Scores of the controls that need no network, trained on the training part as read.

    Args:
        sets: The recordings.
        out: Folder to keep them in (``runs/controls-....json``), and to find them again.
        report: Called after each control.

    Returns:
        For each control, for each part (``val``, the test parts, ``..._video``) top-1, mean class
        accuracy and n; those that learn from validation recordings have no ``val``.
    """
    # rows name the commit that measured them, so that another commit measures anew
    facts = [sets.facts, list(CONTROLS), commit()]
    mark = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    file = None if out is None else Path(out) / "runs" / f"controls-{mark}.json"
    found: ControlScores = {}
    if file is not None:
        with contextlib.suppress(OSError, ValueError):  # not kept yet, or damaged
            found = json.loads(file.read_text("utf-8"))
    batches = {part: as_batch(source) for part, source in sets.raw.items()}
    for name, control in CONTROLS.items():
        if name not in found:
            found[name] = _scored(control, sets, batches)
        if report is not None:
            report(name, found[name])
    if file is not None:
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return {name: found[name] for name in CONTROLS}


def _scored(control: Control, sets: ComparisonSets, batches: dict[str, Any]) -> Any:
    scores = {}
    for part in (*(() if control.refit else ("val",)), *sets.tests):
        asked = batches[part]
        predicted = control.predict(batches["train"], asked, batches["val"])
        known = predicted != NO_POSE
        logits = 1e3 * one_hot(predicted.clamp(min=0), len(sets.class_names)).float()
        levels = score_predictions(Predictions(logits, asked.y, known), sets.videos(part))
        for level, figures in levels.items():
            scores[part if level == "range" else f"{part}_video"] = figures
    return scores


def control_rows(scores: ControlScores, sets: ComparisonSets) -> list[ResultRow]:
    """Rows for results files: the model is the control, the setting ``supervised no-graph``.

    ``trainval`` follows where it learned from validation recordings too.
    """
    return [
        ResultRow(
            dataset=sets.key,
            protocol=sets.protocol + "_video" * part.endswith("_video"),
            split=part.removesuffix("_video"),
            model=CONTROLS[name].model,
            stream="joint",
            setting="supervised no-graph" + " trainval" * CONTROLS[name].refit,
            seed=0,
            metric=metric,
            value=figures[metric],
            n=int(figures["n"]),
            commit=commit(),
            hardware=hardware(torch.cuda.is_available()),
            command=command_line(),
        )
        for name, parts in scores.items()
        for part, figures in parts.items()
        for metric in ("top1", "mean_class")
    ]
