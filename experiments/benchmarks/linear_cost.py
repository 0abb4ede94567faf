"""Does work grow with the poses that exist, and not with the longest track or the most people?

Three sweeps of one inference pass, ours against the padded dense network, medians of interleaved
repeats: the number of poses at a constant number of tracks; the longest track at a constant number
of poses; the most people in a recording at a constant number of tracks. Writes a CSV (columns
sweep, value, poses, ours_seconds, padded_seconds, commit, hardware, command) and a figure of the
same name.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from run import interleaved, refuse_unwritable, write_csv
from workloads import RUN, Workload, check_equal, make_side, quiet

COLUMNS = ("sweep", "value", "poses", "ours_seconds", "padded_seconds")
TITLES = {
    "poses": "poses (8 equal tracks)",
    "longest": "longest of 8 tracks (640 poses)",
    "people": "most people of 8 recordings (15 tracks)",
}


def sweeps(scale: int = 1) -> dict[str, list[tuple[int, Workload]]]:
    """The workloads of each sweep, with the value that changes.

    Args:
        scale: Poses are ``1 / scale`` of the full ones.
    """

    def workload(lengths: list[list[int]]) -> Workload:
        frames = max(max(own) for own in lengths)
        return Workload("sweep", lengths, frames, max(len(own) for own in lengths))

    base = 80 // scale
    poses = [(8 * n, workload([[n]] * 8)) for n in (base // 4, base // 2, base, base * 2)]
    longest = []
    for most in (base, base * 2, base * 4, base * 6):
        rest = (8 * base - most) // 7
        lengths = [[most + 8 * base - most - 7 * rest]] + [[rest]] * 7
        longest.append((most, workload(lengths)))
    people = []
    for most in (2, 4, 6, 8):
        # 15 tracks in 8 recordings: one crowd, the others share the rest
        counts = [most] + [1] * 7
        for i in range(15 - sum(counts)):
            counts[1 + i % 7] += 1
        people.append((most, workload([[base // 2] * n for n in counts])))
    return {"poses": poses, "longest": longest, "people": people}


def measure(width: int, repeats: int, scale: int = 1) -> list[dict[str, Any]]:
    """A row for each point of each sweep."""
    rows = []
    for sweep, points in sweeps(scale).items():
        for value, workload in points:
            sides = [make_side(name, workload, width) for name in ("ours", "padded_eager")]
            ours, padded = interleaved(sides, RUN["infer"], repeats, budget=60.0)
            row = dict(zip(COLUMNS, (sweep, value, workload.num_poses, ours, padded), strict=True))
            print("  ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
            rows.append(row)
    return rows


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The figure of the rows."""
    from stgraph.viz.style import BLUE, ORANGE, house_style, new_figure, save_figure

    with house_style():
        figure, axes = new_figure(9.0, 2.9, columns=3)
        for panel, (sweep, title) in zip(axes, TITLES.items(), strict=True):
            points = [row for row in rows if row["sweep"] == sweep]
            x = [row["value"] for row in points]
            for key, colour, label in (
                ("padded_seconds", ORANGE, "padded"),
                ("ours_seconds", BLUE, "ragged (ours)"),
            ):
                y = [1000 * row[key] for row in points]
                panel.plot(x, y, "o-", color=colour, label=label, markersize=4)
            panel.set_xlabel(title)
            panel.set_xlim(left=0)
            panel.set_ylim(bottom=0)
            panel.grid(axis="y")
        axes[0].set_ylabel("inference, ms")
        axes[0].legend()
        save_figure(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="CSV; the PNG goes beside it")
    parser.add_argument("--width", type=int, default=64, help="channels of the first unit")
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats")
    parser.add_argument("--scale", type=int, default=1, help="divide all lengths by this")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    options = parser.parse_args(arguments)
    refuse_unwritable(options.out)
    quiet()
    if options.threads:
        torch.set_num_threads(options.threads)
    print(f"largest difference of logits on full-length input: {check_equal(options.width):.1e}")
    print(f"width {options.width}, {torch.get_num_threads()} threads", "  ".join(COLUMNS), sep="\n")
    rows = measure(options.width, options.repeats, options.scale)
    write_csv(options.out, COLUMNS, [list(row.values()) for row in rows])
    draw(rows, options.out.with_suffix(".png"))
    print(f"{options.out} and {options.out.with_suffix('.png')} written")


if __name__ == "__main__":
    main()
