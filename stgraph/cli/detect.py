"""``stgraph detect``: finds actions in untrimmed recordings."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file, check_out_folder
from stgraph.cli.show import recording_name, say, table

DESCRIPTION = """Every frame gets a class or background, and frames that belong together
become actions with a begin, an end and a confidence. Recordings may be hours long: they are
looked at piece by piece. Files are read as stgraph predict reads them."""

EXAMPLES = """  stgraph detect joints_s06_e01.txt --model runs/NAME/model
  stgraph detect *.txt --model runs/NAME/model --out actions.csv --sure 0.3
  stgraph detect clip.txt --model runs/NAME/model --pictures pictures/
  stgraph detect clip.txt --model runs/NAME/model --threshold '[0.3]' --nms 0.3"""


#: Frames of a recording whose probabilities are drawn; more are hours with nobody or time stamps.
LONGEST_CURVE = 2_000_000


@dataclass
class DetectOptions:
    """what to find

    Args:
        model: folder of a trained detector (OUT/model)
        format: as of stgraph predict; by default from the suffix
        labels: file of what is true, for the pictures (UTKinect's actionLabel.txt, or the label
            file of PKU-MMD)
        out: CSV file for the actions
        pictures: folder for a timeline of each recording
        skip_bad: leave out files that cannot be read, with a warning each
        sure: leave out actions that are less sure than this, 0 to 1
        chunk: frames to look at together; changes memory, no figure
    """

    model: str
    format: str | None = None
    labels: str | None = None
    out: str | None = None
    pictures: str | None = None
    skip_bad: bool = False
    sure: float = 0.0
    chunk: int = 512


@dataclass
class FinderOptions:
    """how frames become actions; by default as the model was trained

    Args:
        method: 'argmax' (runs of one most probable class) or 'threshold' (runs above a probability)
        threshold: probabilities of 'threshold', in YAML: '[0.1, 0.3, 0.5]'
        smoothing: frames of a moving average
        max_gap: frames between two runs of one class that are bridged
        min_length: least frames of an action
        nms: greatest temporal IoU of two actions of one class
    """

    method: str | None = None
    threshold: list[float] | None = None
    smoothing: int | None = None
    max_gap: int | None = None
    min_length: int | None = None
    nms: float | None = None


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.usage = "stgraph detect FILES... --model DIR [options]"
    parser.add_argument("files", nargs="+", metavar="FILES", help="files and folders")
    parser.add_options(DetectOptions)
    parser.add_options(FinderOptions)


def run(config: Any) -> None:
    """Finds actions, prints them, and writes CSV and pictures."""
    from stgraph.cli.recordings import check_format, picture_names, skipping
    from stgraph.io import RecordingError
    from stgraph.tasks import load_detection, score_frames

    with choosing("detect"):
        check_out_file(config.out)
        if config.pictures is not None:
            check_out_folder(config.pictures, "--pictures")
        check_format(config.format)
        if not 1 <= config.chunk <= 10**6:
            raise ValueError(f"expected --chunk in 1...1000000 (got {config.chunk})")
        if not 0 <= config.sure <= 1:
            raise ValueError(f"expected --sure in 0...1 (got {config.sure})")
    task = load_detection(config.model)
    with choosing("detect"):
        finder = _finder(task.finder, config)
    found = []
    recordings = _read(config, task)
    pictures = picture_names(recordings)
    for (path, graph), picture in zip(recordings, pictures, strict=True):
        if not graph.num_poses:
            say(f"{recording_name(path, graph)}: nobody is in it")
            continue
        scores = None
        with skipping(config.skip_bad):
            scores = score_frames(task, graph, config.chunk)
            if not bool(scores.probability.isfinite().all()):
                raise RecordingError(
                    path,
                    "the model's answer is no number",
                    place=f"recording {recording_name(path, graph)}",
                    remedy="are its coordinates far too large? Mend them, or skip it with "
                    "skip_bad=True",
                )
        if scores is None or not bool(scores.probability.isfinite().all()):
            continue
        segments = finder(scores.frame, scores.probability)
        segments = segments.take((segments.confidence >= config.sure).nonzero().flatten())
        found.append((path, graph, segments))
        say(_listed(path, graph, segments, task.class_names))
        if config.pictures is not None:
            place = Path(config.pictures) / f"{picture}.png"
            file = _draw(place, path, graph, segments, scores, task.class_names)
            say(f"picture {file}\n")
    if config.out is not None:
        _write(Path(config.out), found, task.class_names)
        say(f"written to {config.out}")


def _finder(own: Any, config: Any) -> Any:
    """The model's finder with what the options change."""
    from dataclasses import replace

    changes = {
        name: tuple(value) if isinstance(value, list) else value
        for name in vars(FinderOptions())
        if (value := getattr(config, name)) is not None
    }
    return replace(own, **changes)


