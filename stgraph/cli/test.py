"""``stgraph test``: measures a trained recogniser or detector."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from stgraph.cli.parsing import Parser, choosing
from stgraph.cli.places import check_out_file
from stgraph.cli.sets import check_name, name_of, open_part, part_hint, run_name, title_of
from stgraph.cli.show import count, say, share, table

DESCRIPTION = """Recordings come from the set that the network was
trained on unless another is named. A recording without a pose counts as wrong. Of a detector of
actions the frames are measured, and mAP_a, mAP_v, F1 and 2D-AP of what it finds."""

EXAMPLES = """  stgraph test --model runs/NAME/model
  stgraph test --model runs/NAME/model --part val
  stgraph test --model runs/NAME/model --data.path ELSEWHERE --out results.csv"""


@dataclass
class TestData:
    """recordings

    Args:
        name: data set; by default that of training
        path: its folder or archive; by default that of training
        protocol: how it is split; by default as in training
        args: further arguments of the set
    """

    name: str | None = None
    path: str | None = None
    protocol: str | None = None
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class TestOptions:
    """what to measure

    Args:
        model: folder of the trained recogniser or detector (OUT/model of stgraph fit)
        part: part of the set
        out: CSV file to add the figures to; those measured before are replaced
        batch_size: recordings at a time; changes no figure
    """

    model: str
    part: str = "test"
    out: str | None = None
    batch_size: int = 64


def add_arguments(parser: Parser) -> None:
    """The options."""
    parser.add_options(TestOptions)
    parser.add_options(TestData, "data")


def run(config: Any) -> None:
    """Measures and prints."""
    from stgraph.cli.detection_figures import measure_detector
    from stgraph.evaluation.tables import read_entries
    from stgraph.tasks.limits import check_limits
    from stgraph.tasks.saving import task_kind

    with choosing("test"):
        check_limits({"batch_size": config.batch_size}, "expected --")
        check_out_file(config.out)
        if config.out is not None:
            read_entries(config.out)
    if task_kind(config.model) == "detection":
        measure_detector(config)
    else:
        _measure_recogniser(config)


def open_measured(config: Any, facts: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The recordings to measure on, and what was chosen: name, path, protocol and arguments.

    Args:
        config: Options of the command.
        facts: What the model says it was trained on.

    Raises:
        UsageError: if the set is unknown.
        ValueError: if nobody says which set, or its part is empty.
    """
    trained = facts.get("data", {})
    wanted = {key: value for key, value in vars(config.data).items() if value}
    if "name" in wanted and wanted["name"] != trained.get("name"):
        trained = {}
    chosen = {
        key: wanted.get(key, trained.get(key)) for key in ("name", "path", "protocol", "args")
    }
    if chosen["name"] is None:
        raise ValueError("the model does not say what it was trained on: give --data.name")
    with choosing("test"):
        check_name(chosen["name"], chosen["path"])
    dataset = open_part(part=config.part, **chosen)
    if not len(dataset):
        raise ValueError(f"the part {config.part!r} of {chosen['name']} is empty")
    return dataset, chosen


def check_class_names(names: tuple[str, ...], dataset: Any, name: str) -> None:
    """Refuses recordings of other classes than those of the model.

    Raises:
        ValueError: if both are known and differ.
    """
    own = tuple(dataset.class_names or ())
    if names and own and names != own:
        raise ValueError(
            f"the model was trained for other classes ({len(names)}: {', '.join(names[:3])}, ...) "
            f"than those of {name} ({len(own)}: {', '.join(own[:3])}, ...)"
        )


