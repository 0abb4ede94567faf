"""Checks the metrics of action detection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from _oracles.cases import Arrays, Case, Result, cases
from torch import Tensor

from stgraph.metrics import (
    DetectionRules,
    detection_scores,
    make_segments,
    match_segments,
    mean_2d_ap,
)

FAMILIES = ("detection_metrics",)
#: What the arrays of our own slow program and of the script are good for.
EXACT = 1e-12


def check(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result]:
    """Every case under every set of rules."""
    for case in cases(arrays, config):
        for name, error, tolerance in detection(case):
            yield Result(f"{case.name}/{name}", error, tolerance)


def detection(case: Case) -> Iterator[Result]:
    keys = ("video", "label", "start", "end")
    truth = make_segments(*(case.tensor(f"ground_{key}") for key in keys))
    columns = [case.tensor(f"proposal_{key}") for key in (*keys, "confidence")]
    proposals = make_segments(*columns)
    answered = case.tensor("video_has_proposal_file").bool()
    names = {key.split("/")[0] for key in case.keys if key.endswith("/mAP_a")}
    for name in sorted(names):
        rules = DetectionRules.published() if name != "clean" else DetectionRules()
        if name.startswith("without_"):
            fields = {**vars(rules), name.removeprefix("without_"): False}
            rules = DetectionRules(**fields)
        options: dict[str, Any] = {
            "num_videos": len(answered),
            "num_classes": 51,
            "answered": answered,
            "rules": rules,
        }
        found: dict[str, list[Any]] = {}
        for theta in case.tensor("theta").tolist():
            scores = detection_scores(proposals, truth, theta, **options)
            for key, value in (
                ("AP", scores.ap),
                ("mAP_a", scores.map_a),
                ("mAP_v", scores.map_v),
                ("F1", scores.f1),
                ("AP_per_class", scores.ap_per_class),
                ("AP_per_video", scores.ap_per_video),
            ):
                found.setdefault(key, []).append(torch.as_tensor(value, dtype=torch.float64))
            found.setdefault("matched_ground", []).append(match_segments(proposals, truth, theta))
        for key, values in found.items():
            if f"{name}/{key}" in case:
                yield Result(
                    f"{name}/{key}",
                    alike(torch.stack(values), case.tensor(f"{name}/{key}")),
                    EXACT,
                )
        two = torch.tensor(mean_2d_ap(proposals, truth, **options), dtype=torch.float64)
        yield Result(f"{name}/2D_AP", alike(two, case.tensor(f"{name}/2D_AP")), EXACT)


def alike(found: Tensor, expected: Tensor) -> float:
    """Largest difference; NaN belongs to NaN."""
    if found.shape != expected.shape:
        return float("inf")
    if not torch.equal(found.isnan(), expected.isnan()):
        return float("inf")
    return float((found - expected).nan_to_num(0.0).abs().max()) if found.numel() else 0.0
