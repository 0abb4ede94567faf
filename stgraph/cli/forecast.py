"""``stgraph forecast``: predicts how the people of a recording go on moving."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file, check_out_folder
from stgraph.cli.show import count, recording_name, say, table

DESCRIPTION = """The last poses of every person are looked at, and the next ones predicted. With
--hold_back true the end of each recording is kept back and compared with the prediction, beside
standing still and going on at the last velocity. Files are read as stgraph predict reads them."""

EXAMPLES = """  stgraph forecast a1_s2_t1_skeleton.mat --model runs/NAME/model
  stgraph forecast *.mat --model runs/NAME/model --out poses.csv
  stgraph forecast clip.mat --model runs/NAME/model --hold_back true \\
      --pictures pictures/"""


#: Poses that may be asked of a decoder without a limit of its own.
MOST_POSES = 10_000


@dataclass
class ForecastOptions:
    """what to predict

    Args:
        model: folder of a trained predictor of motion (OUT/model)
        format: as of stgraph predict; by default from the suffix
        hold_back: keep back the last poses and compare; 'false': predict beyond the end
        poses: poses to predict; by default those that the model was trained for
        horizons: milliseconds to tell of, in YAML; by default four up to the last
        out: CSV file for the predicted coordinates
        fps: frames a second of files that do not say it
        skip_bad: leave out files that cannot be read or predicted, with a warning each
        pictures: folder for a film strip and an animation of each person
    """

    model: str
    format: str | None = None
    hold_back: bool = False
    poses: int | None = None
    horizons: list[float] = field(default_factory=list)
    fps: float = 30.0
    skip_bad: bool = False
    out: str | None = None
    pictures: str | None = None


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.usage = "stgraph forecast FILES... --model DIR [options]"
    parser.add_argument("files", nargs="+", metavar="FILES", help="files and folders")
    parser.add_options(ForecastOptions)


def run(config: Any) -> None:
    """Predicts, prints a table a recording, and writes CSV and pictures."""
    import torch

    from stgraph.cli.recordings import check_format, picture_names, skipping
    from stgraph.tasks import load_prediction

    with choosing("forecast"):
        check_out_file(config.out)
        if config.pictures is not None:
            check_out_folder(config.pictures, "--pictures")
        if config.poses is not None and config.poses < 1:
            raise ValueError(f"expected --poses of at least 1 (got {config.poses})")
        if not 0 < config.fps < float("inf"):
            raise ValueError(f"expected --fps above 0 (got {config.fps})")
        if not all(0 < ms < float("inf") for ms in config.horizons):
            raise ValueError(f"expected --horizons above 0 ms (got {config.horizons})")
        check_format(config.format)
    task = load_prediction(config.model)
    number = task.num_future if config.poses is None else config.poses
    most = getattr(getattr(task.model, "decoder", None), "num_future", None) or MOST_POSES
    with choosing("forecast"):
        if number > most:
            raise ValueError(f"--poses {number}: the model predicts at most {most:,}")
    recordings = _read(config, task)
    found = []
    for (path, graph), picture in zip(recordings, picture_names(recordings), strict=True):
        if getattr(graph, "fps", None) is None:
            graph.fps = torch.tensor([config.fps])
        seen, truth = _parted(graph, number) if config.hold_back else (graph, None)
        if not seen.num_poses:
            poses = len(graph.frame.unique())
            why = f"{poses} frames, too few to hold back {number} poses" if poses else "nobody"
            say(f"{recording_name(path, graph)}: {why}")
            continue
        with skipping(config.skip_bad):
            forecast = _predicted(task, path, seen, number)
            found.append((path, seen, truth, forecast))
            say(_told(config, path, seen, truth, forecast, task))
            if config.pictures is not None:
                for file in _draw(config, picture, path, seen, truth, forecast):
                    say(f"picture {file}")
    if not found:
        hint = "; take fewer --poses, or --hold_back false" if config.hold_back else ""
        raise ValueError(f"nothing was predicted of {count(len(recordings), 'recording')}{hint}")
    if config.out is not None:
        _write(Path(config.out), found)
        say(f"written to {config.out}")


def _predicted(task: Any, path: Path, seen: Any, number: int) -> Any:
    """The poses to come.

    Raises:
        RecordingError: if the model cannot tell them.
    """
    from stgraph.io import RecordingError
    from stgraph.tasks import predict_motion

    remedy = "use a model for such recordings, or skip it with skip_bad=True"
    try:
        forecast = predict_motion(task, seen, number)
        if bool(forecast.pos.isfinite().all()):
            return forecast
        problem = "the model's answer is no number"
    except ValueError as error:
        problem = str(error)
        if "finite coordinates" in problem:
            problem = "the model's answer is no number"
    if problem == "the model's answer is no number":
        remedy = "are its coordinates far too large? Mend them, or skip it with skip_bad=True"
    place = f"recording {recording_name(path, seen)}"
    raise RecordingError(path, problem, place=place, remedy=remedy)


def _read(config: Any, task: Any) -> list[tuple[Path, Any]]:
    """The recordings of all files, with their files."""
    from stgraph.cli.recordings import expand, read_recordings, skipping

    layout = getattr(task.model, "layout", None)
    found = []
    for path in expand(config.files, config.format):
        with skipping(config.skip_bad):
            found += [(path, graph) for graph in read_recordings(path, layout, config.format)]
    return found


def _parted(graph: Any, number: int) -> tuple[Any, Any]:
    """A recording without its last poses, and those; only people who are there to the end."""
    from stgraph.io import clip_frames

    last = int(graph.frame.max()) if graph.num_poses else 0
    seen = clip_frames(graph, -(2**62), last - number)
    return seen, clip_frames(graph, last - number + 1, last)


def _horizons(config: Any, fps: float, poses: int) -> list[int]:
    """Poses to tell of.

    Raises:
        ValueError: if one is not predicted.
    """
    if not config.horizons:
        return sorted({max(round(poses * part / 4), 1) for part in (1, 2, 3, 4)})
    chosen = [round(ms * fps / 1000) for ms in config.horizons]
    for ms, pose in zip(config.horizons, chosen, strict=True):
        if not 1 <= pose <= poses:
            raise ValueError(
                f"--horizons of {ms:g} ms are not among the {poses} predicted poses "
                f"({1000 / fps:.0f} to {1000 * poses / fps:.0f} ms)"
            )
    return chosen


def _rate(graph: Any) -> float:
    return float(graph.fps)


def _told(config: Any, path: Path, seen: Any, truth: Any, forecast: Any, task: Any) -> str:
    """What is predicted, as a table."""
    fps, people = _rate(seen), forecast.num_tracks
    poses = int(forecast.track_length[0])
    horizons = _horizons(config, fps, poses)
    word = "person" if people == 1 else "people"
    title = f"{recording_name(path, seen)}: {people} {word}, {poses} poses"
    rows = []
    errors = _errors(seen, truth, forecast, task) if truth is not None else None
    moved = _moved(seen, forecast)
    for h in horizons:
        row = [f"{1000 * h / fps:.0f} ms", f"{moved[h - 1]:.3g}"]
        if errors is not None:
            row += [_figure(errors[name][h - 1]) for name in errors]
        rows.append(row)
    header = ["after", "joints move"]
    if errors is not None:
        header += list(errors)
    return f"{title}\n{table(header, rows, text=())}\n"


def _figure(value: float) -> str:
    return "-" if value != value else f"{value:.3g}"


def _moved(seen: Any, forecast: Any) -> list[float]:
    """Mean distance of the joints from where they were last seen, for each pose to come."""
    from stgraph.nn import last_seen
    from stgraph.tasks import last_stretches

    known = last_seen(last_stretches(seen, 10**6))
    poses = int(forecast.track_length[0])
    pos = forecast.folded().view(forecast.num_tracks, poses, forecast.num_joints, -1)
    far = (pos - known.pos[:, None]).norm(dim=3)
    weight = known.known[:, None].float()
    total = weight.sum(dim=(0, 2)).clamp(min=1)
    return ((far * weight).sum(dim=(0, 2)) / total).tolist()


def _errors(seen: Any, truth: Any, forecast: Any, task: Any) -> dict[str, list[float]]:
    """Mean distances from what came: of the prediction, of standing still, of constant velocity."""
    from stgraph.nn import constant_velocity, zero_velocity
    from stgraph.tasks import predict_motion

    poses = int(forecast.track_length[0])
    rivals = {"stand still": zero_velocity, "go on": constant_velocity}
    found = {"predicted, off by": forecast}
    for name, rival in rivals.items():
        found[f"{name}, off by"] = predict_motion(
            rival, seen, poses, num_observed=task.num_observed
        )
    return {name: _off(one, truth, poses) for name, one in found.items()}


def _off(forecast: Any, truth: Any, poses: int) -> list[float]:
    """Mean distance of joints that are seen in both, for each pose; NaN where there are none."""
    import torch

    pairs = _matched(forecast, truth)
    out = []
    for h in range(1, poses + 1):
        far = [
            (forecast.folded()[i] - truth.folded()[j]).norm(dim=1)[
                (forecast.folded_score()[i] > 0) & (truth.folded_score()[j] > 0)
            ]
            for step, i, j in pairs
            if step == h
        ]
        joined = torch.cat(far) if far else torch.zeros(0)
        out.append(float(joined.mean()) if len(joined) else float("nan"))
    return out


def _matched(forecast: Any, truth: Any) -> list[tuple[int, int, int]]:
    """Step ahead, predicted pose and true pose of one person in one frame."""
    place = {
        (int(p), int(f)): j
        for j, (p, f) in enumerate(zip(truth.person[truth.track], truth.frame, strict=True))
    }
    pairs = []
    first = forecast.frame[forecast.first_pose][forecast.track]
    for i, (p, f, begin) in enumerate(
        zip(forecast.person[forecast.track], forecast.frame, first, strict=True)
    ):
        j = place.get((int(p), int(f)))
        if j is not None:
            pairs.append((int(f - begin) + 1, i, j))
    return pairs


def _person(graph: Any, track: int) -> Any:
    """One track alone."""
    import torch

    begin, length = int(graph.first_pose[track]), int(graph.track_length[track])
    index = torch.arange(begin, begin + length)
    return graph.take_poses(index, torch.tensor([length]), torch.tensor([track]))


def _draw(
    config: Any, picture: str, path: Path, seen: Any, truth: Any, forecast: Any
) -> list[Path]:
    """A film strip and an animation of each person."""
    from stgraph.files import replacing
    from stgraph.tasks import last_stretches
    from stgraph.viz import animate_forecast, draw_forecast

    folder = Path(config.pictures)
    folder.mkdir(parents=True, exist_ok=True)
    fps, files = _rate(seen), []
    observed = last_stretches(seen, 30).to_data_list()
    poses = int(forecast.track_length[0])
    horizons = [1000 * h / fps for h in _horizons(config, fps, poses)]
    for track in range(forecast.num_tracks):
        one, came = _person(forecast, track), None
        before = observed[track]
        if truth is not None and truth.num_poses:
            same = (truth.person == forecast.person[track]).nonzero().flatten()
            whole = [t for t in same.tolist() if int(truth.track_length[t]) == poses]
            came = _person(truth, whole[0]) if whole else None
        word = f"-{track}" if forecast.num_tracks > 1 else ""
        name = recording_name(path, seen)
        stem, title = f"{picture}{word}", f"How {name} goes on"
        figure = draw_forecast(before, came, one, horizons_ms=horizons, title=title)
        file = folder / f"{stem}.png"
        with replacing(file) as temporary:
            figure.savefig(temporary, format="png")
        files += [file, animate_forecast(before, came, one, folder / f"{stem}.gif", title=title)]
    return files


def _write(path: Path, found: list[Any]) -> None:
    from stgraph.files import write_atomically

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "recording", "person", "frame", "joint", "x", "y", "z"])
    for file, seen, _, forecast in found:
        names = forecast.layouts[0].joints
        rows = forecast.folded()
        score = forecast.folded_score()
        for pose in range(forecast.num_poses):
            person = int(forecast.person[forecast.track[pose]])
            for joint, name in enumerate(names):
                values = ["", "", ""]
                if float(score[pose, joint]) > 0:
                    values = [f"{float(v):.6g}" for v in rows[pose, joint]]
                values += [""] * (3 - len(values))
                frame = int(forecast.frame[pose])
                writer.writerow([file, recording_name(file, seen), person, frame, name, *values])
    write_atomically(path, text.getvalue().encode())
