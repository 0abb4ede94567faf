"""What the commands print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def is_first() -> bool:
    """Whether this is the process that talks, of several."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) == 0


def say(text: str = "") -> None:
    """Prints a line, once."""
    if is_first():
        print(text, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[int] = (0,)) -> str:
    """Columns that line up, two blanks apart; ``text`` are those that begin at the left."""
    lines = [list(header), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]

    def joined(line: list[str]) -> str:
        cells = [
            cell.ljust(width) if i in text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(joined(line) for line in lines)


def share(value: float) -> str:
    """A fraction with three places."""
    return f"{value:.3f}"


def count(number: int, what: str) -> str:
    """``1 recording``, ``2 recordings``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def recording_name(path: Path, graph: Any) -> str:
    """What to call a recording: its own name, else its file's."""
    return str(getattr(graph, "name", "") or path.stem)
