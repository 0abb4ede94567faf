"""Do our networks and preprocessing give the numbers of the published code?

``python experiments/check_oracles.py DIR`` reads every ``.npz`` of a folder, finds out from its
configuration what it is, and prints a line for each case: file/case, error, tolerance, ok or FAIL.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _oracles import (
    adjacency,
    contrast,
    detection,
    hierarchy,
    masked,
    networks,
    preprocessing,
    sparse,
    stars,
)
from _oracles.cases import Arrays, Result, Watched

Check = Callable[[Arrays, Mapping[str, Any]], Iterable[Result | tuple[str, float, float] | str]]

FAMILIES: dict[str, Check] = {
    "adjacency": adjacency.check,
    "preprocessing": preprocessing.check,
    **{family: partial(networks.check, family) for family in networks.FAMILIES},
    **{family: partial(masked.check, family) for family in masked.FAMILIES},
    **{family: partial(contrast.check, family) for family in contrast.FAMILIES},
    **dict.fromkeys(hierarchy.FAMILIES, hierarchy.check),
    **dict.fromkeys(detection.FAMILIES, detection.check),
    **dict.fromkeys(sparse.FAMILIES, sparse.check),
    **{family: partial(stars.check, family) for family in stars.FAMILIES},
}


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file and its configuration.

    Raises:
        ValueError: if the file is damaged or has no configuration.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:
        raise ValueError(f"cannot be read ({type(error).__name__}: {error})") from None
    try:
        config = json.loads(str(arrays.pop("config_json")))
    except KeyError:
        raise ValueError("has no config_json") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"has a config_json that is not JSON ({error})") from None
    if not isinstance(config, dict) or not isinstance(config.get("family"), str):
        raise ValueError("names no family in config_json")
    return arrays, config


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line of a file with its verdict."""
    try:
        arrays, config = read(path)
    except ValueError as error:
        yield f"{path.name}  {error}", "FAIL"
        return
    family = config["family"]
    if family not in FAMILIES:
        yield f"{path.name}  family {family}", "unknown"
        return
    count, stopped, watched = 0, 0, Watched(arrays)
    try:
        for result in FAMILIES[family](watched, config):
            count += 1
            if isinstance(result, str):
                stopped += 1
                yield f"{path.name}/{result}", "FAIL"
            else:
                name, difference, tolerance = result
                verdict = "ok" if difference <= tolerance else "FAIL"
                yield f"{path.name}/{name}  {difference:.2e}  {tolerance:.0e}", verdict
    except Exception as error:
        yield f"{path.name}  stopped after {count} cases ({type(error).__name__}: {error})", "FAIL"
        return
    if not count:
        yield f"{path.name}  holds no case", "FAIL"
    elif not stopped and (unread := watched.unread()):
        some = ", ".join(unread[:3]) + ", ..." * (len(unread) > 3)
        # an expected number that nobody looks at must not pass for one that was reached
        wrong = any(re.search(r"(^|/)(expected|grad/|state_after/)", key) for key in unread)
        text = f"{path.name}  {len(unread)} arrays were compared with nothing ({some})"
        yield text, "FAIL" if wrong else "unknown"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of .npz files")
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        parser.error(f"{str(folder)!r} is no folder")
    failed = 0
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        parser.error(f"{str(folder)!r} holds no .npz file")
    for path in paths:
        for text, verdict in lines(path):
            failed += verdict == "FAIL"
            print(f"{text}  {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.exit(main())
