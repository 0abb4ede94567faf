"""The folder of a training: what it says of itself, and whether it can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stgraph.files import write_atomically
from stgraph.tasks.keeper import BEST, HISTORY, LAST

RUN = "run.json"
ANEW = "take another folder, or resume=False to begin anew"


def find_run(folder: Path | None, run: dict[str, Any]) -> tuple[Path | None, bool]:
    """The checkpoint to go on from, and whether the training is finished.

    Raises:
        ValueError: if the folder holds another training, or does not say which.
    """
    if folder is None or not (folder / LAST).is_file():
        return None, False
    try:
        known = json.loads((folder / RUN).read_text("utf-8"))
        finished = bool(known.pop("finished"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{str(folder)!r} holds a checkpoint but no readable {RUN}; {ANEW}"
        ) from None
    run = json.loads(json.dumps(run))
    known.setdefault("digest", run.get("digest"))  # once, folders did not say it
    known.update({key: None for key in run if key not in known})
    run.update({key: None for key in known if key not in run})
    other = [_difference(k, known[k], v) for k, v in run.items() if known[k] != v]
    if other:
        raise ValueError(f"{str(folder)!r} holds another training ({'; '.join(other)}); {ANEW}")
    if run.get("select") != "last" and not (folder / BEST).is_file() and _has_chosen(folder):
        raise ValueError(
            f"{str(folder)!r} has lost {BEST}, the checkpoint of the epoch chosen so far; {ANEW}"
        )
    return folder / LAST, finished


def _has_chosen(folder: Path) -> bool:
    """Whether an epoch ended, after which one is chosen."""
    history = folder / HISTORY
    return history.is_file() and len(history.read_text("utf-8").splitlines()) > 1


def _difference(name: str, there: Any, here: Any) -> str:
    if name == "digest":  # which tells nobody anything
        return "of other recordings or classes"
    return f"{name} {there!r} there, {here!r} here"


def begin_run(folder: Path, run: dict[str, Any]) -> None:
    """Makes the folder, or clears it of the checkpoints of another training."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (LAST, BEST):
        (folder / stale).unlink(missing_ok=True)
    write_run(folder, run, finished=False)


def write_run(folder: Path, run: dict[str, Any], finished: bool) -> None:
    """Writes down what a training is."""
    text = json.dumps({**run, "finished": finished}, indent=1) + "\n"
    write_atomically(folder / RUN, text.encode())


def flat_facts(facts: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Facts by dotted names, without paths: a data set may have moved."""
    out: dict[str, Any] = {}
    for key, value in facts.items():
        if isinstance(value, dict):
            out.update(flat_facts(value, f"{before}{key}."))
        elif key != "path":
            out[before + key] = value
    return out
