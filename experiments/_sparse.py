"""What the scripts on sparse networks share: recordings, a recipe, trainings that are kept."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from _running import positive, positive_int, share
from torch import nn

from stgraph.evaluation import (
    VIEWS,
    ComparisonSets,
    Recipe,
    ResultRow,
    command_line,
    commit,
    hardware,
    load_comparison_sets,
    merge_results,
    results_markdown,
    score_predictions,
)
from stgraph.files import replacing, write_atomically
from stgraph.sparsity import SparseGenerator
from stgraph.tasks import (
    Recognition,
    SkeletonDataModule,
    SparseRecognition,
    fit_task,
    predict_views,
)
from stgraph.transforms import Stream
from stgraph.viz import draw_sparsity_curve

#: The aligned recipe of every row, at the width of the tables on two cores.
QUICK = Recipe(
    width=16,
    epochs=30,
    streams=("relative", "joint_motion"),
    score_channel=True,
    optimizer="adamw",
    label_smoothing=0.05,
    augment="strong",
    views="stretches",
    edge_importance=True,
)
#: That of the paper: full width, SGD, a hundred epochs.
PAPER = replace(
    QUICK,
    width=64,
    epochs=100,
    optimizer="sgd",
    lr=0.1,
    weight_decay=5e-4,
    batch_size=128,
    label_smoothing=0.0,
    dropout=0.0,
)
SPARSITIES = (0.34, 0.6, 0.8, 0.95, 0.99)
#: The generated stand-in at its quick size.
QUICK_SYNTHETIC = {"ranges_per_video": 4}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that the scripts know."""
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", choices=("kth", "nw_ucla"), default="kth")
    data.add_argument(
        "--data",
        metavar="PATH",
        help="folder or archive of that set; without it KTH's generated stand-in",
    )
    data.add_argument(
        "--measure",
        choices=("test", "val"),
        default="test",
        help="val: train on the training recordings alone and measure validation, to choose "
        "anything by (test: train on both)",
    )
    run = parser.add_argument_group("budget")
    run.add_argument("--preset", choices=("quick", "paper"), default="quick")
    run.add_argument("--seeds", type=positive_int, default=3, metavar="N")
    run.add_argument("--first-seed", type=int, default=0, metavar="N")
    run.add_argument("--width", type=positive_int, metavar="W", help="channels of the first unit")
    run.add_argument("--epochs", type=positive_int, metavar="E")
    run.add_argument("--batch-size", type=positive_int, metavar="N")
    run.add_argument("--lr", type=positive)
    run.add_argument("--optimizer", choices=("adam", "adamw", "sgd"))
    run.add_argument("--dropout", type=share)
    parser.add_argument("--sparsities", type=share, nargs="+", default=list(SPARSITIES))


