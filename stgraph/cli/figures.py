"""The CSV file of figures that ``stgraph test`` adds to, whatever set they were measured on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stgraph.evaluation.tables import COLUMNS
from stgraph.files import write_atomically

#: What a later measurement of the same thing has in common with an earlier one.
KEY = COLUMNS[: COLUMNS.index("value")]


def read_figures(path: Path) -> list[dict[str, str]]:
    """The rows of a file of figures; none if it does not exist.

    Sets, streams and parts of the user's own may stand there, which
    :func:`stgraph.evaluation.read_results` does not know.

    Raises:
        ValueError: if it is another kind of file.
    """
    if not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{str(path)!r} is no CSV file; name another with --out") from None
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(
            f"{str(path)!r} is no file of figures: its columns are not {', '.join(COLUMNS)}; name "
            "another with --out"
        )
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"{str(path)!r}, line {line}: expected {len(COLUMNS)} entries")
    return rows


def merge_figures(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds rows to a file of figures; a row measured again replaces the old one in its place."""
    table = {}
    for row in (*read_figures(path), *rows):
        table[tuple(str(row[name]) for name in KEY)] = row
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.values())
    write_atomically(path, text.getvalue().encode())
