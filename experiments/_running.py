"""What every script does around its work: checks its options, ends with one line on an error."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from stgraph.cli.places import check_out_folder
from stgraph.evaluation import read_results
from stgraph.io import RecordingError


def positive_int(text: str) -> int:
    """A whole number from 1, for ``type=`` of an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number >= 1 (got {text})")
    return number


def positive(text: str) -> float:
    """A number above 0, for ``type=`` of an option."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"expected a number > 0 (got {text})")
    return number


def share(text: str) -> float:
    """A number from 0 and below 1, for ``type=`` of an option."""
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"expected a number within [0, 1) (got {text})")
    return number


def results_folder(path: str | Path, table: str = "table.csv") -> Path:
    """A folder that takes results, and whose table, if there is one, takes further rows.

    Asked before hours of work, not after them.

    Raises:
        SystemExit: if it is no such folder.
    """
    folder = Path(path)
    try:
        check_out_folder(str(folder))
        read_results(folder / table)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    return folder


def run(main: Callable[[], None]) -> None:
    """Calls a script's main function; what a user can mend ends in one line."""
    # a terminated script ends its worker processes too, as an interrupted one does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here")
    except RecordingError as error:
        sys.exit(f"error: {error}".replace("skip_bad=True", "--skip-bad"))
