"""A trained predictor of motion in a folder: encoder, decoder, and what it takes to use them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stgraph.nn
from stgraph.nn import MotionPredictor, PretrainedMixin
from stgraph.tasks import saving
from stgraph.tasks.prediction import MotionPrediction
from stgraph.tasks.specs import build_transform, describe_transform

_NUMBERS: dict[str, Any] = {
    "num_observed": int,
    "num_future": int,
    "stride": int,
    "unit": int | float,
}
_KINDS: dict[str, Any] = {**_NUMBERS, "normalise": str, "transform": list, "facts": dict}


def save_prediction(
    task: MotionPrediction, folder: str | Path, facts: Mapping[str, Any] | None = None
) -> None:
    """Writes the encoder (``config.json``, ``model.safetensors``), the decoder into ``decoder``,
    and ``task.json``.

    A transform that is none of :mod:`stgraph.transforms` is noted by its name and has to be given
    again when loading.

    Args:
        task: The trained task; encoder and decoder have ``save_pretrained``.
        folder: Where to.
        facts: Anything else worth knowing that JSON can hold (data set, recipe).

    Raises:
        ValueError: if encoder or decoder cannot be saved.
    """
    model = task.model
    for part in (model.encoder, model.decoder):
        if not isinstance(part, PretrainedMixin):
            raise ValueError(f"a {type(part).__name__} has no 'save_pretrained'")
    model.encoder.save_pretrained(folder)
    model.decoder.save_pretrained(Path(folder) / saving.DECODER_NAME)
    description = {
        "task": "prediction",
        "version": 1,
        **{name: getattr(task, name) for name in _NUMBERS},
        "normalise": model.normalise,
        "layout": model.layout.name,
        "transform": describe_transform(model.transform),
        "facts": dict(facts or {}),
    }
    saving.write_description(folder, description)


def load_prediction(folder: str | Path, **changes: Any) -> MotionPrediction:
    """The task that :func:`save_prediction` wrote, ready to predict.

    Args:
        folder: Where from.
        **changes: Arguments of the task to use instead, or a ``transform`` for the encoder's input.

    Raises:
        ValueError: if a file is missing, damaged, or does not fit.
    """
    description = read_prediction(folder)
    if "transform" in changes:
        transform = changes.pop("transform")
    else:
        transform = build_transform(description["transform"])
    encoder = saving.load_network(folder)
    decoder_folder = Path(folder) / saving.DECODER_NAME
    decoder = saving.load_module(decoder_folder, stgraph.nn.motion_decoders)
    saving.check_weights(decoder, decoder_folder)
    model = MotionPredictor(encoder, decoder, description["normalise"], transform)
    arguments = {name: description[name] for name in _NUMBERS}
    return MotionPrediction(model, **{**arguments, **changes}).eval()


def read_prediction(folder: str | Path) -> dict[str, Any]:
    """What ``task.json`` says.

    Raises:
        ValueError: if there is none, or it is of another task.
    """
    file = saving.find_description(folder, "motion predictor")
    try:
        description = json.loads(file.read_text("utf-8"))
        kind, version = description["task"], description["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{str(file)!r} does not describe a motion predictor") from None
    if (kind, version) != ("prediction", 1):
        raise ValueError(f"{str(folder)!r} holds a task of {kind}, not a motion predictor")
    for key, kinds in _KINDS.items():
        if not isinstance(description.get(key), kinds):
            what = "a wrong" if key in description else "no"
            raise ValueError(
                f"{str(file)!r} has {what} {key!r}; the file is damaged: save the task again"
            )
    return description
