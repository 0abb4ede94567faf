"""Many settings, several seeds: trained alike, kept one by one, compared on what counts.

A :class:`~stgraph.evaluation.Recipe` is what all rows of a table share, a
:class:`~stgraph.evaluation.Setting` what one row changes. Every (setting, seed) is a run that is
kept as JSON when it ends, so that a comparison goes on where it was stopped.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from stgraph.evaluation.comparison_sets import VIEWS, ComparisonSets
from stgraph.evaluation.fusion import companion, fuse
from stgraph.evaluation.recipes import (
    Recipe,
    Setting,
    build_network,
    count_parameters,
    fingerprint,
    measured_name,
    model_name,
    stream_name,
)
from stgraph.evaluation.tables import ResultRow, command_line, commit, hardware
from stgraph.files import replacing
from stgraph.metrics import confusion_matrix, mean_class_accuracy, top_k_accuracy, video_votes
from stgraph.tasks import (
    Predictions,
    Recognition,
    SkeletonDataModule,
    TrainingDiverged,
    fit_task,
    load_checkpoint,
    predict_views,
)
from stgraph.transforms import Stream

__all__ = ["Run", "result_rows", "run_comparison", "run_setting", "score_predictions"]


@dataclass
class Run:
    """What is kept of one setting and seed.

    Attributes:
        name: Name of the setting.
        seed: Seed.
        parameters: Number of parameters of the network.
        model: Word for the network in results files.
        epochs: Epochs that were run.
        best_epoch: Epoch with the best validation accuracy, from 1.
        history: For each figure a list, one value an epoch.
        scores: ``best`` and ``last`` epoch: for each part top-1, mean class accuracy and n.
        confusion: Of the best epoch on the official test part.
        seconds: Time it took.
        diverged: Why training ended early, if it did.
        fingerprint: Of everything that decides the result.
        commit: Of the code that trained it.
        stream: Word for the input in results files.
    """

    name: str
    seed: int
    parameters: int
    model: str
    epochs: int
    best_epoch: int
    history: dict[str, list[float]]
    scores: dict[str, dict[str, dict[str, float]]]
    confusion: list[list[int]]
    seconds: float
    diverged: str | None
    fingerprint: str
    commit: str = ""
    stream: str = "joint"

    def top1(self, part: str, epoch: str = "best") -> float | None:
        """Top-1 accuracy on a part; None where it was not measured."""
        found = self.scores.get(epoch, {}).get(part)
        return None if found is None else found["top1"]


# --- one run -------------------------------------------------------------------------------------
def score_predictions(
    predictions: Predictions, videos: Sequence[str] | None = None
) -> dict[str, dict[str, float]]:
    """Figures of the recordings (``range``) and, by votes, of their videos (``video``)."""
    logits, y, has_pose = predictions
    out = {"range": _figures(logits, y, has_pose)}
    if videos is not None:
        votes = video_votes(logits, videos, has_pose)
        out["video"] = _figures(votes.scores, y[votes.first], votes.has_pose)
    return out


def _figures(logits: torch.Tensor, y: torch.Tensor, has_pose: torch.Tensor) -> dict[str, float]:
    return {
        "top1": float(top_k_accuracy(logits, y, 1, has_pose)),
        "mean_class": float(mean_class_accuracy(logits, y, has_pose)),
        "n": y.numel(),
    }


def run_setting(
    setting: Setting,
    recipe: Recipe,
    sets: ComparisonSets,
    seed: int,
    out: str | Path,
    *,
    progress: bool = False,
) -> Run:
    """Trains one setting with one seed, or reads what an earlier call kept of the same.

    Args:
        setting: The row.
        recipe: What all rows share.
        sets: The recordings.
        seed: Decides first weights, order, dropout and augmentation.
        out: Folder: ``runs/NAME/`` holds checkpoints and history, ``runs/NAME.json`` the result
            (``NAME-VIEWS.json``, ``NAME-with-FUSE.json`` where it was tested in these ways).
        progress: Show a line an epoch.
    """
    own = setting.applied(recipe)
    mark = fingerprint(setting, recipe, sets, seed)
    folder = Path(out) / "runs" / "-".join([*setting.words.split(), f"seed{seed}", mark])
    file = folder.with_name(f"{folder.name}{measured_name(own)}.json")
    kept = read_run(file)
    if kept is not None:
        kept.name = setting.name
        return kept
    network = build_network(setting, recipe, sets, seed)
    task = Recognition(
        network,
        len(sets.class_names),
        class_names=sets.class_names,
        transform=Stream(own.streams, score=own.score_channel),
        augment=sets.augmentation(own.augment),
        optimizer=own.optimizer,
        lr=own.lr,
        schedule=own.schedule,
        warmup_epochs=own.warmup_epochs,
        weight_decay=own.weight_decay,
        label_smoothing=own.label_smoothing,
        ema_decay=own.ema_decay,
        seed=seed,
    )
    train = sets.prepared["trainval" if setting.refit else "train"]
    val = None if setting.refit else sets.prepared["val"]
    data = SkeletonDataModule(train, val, batch_size=own.batch_size, seed=seed)
    began = time.monotonic()
    diverged = None
    try:
        fit_task(
            task,
            data,
            max_epochs=own.epochs,
            out=folder,
            seed=seed,
            select="last" if setting.refit else "val/top1",
            progress=progress,
        )
    except TrainingDiverged as error:
        diverged = str(error)
    run = _measure(setting, own, sets, task, folder, mark, seed, diverged)
    run.seconds = round(time.monotonic() - began, 1)
    before = map(read_run, file.parent.glob(f"{folder.name}*.json"))
    trained = next(filter(None, before), None)
    if trained is not None:  # now only measured otherwise
        run.seconds, run.commit = trained.seconds, trained.commit
    write_run(file, run)
    return run


def _measure(
    setting: Setting,
    recipe: Recipe,
    sets: ComparisonSets,
    task: Recognition,
    folder: Path,
    mark: str,
    seed: int,
    diverged: str | None,
) -> Run:
    history = read_history(folder)
    epochs = len(history.get("epoch", ()))
    best = epochs if setting.refit else _best_epoch(history)
    scores: dict[str, dict[str, dict[str, float]]] = {"best": {}, "last": {}}
    confusion: list[list[int]] = []
    beside = companion(recipe.fuse, sets, setting.refit)
    parts = [*(() if setting.refit else ("val",)), *sets.tests]
    for epoch in scores:
        checkpoint = folder / (
            "best.ckpt" if epoch == "best" and not setting.refit else "last.ckpt"
        )
        if not checkpoint.exists():
            continue
        task.load_state_dict(load_checkpoint(checkpoint)["state_dict"])
        for part in parts:
            predictions = predict_views(task, sets.prepared[part], VIEWS[recipe.views])
            if beside is not None:
                predictions = fuse(predictions, beside(sets.prepared[part], task.num_classes))
            for level, figures in score_predictions(predictions, sets.videos(part)).items():
                scores[epoch][part if level == "range" else f"{part}_video"] = figures
            if epoch == "best" and part == sets.tests[0]:
                table = confusion_matrix(
                    predictions.logits,
                    predictions.y,
                    None,
                    predictions.has_pose,
                    missing_column=True,
                )
                confusion = table.tolist()
    return Run(
        name=setting.name,
        seed=seed,
        parameters=count_parameters(task.model),
        model=model_name(recipe),
        epochs=epochs,
        best_epoch=best,
        history=history,
        scores=scores,
        confusion=confusion,
        seconds=0.0,
        diverged=diverged,
        fingerprint=mark,
        commit=commit(),
        stream=stream_name(recipe),
    )


def _best_epoch(history: dict[str, list[float]]) -> int:
    """From 1; of equal accuracies the one of the smaller loss, then the earlier (0: none)."""
    pairs = list(zip(history.get("val/top1", ()), history.get("val/loss", ()), strict=False))
    if not pairs:
        return 0
    return 1 + max(range(len(pairs)), key=lambda i: (pairs[i][0], -pairs[i][1], -i))


def read_history(folder: Path) -> dict[str, list[float]]:
    """Columns of the history that a training wrote; none if there is none."""
    file = folder / "history.csv"
    if not file.exists():
        return {}
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = rows[0].keys() if rows else ()
    return {name: [float(row[name]) for row in rows if row[name] != ""] for name in names}


def read_run(file: Path) -> Run | None:
    """A run that was kept; None if there is none, or it is none of ours."""
    try:
        return Run(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_run(file: Path, run: Run) -> None:
    """Keeps a run, whole or not at all."""
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(asdict(run), indent=1) + "\n", encoding="utf-8")


# --- many runs -----------------------------------------------------------------------------------
Job = tuple[Setting, int]
_sets: ComparisonSets | None = None


def run_comparison(
    jobs: Sequence[Job],
    recipe: Recipe,
    sets: ComparisonSets,
    out: str | Path,
    *,
    workers: int = 1,
    progress: bool = False,
    report: Callable[[Setting, Run, bool], None] | None = None,
) -> dict[Job, Run]:
    """All runs of a comparison.

    Args:
        jobs: Settings with their seeds, in the order to run them.
        recipe: What they share.
        sets: The recordings.
        out: See :func:`run_setting`.
        workers: Processes, each with one thread and one run at a time; 1: this process alone,
            with all of its threads.
        progress: Show a line an epoch (with one worker).
        report: Called after each run with whether it had been kept before.

    Returns:
        The runs, in the order of the jobs.
    """
    found: dict[Job, Run] = {}
    for setting, seed, run, old in _runs(jobs, recipe, sets, Path(out), workers, progress):
        found[setting, seed] = run
        if report is not None:
            report(setting, run, old)
    return {job: found[job] for job in jobs}


def _runs(
    jobs: Sequence[Job],
    recipe: Recipe,
    sets: ComparisonSets,
    out: Path,
    workers: int,
    progress: bool,
) -> Iterator[tuple[Setting, int, Run, bool]]:
    waiting: list[Job] = []
    for setting, seed in jobs:
        mark = fingerprint(setting, recipe, sets, seed)
        name = f"*-seed{seed}-{mark}{measured_name(setting.applied(recipe))}.json"
        kept = next(iter((out / "runs").glob(name)), None)
        if kept is not None and (run := read_run(kept)) is not None:
            run.name = setting.name
            yield setting, seed, run, True
        else:
            waiting.append((setting, seed))
    if workers <= 1 or len(waiting) <= 1:
        for setting, seed in waiting:
            run = run_setting(setting, recipe, sets, seed, out, progress=progress)
            yield setting, seed, run, False
        return
    tasks = [(setting, seed, recipe, out) for setting, seed in waiting]
    context = multiprocessing.get_context("spawn")
    # leaving the block ends the workers: after an error or an interrupt nothing goes on unseen
    with context.Pool(min(workers, len(tasks)), _begin_worker, (sets,)) as pool:
        for number, done in pool.imap_unordered(_work, list(enumerate(tasks))):
            if done is None:
                raise KeyboardInterrupt
            yield (*waiting[number], done, False)


def _begin_worker(sets: ComparisonSets) -> None:
    global _sets
    torch.set_num_threads(1)
    # a trainer would take the pool's order to end for a wish, and the pool would wait for ever
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))
    _sets = sets


def _work(numbered: tuple[int, tuple[Setting, int, Recipe, Path]]) -> tuple[int, Run | None]:
    """A run in a worker; None if it was interrupted, which only the main process should report."""
    number, (setting, seed, recipe, out) = numbered
    assert _sets is not None
    try:
        return number, run_setting(setting, recipe, _sets, seed, out)
    except KeyboardInterrupt:
        return number, None


# --- rows for results files ----------------------------------------------------------------------
def result_rows(runs: dict[Job, Run], sets: ComparisonSets) -> list[ResultRow]:
    """Every figure of every run: both epochs, every part, ranges and videos.

    The setting ends with ``best-val`` (the epoch that validation chose), ``last``, or
    ``trainval`` (trained on both, last epoch).
    """
    rows = []
    for (setting, seed), run in runs.items():
        for epoch, parts in run.scores.items():
            if setting.refit and epoch == "best":
                continue
            suffix = "trainval" if setting.refit else "best-val" if epoch == "best" else "last"
            for part, figures in parts.items():
                video = part.endswith("_video")
                for metric in ("top1", "mean_class"):
                    rows.append(
                        ResultRow(
                            dataset=sets.key,
                            protocol=sets.protocol + "_video" * video,
                            split=part.removesuffix("_video"),
                            model=run.model,
                            stream=run.stream,
                            setting=f"supervised {setting.words} {suffix}",
                            seed=seed,
                            metric=metric,
                            value=figures[metric],
                            n=int(figures["n"]),
                            commit=run.commit or commit(),
                            hardware=hardware(torch.cuda.is_available()),
                            command=command_line(),
                        )
                    )
    return rows
