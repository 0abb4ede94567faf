"""Whether something can be written to a place, asked before the work and not after it."""

from __future__ import annotations

import tempfile
from pathlib import Path


def check_out_file(name: str | None) -> None:
    """Refuses a file that could not be written; nothing is left behind.

    Raises:
        ValueError: if it is a folder, or its folder takes no files.
    """
    if name is None:
        return
    if not name or Path(name).is_dir():
        what = f"{name!r} is a folder" if name else "got nothing"
        raise ValueError(f"--out expected the name of a file ({what})")
    _check_writable(name, Path(name).parent, "--out")


def check_out_folder(name: str | None, option: str = "--out") -> None:
    """Refuses a folder that could not be made or written to; nothing is left behind.

    Raises:
        ValueError: if it is a file, or nothing can be written to it.
    """
    if name is None:
        return
    if not name:
        raise ValueError(f"{option} expected the name of a folder (got nothing)")
    _check_writable(name, Path(name), option)


def _check_writable(name: str, folder: Path, option: str) -> None:
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise ValueError(f"{option} {name}: {str(folder)!r} is a file, not a folder")
        with tempfile.TemporaryFile(dir=folder):
            pass  # permissions do not tell of read-only disks and the like
    except OSError as error:
        raise ValueError(
            f"{option} {name}: nothing can be written to {str(folder)!r} ({error.strerror})"
        ) from None
