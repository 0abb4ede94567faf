"""Fill the README's table from results: `python docs/readme_table.py experiments/results`.

Strategies and controls stand against data sets; what is between the marks is replaced.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stgraph.evaluation.tables import (
    COLUMNS,
    ResultRow,
    format_score,
    markdown_table,
    read_results,
    summarise,
)

README = Path(__file__).resolve().parent.parent / "README.md"
ROWS = {
    "spatial": "spatial configuration",
    "symmetrical": "symmetrical",
    "distance": "distance",
    "uniform": "uniform",
    "identity": "*no edges*",
    "random": "*random edges*",
    "logistic-regression": "*logistic regression*",
    "logistic-regression-rich": "*logistic regression, rich*",
    "majority": "*majority class*",
}
TITLES = {
    "kth": "KTH",
    "kth_synthetic": "KTH stand-in (SYNTHETIC)",
    "nw_ucla": "NW-UCLA",
    "penn_action": "Penn Action",
}


def row_of(row: ResultRow) -> str:
    """The row of the table that a figure belongs to; empty for other settings and epochs."""
    words = row.setting.removeprefix("supervised").removesuffix("best-val").strip()
    word = row.model if words == "no-graph" else words
    return word if word in ROWS else ""


def width_of(model: str) -> float:
    """Width of the network that results files call so; 0 if they do not say."""
    found = re.search(r"-w([\d.]+)", model)
    return float(found[1]) if found else 0.0


def results_table(rows: Sequence[ResultRow]) -> str:
    """Strategies and controls against data sets: top-1 of the official test recordings.

    Where several networks were compared on a set, the one with the most strategies is shown, and of
    several such the widest.
    """
    columns: dict[tuple[str, str, str], dict[str, dict[str, list[ResultRow]]]] = {}
    for row in rows:
        word = row_of(row)
        if row.metric != "top1" or row.split not in ("test", "test_clean") or not word:
            continue
        if not row.protocol.endswith("_video"):
            column = columns.setdefault((row.dataset, row.protocol, row.split), {})
            column.setdefault(row.model, {}).setdefault(word, []).append(row)
    header, cells = ["edges"], {word: [ROWS[word]] for word in ROWS}
    for (dataset, protocol, split), models in sorted(columns.items()):
        # a network that answers alone, nothing beside it
        alone = sorted(name for name in models if name not in ROWS and "-with-" not in name)
        networks = {name: models[name] for name in alone}
        if not networks:
            continue
        most = max(networks, key=lambda name: (len(networks[name]), width_of(name)))
        shown = {**networks[most], **{name: models[name][name] for name in ROWS if name in models}}
        n = next(iter(shown.values()))[0].n
        part = f", {protocol}" + split.removeprefix("test").replace("_", ", ")
        header.append(f"{TITLES.get(dataset, dataset)}{part} (n = {n})")
        for word, line in cells.items():
            # several files may hold the same control
            rows_of = {row.seed: row for row in shown.get(word, [])}
            (summary,) = summarise(list(rows_of.values())).values() or (None,)
            line.append(format_score(summary))
    lines = [line for line in cells.values() if any(cell != "-" for cell in line[1:])]
    return markdown_table(header, lines) if len(header) > 1 else ""


def fill_results(results: Path, readme: Path = README) -> None:
    """Writes the means of the result files between the marks of the README."""
    rows = [row for file in sorted(results.rglob("*.csv")) for row in readable(file)]
    table = results_table(rows)
    if not table:
        raise SystemExit(f"{results} holds no result file that compares partitions on a test part")
    table += "\n\nTop-1, mean ± standard deviation over seeds; the epoch is chosen by validation. "
    table += "In italics: controls."
    text = readme.read_text(encoding="utf-8")
    marks = r"(<!-- results -->\n).*?(<!-- /results -->)"
    text = re.sub(marks, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
    readme.write_text(text, encoding="utf-8")


def readable(file: Path) -> list[ResultRow]:
    """The rows of a result file; none of a CSV with other columns, such as a benchmark's."""
    with file.open(encoding="utf-8") as lines:
        known = lines.readline().strip() == ",".join(COLUMNS)
    return read_results(file) if known else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of result files")
    fill_results(parser.parse_args().results)


if __name__ == "__main__":
    main()
