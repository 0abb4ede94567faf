"""Result files: one row a measured figure of one seed, and Markdown made from them."""

from __future__ import annotations

import csv
import io
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from stgraph.files import replacing

__all__ = [
    "ResultRow",
    "Summary",
    "command_line",
    "commit",
    "format_score",
    "hardware",
    "markdown_table",
    "merge_entries",
    "merge_results",
    "read_entries",
    "read_results",
    "results_markdown",
    "summarise",
]

DATASETS = (
    "kth",
    "kth_synthetic",
    "nw_ucla",
    "penn_action",
    "utd_mhad",
    "sbu_kinect",
    "msr_action3d",
    "utkinect",
)
SPLITS = ("train", "val", "test", "test_clean", "test_copies")
STREAMS = ("joint", "bone", "joint_motion", "bone_motion", "fused2", "fused3", "fused4")
METRICS = ("top1", "top5", "mean_class", "knn1", "linear", "map_a", "map_v", "f1", "mpjpe_mm")
_WORDS = {"dataset": DATASETS, "split": SPLITS, "stream": STREAMS, "metric": METRICS}
_SYNTHETIC = ("kth_synthetic",)


@dataclass(frozen=True)
class ResultRow:
    """One figure, measured once.

    Attributes:
        dataset: One of :data:`DATASETS`.
        protocol: ``official``, ``15-5-5``, ``official_video`` (votes), ``copies_removed``, ...
        split: One of :data:`SPLITS`.
        model: The network with its depth and width, or the control.
        stream: One of :data:`STREAMS`.
        setting: Starts with ``supervised``, ``linear``, ``knn``, ``finetune``, ``fewshot``, ...
            and names the partition.
        seed: Seed of the training.
        metric: One of :data:`METRICS`.
        value: Fraction in 0..1 (``mpjpe_mm``: millimetres).
        n: Number of recordings (or videos) that count.
        commit: Commit of the code.
        hardware: Class of the processor, number of cores.
        command: Command that measured it.

    Raises:
        ValueError: if a word is unknown or the value is not what its metric allows.
    """

    dataset: str
    protocol: str
    split: str
    model: str
    stream: str
    setting: str
    seed: int
    metric: str
    value: float
    n: int
    commit: str
    hardware: str
    command: str

    def __post_init__(self) -> None:
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"'ResultRow' does not know the {name} {getattr(self, name)!r}; "
                    f"it knows {', '.join(known)}"
                )
        for name in ("protocol", "model", "setting"):
            if not getattr(self, name):
                raise ValueError(f"'ResultRow' expected a {name} (got none)")
        highest = float("inf") if self.metric == "mpjpe_mm" else 1.0
        if not 0.0 <= self.value <= highest:
            raise ValueError(
                f"'ResultRow' expected {self.metric} between 0 and {highest:g} (got {self.value}); "
                "accuracies are fractions"
            )
        if self.n < 1:
            raise ValueError(f"'ResultRow' expected n >= 1 (got {self.n})")

    @property
    def key(self) -> tuple[str | int, ...]:
        """What a later measurement of the same thing has in common with this one."""
        return tuple(getattr(self, name) for name in KEY)


COLUMNS = tuple(field.name for field in fields(ResultRow))


#: Columns that a later measurement of the same thing has in common with an earlier one.
KEY = COLUMNS[: COLUMNS.index("value")]


def read_entries(path: str | Path) -> list[dict[str, str]]:
    """The lines of a result file as they stand there, whatever their words; none without a file.

    Sets, streams and parts of a user's own are words that :class:`ResultRow` does not know.

    Raises:
        ValueError: if it is another kind of file; names the line.
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
        entries = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{str(path)!r} is no CSV file; name another") from None
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(
            f"{str(path)!r} is no file of results: expected the columns {', '.join(COLUMNS)} "
            f"(got {', '.join(reader.fieldnames or ('none',))}); name another"
        )
    for line, entry in enumerate(entries, start=2):
        if None in entry or None in entry.values():
            raise ValueError(f"{str(path)!r}, line {line}: expected {len(COLUMNS)} entries")
    return entries


def read_results(path: str | Path) -> list[ResultRow]:
    """The rows of a result file; none if it does not exist.

    Raises:
        ValueError: if the columns are others or an entry is none of its kind; names the line.
    """
    rows = []
    for line, entry in enumerate(read_entries(path), start=2):
        try:
            numbers = {"seed": int(entry["seed"]), "n": int(entry["n"])}
            value = float(entry["value"])
            rows.append(ResultRow(**{**entry, **numbers, "value": value}))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r}, line {line}: {error}") from None
    return rows


def merge_entries(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Adds lines to a result file; one measured again replaces the old one in its place.

    The file is written under another name first, so that a reader never sees half of it.

    Args:
        path: CSV file; it and its folder are made if need be.
        entries: New lines, a value for each column.

    Raises:
        ValueError: if the file is of another kind.
    """
    table = {}
    for entry in (*read_entries(path), *entries):
        value = f"{float(entry['value']):.6g}"
        table[tuple(str(entry[name]) for name in KEY)] = {**entry, "value": value}
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table.values())