class Study:
    """Trains networks alike and keeps what it found.

    Args:
        arguments: As :func:`add_options` has them.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.out = Path(arguments.out)
        preset = PAPER if arguments.preset == "paper" else QUICK
        given = {
            name: value
            for name, value in vars(arguments).items()
            if name in Recipe.__dataclass_fields__ and value is not None
        }
        self.recipe = replace(preset, **given)
        small = arguments.data is None and arguments.preset == "quick"
        try:
            self.sets: ComparisonSets = load_comparison_sets(
                arguments.dataset,
                arguments.data,
                synthetic=QUICK_SYNTHETIC if small else None,
                centre="pose" if arguments.data is None else "recording",
            )
        except ValueError as error:
            raise SystemExit(f"error: {error}") from None
        self.rows: list[ResultRow] = []

    @property
    def seeds(self) -> range:
        """Those to run."""
        first = self.arguments.first_seed
        return range(first, first + self.arguments.seeds)

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return (self.sets.num_dims + 1) * len(self.recipe.streams)

    def model_name(self, network: str = "stgcn") -> str:
        """How results call a network."""
        return f"{network}-w{self.recipe.width:g}-e{self.recipe.epochs}"

    # --- training ---------------------------------------------------------------------------------
    def train(
        self,
        words: str,
        seed: int,
        model: nn.Module,
        generators: SparseGenerator | Sequence[SparseGenerator] = (),
        *,
        epochs: int | None = None,
        lr: float | None = None,
        penalty: float = 0.0,
        base: str = "",
        callbacks: Sequence[Any] = (),
        data: Any = None,
    ) -> nn.Module:
        """Trains a network, or reads what an earlier call kept; plain and in evaluation.

        Args:
            words: Name of the training, under which it is kept.
            seed: Of order, dropout and augmentation.
            model: The network.
            generators: What makes it sparse.
            epochs: Passes instead of the recipe's.
            lr: Rate instead of the recipe's.
            penalty: Factor of the generators' penalty.
            base: What else decides the result: where the weights come from.
            callbacks: Lightning's.
            data: Recordings to train on instead of those of the study.
        """
        r = self.recipe
        options: dict[str, Any] = {
            "class_names": self.sets.class_names,
            "transform": Stream(r.streams, score=r.score_channel),
            "augment": self.sets.augmentation(r.augment),
            "optimizer": r.optimizer,
            "lr": lr or r.lr,
            "schedule": r.schedule,
            "warmup_epochs": r.warmup_epochs,
            "weight_decay": r.weight_decay,
            "label_smoothing": r.label_smoothing,
            "seed": seed,
        }
        classes = len(self.sets.class_names)
        if data is not None:
            classes = int(model.num_classes)  # type: ignore[arg-type]
            options["class_names"] = None
        sparse = isinstance(generators, SparseGenerator) or bool(generators)
        task: Recognition
        if sparse:
            task = SparseRecognition(
                model, classes, generators=generators, penalty=penalty, **options
            )
        else:
            task = Recognition(model, classes, **options)
        part = "train" if self.arguments.measure == "val" else "trainval"
        source = self.sets.prepared[part] if data is None else data
        fit_task(
            task,
            SkeletonDataModule(source, batch_size=r.batch_size, seed=seed),
            max_epochs=epochs or r.epochs,
            out=self.folder(words, seed, base),
            seed=seed,
            select="last",
            gradient_clip=5.0,
            progress=False,
            callbacks=callbacks,
            facts={"base": base, **self._facts()},
        )
        network = task.final_network() if isinstance(task, SparseRecognition) else task.network
        return network.eval()

    def folder(self, words: str, seed: int, base: str = "") -> Path:
        """Where a training is kept."""
        mark = hashlib.sha256(json.dumps([base, self._facts()]).encode()).hexdigest()[:8]
        return self.out / "runs" / "-".join([*words.split(), f"s{seed}", mark])

    def _facts(self) -> dict[str, Any]:
        recipe = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.recipe).items()}
        return {"measure": self.arguments.measure, **recipe, **self.sets.facts}

    # --- measuring --------------------------------------------------------------------------------
    def measure(self, words: str, seed: int, network: nn.Module, model: str) -> dict[str, float]:
        """Notes and prints the figures of a network; top-1 by part."""
        found = {}
        parts = ("val",) if self.arguments.measure == "val" else self.sets.tests
        seen = Stream(self.recipe.streams, score=self.recipe.score_channel)
        task = Recognition(network, len(self.sets.class_names), transform=seen)
        for part in parts:
            predictions = predict_views(task, self.sets.prepared[part], VIEWS[self.recipe.views])
            figures = score_predictions(predictions)["range"]
            found[part] = figures["top1"]
            for metric in ("top1", "mean_class"):
                self.note(words, seed, part, metric, figures[metric], int(figures["n"]), model)
        shown = "   ".join(f"{part} {value:.3f}" for part, value in found.items())
        print(f"{words:<44} seed {seed}   {shown}", flush=True)
        return found

    def note(
        self,
        words: str,
        seed: int,
        part: str,
        metric: str,
        value: float,
        n: int,
        model: str,
    ) -> None:
        """Adds a row to the results."""
        self.rows.append(
            ResultRow(
                dataset=self.sets.key,
                protocol=self.sets.protocol,
                split=part,
                model=model,
                stream="fused2" if len(self.recipe.streams) > 1 else "joint",
                setting=f"supervised {words}",
                seed=seed,
                metric=metric,
                value=value,
                n=n,
                commit=commit(),
                hardware=hardware(torch.cuda.is_available()),
                command=command_line(),
            )
        )

    def write(self, title: str) -> None:
        """Table, its Markdown and the curve of what either script has found in this folder."""
        every = merge_results(self.out / "table.csv", self.rows)
        text = results_markdown(every, title)
        write_atomically(self.out / "table.md", (text + "\n").encode())
        part = "test_clean" if "test_clean" in self.sets.tests else "test"
        part = "val" if self.arguments.measure == "val" else part
        rows, dense = curves(every, part)
        if rows:
            figure = draw_sparsity_curve(
                rows,
                dense,
                label=f"accuracy ({part.replace('_', ', ')})",
                title=f"{self.sets.title}, width {self.recipe.width:g}",
                synthetic=self.sets.synthetic,
            )
            with replacing(self.out / "curve.png") as file:
                figure.savefig(file, format="png")

    def kept(
        self, words: str, seed: int, make: Callable[[], nn.Module], model: str, base: str = ""
    ) -> None:
        """Measures what ``make`` trains, unless an earlier call kept the figures."""
        folder = self.folder(words, seed, base)
        file = folder.with_name(f"{folder.name}.json")  # a sparsity has a point in its name
        if file.exists():
            for row in json.loads(file.read_text("utf-8")):
                self.rows.append(ResultRow(**row))
            print(f"{words:<44} seed {seed}   kept from before", flush=True)
            return
        began, first = time.monotonic(), len(self.rows)
        self.measure(words, seed, make(), model)
        rows = [asdict(row) for row in self.rows[first:]]
        write_atomically(file, (json.dumps(rows, indent=1) + "\n").encode())
        print(f"{'':<44} {time.monotonic() - began:.0f} s", flush=True)


#: How the curve calls the settings of the table.
CURVES = {
    "generator": "generator",
    "generator as-published": "generator, as published",
    "ticket": "lottery ticket",
    "random": "random mask",
    "reinitialised": "ticket, new weights",
    "edges": "edges",
}


def curves(
    rows: Sequence[ResultRow], part: str
) -> tuple[dict[str, dict[float, list[float]]], list[float]]:
    """Top-1 of each method at each sparsity, one a seed, and that of the dense network."""
    found: dict[str, dict[float, list[float]]] = {}
    dense: list[float] = []
    for row in rows:
        if row.metric != "top1" or row.split != part:
            continue
        words = row.setting.removeprefix("supervised spatial ")
        if words == "dense":
            dense.append(row.value)
        method, _, level = words.rpartition(" ")
        if method in CURVES:
            found.setdefault(CURVES[method], {}).setdefault(float(level), []).append(row.value)
    return {name: found[name] for name in CURVES.values() if name in found}, dense
