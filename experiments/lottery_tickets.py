"""Do winning tickets win? Iterative magnitude pruning of a ST-GCN beside its two controls.

A network is trained, its smallest weights are cut, the others go back to what they were at first
(or, ``--rewind-epochs``, after a few epochs), and again (``ticket``). At every sparsity stand
beside it: a mask of the same density in each layer drawn at random (``random``), and the mask that
was found with new first weights (``reinitialised``). All train on training and validation
recordings for a fixed number of epochs; test recordings are only looked at.

Examples:
    python experiments/lottery_tickets.py --data kth_openpose.tar.xz
    python experiments/lottery_tickets.py --dataset nw_ucla --data nw_ucla.tar.xz --rate 0.2
    python experiments/lottery_tickets.py --epochs 2 --seeds 1 --sparsities 0.8
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch
from _running import positive_int, results_folder, run, share
from _sparse import Study, add_options
from lightning.pytorch import Callback
from safetensors.torch import load_file, save_file
from torch import nn

from stgraph.files import replacing
from stgraph.nn import STGCN
from stgraph.sparsity import Ticket, apply_masks, bake_masks, find_tickets, random_masks


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/lottery_tickets", help="folder (%(default)s)")
    add_options(parser)
    tickets = parser.add_argument_group("tickets")
    tickets.add_argument(
        "--rate", type=share, default=0.5, help="share of what is left that a round cuts at most"
    )
    tickets.add_argument(
        "--rewind-epochs", type=positive_int, help="go back to the weights after so many epochs"
    )
    return parser.parse_args()


class Note(Callback):
    """Keeps the weights after a number of epochs.

    Args:
        epochs: That number.
        file: Where to.
    """

    def __init__(self, epochs: int, file: Path) -> None:
        self.epochs, self.file = epochs, file

    def on_train_epoch_end(self, trainer: Any, task: Any) -> None:
        """Writes the file when it is time."""
        if task.current_epoch + 1 == self.epochs:
            state = {k: v.contiguous() for k, v in task.model.state_dict().items()}
            with replacing(self.file) as temporary:
                save_file(state, temporary)


class Tickets:
    """The tickets of one seed and their controls.

    Args:
        study: Recordings and recipe.
        arguments: Of the command line.
        seed: Of first weights, order, dropout and augmentation.
    """

    def __init__(self, study: Study, arguments: argparse.Namespace, seed: int) -> None:
        self.study, self.arguments, self.seed = study, arguments, seed
        rewound = f" rewound-to-{arguments.rewind_epochs}" if arguments.rewind_epochs else ""
        self.words = f"spatial ticket{rewound}"
        self.base = f"rate {arguments.rate:g}"

    def network(self, seed: int) -> STGCN:
        """A network of the recipe; its first weights depend on the seed alone."""
        study = self.study
        torch.manual_seed(seed)
        return STGCN(
            study.in_channels,
            len(study.sets.class_names),
            layout=study.sets.layout,
            width=int(study.recipe.width),
            dropout=study.recipe.dropout,
            edge_importance=study.recipe.edge_importance,
        )

    def run(self) -> None:
        """Trains and measures everything."""
        initial = self.network(self.seed)
        rewind = None
        if self.arguments.rewind_epochs:
            rewind = self.early(initial)
        rounds = iter(range(1000))

        def train(model: nn.Module) -> None:
            number = next(rounds)
            words = "spatial dense" if number == 0 else f"{self.words} round {number}"
            base = "" if number == 0 else f"{self.base} {self.arguments.sparsities}"
            self.study.train(words, self.seed, model, base=base)

        for ticket in find_tickets(
            initial,
            train,
            [s for s in self.arguments.sparsities if s > 0],
            rate=self.arguments.rate,
            rewind=rewind,
        ):
            if ticket.sparsity == 0:
                self.keep("spatial dense", ticket.model, base="")
            elif ticket.wanted is not None:
                self.measure(ticket)

    def early(self, initial: nn.Module) -> nn.Module:
        """The network after the first epochs of the whole training."""
        model, study = copy.deepcopy(initial), self.study
        epochs = self.arguments.rewind_epochs
        words = f"spatial dense noting-epoch-{epochs}"
        file = study.folder(words, self.seed) / f"epoch-{epochs}.safetensors"
        study.train(words, self.seed, copy.deepcopy(initial), callbacks=[Note(epochs, file)])
        model.load_state_dict(load_file(file))
        return model

    def measure(self, ticket: Ticket) -> None:
        """The ticket and its controls."""
        s, seed = ticket.wanted, self.seed
        self.keep(f"{self.words} {s:g}", ticket.model)
        generator = torch.Generator().manual_seed(seed)
        shuffled = random_masks(ticket.masks, generator)
        for words, model, masks in (
            (f"spatial random {s:g}", self.network(seed), shuffled),
            (f"spatial reinitialised {s:g}", self.network(seed + 1000), ticket.masks),
        ):

            def make(words: str = words, model: STGCN = model, masks=masks) -> nn.Module:
                apply_masks(model, masks)
                self.study.train(words, seed, model, base=self.base)
                return bake_masks(model)

            self.study.kept(words, seed, make, self.study.model_name(), self.base)

    def keep(self, words: str, model: nn.Module, base: str | None = None) -> None:
        study = self.study
        base = self.base if base is None else base
        study.kept(words, self.seed, lambda: model.eval(), study.model_name(), base)


def main() -> None:
    arguments = parse()
    out = results_folder(arguments.out)
    study = Study(arguments)
    print(f"{study.sets.title}; {study.sets.sizes()}\n{study.recipe}\n")
    for seed in study.seeds:
        Tickets(study, arguments, seed).run()
        study.write("Accuracy against sparsity")
    print(f"\nwritten to {out / 'table.csv'}")


if __name__ == "__main__":
    run(main)
