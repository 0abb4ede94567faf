"""``stgraph predict``: recognises what happens in files."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file
from stgraph.cli.show import say, share, table

DESCRIPTION = """Files are read by their suffix and the joints that
the model knows; a folder is one recording of OpenPose frames (NAME_keypoints.json), or stands for
the files in it."""

EXAMPLES = """  stgraph predict clip.json --model runs/NAME/model
  stgraph predict frames/ --model runs/NAME/model   a folder of OpenPose frames
  stgraph predict *.npy --model runs/NAME/model --out predictions.csv
  stgraph predict data/ --model runs/NAME/model --skip_bad true"""


@dataclass
class PredictOptions:
    """what to recognise

    Args:
        model: folder of the trained network (OUT/model of stgraph fit)
        format: openpose, nw_ucla, kth_poses, numpy, penn_action, utd_mhad, sbu, msr_action3d,
            utkinect, pku_mmd or store; by default from the suffix
        out: CSV file for all probabilities
        top: number of guesses to print
        skip_bad: leave out what cannot be read or recognised, with a warning each
        batch_size: recordings at a time; changes no figure
    """

    model: str
    format: str | None = None
    out: str | None = None
    top: int = 1
    skip_bad: bool = False
    batch_size: int = 64


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.usage = "stgraph predict FILES... --model DIR [options]"
    parser.add_argument("files", nargs="+", metavar="FILES", help="files and folders")
    parser.add_options(PredictOptions)


def run(config: Any) -> None:
    """Predicts, prints a line a recording, and writes CSV."""
    from stgraph.tasks import load_recognition
    from stgraph.tasks.limits import check_limits

    with choosing("predict"):
        check_limits({"top": config.top, "batch_size": config.batch_size}, "expected --")
        check_out_file(config.out)
    task = load_recognition(config.model)
    recordings = _recognise(task, _read(config, task), config)
    if not recordings:
        raise ValueError("there is no recording to recognise")
    names = list(task.class_names or [f"class {i}" for i in range(task.num_classes)])
    say(_guesses(recordings, names, config.top))
    if config.out is not None:
        _write(Path(config.out), recordings, names)
        say(f"\nwritten to {config.out}")


class Recognised(NamedTuple):
    """A recording and what it was taken for.

    Attributes:
        file: Where it was read from.
        name: Its name.
        shares: Probability of each class, [C]; None without a pose.
    """

    file: str
    name: str
    shares: Any


def _read(config: Any, task: Any) -> list[tuple[Path, Any]]:
    """The recordings of all files, with their files."""
    from stgraph.cli.recordings import check_channels, expand, read_recordings, skipping

    layout = getattr(task.network, "layout", None)
    found = []
    for path in expand(config.files, config.format):
        with skipping(config.skip_bad):
            graphs = read_recordings(path, layout, config.format)
            check_channels(path, graphs, task)
            found += [(path, graph) for graph in graphs]
    return found


def _recognise(task: Any, found: list[tuple[Path, Any]], config: Any) -> list[Recognised]:
    from stgraph.cli.recordings import skipping
    from stgraph.io import RecordingError
    from stgraph.tasks import predict_logits

    # those without a pose may be of any layout and have nothing to say
    posed = [graph for _, graph in found if graph.num_poses]
    predictions = predict_logits(task, posed, batch_size=config.batch_size) if posed else None
    out, place = [], iter(range(len(posed)))
    for path, graph in found:
        name, shares = str(getattr(graph, "name", "") or path.stem), None
        i = next(place) if graph.num_poses else None
        if predictions is not None and i is not None and predictions.has_pose[i]:
            shares = predictions.logits[i].softmax(dim=0)
        with skipping(config.skip_bad):
            if shares is not None and not bool(shares.isfinite().all()):
                raise RecordingError(
                    path,
                    "the model's answer is no number",
                    place=f"recording {name}",
                    remedy="are its coordinates far too large? Mend them, or skip it with "
                    "skip_bad=True",
                )
            out.append(Recognised(str(path), name, shares))
    return out


def _guesses(recordings: list[Recognised], names: list[str], top: int) -> str:
    rows = []
    names_seen = Counter(name for _, name, _ in recordings)
    for file, name, shares in recordings:
        recording = name if names_seen[name] == 1 else f"{file}: {name}"
        if shares is None:
            rows.append([recording, "no pose", ""])
            continue
        best = shares.topk(min(top, len(names)))
        for rank, (value, j) in enumerate(zip(best.values, best.indices, strict=True)):
            rows.append([recording if rank == 0 else "", names[int(j)], share(float(value))])
    return table(["recording", "class", "probability"], rows, text=(0, 1))


def _write(path: Path, recordings: list[Recognised], names: list[str]) -> None:
    from stgraph.files import write_atomically

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "recording", "class", "probability", *names])
    for file, recording, shares in recordings:
        row = ["", "", *[""] * len(names)]
        if shares is not None:
            top, values = int(shares.argmax()), [f"{float(value):.6f}" for value in shares]
            row = [names[top], values[top], *values]
        writer.writerow([file, recording, *row])
    write_atomically(path, text.getvalue().encode())