def merge_results(path: str | Path, rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Adds rows to a result file that holds no others, see :func:`merge_entries`.

    Returns:
        All rows of the file.

    Raises:
        ValueError: see :func:`read_results`.
    """
    read_results(path)
    merge_entries(path, map(asdict, rows))
    return read_results(path)


# --- means and spreads are computed, not stored ---------------------------------------------------
class Summary(NamedTuple):
    """Seeds of one figure.

    Attributes:
        values: One value a seed, in the order of the seeds.
        seeds: The seeds.
        n: Number of recordings that count.
    """

    values: tuple[float, ...]
    seeds: tuple[int, ...]
    n: int

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (of a sample); None for one seed."""
        return stdev(self.values) if len(self.values) > 1 else None


def summarise(rows: Iterable[ResultRow]) -> dict[tuple[str | int, ...], Summary]:
    """Rows that differ in their seed only, together; keys are those of rows without the seed."""
    groups: dict[tuple[str | int, ...], list[ResultRow]] = {}
    for row in rows:
        groups.setdefault(replace(row, seed=0).key, []).append(row)
    out = {}
    for key, members in groups.items():
        members.sort(key=lambda row: row.seed)
        out[key] = Summary(
            tuple(row.value for row in members),
            tuple(row.seed for row in members),
            members[0].n,
        )
    return out


def format_score(summary: Summary | None, digits: int = 3) -> str:
    """``0.871 ± 0.004``; without the spread for one seed; ``-`` for none."""
    if summary is None:
        return "-"
    text = f"{summary.mean:.{digits}f}"
    return text if summary.deviation is None else f"{text} ± {summary.deviation:.{digits}f}"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text.

    Args:
        header: Headings; the first column is text, the others are numbers.
        lines: Cells, as many as headings.
    """
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in (header, *lines)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(header))]

    def joined(line: Sequence[str], pad: Callable[[str, int, int], str]) -> str:
        return "| " + " | ".join(pad(cell, i, widths[i]) for i, cell in enumerate(line)) + " |"

    def aligned(cell: str, column: int, width: int) -> str:
        return cell.ljust(width) if column == 0 else cell.rjust(width)

    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join(
        [joined(cells[0], aligned), "| " + " | ".join(rule) + " |"]
        + [joined(line, aligned) for line in cells[1:]]
    )


def results_markdown(rows: Sequence[ResultRow], title: str | None = None) -> str:
    """All figures of a result file: mean ± standard deviation over seeds, and every seed's value.

    Args:
        rows: Rows of a result file.
        title: Heading.

    Returns:
        Markdown; a table of generated data says so in its first line.
    """
    lines = [] if title is None else [f"# {title}", ""]
    for dataset in dict.fromkeys(row.dataset for row in rows):
        mine = [row for row in rows if row.dataset == dataset]
        mark = " (SYNTHETIC DATA)" if dataset in _SYNTHETIC else ""
        lines += [f"## {dataset}{mark}", ""]
        table = []
        for key, summary in summarise(mine).items():
            _, protocol, split, model, stream, setting, _, metric = map(str, key)
            table.append(
                [
                    setting,
                    model,
                    stream,
                    protocol,
                    split,
                    metric,
                    format_score(summary),
                    ", ".join(f"{value:.4f}" for value in summary.values),
                    ", ".join(map(str, summary.seeds)),
                    str(summary.n),
                ]
            )
        header = ["setting", "model", "stream", "protocol", "split", "metric", "mean ± sd"]
        lines += [markdown_table([*header, "each seed", "seeds", "n"], table), ""]
        for what in ("commit", "hardware", "command"):
            said = dict.fromkeys(getattr(row, what) for row in mine)
            lines += [f"- {what}: " + "; ".join(f"`{text}`" for text in said)]
        lines += [""]
    return "\n".join(lines)


# --- where a figure comes from --------------------------------------------------------------------
@cache
def commit(repository: str | Path | None = None) -> str:
    """The commit of the code; ``unknown`` where there is no git history.

    Args:
        repository: A folder in the repository; by default that of this package.
    """
    folder = Path(__file__).resolve().parent if repository is None else Path(repository)
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


@cache
def hardware(accelerator: bool = False) -> str:
    """Class of the processor and number of usable cores; of the accelerator, if one was used.

    Args:
        accelerator: Whether the figure was measured on the first CUDA device.
    """
    import torch

    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    for mark in ("(R)", "(TM)", "(r)", "(tm)", " CPU"):
        name = name.replace(mark, "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{' '.join(name.split())}, {cores} {'core' if cores == 1 else 'cores'}"
    if accelerator and torch.cuda.is_available():
        text = f"{torch.cuda.get_device_name(0)}; {text}"
    return text


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command that runs now, from the script on: paths outside this folder by name only.

    Args:
        arguments: The script and its arguments; by default this process's.
    """
    given = list(sys.argv if arguments is None else arguments)
    here = Path.cwd()

    def tidy(argument: str) -> str:
        option, equals, value = argument.rpartition("=") if "=" in argument else ("", "", argument)
        path = Path(value)
        if path.is_absolute():
            value = str(path.relative_to(here)) if path.is_relative_to(here) else path.name
        return option + equals + value

    return shlex.join(["python", *map(tidy, given)])