def _measure_recogniser(config: Any) -> None:
    """Measures which class recordings get."""
    from stgraph.metrics import confusion_matrix, mean_class_accuracy, top_k_accuracy, video_votes
    from stgraph.metrics.checks import has_answer
    from stgraph.tasks import load_recognition, predict_logits, read_task
    from stgraph.tasks.inspection import check_source_labels

    facts = read_task(config.model)["facts"]
    dataset, chosen = open_measured(config, facts)
    task = load_recognition(config.model)
    names = tuple(task.class_names or ())
    check_class_names(names, dataset, chosen["name"])
    check_source_labels(dataset, task.num_classes)
    logits, y, has_pose = predict_logits(task, dataset, batch_size=config.batch_size)
    figures = {
        "top1": float(top_k_accuracy(logits, y, 1, has_pose)),
        "top5": float(top_k_accuracy(logits, y, 5, has_pose)),
        "mean_class": float(mean_class_accuracy(logits, y, has_pose)),
    }
    empty, silent = int((~has_pose).sum()), int((has_pose & ~has_answer(logits)).sum())
    missing = f", {empty} without a pose" if empty else ""
    missing += f", {silent} without an answer (the model gives no numbers)" if silent else ""
    what = f"{title_of(chosen['name'])}, {config.part}"
    say(f"data    {what}: {count(y.numel(), 'recording')}{missing}")
    hint = part_hint(chosen["name"], config.part)
    if hint:
        say(f"        {hint}")
    say(f"model   {config.model}")
    say()
    titles = {"top1": "top-1", "top5": "top-5", "mean_class": "mean class"}
    if logits.size(1) <= 5:  # as good as everybody's
        del titles["top5"]
    say("   ".join(f"{titles[key]} {share(figures[key])}" for key in titles))
    rows = [(getattr(dataset, "protocol", None), figures, y.numel())]
    videos = _videos(dataset)
    if videos is not None:
        votes = video_votes(logits, videos, has_pose)
        value = float(top_k_accuracy(votes.scores, y[votes.first], 1, votes.has_pose))
        say(f"top-1 {share(value)} of {count(votes.first.numel(), 'video')}, by votes")
        rows.append((f"{rows[0][0]}_video", {"top1": value}, votes.first.numel()))
    say()
    labels = (
        names
        or tuple(dataset.class_names or ())
        or tuple(f"class {i}" for i in range(logits.size(1)))
    )
    matrix = confusion_matrix(logits, y, len(labels), has_pose, missing_column=True)
    say(_classes(matrix, (*labels, "no answer" if silent else "no pose")))
    if config.out is not None:
        setting = f"supervised {facts.get('network', {}).get('partition', 'unknown')}"
        entries = [
            Entry(protocol or "official", setting, metric, value, n)
            for protocol, values, n in rows
            for metric, value in values.items()
        ]
        write_entries(config, chosen, facts, task.network, entries)


def _videos(dataset: Any) -> list[str] | None:
    """Video of each recording, if any video has several."""
    store = dataset.store
    if "video" not in store.column_names:
        return None
    videos = [str(store.column("video")[i]) for i in dataset.indices()]
    return videos if len(set(videos)) < len(videos) else None


def _classes(matrix: Any, columns: tuple[str, ...]) -> str:
    """A line a class: how many, how many of them right, and what the others were taken for."""
    rows = []
    for i, name in enumerate(columns[:-1]):
        n, right = int(matrix[i].sum()), int(matrix[i, i])
        wrong = matrix[i].clone()
        wrong[i] = 0
        worst = int(wrong.argmax())
        rows.append(
            [
                name,
                str(n),
                share(right / n) if n else "-",
                f"{columns[worst]} ({int(wrong[worst])})" if int(wrong[worst]) else "",
            ]
        )
    return table(["class", "n", "right", "most often taken for"], rows, text=(0, 3))


def _word(network: Any) -> str:
    """The network in a word: what, how deep, which blocks, how wide."""
    config = getattr(network, "config", {})
    depth = len(config["channels"]) if config.get("channels") else config.get("depth", "")
    parts = [f"{type(network).__name__.lower()}{depth}", config.get("block")]
    return "-".join([str(part) for part in parts if part] + [f"w{config.get('width', '')}"])


class Entry(NamedTuple):
    """A figure for the table of results."""

    protocol: str
    setting: str
    metric: str
    value: float
    n: int


def write_entries(
    config: Any,
    chosen: dict[str, Any],
    facts: dict[str, Any],
    network: Any,
    entries: Sequence[Entry],
) -> None:
    """Adds figures to the file ``--out``.

    Args:
        config: Options of the command.
        chosen: See :func:`open_measured`.
        facts: What the model says of its training.
        network: Whose name and size enter the table.
        entries: The figures.
    """
    from stgraph.evaluation import command_line, commit, hardware
    from stgraph.evaluation.tables import merge_entries

    stream = facts.get("input", {}).get("stream", "joint")
    rows = [
        {
            "dataset": name_of(chosen["name"], chosen["path"]),
            "protocol": entry.protocol,
            "split": config.part,
            "model": f"{_word(network)} {run_name(config.model)}",
            "stream": stream if isinstance(stream, str) else f"fused{len(stream)}",
            "setting": entry.setting,
            "seed": int(facts.get("seed", 0)),
            "metric": entry.metric,
            "value": entry.value,
            "n": entry.n,
            "commit": commit(),
            "hardware": hardware(),
            "command": command_line(["stgraph", *sys.argv[1:]]).removeprefix("python "),
        }
        for entry in entries
    ]
    merge_entries(Path(config.out), rows)
    say(f"\nwritten to {config.out}")
