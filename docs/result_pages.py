"""Sphinx extension: tables of measured results for the pages `results` and `benchmarks`.

At build time the Markdown files of ``experiments/results`` and ``experiments/benchmarks`` (a CSV
without one is turned into a table) become two files in ``docs/api/generated``, which git ignores
and the pages include. Pictures beside them are copied.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from sphinx.application import Sphinx

_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_IMAGE = re.compile(r"(!\[[^\]]*\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
NOTHING = "*No measured results are recorded here yet; the commands above make them.*\n"


def is_benchmark(path: Path) -> bool:
    """Whether a result file is about speed."""
    return path.stem.startswith("bench") or path.parent.name == "benchmarks"


def result_files(root: Path) -> list[Path]:
    """Markdown files, and CSV files that have none beside them, in the order of their names."""
    folders = [root / "experiments" / name for name in ("results", "benchmarks")]
    found = [p for folder in folders for p in folder.rglob("*") if p.suffix in (".md", ".csv")]
    return sorted(p for p in found if p.suffix == ".md" or not p.with_suffix(".md").exists())


def demoted(text: str, level: int = 2) -> str:
    """Markdown whose highest heading has this level; code is left alone."""
    parts = _FENCE.split(text)
    levels = [len(mark) for part in parts[::2] for mark in _HEADING.findall(part)]
    shift = level - min(levels, default=level)
    parts[::2] = [
        _HEADING.sub(lambda m: "#" * min(len(m[1]) + shift, 6) + " ", part) for part in parts[::2]
    ]
    return "".join(parts)


def with_images(text: str, folder: Path, target: Path, prefix: str) -> str:
    """Markdown whose local pictures are copies in `target`; a missing picture is left out."""

    def copied(match: re.Match[str]) -> str:
        source = (folder / match[2]).resolve()
        if "://" in match[2]:
            return match[0]
        if not source.is_file():
            return ""
        target.mkdir(parents=True, exist_ok=True)
        name = f"{source.parent.name}-{source.name}"
        shutil.copyfile(source, target / name)
        return f"{match[1]}{prefix}/{name}{match[3]}"

    return _IMAGE.sub(copied, text)


def table_of(path: Path) -> str:
    """A CSV file as Markdown: means over seeds of measured figures, else row by row."""
    from stgraph.evaluation.tables import COLUMNS, markdown_table, read_results, results_markdown

    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    title = path.stem.replace("_", " ")
    if tuple(header) == COLUMNS:
        return results_markdown(read_results(path), title)
    return f"# {title}\n\n{markdown_table(header, rows)}\n"


def page_of(paths: Iterable[Path], generated: Path) -> str:
    """All these files, one after the other."""
    parts = []
    for path in paths:
        text = path.read_text("utf-8") if path.suffix == ".md" else table_of(path)
        text = with_images(text, path.parent, generated / "pictures", "api/generated/pictures")
        parts.append(demoted(text.strip()) + "\n")
    return "\n".join(parts) or NOTHING


def write_pages(app: Sphinx) -> None:
    """Write what the two pages include; leave what did not change."""
    generated = Path(app.srcdir) / "api" / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    files = result_files(Path(app.srcdir).resolve().parent)
    for name, wanted in (("results", False), ("benchmarks", True)):
        text = page_of([path for path in files if is_benchmark(path) == wanted], generated)
        path = generated / f"{name}.inc"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages, priority=100)
    app.add_css_file("stgraph.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
