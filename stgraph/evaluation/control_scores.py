"""The controls of a comparison, scored on all of its parts and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from stgraph.evaluation.comparison import score_predictions
from stgraph.evaluation.comparison_sets import ComparisonSets
from stgraph.evaluation.controls import (
    NO_POSE,
    as_batch,
    logistic_regression,
    majority_class,
    nearest_neighbour_pose,
    visibility_only,
)
from stgraph.evaluation.tables import ResultRow, command_line, commit, hardware
from stgraph.tasks import Predictions

__all__ = ["CONTROLS", "ControlScores", "control_rows", "control_scores"]

ControlScores = dict[str, dict[str, dict[str, float]]]
Predict = Callable[[Any, Any, Any], Tensor]

#: Name in tables: (word for the model, function of training, questions, validation).
CONTROLS: dict[str, tuple[str, Predict]] = {
    "logistic regression": ("logistic-regression", logistic_regression),
    "1-NN, raw poses": ("1-nn", lambda train, asked, val: nearest_neighbour_pose(train, asked)),
    "visibility only": ("visibility", visibility_only),
    "majority class": ("majority", lambda train, asked, val: majority_class(train, asked)),
}


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
        accuracy and n.
    """
    mark = hashlib.sha256(json.dumps(sets.facts, sort_keys=True).encode()).hexdigest()[:12]
    file = None if out is None else Path(out) / "runs" / f"controls-{mark}.json"
    found: ControlScores = {}
    if file is not None and file.exists():
        found = json.loads(file.read_text("utf-8"))
    batches = {part: as_batch(source) for part, source in sets.raw.items()}
    for name, (_, predict) in CONTROLS.items():
        if name not in found:
            found[name] = _scored(predict, sets, batches)
        if report is not None:
            report(name, found[name])
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return {name: found[name] for name in CONTROLS}


def _scored(predict: Predict, sets: ComparisonSets, batches: dict[str, Any]) -> Any:
    scores = {}
    for part in ("val", *sets.tests):
        asked = batches[part]
        predicted = predict(batches["train"], asked, batches["val"])
        known = predicted != NO_POSE
        logits = 1e3 * one_hot(predicted.clamp(min=0), len(sets.class_names)).float()
        levels = score_predictions(Predictions(logits, asked.y, known), sets.videos(part))
        for level, figures in levels.items():
            scores[part if level == "range" else f"{part}_video"] = figures
    return scores


def control_rows(scores: ControlScores, sets: ComparisonSets) -> list[ResultRow]:
    """Rows for results files; the setting is ``supervised no-graph``, the model the control."""
    return [
        ResultRow(
            dataset=sets.key,
            protocol=sets.protocol + "_video" * part.endswith("_video"),
            split=part.removesuffix("_video"),
            model=CONTROLS[name][0],
            stream="joint",
            setting="supervised no-graph",
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
