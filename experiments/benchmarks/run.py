"""How much faster is the ragged network than a padded one, and how much smaller?

Times and memory of one training step and one inference pass of ST-GCN, and of one step of MAMP's
pre-training, ours against the padded dense form that the field runs, in one run, interleaved,
medians. Writes a CSV (columns workload,
phase, other, ours_value, other_value, unit, ratio, commit, hardware, command; a ratio above 1 is
better for us) and beside it the same as Markdown.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pretraining import (
    SYSTEMS,
    check_equal_hitrs,
    check_equal_pretraining,
    make_pretraining_side,
    pretrain,
)
from workloads import (
    OTHERS,
    PHASES,
    RUN,
    WORKLOADS,
    Workload,
    check_equal,
    make_side,
    make_workload,
    quiet,
)

from stgraph.cli.places import check_out_file
from stgraph.files import replacing

COLUMNS = ("workload", "phase", "other", "ours_value", "other_value", "unit", "ratio")


class Row(NamedTuple):
    """A line of the table; see :data:`COLUMNS`."""

    workload: str
    phase: str
    other: str
    ours_value: float
    other_value: float
    unit: str
    ratio: float


def interleaved(
    sides: Sequence[Any], run: Callable[[Any], None], repeats: int, budget: float
) -> list[float]:
    """Median seconds of each side; every repeat runs all sides in turn.

    Args:
        sides: What is timed.
        run: Runs one.
        repeats: Number of repeats after one for warming up.
        budget: Seconds after which no further repeat begins, once there are two.
    """
    seconds: list[list[float]] = [[] for _ in sides]
    for side in sides:
        run(side)
    gc.collect()
    begin = time.perf_counter()
    for done in range(repeats):
        if done >= 2 and time.perf_counter() - begin > budget:
            break
        for own, side in zip(seconds, sides, strict=True):
            start = time.perf_counter()
            run(side)
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in seconds]


def time_rows(
    workload: Workload,
    phases: Sequence[str],
    others: Sequence[str],
    width: int,
    repeats: int,
    budget: float,
) -> list[Row]:
    """Recordings a second, ours and each other's."""
    sides = [make_side(name, workload, width) for name in ("ours", *others)]
    n = len(workload.lengths)
    rows = []
    for phase in phases:
        ours, *rest = interleaved(sides, RUN[phase], repeats, budget)
        for other, seconds in zip(others, rest, strict=True):
            rows.append(
                Row(
                    workload.name,
                    phase,
                    other,
                    n / ours,
                    n / seconds,
                    "recordings/s",
                    seconds / ours,
                )
            )
    return rows


def pretraining_rows(workload: Workload, phase: str, repeats: int, budget: float) -> list[Row]:
    """Recordings a second of a pre-training step at the size of its paper."""
    names = ("ours", "padded_eager")
    sides = [make_pretraining_side(name, workload, SYSTEMS[phase]) for name in names]
    ours, other = interleaved(sides, pretrain, repeats, budget)
    n = len(workload.lengths)
    values = (n / ours, n / other, "recordings/s", other / ours)
    return [Row(workload.name, phase, "padded_eager", *values)]


# --- memory -------------------------------------------------------------------------------------
def memory_bytes(what: str) -> int:
    """Memory of this process, ``"now"`` or at its ``"peak"``.

    Where the system does not tell (not Linux), "now" is the peak so far.
    """
    status = Path("/proc/self/status")
    if status.exists():
        # not ru_maxrss: a process inherits that of the one which started it
        key = {"now": "VmRSS:", "peak": "VmHWM:"}[what]
        (line,) = (line for line in status.read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_of_a_step(name: str, workload: Workload, width: int) -> int:
    """Bytes that a training step needs beyond network and input; in a fresh process only."""
    warm = Workload("warm", [[8]], 8, 1)
    RUN["train"](make_side(name, warm, width))
    side = make_side(name, workload, width)
    gc.collect()
    before = memory_bytes("now")
    RUN["train"](side)
    return memory_bytes("peak") - before


def peak_of_pretraining(name: str, workload: Workload) -> int:
    """The same for a step of pre-training."""
    warm = Workload("warm", [[8]], 8, 1)
    pretrain(make_pretraining_side(name, warm))
    side = make_pretraining_side(name, workload)
    gc.collect()
    before = memory_bytes("now")
    pretrain(side)
    return memory_bytes("peak") - before


def memory_rows(
    workload: Workload, others: Sequence[str], width: int, quick: bool, phase: str = "memory"
) -> list[Row]:
    """Peak memory of a step, each side in a process of its own."""
    processes = {}
    for name in ("ours", *others):
        command = [sys.executable, str(Path(__file__).resolve()), "--peak-of", name]
        command += ["--phases", phase]
        command += ["--workloads", workload.name, "--width", str(width)]
        command += ["--threads", str(torch.get_num_threads())] + (["--quick"] if quick else [])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes[name] = process
        if not quick:
            process.wait()  # large ones one after the other
    peaks = {}
    for name, process in processes.items():
        out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"measuring the memory of {name!r} failed (see above)")
        peaks[name] = json.loads(out.splitlines()[-1]) / 2**20
    return [
        Row(
            workload.name,
            phase,
            other,
            peaks["ours"],
            peaks[other],
            "MiB",
            peaks[other] / max(peaks["ours"], 1e-9),
        )
        for other in others
    ]


