"""A trained detector of actions in a folder: its network, and how segments are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stgraph.nn
from stgraph.nn import PretrainedMixin
from stgraph.tasks import saving
from stgraph.tasks.detection import Detection
from stgraph.tasks.segmenting import SegmentFinder, finder_options
from stgraph.tasks.specs import build_transform, describe_transform


def save_detection(
    task: Detection, folder: str | Path, facts: Mapping[str, Any] | None = None
) -> None:
    """Writes ``config.json``, ``model.safetensors`` and ``task.json``.

    Args:
        task: The trained task; its network has ``save_pretrained``.
        folder: Where to.
        facts: Anything else worth knowing that JSON can hold.

    Raises:
        ValueError: if the network cannot be saved.
    """
    network = task.network
    if not isinstance(network, PretrainedMixin):
        raise ValueError(f"a {type(network).__name__} has no 'save_pretrained'")
    network.save_pretrained(folder)
    description = {
        "task": "detection",
        "version": 1,
        "class_names": task.class_names,
        "transform": describe_transform(task.before) + describe_transform(task.transform),
        "finder": finder_options(task.finder),
        "facts": dict(facts or {}),
    }
    saving.write_description(folder, description)


def read_detection(folder: str | Path) -> dict[str, Any]:
    """What ``task.json`` says of a detector that :func:`save_detection` wrote.

    Raises:
        ValueError: if there is none, or it is of another task.
    """
    file = saving.find_description(folder, "trained task")
    try:
        description = json.loads(file.read_text("utf-8"))
        kind = description["task"]
        kinds = {"class_names": list, "transform": list, "finder": dict, "facts": dict}
        if kind == "detection" and not all(isinstance(description[k], t) for k, t in kinds.items()):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{str(file)!r} does not describe a detection task") from None
    if kind != "detection":
        raise ValueError(
            f"{str(folder)!r} holds a {kind} task; actions are found by a detection one"
        )
    return description


def load_detection(folder: str | Path, **changes: Any) -> Detection:
    """The task that :func:`save_detection` wrote, ready to find actions.

    Args:
        folder: Where from.
        **changes: Arguments of the task to use instead, such as a ``finder``.

    Raises:
        ValueError: if a file is missing, damaged, or does not fit.
    """
    description = read_detection(folder)
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in description["finder"].items()
    }
    try:
        arguments: dict[str, Any] = {"finder": SegmentFinder(**options)}
    except (TypeError, ValueError) as error:
        file = Path(folder) / saving.TASK_NAME
        raise ValueError(f"{str(file)!r} does not describe a detection task: {error}") from None
    if "transform" not in changes:
        arguments["transform"] = build_transform(description["transform"])
    network = saving.load_module(folder, stgraph.nn.frame_networks)
    saving.check_weights(network, folder)
    return Detection(network, description["class_names"], **{**arguments, **changes}).eval()