def _read(config: Any, task: Any) -> list[tuple[Path, Any]]:
    """The recordings of all files, with their files."""
    from stgraph.cli.recordings import check_channels, expand, read_recordings, skipping

    layout = getattr(task.network, "layout", None)
    found = []
    for path in expand(config.files, config.format):
        with skipping(config.skip_bad):
            graphs = read_recordings(path, layout, config.format)
            check_channels(path, graphs, task)
            if config.labels is not None:
                labels = Path(config.labels)
                graphs = [_labelled(path, labels, layout, config.format) for _ in graphs]
            found += [(path, graph) for graph in graphs]
    return found


def _labelled(path: Path, labels: Path, layout: Any, format: str | None) -> Any:
    """A recording with its annotated actions.

    Raises:
        ValueError: if the format has none.
    """
    from stgraph.cli.recordings import choose_format
    from stgraph.io import read_pku_mmd, read_utkinect

    readers: dict[str, Any] = {"utkinect": read_utkinect, "pku_mmd": read_pku_mmd}
    name = choose_format(path, layout) if format is None else format
    if name not in readers:
        raise ValueError(
            f"--labels is for the formats {', '.join(readers)}, and {str(path)!r} is {name}; leave "
            "it out"
        )
    return readers[name](path, labels)


def _seconds(graph: Any, frame: float) -> str:
    """A moment as people read it: seconds where the rate is known, else the frame."""
    fps = getattr(graph, "fps", None)
    if fps is None:
        return f"{frame:.0f}"
    moment = (frame - float(graph.frame.min())) / float(fps)
    minutes, seconds = divmod(moment, 60)
    return f"{int(minutes)}:{seconds:04.1f}"


def _listed(path: Path, graph: Any, segments: Any, names: Any) -> str:
    order = segments.start.argsort()
    unit = "frame" if getattr(graph, "fps", None) is None else "min:s"
    rows = [
        [
            names[int(segments.label[i]) - 1],
            _seconds(graph, float(segments.start[i])),
            _seconds(graph, float(segments.end[i])),
            f"{float(segments.confidence[i]):.2f}",
        ]
        for i in order.tolist()
    ]
    title = f"{recording_name(path, graph)}: {len(rows)} action{'s' * (len(rows) != 1)}"
    if not rows:
        return title
    return (
        f"{title}\n{table(['action', f'from ({unit})', f'to ({unit})', 'sure'], rows, text=(0,))}\n"
    )


def _draw(file: Path, path: Path, graph: Any, segments: Any, scores: Any, names: Any) -> Path:
    import torch

    from stgraph.files import replacing
    from stgraph.tasks import true_segments
    from stgraph.viz import draw_detections

    fps = getattr(graph, "fps", None)
    first = float(graph.frame.min())

    def from_begin(segments: Any) -> Any:
        return segments._replace(start=segments.start - first, end=segments.end - first)

    truth = from_begin(true_segments(graph)) if "segments" in graph else None
    found = from_begin(segments)
    length = int(graph.frame.max() - graph.frame.min()) + 1
    shares = None
    if length <= LONGEST_CURVE:
        shares = torch.zeros(length, scores.probability.size(1))
        shares[:, 0] = 1.0
        shares[scores.frame - int(first)] = scores.probability
    figure = draw_detections(
        truth,
        found,
        list(names),
        num_frames=length,
        fps=None if fps is None else float(fps),
        scores=shares,
        title=f"Actions in {recording_name(path, graph)}",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png")
    return file


def _write(path: Path, found: list[Any], names: Any) -> None:
    from stgraph.files import write_atomically

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "recording", "action", "first_frame", "last_frame", "confidence"])
    for file, graph, segments in found:
        for i in segments.start.argsort().tolist():
            writer.writerow(
                [
                    file,
                    recording_name(file, graph),
                    names[int(segments.label[i]) - 1],
                    f"{float(segments.start[i]):g}",
                    f"{float(segments.end[i]):g}",
                    f"{float(segments.confidence[i]):.6f}",
                ]
            )
    write_atomically(path, text.getvalue().encode())
