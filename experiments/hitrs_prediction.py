"""Does Hi-TRS help to predict how people go on moving, and does pre-training help it?

Ten poses are observed and up to a second is predicted (UTD-MHAD: 30 poses; Northwestern-UCLA: 12).
Baselines that stand still and that keep their velocity are always in the table. Beside them stand
encoders from first weights with the reference decoder, which is recurrent, and with ours, which
passes messages among joints; and the same after pre-training without labels on all levels. All
learn on all training recordings and on a tenth of them (pre-training always on all). The last epoch
counts; test recordings are only looked at: to choose anything, measure on ``val``, training
subjects that are held out. Errors are mean distances of joints in millimetres.

Examples:
    python experiments/hitrs_prediction.py --sets utd_mhad=utd_mhad.tar.xz
    python experiments/hitrs_prediction.py --sets nw_ucla=nw_ucla.tar.xz --shares 1 --seeds 1
    python experiments/hitrs_prediction.py --sets utd_mhad=PATH --measure val --rows graph
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _selfsup as common
import torch
from _running import positive_int, results_folder, run

from stgraph.evaluation import (
    labelled_subset,
    markdown_table,
    merge_results,
    read_results,
    results_markdown,
)
from stgraph.files import replacing, write_atomically
from stgraph.nn import (
    GraphDecoder,
    HiTRS,
    MotionPredictor,
    RecurrentDecoder,
    constant_velocity,
    zero_velocity,
)
from stgraph.objectives import hitrs
from stgraph.tasks import (
    HorizonError,
    MotionPrediction,
    SkeletonDataModule,
    StoreSubset,
    evaluate_motion,
    fit_task,
)
from stgraph.tasks.data import source_labels
from stgraph.transforms import BodyUnits, HiTRSAugmentation, RandomRotate
from stgraph.viz import draw_horizons

TABLE = "table.csv"
OBSERVED = 10
#: Poses to predict and those to tell of; both sets have 30 frames a second, in metres.
FUTURES = {
    "utd_mhad": (30, (1, 2, 5, 10, 15, 20, 25, 30)),
    "nw_ucla": (12, (1, 2, 5, 8, 10, 12)),
}
#: By how much people are turned: on UTD-MHAD all face the camera, on the other the camera of the
#: test is none of training (chosen on camera 2 of training, trained on camera 1).
TURNS = {"utd_mhad": 20, "nw_ucla": 180}
BASELINES = {"zero-velocity": zero_velocity, "constant-velocity": constant_velocity}
DECODERS = ("recurrent", "graph")
ROWS = (*DECODERS, *(f"pretrained-{name}" for name in DECODERS))
#: Hi-TRS, supplement, table 2: MPJPE on NTU-60 cross-subject with all training data and a tenth.
PUBLISHED = {"MCC": (90.4, 109.8), "CrosSCLR": (89.3, 109.3), "Hi-TRS": (85.6, 104.7)}


@dataclass(frozen=True)
class Budget:
    """How large and how long.

    Attributes:
        width: Channels of the frame level.
        depth: Blocks of each level.
        heads: Heads of each block.
        head_channels: Channels of a head.
        decoder_width: Size of the recurrent decoder's state.
        decoder_dropout: Its dropout.
        graph_width: Channels of a joint in the graph decoder.
        loss: What prediction minimises, see :class:`~stgraph.tasks.MotionPrediction`.
        turn: Training recordings are turned about the vertical by up to so many degrees; None: as
            :data:`TURNS` has it.
        pretrain_steps: Steps of pre-training.
        pretrain_batch_size: Recordings of each.
        pretrain_lr: Highest learning rate of pre-training.
        epochs: Passes of prediction, as the supplement trains.
        steps: Its steps instead, so that shares of any size train alike, with a cosine.
        batch_size: Recordings of a step.
        lr: Highest learning rate of prediction.
        recordings: At most so many training recordings, for trials; None: all.
    """

    width: int = 32
    depth: int = 2
    heads: int = 4
    head_channels: int = 8
    decoder_width: int = 256
    decoder_dropout: float = 0.2
    graph_width: int = 128
    loss: str = "distance"
    turn: int | None = None
    pretrain_steps: int = 600
    pretrain_batch_size: int = 16
    pretrain_lr: float = 4e-4
    epochs: int = 25
    steps: int | None = 600
    batch_size: int = 32
    lr: float = 1e-3
    recordings: int | None = None


PRESETS = {
    "quick": Budget(),
    "paper": Budget(
        width=128,
        depth=3,
        heads=8,
        head_channels=64,
        decoder_width=1024,
        decoder_dropout=0.5,
        loss="mse",
        turn=0,
        pretrain_steps=30_000,
        pretrain_batch_size=256,
        steps=None,
        batch_size=128,
        lr=1e-4,
    ),
}


def motion_set(text: str) -> common.Named:
    """``KEY=PATH`` of a set with a future to predict, for ``type=`` of an option."""
    named = common.named_set(text)
    if named.key not in FUTURES:
        known = ", ".join(FUTURES)
        raise argparse.ArgumentTypeError(f"{named.key} has no future here; known are {known}")
    return named


def share_of(text: str) -> float:
    """A share of the training recordings above 0, for ``type=`` of an option."""
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"expected a share within (0, 1] (got {text})")
    return number


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/hitrs_prediction", help="folder (%(default)s)")
    parser.add_argument("--sets", type=motion_set, nargs="+", required=True, metavar="KEY=PATH")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--shares", type=share_of, nargs="+", default=[1.0, 0.1])
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--measure",
        choices=("test", "val"),
        default="test",
        help="val: training subjects that are held out, to choose by (%(default)s)",
    )
    common.add_budget(parser, PRESETS)
    return parser.parse_args(arguments)


class Study:
    """One seed on one set.

    Args:
        out: Folder of the experiment.
        named: The set.
        budget: How large and how long.
        seed: Of everything.
        measure: ``"test"`` or ``"val"``.
    """

    def __init__(
        self, out: Path, named: common.Named, budget: Budget, seed: int, measure: str = "test"
    ) -> None:
        self.out, self.named, self.budget, self.seed = out, named, budget, seed
        self.num_future, self.horizons = FUTURES[named.key]
        train, parts = "trainval", ("test", *common.MORE_PARTS.get(named.key, ()))
        if measure == "val":
            train, parts = "train", ("val",)
        self.train = common.capped(named.part(train), budget.recordings)
        self.parts = {part: named.part(part) for part in parts}
        self.folder = out / "runs" / (named.key + "-val" * (measure == "val"))

    def errors(self, predictor: Any) -> dict[str, list[HorizonError]]:
        """How far a predictor is off on every part."""
        numbers: Any = {"num_observed": OBSERVED, "num_future": self.num_future}
        return {
            part: evaluate_motion(predictor, data, horizons=self.horizons, **numbers)
            for part, data in self.parts.items()
        }

    def baselines(self) -> Iterator[list[Any]]:
        """Rows of what knows no more than the last sights of a joint."""
        for name, baseline in BASELINES.items():
            yield self.rows_of(self.errors(baseline), name, f"control {name}", 0)

    def predicted(self, row: str, share: float) -> list[Any]:
        """Rows of one network; trains what is not finished yet."""
        kind = row.removeprefix("pretrained-")
        encoder = self.pretrained() if row != kind else None
        task = self.fitted(kind, encoder, share)
        b = self.budget
        steps = b.steps or f"e{b.epochs}"
        width = b.decoder_width if kind == "recurrent" else b.graph_width
        model = f"hitrs{b.depth}-w{b.width}+{kind}-w{width}-{steps}"
        word = "supervised" if encoder is None else "finetune hitrs"
        setting = f"{word} {kind} {100 * share:g}%"
        return self.rows_of(self.errors(task), model, setting, self.seed)

    def encoder(self) -> HiTRS:
        """An encoder with its first weights."""
        b = self.budget
        sizes: Any = {"width": b.width, "depth": b.depth, "num_heads": b.heads}
        return HiTRS(3, layout=self.train.store.layout, head_channels=b.head_channels, **sizes)

    def pretrained(self) -> HiTRS:
        """An encoder that learned all tasks on all levels."""
        b, number = self.budget, len(self.train)
        epochs = common.passes(1, b.pretrain_steps, number, b.pretrain_batch_size)

        def make() -> Any:
            return hitrs(encoder=self.encoder(), transform=BodyUnits()), {
                "augment": HiTRSAugmentation(),
                "optimizer": "adamw",
                "lr": b.pretrain_lr,
                "weight_decay": 0.01,
                "decay_norm_and_bias": False,
                "schedule": "linear",
                "warmup_epochs": epochs / 30,
            }

        return common.pretrained(
            self.folder / f"pretraining-s{self.seed}",
            make,
            self.train,
            epochs,
            b.pretrain_batch_size,
            self.seed,
            {"set": self.named.key, **vars(b)},
        )

    def fitted(self, kind: str, encoder: HiTRS | None, share: float) -> MotionPrediction:
        """A network trained to predict."""
        b, train = self.budget, self.train
        if share < 1:
            train = StoreSubset(train, labelled_subset(source_labels(train), share, self.seed))
        torch.manual_seed(self.seed)
        first = self.encoder() if encoder is None else encoder
        channels, layout = first.out_channels, train.store.layout
        decoder: torch.nn.Module
        if kind == "recurrent":
            options: Any = {"width": b.decoder_width, "dropout": b.decoder_dropout}
            decoder = RecurrentDecoder(channels, layout, **options)
        else:
            options = {"node_channels": b.width, "width": b.graph_width}
            decoder = GraphDecoder(channels, layout, self.num_future, **options)
        epochs = common.passes(b.epochs, b.steps, len(train), b.batch_size)
        turn = float(TURNS[self.named.key] if b.turn is None else b.turn)
        recipe: dict[str, Any] = {"lr": b.lr, "milestones": (epochs * 20 / 25,)}
        if b.steps is not None:
            recipe = {"lr": b.lr, "optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine"}
            recipe |= {"schedule_by_epoch": False, "warmup_epochs": epochs / 20}
        task = MotionPrediction(
            MotionPredictor(first, decoder),
            num_observed=OBSERVED,
            num_future=self.num_future,
            loss=b.loss,
            augment=RandomRotate((0.0, turn, 0.0)) if turn else None,
            **recipe,
        )
        word = "" if encoder is None else "pretrained-"
        folder = self.folder / f"{word}{kind}-{100 * share:g}-s{self.seed}"
        print(f"  {folder.name}: {len(train)} recordings, {epochs} passes", flush=True)
        fit_task(
            task,
            SkeletonDataModule(train, batch_size=b.batch_size, check_classes=False),
            max_epochs=epochs,
            out=folder,
            seed=self.seed,
            select="last",
            gradient_clip=1.0,
            facts={"set": self.named.key, "row": word + kind, "share": share, **vars(b)},
        )
        return task

    def rows_of(
        self, errors: dict[str, list[HorizonError]], model: str, setting: str, seed: int
    ) -> list[Any]:
        """Figures as rows: the setting ends in the time ahead, or in ``mean``."""
        figures: common.Figures = {}
        for part, found in errors.items():
            for error in found:
                ahead = "mean" if error.frames is None else f"{error.ms:.0f} ms"
                figures[f"{setting}, {ahead}", "mpjpe_mm", part] = error.mpjpe, error.recordings
        protocol = getattr(next(iter(self.parts.values())), "protocol", "official")
        return common.as_rows(figures, self.named, protocol, model, "", seed)


def tables(rows: Sequence[Any]) -> str:
    """For each part a table of horizons, mean over seeds, and what was published elsewhere."""
    lines = []
    for dataset, split in dict.fromkeys((row.dataset, row.split) for row in rows):
        mine = [row for row in rows if (row.dataset, row.split) == (dataset, split)]
        found: dict[str, dict[str, list[float]]] = {}
        for row in mine:
            name, _, ahead = row.setting.rpartition(", ")
            name = f"{name} ({row.model})" if not name.startswith("control") else name
            found.setdefault(name, {}).setdefault(ahead, []).append(row.value)
        header = list(dict.fromkeys(ahead for each in found.values() for ahead in each))
        cells = [
            [name, *(f"{sum(v) / len(v):.1f}" if (v := each.get(a)) else "-" for a in header)]
            for name, each in found.items()
        ]
        lines += [f"## {dataset}, {split}: MPJPE in mm, mean over seeds", ""]
        lines += [markdown_table(["", *header], cells), ""]
    lines += ["## Published: other recordings, other poses in and out, not comparable", ""]
    published = [[name, *(f"{v:.1f}" for v in values)] for name, values in PUBLISHED.items()]
    header = ["NTU-60 cross-subject (Hi-TRS, supplement, table 2)", "100% data", "10% data"]
    return "\n".join([*lines, markdown_table(header, published), ""])


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    out = results_folder(options.out, TABLE)
    budget = common.chosen_budget(options, PRESETS)
    torch.set_num_threads(1)

    def keep(rows: list[Any]) -> None:
        table = merge_results(out / TABLE, rows)
        text = results_markdown(table, "Hi-TRS predicts motion") + "\n" + tables(table)
        write_atomically(out / "table.md", text.encode())
        for row in rows:
            if row.setting.endswith("mean"):
                line = f"{row.dataset:10}{row.split:12}{row.setting:36}seed {row.seed}"
                print(f"{line}{row.value:8.1f} mm", flush=True)

    for named in options.sets:
        for rows in Study(out, named, budget, 0, options.measure).baselines():
            keep(rows)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for named in options.sets:
            study = Study(out, named, budget, seed, options.measure)
            for share in options.shares:
                for row in options.rows:
                    keep(study.predicted(row, share))
    for named in options.sets:
        draw(out, named)
    print(f"\nwritten to {out / TABLE}")


def draw(out: Path, named: common.Named) -> None:
    """Errors over the horizon of every part of a set, as pictures beside the table."""
    rows = [row for row in read_results(out / TABLE) if row.dataset == named.key]
    for part in dict.fromkeys(row.split for row in rows):
        errors: dict[str, dict[float, list[float]]] = {}
        for row in rows:
            method, _, horizon = row.setting.rpartition(", ")
            if row.split == part and horizon.endswith(" ms"):
                at = errors.setdefault(method.removeprefix("control "), {})
                at.setdefault(float(horizon.removesuffix(" ms")), []).append(row.value)
        figure = draw_horizons(
            errors,
            baselines=[name for name in BASELINES if name in errors],
            title=f"How far predictions are off: {named.key}, {part}",
        )
        with replacing(out / f"horizons_{named.key}_{part}.png") as temporary:
            figure.savefig(temporary, format="png")


if __name__ == "__main__":
    run(main)
