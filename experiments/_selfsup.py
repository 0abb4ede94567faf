"""What the experiments on self-supervision share: sets, stages of pre-training, protocols."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import nn

from stgraph.cli.sets import dataset_classes, open_part
from stgraph.evaluation import (
    EncoderEvaluation,
    Measured,
    ResultRow,
    command_line,
    commit,
    hardware,
    hold_out_classes,
)
from stgraph.tasks import (
    JoinedParts,
    Pretraining,
    SkeletonDataModule,
    StoreSubset,
    fit_task,
    load_network,
)

#: (setting, metric, part) to value and n.
Figures = dict[tuple[str, str, str], tuple[float, int]]
SYNTHETIC = "kth_synthetic"
#: Which part of a set stands in the tables besides the test part.
MORE_PARTS = {"nw_ucla": ("test_clean",)}


@dataclass(frozen=True)
class Named:
    """A data set on this machine.

    Attributes:
        key: As in results files.
        path: Folder or archive; None for the generated set.
    """

    key: str
    path: str | None

    def part(
        self, split: str, protocol: str | None = None, arguments: dict[str, Any] | None = None
    ) -> Any:
        """One of its parts; training recordings include those of validation."""
        return open_part(self.key, self.path, split, protocol, arguments)


def named_set(text: str) -> Named:
    """``KEY=PATH``, or ``kth_synthetic``, for ``type=`` of an option."""
    key, _, path = text.partition("=")
    if key not in dataset_classes():
        known = ", ".join(sorted(dataset_classes()))
        raise argparse.ArgumentTypeError(f"unknown data set {key!r}; known are {known}")
    if (key == SYNTHETIC) == bool(path):
        raise argparse.ArgumentTypeError(f"expected KEY=PATH or {SYNTHETIC} (got {text!r})")
    return Named(key, path or None)


@dataclass(frozen=True)
class Budget:
    """How large and how long; see the options of the scripts.

    Attributes:
        width: Channels of the encoder.
        depth: Its blocks.
        heads: Heads of its attention.
        patch_size: Poses of a token.
        decoder_depth: Blocks of the decoder.
        frames: Frames that recordings are resized to; 0: as they are.
        masking: What is hidden: motion or tokens.
        ratio: Share to hide.
        target: What is filled in: motion or coordinates.
        epochs: Passes of masked pre-training.
        steps: Its steps instead, so that sets of any size train alike.
        tune_epochs: Passes of contrastive tuning.
        tune_steps: Its steps instead.
        finetune_epochs: Passes of fine-tuning.
        finetune_steps: Its steps instead.
        batch_size: Recordings of a step of masked pre-training.
        tune_batch_size: The same of tuning.
        lr: Highest learning rate.
        queue_size: Entries of the queue.
        predictor_width: Hidden width of the predictor.
        layer_decay: Of tuning.
        recordings: At most so many training recordings, for trials; None: all.
    """

    width: int = 64
    depth: int = 4
    heads: int = 4
    patch_size: int = 4
    decoder_depth: int = 2
    frames: int = 32
    masking: str = "tokens"
    ratio: float = 0.6
    target: str = "coordinates"
    epochs: int = 100
    steps: int | None = 4000
    tune_epochs: int = 20
    tune_steps: int | None = 600
    finetune_epochs: int = 40
    finetune_steps: int | None = 600
    batch_size: int = 16
    tune_batch_size: int = 64
    lr: float = 1e-3
    queue_size: int = 2048
    predictor_width: int = 512
    layer_decay: float = 0.45
    recordings: int | None = None


PRESETS = {
    "quick": Budget(),
    "paper": Budget(
        width=256,
        depth=8,
        heads=8,
        decoder_depth=5,
        frames=120,
        masking="motion",
        ratio=0.9,
        target="motion",
        epochs=400,
        steps=None,
        tune_steps=None,
        finetune_epochs=100,
        finetune_steps=None,
        batch_size=128,
        tune_batch_size=128,
        queue_size=32_768,
        predictor_width=4096,
        layer_decay=0.2,
    ),
}


WORDS = {float: "X", int: "N", str: "WORD"}


def passes(epochs: int, steps: int | None, recordings: int, batch_size: int) -> int:
    """Passes over a set: so many, or those that make so many steps."""
    return epochs if steps is None else max(round(steps * batch_size / recordings), 1)


def add_budget(parser: argparse.ArgumentParser, presets: Mapping[str, Any] = PRESETS) -> None:
    """Options for the fields of a budget, which change the preset.

    Args:
        parser: Gets them.
        presets: Budgets by name, the quick one first; such as :class:`Budget`.
    """
    group = parser.add_argument_group("budget")
    group.add_argument(
        "--preset",
        choices=presets,
        default="quick",
        help="quick: a small network for two cores; paper: that of the papers (days there)",
    )
    for name, value in vars(next(iter(presets.values()))).items():
        kind = type(value) if isinstance(value, float | str) else int
        option = "--" + name.replace("_", "-")
        group.add_argument(option, type=kind, metavar=WORDS[kind])


def chosen_budget(options: argparse.Namespace, presets: Mapping[str, Any] = PRESETS) -> Any:
    """The preset with what the command line changes."""
    preset = presets[options.preset]
    changes = {
        name: getattr(options, name) for name in vars(preset) if getattr(options, name) is not None
    }
    return replace(preset, **changes)


def capped(source: Any, number: int | None) -> Any:
    """At most so many recordings, evenly taken."""
    if number is None or len(source) <= number:
        return source
    return StoreSubset(source, torch.linspace(0, len(source) - 1, number).round().long())


def joined(parts: Sequence[Any]) -> Any:
    """One source of several."""
    return parts[0] if len(parts) == 1 else JoinedParts(parts)


def pretrained(
    folder: Path,
    make: Callable[[], tuple[nn.Module, dict[str, Any]]],
    train: Any,
    epochs: int,
    batch_size: int,
    seed: int,
    facts: dict[str, Any],
    snapshots: int = 0,
) -> Any:
    """The encoder of a stage of pre-training; trains what is not finished yet.

    Args:
        folder: Of the run.
        make: Gives the objective and the options of its training.
        train: Recordings.
        epochs: Passes over them.
        batch_size: Recordings of a step.
        seed: Of everything.
        facts: What the run is.
        snapshots: Number of encoders to keep on the way, in ``snapshots``.
    """
    torch.manual_seed(seed)
    objective, options = make()
    task = Pretraining(objective, **options)
    data = SkeletonDataModule(train, batch_size=batch_size, numbered=True, check_classes=False)
    print(f"  {folder.name}: {len(train)} recordings, {epochs} passes", flush=True)
    kept = [Snapshots(folder / "snapshots", max(epochs // snapshots, 1))] if snapshots else []
    fit_task(
        task,
        data,
        max_epochs=epochs,
        out=folder,
        seed=seed,
        select="last",
        facts=facts,
        callbacks=kept,
    )
    return load_network(folder / "model")


class Snapshots(Callback):
    """Saves the encoder every so many passes, as ``pass-0020``.

    Args:
        folder: Where to.
        every: Passes between.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        done = trainer.current_epoch + 1
        if done % self.every == 0:
            pl_module.network.save_pretrained(self.folder / f"pass-{done:04d}")


