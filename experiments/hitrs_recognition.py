"""Is a hierarchical encoder that was pre-trained without labels a better recogniser?

Encoders learn by masked poses, the order of poses in clips, the order of clips in videos, and the
next clip; then recognise with all labels and with a tenth of them, beside the same network from its
first weights (``none``), and frozen under a linear layer. ``--levels`` takes the ablation over
pre-trained levels, ``--streams`` joints, bones and motion, whose scores are added up (3s). The last
epoch counts; test recordings are only looked at.

Examples:
    python experiments/hitrs_recognition.py --sets nw_ucla=nw_ucla.tar.xz utd_mhad=PATH
    python experiments/hitrs_recognition.py --sets nw_ucla=PATH --levels none F C V all
    python experiments/hitrs_recognition.py --sets nw_ucla=PATH --streams joint bone joint_motion
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _hitrs as room
import _selfsup as common
import torch
from _running import positive_int, results_folder, run
from torch import Tensor

from stgraph.evaluation import (
    EncoderEvaluation,
    fine_tune,
    labelled_subset,
    merge_results,
    results_markdown,
)
from stgraph.files import write_atomically
from stgraph.tasks import StoreSubset, predict_logits
from stgraph.tasks.data import source_labels

TABLE = "table.csv"
PROTOCOLS = ("linear", "finetune", "semi")
STREAMS = ("joint", "bone", "joint_motion")
PRESETS = {"quick": room.Budget(), "paper": room.PAPER}
#: Figures of the paper's table for NTU 60 (cross-subject / cross-view), recalled, to print beside.
PUBLISHED = "published on NTU RGB+D 60, three streams fine-tuned: 90.0 / 95.7 (not these sets)"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/hitrs_recognition", help="folder (%(default)s)")
    parser.add_argument(
        "--sets", type=common.named_set, nargs="+", required=True, metavar="KEY=PATH"
    )
    parser.add_argument("--levels", nargs="+", choices=room.LEVELS, default=["none", "all"])
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=["joint"])
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    common.add_budget(parser, PRESETS)
    return parser.parse_args(arguments)


class Study:
    """One set and seed.

    Args:
        named: The set.
        b: How large and how long.
        seed: Of everything.
        out: Folder of the experiment.
    """

    def __init__(self, named: common.Named, b: room.Budget, seed: int, out: Path) -> None:
        self.named, self.b, self.seed, self.out = named, b, seed, out
        self.train = common.capped(named.part("trainval"), b.recordings)
        parts = ("test", *common.MORE_PARTS.get(named.key, ()))
        self.tests = {part: named.part(part) for part in parts}
        self.num_classes = len(named.part("trainval").class_names)

    def encoder(self, levels: str, stream: str) -> Any:
        """The encoder before it sees labels."""
        name = f"{self.named.key}-{levels}-{stream}-s{self.seed}"
        facts = {"set": self.named.key}
        folder = self.out / "runs" / name
        return room.pretrained_encoder(folder, self.train, self.b, levels, stream, self.seed, facts)

    def rows(
        self, levels: str, streams: Sequence[str], protocols: Sequence[str]
    ) -> Iterator[list[Any]]:
        """Figures of every protocol and stream, then of all streams together."""
        scores: dict[str, list[dict[str, Tensor]]] = {}
        for stream in streams:
            encoder = self.encoder(levels, stream)
            if "linear" in protocols:
                asked = EncoderEvaluation(
                    encoder,
                    self.train,
                    self.tests,
                    num_classes=self.num_classes,
                    transform=room.TRIMMED.whole(stream),
                )
                measured = [*asked.knn(), *asked.linear(self.seed)]
                yield self.as_rows(common.figures_of(measured), levels, stream)
            for setting, share in (("finetune", None), ("finetune 10%", 0.1)):
                if ("semi" if share else "finetune") in protocols:
                    found = self.trained(encoder, stream, share)
                    scores.setdefault(setting, []).append(found)
                    figures = {
                        (setting, "top1", part): self.figure(part, value)
                        for part, value in found.items()
                    }
                    yield self.as_rows(figures, levels, stream)
        if len(streams) > 1:
            for setting, each in scores.items():
                figures = {
                    (setting, "top1", part): self.figure(
                        part, torch.stack([one[part] for one in each]).sum(dim=0)
                    )
                    for part in self.tests
                }
                yield self.as_rows(figures, levels, f"fused{len(streams)}")

    def trained(self, encoder: Any, stream: str, share: float | None) -> dict[str, Tensor]:
        """Probabilities of every test recording after training with labels."""
        taught: Any = self.train
        if share is not None:
            chosen = labelled_subset(source_labels(self.train), share, self.seed)
            taught = StoreSubset(self.train, chosen)
        b = self.b
        epochs = common.passes(1, b.finetune_steps, len(taught), b.finetune_batch_size)
        task, _ = fine_tune(
            encoder,
            taught,
            num_classes=self.num_classes,
            transform=room.TRIMMED.then(stream),
            before=room.TRIMMED.first(),
            augment=room.turned(room.dims_of(taught)),
            epochs=epochs,
            batch_size=b.finetune_batch_size,
            lr=b.finetune_lr,
            min_lr=0.0,
            warmup_epochs=epochs / 20,
            weight_decay=0.01,
            layer_decay=None,
            label_smoothing=0.1,
            seed=self.seed,
        )
        out = {}
        for part, source in self.tests.items():
            logits, _, has_pose = predict_logits(task, source)
            out[part] = logits.softmax(dim=1) * has_pose[:, None]
        return out

    def figure(self, part: str, scores: Tensor) -> tuple[float, int]:
        """Share that is right, and of how many."""
        y = source_labels(self.tests[part])
        right = (scores.argmax(dim=1) == y) & (scores.sum(dim=1) > 0)
        return float(right.double().mean()), len(y)

    def as_rows(self, figures: common.Figures, levels: str, stream: str) -> list[Any]:
        """Rows of the results file."""
        protocol = getattr(self.tests["test"], "protocol", "official")
        model = room.model_name(self.b)
        word = f"pretrained {levels}"
        rows = common.as_rows(figures, self.named, protocol, model, word, self.seed)
        return [replace(row, stream=stream) for row in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    out = results_folder(options.out, TABLE)
    b = common.chosen_budget(options, PRESETS)
    torch.set_num_threads(1)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for named in options.sets:
            study = Study(named, b, seed, out)
            for levels in options.levels:
                for rows in study.rows(levels, options.streams, options.protocols):
                    table = merge_results(out / TABLE, rows)
                    text = results_markdown(table, "Hi-TRS: recognition")
                    write_atomically(out / "table.md", f"{text}\n{PUBLISHED}\n".encode())
                    for row in rows:
                        print(
                            f"{row.dataset:12}{row.split:12}{row.stream:13}{row.setting:34}"
                            f"{row.value:.3f}",
                            flush=True,
                        )
    print(f"\n{PUBLISHED}\nwritten to {out / TABLE}")


if __name__ == "__main__":
    run(main)