# --- table ----------------------------------------------------------------------------------------
def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Writes the rows as a CSV, each with the commit, the machine and the command it came from."""
    from stgraph.evaluation import command_line, commit, hardware

    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "commit", "hardware", "command"])
        for row in rows:
            values = [f"{v:.4g}" if isinstance(v, float) else v for v in row]
            writer.writerow([*values, commit(), hardware(), command_line()])


def write_markdown(path: Path, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Writes the rows as Markdown, with what has to be known about the run."""
    from stgraph.evaluation import command_line, commit, hardware, markdown_table

    table = markdown_table(
        COLUMNS, [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    )
    facts = [
        *notes,
        f"hardware: {hardware()}; {torch.get_num_threads()} threads; torch {torch.__version__}",
        f"commit: {commit()}",
        f"command: `{command_line()}`",
    ]
    text = "# Benchmarks\n\n" + table.rstrip() + "\n\n" + "\n".join(f"- {f}" for f in facts) + "\n"
    path.write_text(text, encoding="utf-8")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python experiments/benchmarks/run.py --quick --out runs/bench.csv",
    )
    parser.add_argument("--quick", action="store_true", help="small batches, padded_eager only")
    parser.add_argument("--out", type=Path, help="CSV to write; Markdown goes beside it")
    parser.add_argument("--width", type=int, default=64, help="channels of the first unit")
    parser.add_argument("--repeats", type=int, help="timed repeats (default 5; quick 3)")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--phases", nargs="+", choices=PHASES, help="all (quick: but Hi-TRS)")
    parser.add_argument("--others", nargs="+", choices=OTHERS, help="what to compare with")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.out is None and options.peak_of is None:
        parser.error("name the file to write: --out FILE.csv")
    if options.others is None:
        options.others = ["padded_eager"] if options.quick else list(OTHERS)
    if options.repeats is None:
        options.repeats = 3 if options.quick else 5
    return options


def shortened(workload: Workload, quick: bool) -> Workload:
    """The same kind of workload with so few recordings that MAMP takes seconds, not minutes."""
    step = 3 if quick else 2
    return workload._replace(lengths=workload.lengths[::step])


def refuse_unwritable(out: Path) -> None:
    """Ends with a line where a table could not be written, asked before it is measured."""
    try:
        check_out_file(str(out))
    except ValueError as error:
        sys.exit(f"error: {error}")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if options.phases is None:
        options.phases = [p for p in PHASES if not (options.quick and p == "pretrain_hitrs")]
    quiet()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.peak_of:
        workload = make_workload(options.workloads[0], options.quick)
        if "pretrain_memory" in options.phases:
            print(peak_of_pretraining(options.peak_of, shortened(workload, options.quick)))
        else:
            print(peak_of_a_step(options.peak_of, workload, options.width))
        return
    refuse_unwritable(options.out)
    begin = time.perf_counter()
    width = options.width
    error = check_equal(width)
    notes = [
        f"network: ST-GCN, 10 units of {width}, {2 * width}, {4 * width} channels, 60 classes, "
        "25 joints, 3-D",
        f"largest difference between the logits of the ragged and the padded network with the "
        f"same weights, on full-length recordings: {error:.1e}",
    ]
    print(*notes, f"{torch.get_num_threads()} threads", sep="\n", flush=True)
    rows: list[Row] = []
    timed = [phase for phase in options.phases if phase in RUN]
    if any(phase.startswith("pretrain") for phase in options.phases):
        notes.append(
            "pre-training: MAMP with 8 + 5 blocks of 256 channels, 8 heads, 90 % hidden; padded to "
            "120 frames x 2 persons; difference of the losses on full-length recordings with one "
            f"mask: {check_equal_pretraining():.1e}"
        )
    if "pretrain_hitrs" in options.phases:
        notes.append(
            "pre-training: Hi-TRS with three levels of 3 blocks, 128, 256 and 512 channels, four "
            "tasks; padded to 100 frames x 2 persons and the poses at zero of its code; "
            "difference of the losses on full-length recordings with the same draws: "
            f"{check_equal_hitrs():.1e}"
        )
    for name in options.workloads:
        workload = make_workload(name, options.quick)
        notes.append(workload.describe())
        print(f"\n{notes[-1]}", flush=True)
        budget = 4.0 if options.quick else 120.0
        new = []
        if timed:
            new += time_rows(workload, timed, options.others, width, options.repeats, budget)
        if "memory" in options.phases:
            others = [other for other in options.others if other != "padded_compiled"]
            new += memory_rows(workload, others, width, options.quick)
        if name == "ntu_like" and "padded_eager" in options.others:
            few = shortened(workload, options.quick)
            for phase in SYSTEMS:
                if phase in options.phases:
                    budget = 15.0 if options.quick else 180.0
                    new += pretraining_rows(few, phase, options.repeats, budget)
            if "pretrain_memory" in options.phases:
                new += memory_rows(few, ["padded_eager"], width, options.quick, "pretrain_memory")
        for row in new:
            print(
                f"  {row.phase:16}{row.other:17}{row.ours_value:10.4g}{row.other_value:10.4g} "
                f"{row.unit:14}{row.ratio:6.2f}x",
                flush=True,
            )
        rows += new
    write_csv(options.out, COLUMNS, rows)
    write_markdown(options.out.with_suffix(".md"), rows, notes)
    print(f"\n{options.out} written in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
