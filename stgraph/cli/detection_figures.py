"""``stgraph test`` of a detector of actions: its figures, as tables to read and rows to keep."""

from __future__ import annotations

from typing import Any

from stgraph.cli.detection import IOU, describe_finder
from stgraph.cli.sets import title_of
from stgraph.cli.show import count, say, share, table


def measure_detector(config: Any) -> None:
    """Measures which actions are found.

    Raises:
        RecordingError: if a recording does not say what happens when.
        ValueError: if the model is damaged, or was trained for other actions.
    """
    from stgraph.cli.test import check_class_names, open_measured, write_entries
    from stgraph.evaluation import detection_figures
    from stgraph.metrics import detection_scores
    from stgraph.tasks import detect, load_detection
    from stgraph.tasks.inspection import check_actions, recordings_digest
    from stgraph.tasks.saving_detection import read_detection

    facts = read_detection(config.model)["facts"]
    dataset, chosen = open_measured(config, facts)
    task = load_detection(config.model)
    names = task.class_names
    check_class_names(names, dataset, chosen["name"])
    check_actions(dataset, len(names))
    recordings_digest(dataset)  # refuses coordinates that are no numbers
    found = detect(task, dataset)
    frames = sum(len(label) for label in found.label)
    if not frames:
        raise ValueError(f"nobody is in the part {config.part!r} of {chosen['name']}")
    figures = detection_figures(found, task.finder, IOU, len(names))
    what = f"{title_of(chosen['name'])}, {config.part}"
    actions = count(found.truth.size, "action")
    say(f"data    {what}: {count(len(found.scores), 'recording')}, {actions}, {frames:,} frames")
    say(f"model   {config.model}")
    say(f"finder  {describe_finder(task.finder)}")
    say()
    say(f"frames {share(figures['frames'])}   2D-AP {share(figures['2d_ap'])}")
    say()
    say(
        table(
            ["IoU", "mAP_a", "mAP_v", "F1"],
            [
                [f"{iou:g}", *(share(figures[f"{n}@{iou:g}"]) for n in ("map_a", "map_v", "f1"))]
                for iou in IOU
            ],
            text=(),
        )
    )
    say()
    proposals = found.proposals(task.finder)
    each = {
        iou: detection_scores(proposals, found.truth, iou, num_classes=len(names)).ap_per_class
        for iou in IOU
    }
    rows = []
    for i, name in enumerate(names):
        there = int((found.truth.label == i + 1).sum())
        scores = [share(float(each[iou][i])) if there else "-" for iou in IOU]
        rows.append([name, str(there), str(int((proposals.label == i + 1).sum())), *scores])
    header = ["action", "n", "proposed", *(f"AP at {iou:g}" for iou in IOU)]
    say(table(header, rows, text=(0,)))
    if config.out is not None:
        entries = _entries(figures, facts, dataset, frames, found.truth.size)
        write_entries(config, chosen, facts, task.network.encoder, entries)  # type: ignore[union-attr, arg-type]


def _entries(
    figures: dict[str, float], facts: dict[str, Any], dataset: Any, frames: int, actions: int
) -> list[Any]:
    """The figures as rows of the table of results; the temporal IoU stands in the setting."""
    from stgraph.cli.test import Entry

    protocol = getattr(dataset, "protocol", None) or "official"
    word = f"supervised {facts.get('network', {}).get('partition', 'unknown')}"
    rows = []
    for name, value in figures.items():
        metric, _, iou = name.partition("@")
        about = {"frames": "frames", "2d_ap": "2D-AP"}.get(name, f"IoU {iou}")
        metric = {"frames": "top1", "2d_ap": "map_a"}.get(metric, metric)
        n = frames if name == "frames" else actions
        rows.append(Entry(protocol, f"{word} ({about})", metric, value, n))
    return rows
