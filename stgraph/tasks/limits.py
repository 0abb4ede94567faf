"""The numbers that an option may have, the same for library and command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

ANY = math.inf

LIMITS: dict[str, tuple[float, float]] = {
    "max_epochs": (1, ANY),
    "epochs": (1, ANY),
    "batch_size": (1, ANY),
    "eval_batch_size": (1, ANY),
    "width": (1, ANY),
    "dropout": (0, 1),
    "lr": (0, ANY),
    "min_lr": (0, ANY),
    "momentum": (0, 1),
    "weight_decay": (0, ANY),
    "gamma": (0, 1),
    "warmup_epochs": (0, ANY),
    "label_smoothing": (0, 1),
    "ema_decay": (0, 1),
    "layer_decay": (0, 1),
    "tuned_layers": (0, ANY),
    "clip_each": (0, ANY),
    "gradient_clip": (0, ANY),
    "accumulate": (1, ANY),
    "early_stopping": (0, ANY),
    "seed": (0, 2**32 - 1),
    "devices": (1, ANY),
    "workers": (0, ANY),
    "num_workers": (0, ANY),
    "checkpoint_every": (1, ANY),
    "top": (1, ANY),
    "k": (1, ANY),
    "shots": (1, ANY),
    "draws": (1, ANY),
    "seeds": (1, ANY),
    "share": (0, 1),
    "depth": (1, ANY),
    "heads": (1, ANY),
    "patch_size": (1, ANY),
    "decoder_depth": (0, ANY),
    "queue_size": (1, ANY),
    "ratio": (0, 1),
    "num_observed": (1, ANY),
    "num_future": (1, ANY),
    "stride": (1, ANY),
    "piece": (1, ANY),
    "context": (0, ANY),
    "background_weight": (0, ANY),
    "frame_share": (0, 1),
}


def check_limits(options: Mapping[str, Any], before: str) -> None:
    """Refuses numbers that make no sense.

    Args:
        options: Values by their names; names without a limit and None pass.
        before: How the message begins, up to the name.

    Raises:
        ValueError: if one is out of range.
    """
    for name in options.keys() & LIMITS.keys():
        low, high = LIMITS[name]
        value = options[name]
        if value is None or (low <= value <= high and math.isfinite(value)):
            continue
        allowed = f">= {low}" if high == ANY else f"in {low}...{high}"
        raise ValueError(f"{before}{name} {allowed} (got {value})")
