"""Does contrastive tuning separate what masked pre-training has learned? MAMP against STARS.

Encoders are pre-trained without labels by MAMP, and tuned by STARS, on each set's own training
part and on those of all sets together (of any joints); every protocol then measures them on every
set: nearest neighbour, linear probe, few-shot (on classes that were left out of pre-training),
fine-tuning with all labels and with a tenth of them, the latter beside training from scratch.
Raw poses' nearest neighbour and an encoder without any training stand beside. The last epoch
counts everywhere; test recordings are only looked at.

Examples:
    python experiments/stars_protocols.py --sets nw_ucla=nw_ucla.tar.xz
    python experiments/stars_protocols.py --sets nw_ucla=PATH utd_mhad=PATH --pretrain own all
    python experiments/stars_protocols.py --sets kth_synthetic --epochs 5 --protocols knn linear
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _selfsup as common
import torch
from _running import positive_int, results_folder, run
from torch_geometric.transforms import Compose

from stgraph.evaluation import (
    EncoderEvaluation,
    merge_results,
    nearest_neighbour_pose,
    results_markdown,
    without_classes,
)
from stgraph.files import write_atomically
from stgraph.nn import SkeletonTransformer
from stgraph.objectives import MotionAware, mamp, stars
from stgraph.tasks.data import source_labels
from stgraph.transforms import BodyUnits, BridgeGaps, RandomRotate, RandomTimeCrop

PROTOCOLS = ("knn", "linear", "fewshot", "finetune", "semi")
TABLE = "table.csv"
#: What an encoder sees of a recording.
TRANSFORM = Compose([BridgeGaps(), BodyUnits()])


def augment(dims: int) -> Any:
    """Random changes in masked pre-training, as published: a crop in time and a small rotation."""
    return Compose([RandomTimeCrop(part=(0.5, 1.0), min_frames=8), RandomRotate(17.2)])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/stars_protocols", help="folder (%(default)s)")
    parser.add_argument(
        "--sets", type=common.named_set, nargs="+", required=True, metavar="KEY=PATH"
    )
    parser.add_argument("--pretrain", nargs="+", choices=("own", "all"), default=["own"])
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--draws", type=positive_int, default=10, help="of few-shot examples")
    common.add_budget(parser)
    return parser.parse_args(arguments)


class Study:
    """One seed of one corpus: its two encoders, and what they are worth.

    Args:
        out: Folder of the experiment.
        sets: The corpus.
        word: ``"own"`` or ``"all"``.
        budget: How large and how long.
        seed: Of everything.
    """

    def __init__(
        self,
        out: Path,
        sets: Sequence[common.Named],
        word: str,
        budget: common.Budget,
        seed: int,
    ) -> None:
        self.out, self.sets, self.word = out, sets, word
        self.budget, self.seed = budget, seed

    def encoders(self, novel: bool = False) -> dict[str, SkeletonTransformer]:
        """The encoders of both stages; ``novel``: pre-trained without the new classes."""
        b = self.budget
        parts = []
        for named in self.sets:
            part = named.part("trainval")
            if novel:
                part = without_classes(part, common.novel_classes(named))
            parts.append(common.capped(part, b.recordings))
        train = common.joined(parts)
        dims = int(train.store.batch(train.indices()[:1]).pos.size(1))
        layout = None if len(self.sets) > 1 else train.store.layout
        name = "+".join(named.key for named in self.sets) + "-novel" * novel
        facts = {"sets": [named.key for named in self.sets], "novel": novel, **vars(b)}

        def first() -> Any:
            objective = mamp(
                layout,
                width=b.width,
                depth=b.depth,
                num_heads=b.heads,
                patch_size=b.patch_size,
                decoder_depth=b.decoder_depth,
                masking=MotionAware(0.9, 0.8),
                num_dims=dims,
                transform=TRANSFORM,
            )
            return objective, {
                "augment": augment(dims),
                "optimizer": "adamw",
                "lr": b.lr,
                "min_lr": b.lr / 2,
                "betas": (0.9, 0.95),
                "weight_decay": 0.05,
                "decay_norm_and_bias": False,
                "warmup_epochs": b.epochs / 20,
            }

        folder = self.out / "runs" / f"mamp-{name}-s{self.seed}"
        masked = common.pretrained(
            folder, first, train, b.epochs, b.batch_size, self.seed, {"stage": "mamp", **facts}
        )

        def second() -> Any:
            encoder = SkeletonTransformer.from_pretrained(folder / "model")
            objective = stars(encoder, queue_size=b.queue_size, predictor_width=b.predictor_width)
            return objective, {
                "transform": TRANSFORM,
                "optimizer": "adamw",
                "lr": b.lr,
                "betas": (0.9, 0.95),
                "weight_decay": 0.01,
                "schedule": "constant",
                "layer_decay": b.layer_decay,
                "tuned_layers": b.depth // 2 + 1,
                "clip_each": 3.0,
            }

        tuned = common.pretrained(
            self.out / "runs" / f"stars-{name}-s{self.seed}",
            second,
            train,
            b.tune_epochs,
            b.tune_batch_size,
            self.seed,
            {"stage": "stars", **facts},
        )
        return {"mamp": masked, "stars": tuned}

    def rows(self, protocols: Sequence[str], draws: int) -> list[Any]:
        """Figures of all protocols on every set of the corpus."""
        encoders = self.encoders()
        found = []
        for named in self.sets:
            for stage, encoder in {**self.untrained(encoders["mamp"]), **encoders}.items():
                asked = self.asked(named, encoder)
                measured: list[Any] = []
                if "knn" in protocols:
                    measured += asked.knn()
                if "linear" in protocols:
                    measured += asked.linear(self.seed)
                if "finetune" in protocols and stage != "untrained":
                    measured += asked.finetune(seed=self.seed, **self.recipe)
                if "semi" in protocols:
                    fresh = stage == "untrained"
                    measured += asked.finetune(0.1, fresh, self.seed, **self.recipe)
                found += self.rows_of(measured, named, stage, asked)
        if "fewshot" in protocols:
            for stage, encoder in self.encoders(novel=True).items():
                for named in self.sets:
                    asked = self.asked(named, encoder)
                    classes = common.novel_classes(named)
                    measured = [
                        row
                        for shots in (1, 5)
                        for row in asked.few_shot(classes, shots, draws, self.seed)
                    ]
                    found += self.rows_of(measured, named, stage, asked)
        return found

    @property
    def recipe(self) -> dict[str, Any]:
        """Options of fine-tuning."""
        return {"epochs": self.budget.finetune_epochs, "lr": self.budget.lr}

    def untrained(self, like: SkeletonTransformer) -> dict[str, SkeletonTransformer]:
        """An encoder of the same form with its first weights."""
        torch.manual_seed(self.seed)
        return {"untrained": SkeletonTransformer(**like.config)}

    def asked(self, named: common.Named, encoder: Any) -> EncoderEvaluation:
        """A set with its features by an encoder."""
        return common.evaluation_of(named, encoder, TRANSFORM, self.out / "features")

    def rows_of(
        self, measured: list[Any], named: common.Named, stage: str, asked: EncoderEvaluation
    ) -> list[Any]:
        """Figures as rows: the setting ends in the stage and the corpus."""
        b = self.budget
        model = f"transformer{b.depth}-w{b.width}-e{b.epochs}+{b.tune_epochs}"
        protocol = getattr(asked.tests["test"], "protocol", "official")
        word = stage if stage == "untrained" else f"{stage} {self.word}"
        figures = common.figures_of(measured)
        return common.as_rows(figures, named, protocol, model, word, self.seed)


def raw_rows(named: common.Named) -> list[Any]:
    """The nearest neighbour of raw poses, which a representation has to beat."""
    train = named.part("trainval")
    figures = {}
    for part in ("test", *common.MORE_PARTS.get(named.key, ())):
        test = named.part(part)
        predicted = nearest_neighbour_pose(train, test)
        y = source_labels(test)
        figures["knn", "knn1", part] = float((predicted == y).double().mean()), len(y)
    protocol = getattr(named.part("test"), "protocol", "official")
    return common.as_rows(figures, named, protocol, "raw-poses", "no-learning", 0)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    out = results_folder(options.out, TABLE)
    budget = common.chosen_budget(options)
    torch.set_num_threads(1)
    corpora = [[named] for named in options.sets] if "own" in options.pretrain else []
    if "all" in options.pretrain:
        corpora.append(list(options.sets))

    def keep(rows: list[Any]) -> None:
        table = merge_results(out / TABLE, rows)
        text = results_markdown(table, "MAMP against STARS")
        write_atomically(out / "table.md", text.encode())

    if "knn" in options.protocols:
        for named in options.sets:
            keep(raw_rows(named))
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for sets in corpora:
            word = "own" if len(sets) == 1 else "all"
            rows = Study(out, sets, word, budget, seed).rows(options.protocols, options.draws)
            keep(rows)
            for row in rows:
                print(f"{row.dataset:13}{row.split:12}{row.setting:28}{row.value:.3f}", flush=True)
    print(f"\nwritten to {out / TABLE}")


if __name__ == "__main__":
    run(main)
