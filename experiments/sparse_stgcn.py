"""How few weights and edges does a ST-GCN need? Accuracy against sparsity.

Networks learn their masks together with their weights (``generator``), as the public code does it
(``published``), or lose the edges that matter least and are tuned on (``edges``), beside the dense
network; several levels of sparsity answer together (``assembly``). ``--rows backbones`` trains the
dense ST-GCN, ST-GCN++, AAGCN, CTR-GCN and DG-STGCN with the same recipe at the same width. Lottery
tickets and their controls are in ``lottery_tickets.py``. All train on training and validation
recordings for a fixed number of epochs; test recordings are only looked at. Hyperparameters of the
generator were chosen with ``--measure val``.

Examples:
    python experiments/sparse_stgcn.py --data kth_openpose.tar.xz
    python experiments/sparse_stgcn.py --dataset nw_ucla --data nw_ucla.tar.xz --rows assembly
    python experiments/sparse_stgcn.py --epochs 2 --seeds 1
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from _running import results_folder, run, share
from _sparse import Study, add_options
from torch import nn

from stgraph.nn import AAGCN, CTRGCN, DGSTGCN, STGCN, STGCNPlusPlus
from stgraph.sparsity import LEVELS, SparsitySchedule, assemble, prune_edges, sparsify

ROWS = ("dense", "generator", "published", "edges", "assembly", "backbones")
BACKBONES: dict[str, Callable[..., STGCN]] = {
    "stgcn++": STGCNPlusPlus,
    "aagcn": AAGCN,
    "ctrgcn": CTRGCN,
    "dgstgcn": DGSTGCN,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/sparse_stgcn", help="folder (%(default)s)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS[:4]))
    add_options(parser)
    masks = parser.add_argument_group("generator")
    masks.add_argument("--warm-up", type=share, default=0.3, help="share of the training, dense")
    masks.add_argument("--ramp", type=share, default=0.3, help="share that sparsity grows in")
    masks.add_argument("--scores", choices=("uniform", "kaiming", "magnitude"), default="magnitude")
    masks.add_argument("--scope", choices=("global", "layer"), default="global")
    masks.add_argument("--penalty", type=float, default=0.0)
    return parser.parse_args()


class Rows:
    """The rows of the table.

    Args:
        study: Recordings and recipe.
        arguments: Of the command line.
    """

    def __init__(self, study: Study, arguments: argparse.Namespace) -> None:
        self.study, self.arguments = study, arguments
        a = arguments
        shape = "cubic" if a.ramp else "linear"
        self.schedule = SparsitySchedule(a.warm_up, a.ramp, shape)
        self.how = f"{self.schedule} {a.scores} {a.scope} {a.penalty:g}"

    def network(self, seed: int, kind: Callable[..., STGCN] = STGCN, classes: bool = True) -> STGCN:
        """A network of the recipe; its first weights depend on the seed alone."""
        study = self.study
        torch.manual_seed(seed)
        options = {"edge_importance": study.recipe.edge_importance} if kind is STGCN else {}
        return kind(
            study.in_channels,
            len(study.sets.class_names) if classes else None,
            layout=study.sets.layout,
            width=int(study.recipe.width),
            dropout=study.recipe.dropout,
            **options,
        )

    def keep(
        self,
        words: str,
        seed: int,
        make: Callable[[], nn.Module],
        base: str = "",
        kind: str = "stgcn",
    ) -> None:
        study = self.study
        study.kept(words, seed, make, study.model_name(kind), base)

    def dense(self, seed: int) -> None:
        words = "spatial dense"
        self.keep(words, seed, lambda: self.study.train(words, seed, self.network(seed)))

    def generator(self, seed: int) -> None:
        a = self.arguments
        for sparsity in a.sparsities:
            words = f"spatial generator {sparsity:g}"

            def make(sparsity: float = sparsity, words: str = words) -> nn.Module:
                model = self.network(seed)
                masks = sparsify(
                    model, sparsity, schedule=self.schedule, scores=a.scores, scope=a.scope
                )
                return self.study.train(words, seed, model, masks, penalty=a.penalty, base=self.how)

            self.keep(words, seed, make, self.how)

    def published(self, seed: int) -> None:
        for sparsity in self.arguments.sparsities:
            words = f"spatial generator as-published {sparsity:g}"

            def make(sparsity: float = sparsity, words: str = words) -> nn.Module:
                model = self.network(seed)
                masks = sparsify(model, sparsity, schedule=SparsitySchedule(0.6), as_published=True)
                return self.study.train(words, seed, model, masks)

            self.keep(words, seed, make)

    def edges(self, seed: int) -> None:
        study, epochs = self.study, max(1, self.study.recipe.epochs // 2)
        for sparsity in self.arguments.sparsities:
            words = f"spatial edges {sparsity:g}"

            def make(sparsity: float = sparsity, words: str = words) -> nn.Module:
                dense = study.train("spatial dense", seed, self.network(seed))
                pruned = prune_edges(dense, sparsity)
                return study.train(words, seed, pruned, epochs=epochs, lr=study.recipe.lr / 4)

            self.keep(words, seed, make)

    def assembly(self, seed: int) -> None:
        a, study = self.arguments, self.study
        for fusion in ("mean",):
            words = f"spatial assembly {fusion}"

            def make(words: str = words, fusion: str = fusion) -> nn.Module:
                seeds = iter(range(1000 * (seed + 1), 1000 * (seed + 2)))
                assembled = assemble(
                    lambda: self.network(next(seeds), classes=False),
                    len(study.sets.class_names),
                    LEVELS,
                    fusion=fusion,
                    schedule=self.schedule,
                    scores=a.scores,
                    scope=a.scope,
                )
                return study.train(
                    words, seed, assembled.model, assembled.generators, base=self.how
                )

            self.keep(words, seed, make, self.how)

    def backbones(self, seed: int) -> None:
        for name, kind in BACKBONES.items():
            words = f"spatial dense {name}"

            def make(kind: Callable[..., STGCN] = kind, words: str = words) -> nn.Module:
                return self.study.train(words, seed, self.network(seed, kind))

            self.keep(words, seed, make, kind=name)


def main() -> None:
    arguments = parse()
    out = results_folder(arguments.out)
    study = Study(arguments)
    rows = Rows(study, arguments)
    print(f"{study.sets.title}; {study.sets.sizes()}\n{study.recipe}\n")
    for seed in study.seeds:
        for name in arguments.rows:
            getattr(rows, name)(seed)
            study.write("Accuracy against sparsity")
    print(f"\nwritten to {out / 'table.csv'}")


if __name__ == "__main__":
    run(main)