def evaluation_of(
    named: Named, encoder: nn.Module, transform: Any, cache: Path
) -> EncoderEvaluation:
    """An encoder on a set: training recordings include those of validation.

    Args:
        named: The set.
        encoder: A pre-trained encoder.
        transform: As in pre-training.
        cache: Folder of features.
    """
    tests = {part: named.part(part) for part in ("test", *MORE_PARTS.get(named.key, ()))}
    train = named.part("trainval")
    classes = len(train.class_names)
    return EncoderEvaluation(
        encoder, train, tests, num_classes=classes, transform=transform, cache=cache
    )


def figures_of(measured: Iterable[Measured]) -> Figures:
    """(setting, metric, part) to value and n; of several draws the mean."""
    rows: dict[tuple[str, str, str], list[Measured]] = {}
    for row in measured:
        rows.setdefault((row.setting, row.metric, row.part), []).append(row)
    return {
        key: (sum(row.value for row in found) / len(found), found[0].n)
        for key, found in rows.items()
    }


def novel_classes(named: Named) -> list[int]:
    """The third of a set's classes that few-shot protocols keep from pre-training."""
    return list(hold_out_classes(len(dataset_classes()[named.key].class_names)))


def as_rows(
    figures: Figures,
    named: Named,
    protocol: str,
    model: str,
    word: str,
    seed: int,
) -> list[ResultRow]:
    """Rows of a results file.

    Args:
        figures: Of :func:`figures_of`.
        named: The set that was measured.
        protocol: How it is split.
        model: The network in a word.
        word: How it was pre-trained, and on what; follows the setting.
        seed: The seed.
    """
    return [
        ResultRow(
            dataset=named.key,
            protocol=protocol,
            split=part,
            model=model,
            stream="joint",
            setting=setting if setting.endswith("from-scratch") else f"{setting} {word}".strip(),
            seed=seed,
            metric=metric,
            value=value,
            n=n,
            commit=commit(),
            hardware=hardware(torch.cuda.is_available()),
            command=command_line(),
        )
        for (setting, metric, part), (value, n) in figures.items()
    ]
