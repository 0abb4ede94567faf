"""``stgraph predict``: recognises what happens in files."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgraph.cli.parsing import Parser
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
        format: openpose, nw_ucla, kth_poses, numpy, penn_action, utd_mhad, sbu, msr_action3d or
            store; by default from the suffix
        out: CSV file for all probabilities
        top: number of guesses to print
        skip_bad: leave out files that cannot be read, with a warning each
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
    from stgraph.cli.recordings import expand, read_recordings
    from stgraph.io import RecordingError
    from stgraph.tasks import load_recognition, predict_logits

    if config.top < 1:
        raise ValueError(f"--top expected at least 1 (got {config.top})")
    task = load_recognition(config.model)
    layout = getattr(task.network, "layout", None)
    files, graphs = [], []
    for path in expand(config.files):
        try:
            found = read_recordings(path, layout, config.format)
        except RecordingError as error:
            if not config.skip_bad:
                raise
            print(f"warning: {error}", file=sys.stderr)
            continue
        files += [str(path)] * len(found)
        graphs += found
    if not graphs:
        raise ValueError("there is no recording to recognise")
    logits, _, has_pose = predict_logits(task, graphs, batch_size=config.batch_size)
    names = list(task.class_names or [f"class {i}" for i in range(task.num_classes)])
    probability = logits.softmax(dim=1)
    recordings = [
        str(getattr(graph, "name", "") or Path(file).stem)
        for graph, file in zip(graphs, files, strict=True)
    ]
    best = probability.topk(min(config.top, len(names)), dim=1)
    rows = []
    for i, recording in enumerate(recordings):
        if not has_pose[i]:
            rows.append([recording, "no pose", ""])
            continue
        for rank, (value, j) in enumerate(zip(best.values[i], best.indices[i], strict=True)):
            rows.append([recording if rank == 0 else "", names[int(j)], share(float(value))])
    say(table(["recording", "class", "probability"], rows, text=(0, 1)))
    if config.out is not None:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["file", "recording", "class", "probability", *names])
        for i, recording in enumerate(recordings):
            if has_pose[i]:
                top = int(probability[i].argmax())
                shares = [f"{float(value):.6f}" for value in probability[i]]
                row = [names[top], shares[top], *shares]
            else:
                row = ["", "", *[""] * len(names)]
            writer.writerow([files[i], recording, *row])
        from stgraph.files import write_atomically

        write_atomically(Path(config.out), text.getvalue().encode())
        say(f"\nwritten to {config.out}")
