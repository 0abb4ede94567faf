"""Looks at recordings before a training: what would break it, and what tells them from others."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from stgraph.io import RecordingError
from stgraph.skeleton import annotated_actions
from stgraph.tasks.data import (
    SkeletonDataModule,
    source_class_names,
    source_indices,
    source_labels,
)


def check_labels(data: SkeletonDataModule, num_classes: int) -> None:
    """Refuses recordings for training or validation that have no class, or one that there is not.

    Args:
        data: The recordings.
        num_classes: Number C of classes.

    Raises:
        RecordingError: names the recording.
    """
    for part, source in _parts(data):
        check_source_labels(source, num_classes, part)


def check_source_labels(source: Any, num_classes: int, part: str = "the recordings") -> None:
    """:func:`check_labels` for one data set or store.

    Args:
        source: The recordings.
        num_classes: Number C of classes.
        part: What to call recordings that lie in no file.

    Raises:
        RecordingError: names the recording.
    """
    store = getattr(source, "store", source)
    y = store.y
    if y.shape != (len(store),) or y.is_floating_point():
        raise RecordingError(
            _file(source, part),
            f"expected one whole number 'y' a recording (got {_kind(y)})",
            remedy="write the class of each recording as a whole number",
        )
    y = source_labels(source)
    for i in ((y < 0) | (y >= num_classes)).nonzero().flatten().tolist()[:1]:
        raise _bad_label(source, part, i, int(y[i]), num_classes)


def _kind(y: Tensor) -> str:
    return f"{list(y.shape)} of {str(y.dtype).removeprefix('torch.')}"


def _bad_label(source: Any, part: str, i: int, label: int, num_classes: int) -> RecordingError:
    if label < 0 and _has_segments(source, i):
        problem = "it has several actions ('segments') and no single class y"
        remedy = (
            "take its actions one by one, --data.args '{trimmed: true}' (trimmed=True), or detect "
            "instead of recognising"
        )
    elif label < 0:
        problem, remedy = f"it has no class (y is {label} or missing)", "give every recording a y"
    else:
        names = source_class_names(source)
        what = "classes" if names is None else "class names"
        problem = f"its class is {label}, and there are {num_classes} {what}, counted from 0"
        remedy = "correct y, or name every class"
    return RecordingError(_file(source, part), problem, place=_place(source, i), remedy=remedy)


def _has_segments(source: Any, i: int) -> bool:
    return "segments" in getattr(source, "store", source)[int(source_indices(source)[i])]


def check_actions(
    source: Any, num_classes: int | None = None, part: str = "the recordings"
) -> Tensor:
    """Refuses recordings that do not say what happens when, or name an action that there is not.

    Args:
        source: A data set or a store.
        num_classes: Number C of classes without background; None: any.
        part: What to call recordings that lie in no file.

    Returns:
        Class of every annotated action, int64 [S].

    Raises:
        RecordingError: names the recording.
    """
    store, file = getattr(source, "store", source), _file(source, part)
    found, first = [torch.zeros(0, dtype=torch.long)], 0
    for indices in source_indices(source).split(4096):
        batch = store.batch(indices)
        if "segments" not in batch:
            raise RecordingError(
                file,
                "it does not say what happens when: the recordings have no table 'segments' of "
                "class, first and last frame",
                place=_place(source, first),
                remedy="take a set of several actions a recording whole (utkinect and pku_mmd, "
                "without trimmed), or recognise instead of detecting",
            )
        try:
            actions = annotated_actions(batch)
        except ValueError as error:
            raise RecordingError(
                file, str(error), place=_place(source, first), remedy="correct 'segments'"
            ) from None
        last = num_classes or max([1, *actions.label.tolist()])
        wrong = (actions.label < 1) | (actions.label > last)
        wrong |= ~(actions.start <= actions.end)  # NaN is wrong as well
        wrong |= ~(actions.start.isfinite() & actions.end.isfinite())
        for i in wrong.nonzero().flatten().tolist()[:1]:
            row = [float(value[i]) for value in actions[1:]]
            raise RecordingError(
                file,
                f"an action is class {row[0]:g} from frame {row[1]:g} to {row[2]:g}; classes count "
                f"from 1 to {last}, and no action ends before it begins",
                place=_place(source, first + int(actions.recording[i])),
                remedy="correct its row of 'segments'",
            )
        found.append(actions.label)
        first += batch.num_recordings
    return torch.cat(found)


def data_digest(data: SkeletonDataModule) -> str:
    """A short word that no other training and validation recordings or class names share.

    Raises:
        RecordingError: see :func:`recordings_digest`.
    """
    found = hashlib.sha256(repr(data.class_names).encode())
    for part, source in _parts(data):
        found.update(recordings_digest(source, part).encode())
    return found.hexdigest()[:16]


def recordings_digest(source: Any, part: str = "the recordings") -> str:
    """A short word that recordings of other places, scores, frames or classes do not share.

    Where the recordings lie does not matter: a data set may be moved.

    Args:
        source: A data set or a store.
        part: What to call recordings that lie in no file.

    Raises:
        RecordingError: if a coordinate or a score is no number; names the recording.
    """
    found = hashlib.sha256()
    first, store = 0, getattr(source, "store", source)
    for indices in source_indices(source).split(4096):  # a loader would draw random numbers
        batch = store.batch(indices)
        bad = ~batch.pos.isfinite().all(dim=1)
        what = "coordinate" if bool(bad.any()) else "score"
        if "score" in batch:
            bad |= ~batch.score.isfinite()
        if bool(bad.any()):
            raise RecordingError(
                _file(source, part),
                f"a {what} is no number",
                place=_place(source, first + int(batch.batch[bad][0])),
                remedy="set missing joints to 0 with score 0",
            )
        for name in ("pos", "score", "frame", "track_length", "person", "y", "segments"):
            if name in batch:
                found.update(batch[name].contiguous().numpy().tobytes())
        first += batch.num_recordings
    return found.hexdigest()[:16]


def _parts(data: SkeletonDataModule) -> list[tuple[str, Any]]:
    parts = [("the training recordings", data.train), ("the validation recordings", data.val)]
    return [(part, source) for part, source in parts if source is not None]


def _file(source: Any, part: str) -> str:
    return str(getattr(getattr(source, "store", source), "path", None) or part)


def _place(source: Any, i: int) -> str:
    """A recording by its number in the file, and by its name if it has one."""
    store, number = getattr(source, "store", source), int(source_indices(source)[i])
    name = getattr(store[number], "name", "")
    return f"recording {number}" + (f" ({name})" if name else "")
