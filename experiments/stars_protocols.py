"""Does contrastive tuning separate what masked pre-training has learned? MAMP against STARS.

Encoders are pre-trained without labels by filling in what is hidden (``mamp``), then tuned by
contrast with nearest neighbours: as STARS does, one unaltered view, the upper half of the encoder
(``stars``); and with two altered views, the whole encoder (``stars-views``), that contrast also
from first weights (``views-alone``). They learn on a set's
own training part (``own``), on those of all sets together, of any joints (``all``), or on another
set alone (``from-SET``: transfer). Every protocol measures them on every set: nearest neighbour,
linear probe, few-shot (on classes that were left out of pre-training), fine-tuning with all labels
and with a tenth of them, the latter beside training from scratch. Raw poses' nearest neighbour and
an encoder without any training stand beside. The last epoch counts everywhere; test recordings are
only looked at.

Examples:
    python experiments/stars_protocols.py --sets nw_ucla=nw_ucla.tar.xz
    python experiments/stars_protocols.py --sets nw_ucla=PATH utd_mhad=PATH --corpora own all
    python experiments/stars_protocols.py --sets kth_synthetic --steps 50 --protocols knn linear
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import _selfsup as common
import torch
from _running import positive_int, results_folder, run
from _selfsup_report import draw, raw_rows
from torch_geometric.transforms import Compose

from stgraph.cli.systems import dims_of
from stgraph.evaluation import (
    EncoderEvaluation,
    merge_results,
    results_markdown,
    without_classes,
)
from stgraph.files import write_atomically
from stgraph.nn import SkeletonTransformer
from stgraph.objectives import Coordinates, Motion, MotionAware, RandomTokens, mamp, stars
from stgraph.tasks import load_network
from stgraph.transforms import (
    BodyUnits,
    BridgeGaps,
    FaceForward,
    RandomRotate,
    RandomTimeCrop,
    ResampleTime,
)

PROTOCOLS = ("knn", "linear", "fewshot", "finetune", "semi")
CORPORA = ("own", "all", "transfer")
#: The first is always trained: the others but the last tune it.
STAGES = ("mamp", "stars", "stars-views", "views-alone")
TABLE = "table.csv"
SNAPSHOTS = 5


def before_hiding(frames: int) -> Any:
    """What is done to a recording before anything is hidden: it faces forward, at one length."""
    resized = [ResampleTime(frames)] if frames else []
    return Compose([BridgeGaps(), FaceForward(), *resized])


def augment() -> Any:
    """Random changes in masked pre-training, as published: a crop in time and a small rotation."""
    return Compose([RandomTimeCrop(part=(0.5, 1.0), min_frames=8), RandomRotate(17.2)])


def view(dims: int) -> Any:
    """One of two views of the contrast: a stretch of time, turned (in 3-D about y by most)."""
    turn = RandomRotate((10.0, 40.0, 10.0)) if dims == 3 else RandomRotate(10.0)
    return Compose([RandomTimeCrop(part=(0.5, 1.0), min_frames=8), turn])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/stars_protocols", help="folder (%(default)s)")
    parser.add_argument(
        "--sets", type=common.named_set, nargs="+", required=True, metavar="KEY=PATH"
    )
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=["own"])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--draws", type=positive_int, default=10, help="of few-shot examples")
    common.add_budget(parser)
    return parser.parse_args(arguments)


class Study:
    """One seed of one corpus: its encoders, and what they are worth.

    Args:
        out: Folder of the experiment.
        sets: The corpus.
        word: How results call the corpus.
        budget: How large and how long.
        seed: Of everything.
        asked: Sets to measure on; by default those of the corpus.
        stages: Which encoders to measure; masked pre-training is always the first.
        bound: Whether joints have an embedding each, or are known by name, hops, part and side; by
            default where there is one set, and it alone is asked.
    """

    def __init__(
        self,
        out: Path,
        sets: Sequence[common.Named],
        word: str,
        budget: common.Budget,
        seed: int,
        asked: Sequence[common.Named] | None = None,
        stages: Sequence[str] = STAGES,
        bound: bool | None = None,
    ) -> None:
        self.out, self.sets, self.word = out, sets, word
        self.budget, self.seed = budget, seed
        self.measured_on = sets if asked is None else asked
        self.stages = stages
        self.bound = len(sets) == 1 and asked is None if bound is None else bound
        self.before = before_hiding(budget.frames)
        self.transform = Compose([*self.before.transforms, BodyUnits()])

    def train(self, novel: bool) -> Any:
        """What the encoders learn on; ``novel``: without the new classes."""
        parts = []
        for named in self.sets:
            part = named.part("trainval")
            if novel:
                part = without_classes(part, common.novel_classes(named))
            parts.append(common.capped(part, self.budget.recordings))
        return common.joined(parts)

    def folder(self, stage: str, novel: bool = False) -> Path:
        """The folder of a run."""
        name = "+".join(named.key for named in self.sets) + "-novel" * novel
        free = "" if self.bound else "-free"
        return self.out / "runs" / f"{stage}-{name}{free}-s{self.seed}"

    def encoders(self, novel: bool = False) -> dict[str, SkeletonTransformer]:
        """The encoders of all stages; ``novel``: pre-trained without the new classes."""
        b, train = self.budget, self.train(novel)
        facts = {"sets": [named.key for named in self.sets], "novel": novel, **vars(b)}
        found = {
            "mamp": common.pretrained(
                self.folder("mamp", novel),
                partial(self.masked, train),
                train,
                common.passes(b.epochs, b.steps, len(train), b.batch_size),
                b.batch_size,
                self.seed,
                {"stage": "mamp", **facts},
                snapshots=0 if novel else SNAPSHOTS,
            )
        }
        for stage in [stage for stage in self.stages if stage != "mamp"]:
            found[stage] = common.pretrained(
                self.folder(stage, novel),
                partial(self.contrast, found["mamp"], stage, dims_of(train)),
                train,
                common.passes(b.tune_epochs, b.tune_steps, len(train), b.tune_batch_size),
                b.tune_batch_size,
                self.seed,
                {"stage": stage, **facts},
            )
        return found

    def masked(self, train: Any) -> tuple[Any, dict[str, Any]]:
        """The first stage: an objective and the options of its training."""
        b = self.budget
        dims = dims_of(train)
        objective = mamp(
            train.store.layout if self.bound else None,
            width=b.width,
            depth=b.depth,
            num_heads=b.heads,
            patch_size=b.patch_size,
            decoder_depth=b.decoder_depth,
            masking=MotionAware(b.ratio, 0.8) if b.masking == "motion" else RandomTokens(b.ratio),
            target=Motion() if b.target == "motion" else Coordinates(),
            num_dims=dims,
            transform=BodyUnits(),
        )
        epochs = common.passes(b.epochs, b.steps, len(train), b.batch_size)
        return objective, {
            "before": self.before,
            "augment": augment(),
            "optimizer": "adamw",
            "lr": b.lr,
            "min_lr": b.lr / 2 if b.steps is None else b.lr / 10,
            "betas": (0.9, 0.95),
            "weight_decay": 0.05,
            "decay_norm_and_bias": False,
            "warmup_epochs": epochs / 20,
        }

    def contrast(
        self, first: SkeletonTransformer, stage: str, dims: int
    ) -> tuple[Any, dict[str, Any]]:
        """The second stage on the encoder of the first: an objective and its options."""
        b = self.budget
        encoder = SkeletonTransformer(**first.config)
        if stage != "views-alone":
            encoder.load_state_dict(first.state_dict())
        sizes: Any = {"queue_size": b.queue_size, "predictor_width": b.predictor_width}
        recipe: Any = {
            "before": self.before,
            "transform": BodyUnits(),
            "optimizer": "adamw",
            "lr": b.lr,
            "betas": (0.9, 0.95),
            "weight_decay": 0.01,
            "schedule": "constant",
            "clip_each": 3.0,
        }
        if stage == "stars":
            half = {"layer_decay": b.layer_decay, "tuned_layers": b.depth // 2 + 1}
            return stars(encoder, **sizes), {**recipe, **half}
        return stars(encoder, views=(view(dims), view(dims)), **sizes), recipe

    def rows(self, protocols: Sequence[str], draws: int) -> Iterator[list[Any]]:
        """Figures of all protocols on every set that is asked, as they are measured."""
        encoders = self.encoders()
        for named in self.measured_on:
            for stage, encoder in {**self.untrained(encoders["mamp"]), **encoders}.items():
                asked = self.asked(named, encoder)
                measured: list[Any] = []
                if "knn" in protocols:
                    measured += asked.knn()
                if "linear" in protocols:
                    measured += asked.linear(self.seed)
                fresh = stage == "untrained"
                if "finetune" in protocols:
                    recipe = self.recipe(len(asked.train))
                    measured += asked.finetune(None, fresh, self.seed, **recipe)
                if "semi" in protocols:
                    recipe = self.recipe(max(len(asked.train) // 10, 1))
                    measured += asked.finetune(0.1, fresh, self.seed, **recipe)
                yield self.rows_of(measured, named, stage, asked)
            if "linear" in protocols:
                yield from self.curve(named)
        if "fewshot" in protocols and self.measured_on is self.sets:
            for stage, encoder in self.encoders(novel=True).items():
                for named in self.sets:
                    asked = self.asked(named, encoder)
                    classes = common.novel_classes(named)
                    measured = [
                        row
                        for shots in (1, 5)
                        for row in asked.few_shot(classes, shots, draws, self.seed)
                    ]
                    yield self.rows_of(measured, named, stage, asked)

    def curve(self, named: common.Named) -> Iterator[list[Any]]:
        """Frozen figures over masked pre-training: of the encoders that were kept on the way."""
        for folder in sorted((self.folder("mamp") / "snapshots").glob("pass-*")):
            asked = self.asked(named, load_network(folder))
            measured = [*asked.knn(), *asked.linear(self.seed)]
            done = int(folder.name.removeprefix("pass-"))
            yield self.rows_of(measured, named, f"mamp {self.word} pass {done}", asked)

    def recipe(self, recordings: int) -> dict[str, Any]:
        """Options of fine-tuning on so many recordings."""
        b = self.budget
        if b.finetune_steps is None:
            return {"epochs": b.finetune_epochs, "lr": b.lr}
        epochs = common.passes(0, b.finetune_steps, recordings, b.batch_size)
        warmup = max(epochs / 20, 1)
        return {
            "epochs": epochs,
            "lr": b.lr,
            "batch_size": b.batch_size,
            "warmup_epochs": warmup,
        }

    def untrained(self, like: SkeletonTransformer) -> dict[str, SkeletonTransformer]:
        """An encoder of the same form with its first weights."""
        torch.manual_seed(self.seed)
        return {"untrained": SkeletonTransformer(**like.config)}

    def asked(self, named: common.Named, encoder: Any) -> EncoderEvaluation:
        """A set with its features by an encoder."""
        return common.evaluation_of(named, encoder, self.transform, self.out / "features")

    def rows_of(
        self, measured: list[Any], named: common.Named, stage: str, asked: EncoderEvaluation
    ) -> list[Any]:
        """Figures as rows: the setting ends in the stage and the corpus."""
        b = self.budget
        steps = f"{b.steps}+{b.tune_steps}" if b.steps else f"e{b.epochs}+{b.tune_epochs}"
        model = f"transformer{b.depth}-w{b.width}-{steps}"
        protocol = getattr(asked.tests["test"], "protocol", "official")
        named_corpus = stage.startswith("untrained") or " " in stage
        word = stage if named_corpus else f"{stage} {self.word}"
        figures = common.figures_of(measured)
        return common.as_rows(figures, named, protocol, model, word, self.seed)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    out = results_folder(options.out, TABLE)
    budget = common.chosen_budget(options)
    torch.set_num_threads(1)
    corpora: list[tuple[list[Any], str, list[Any] | None]] = []
    if "own" in options.corpora:
        corpora += [([named], "own", None) for named in options.sets]
    if "all" in options.corpora:
        corpora.append((list(options.sets), "all", None))
    if "transfer" in options.corpora:
        for named in options.sets:
            others = [other for other in options.sets if other is not named]
            corpora.append(([named], f"from-{named.key}", others))

    def keep(rows: list[Any]) -> None:
        table = merge_results(out / TABLE, rows)
        text = results_markdown(table, "MAMP against STARS")
        write_atomically(out / "table.md", text.encode())

    if "knn" in options.protocols:
        for named in options.sets:
            keep(raw_rows(named))
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for sets, word, asked in corpora:
            study = Study(out, sets, word, budget, seed, asked, options.stages)
            for rows in study.rows(options.protocols, options.draws):
                keep(rows)
                for row in rows:
                    line = f"{row.dataset:13}{row.split:12}{row.setting:34}{row.value:.3f}"
                    print(line, flush=True)
    draw(out / TABLE, options.sets)
    print(f"\nwritten to {out / TABLE}")


if __name__ == "__main__":
    run(main)
