"""Does pre-training help to find actions in untrimmed recordings?

Encoders learn without labels on the training recordings, each level alone or several together;
then every frame gets a class or background from the window around it. Beside them the same network
from its first weights (``none``), a ST-GCN trained the same way, and the nearest neighbour of raw
windows. How segments are found in probabilities is chosen on validation recordings; the last epoch
counts; test recordings are only looked at. ``--share 0.1`` trains with the labels of a tenth of the
pieces of recordings.

Examples:
    python experiments/hitrs_detection.py --set utkinect=utkinect.tar.xz
    python experiments/hitrs_detection.py --set utkinect=PATH --settings none F C V all
    python experiments/hitrs_detection.py --set utkinect=PATH --protocol leave_one_sequence_out \\
        --settings all --pretrain-on nw_ucla=nw_ucla.tar.xz
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
from torch_geometric.transforms import Compose

from stgraph.evaluation import (
    ResultRow,
    WindowNeighbours,
    choose_finder,
    command_line,
    commit,
    detected_by,
    detection_figures,
    fuse_detected,
    hardware,
    merge_results,
    results_markdown,
)
from stgraph.files import write_atomically
from stgraph.nn import STGCN, FrameClassifier, stgcn_channels
from stgraph.objectives import crossclr, skeletonclr
from stgraph.tasks import (
    Detected,
    Detection,
    JoinedParts,
    SkeletonDataModule,
    StoreSubset,
    chunk_store,
    detect,
    fit_task,
    load_network,
    save_detection,
    smooth,
)
from stgraph.transforms import RandomShear, RandomTimeCrop, ResampleTime

TABLE = "table.csv"
IOU = (0.1, 0.3, 0.5)
#: The nearest neighbour of raw windows; ST-GCN from first weights, and after momentum contrast
#: (SkeletonCLR, as MCC has it too) and CrosSCLR.
RIVALS = ("neighbours", "stgcn", "skeletonclr", "crossclr")
STGCNS = RIVALS[1:]
STREAMS = ("joint", "bone", "joint_motion")
#: At 7.5 poses a second a window of 7 is about one second, as published (7 poses, 4 of 30 apart).
QUICK = room.Budget(
    stride=4,
    dilation=1,
    steps=800,
    finetune_steps=1200,
    finetune_batch_size=16,
    finetune_lr=2e-3,
)
#: Of the frames of a step so many are learned from: neighbours say much the same.
FRAME_SHARE = 0.25
PAPER = replace(room.PAPER, stride=7, dilation=1, finetune_steps=2000, finetune_batch_size=8)
PRESETS = {"quick": QUICK, "paper": PAPER}
#: Frames of a piece to train on: eight pieces are the 256 frames of the paper's step.
PIECE = 32
#: Frames of a piece to pre-train on.
SEQUENCE = 64
PUBLISHED = """
On PKU-MMD I, in per cent (mAP_a / mAP_v), as published, not this set:

| | all labels | a tenth |
|---|---|---|
| MCC | 58.6 / 62.3 | 30.5 / 44.5 |
| CrosSCLR, three streams | 60.1 / 72.4 | 41.6 / 60.9 |
| Hi-TRS | 58.4 / 66.3 | 37.9 / 54.8 |
| Hi-TRS, three streams | 68.2 / 76.0 | 42.9 / 62.9 |

| pre-trained levels | none | F | C | V | F+C | F+V | C+V | all |
|---|---|---|---|---|---|---|---|---|
| mAP_a | 53.4 | 55.5 | 55.3 | 55.9 | 55.6 | 57.9 | 56.3 | 58.4 |
| mAP_v | 63.2 | 64.1 | 63.9 | 63.9 | 65.1 | 64.0 | 64.0 | 66.3 |
"""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/hitrs_detection", help="folder (%(default)s)")
    parser.add_argument("--set", type=common.named_set, required=True, metavar="KEY=PATH")
    parser.add_argument("--protocol", default="cross_subject", help="(%(default)s)")
    parser.add_argument("--folds", type=int, nargs="+", help="of leave_one_sequence_out; all")
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=(*RIVALS, *room.LEVELS),
        default=["neighbours", "stgcn", "none", "all"],
        help="rivals, and pre-trained levels",
    )
    parser.add_argument(
        "--pretrain-on",
        type=common.named_set,
        nargs="+",
        metavar="KEY=PATH",
        help="other sets of the same joints instead of the set's own training recordings",
    )
    parser.add_argument("--share", type=float, default=1.0, help="of labelled pieces (%(default)s)")
    parser.add_argument(
        "--measure",
        choices=("val", "test"),
        default="test",
        help="val: where segments are chosen too, to choose anything else there",
    )
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=["joint"])
    parser.add_argument("--seeds", type=positive_int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    common.add_budget(parser, PRESETS)
    options = parser.parse_args(arguments)
    if not 0 < options.share <= 1:
        parser.error(f"--share lies in (0, 1] (got {options.share})")
    return options


class Study:
    """One split of the set and one seed.

    Args:
        options: Of the command line.
        b: How large and how long.
        seed: Of everything.
        fold: Of leave_one_sequence_out; None: the protocol has one split.
        out: Folder of the experiment.
    """

    def __init__(
        self, options: argparse.Namespace, b: room.Budget, seed: int, fold: int | None, out: Path
    ) -> None:
        self.options, self.b, self.seed, self.fold, self.out = options, b, seed, fold, out
        arguments = {} if fold is None else {"fold": fold}
        self.train, self.val, self.test = (
            options.set.part(part, options.protocol, arguments)
            for part in ("train", "val", options.measure)
        )
        self.names = tuple(self.train.class_names)
        #: What networks see at the moment.
        self.stream = "joint"

    def corpus(self) -> Any:
        """What encoders learn on without labels, at the set's own rate."""
        if not self.options.pretrain_on:
            return chunk_store(self.train, SEQUENCE)
        parts = [named.part("trainval") for named in self.options.pretrain_on]
        return parts[0] if len(parts) == 1 else JoinedParts(parts)

    def tag(self, setting: str, fold: bool = True) -> str:
        """A name for runs of a setting."""
        others = "+".join(named.key for named in self.options.pretrain_on or ())
        name = f"{others or self.options.set.key}-{setting}-{self.stream}-s{self.seed}"
        return name if self.fold is None or not fold else f"{name}-f{self.fold}"

    def encoder(self, setting: str) -> Any:
        """The encoder of a setting before it sees labels."""
        if setting == "stgcn":
            torch.manual_seed(self.seed)
            return self.stgcn()
        if setting in STGCNS:
            return self.contrasted(setting)
        others = "+".join(named.key for named in self.options.pretrain_on or ())
        name = self.tag(setting, fold=not others)
        # other sets have 30 poses a second
        rate = (ResampleTime(every=4),) if others else ()
        prepared = room.UNTRIMMED._replace(before=(*rate, *room.UNTRIMMED.before))
        return room.pretrained_encoder(
            self.out / "runs" / name,
            self.corpus(),
            self.b,
            setting,
            self.stream,
            self.seed,
            {"protocol": self.options.protocol, "fold": self.fold, "others": others},
            prepared,
        )

    def stgcn(self) -> STGCN:
        """A ST-GCN that keeps every frame."""
        channels = stgcn_channels(self.b.width)
        return STGCN(
            room.dims_of(self.train),
            layout=self.train.store.layout,
            channels=channels,
            strides=[1] * len(channels),
        )

    def contrasted(self, setting: str) -> Any:
        """A ST-GCN after momentum contrast, alone or with streams that mine for each other."""
        b, corpus = self.b, self.corpus()
        epochs = common.passes(1, b.steps, len(corpus), b.batch_size)
        crop = RandomTimeCrop(part=(0.5, 1.0), min_frames=8)
        view = Compose([RandomShear(0.5), crop])
        stream = "joint" if setting == "crossclr" else self.stream

        def make() -> tuple[Any, dict[str, Any]]:
            if setting == "skeletonclr":
                objective: Any = skeletonclr(self.stgcn(), (view, view), queue_size=512)
            else:
                encoders = {name: self.stgcn() for name in STREAMS}
                objective = crossclr(encoders, (view, view), queue_size=512, mine_from=epochs // 2)
            return objective, {
                "transform": room.UNTRIMMED.whole(stream),
                "optimizer": "sgd",
                "lr": 0.1,
                "weight_decay": 1e-4,
            }

        facts = {
            "setting": setting,
            "protocol": self.options.protocol,
            "fold": self.fold,
            **vars(b),
        }
        name = self.tag(setting)
        if setting == "crossclr":  # one run trains the encoders of all streams
            name = name.replace(f"-{self.stream}-", "-")
        folder = self.out / "runs" / name
        encoder = common.pretrained(folder, make, corpus, epochs, b.batch_size, self.seed, facts)
        if setting == "crossclr":
            return load_network(folder / "model" / "streams" / self.stream)
        return encoder

    def labelled(self) -> Any:
        """Pieces of training recordings with labels."""
        pieces = chunk_store(self.train, PIECE, context=self.b.dilation * (self.b.window // 2))
        if self.options.share == 1:
            return pieces
        generator = torch.Generator().manual_seed(self.seed)
        count = max(round(self.options.share * len(pieces)), 1)
        return StoreSubset(pieces, torch.randperm(len(pieces), generator=generator)[:count])

    def detector(self, setting: str) -> Detection:
        """A trained detector."""
        b, labelled = self.b, self.labelled()
        epochs = common.passes(1, b.finetune_steps, len(labelled), b.finetune_batch_size)
        encoder = self.encoder(setting)
        torch.manual_seed(self.seed)
        task = Detection(
            FrameClassifier(encoder, len(self.names), dropout=0.1),
            self.names,
            transform=room.UNTRIMMED.whole(self.stream),
            augment=room.turned(room.dims_of(labelled)),
            frame_share=FRAME_SHARE if self.options.preset == "quick" else 1.0,
            optimizer="adamw",
            lr=b.finetune_lr,
            weight_decay=0.01,
            decay_norm_and_bias=False,
            warmup_epochs=epochs / 20,
        )
        data = SkeletonDataModule(labelled, batch_size=b.finetune_batch_size, check_classes=False)
        facts = {"setting": setting, "protocol": self.options.protocol, **vars(b)}
        fit_task(
            task,
            data,
            max_epochs=epochs,
            out=self.folder(setting),
            seed=self.seed,
            select="last",
            progress=False,
            facts=facts,
        )
        return task

    def folder(self, setting: str) -> Path:
        """Folder of a detector."""
        name = f"detect-{self.tag(setting)}-share{self.options.share:g}"
        return self.out / "runs" / name

    def rows(self, setting: str) -> Iterator[list[ResultRow]]:
        """Figures of a setting on the test recordings: of every stream, then of all together."""
        streams = ["joint"] if setting == "neighbours" else self.options.streams
        found = []
        for self.stream in streams:
            found.append(self.found(setting))
            yield self.figures(setting, self.stream, *found[-1])
        if len(streams) > 1:
            val, test = (fuse_detected(parts) for parts in zip(*found, strict=True))
            yield self.figures(setting, f"fused{len(streams)}", val, test)

    def found(self, setting: str) -> tuple[Detected, Detected]:
        """What a setting finds in validation and in test recordings."""
        if setting != "neighbours":
            task, facts = self.detector(setting), {"setting": setting, "stream": self.stream}
            val = detect(task, self.val)
            # whoever uses the model finds segments as it was measured
            task.finder = choose_finder(val, num_classes=len(self.names))
            save_detection(task, self.folder(setting) / "model", facts)
            return val, detect(task, self.test)
        transform = room.UNTRIMMED.whole("joint")
        rival = WindowNeighbours(
            self.train, len(self.names), self.b.window, self.b.dilation, transform
        )

        def score(graph: Any) -> Any:
            found = rival.score(graph)
            return found._replace(probability=smooth(found.frame, found.probability, 5))

        return detected_by(score, self.val), detected_by(score, self.test)

    def figures(self, setting: str, stream: str, val: Detected, test: Detected) -> list[ResultRow]:
        """Rows of the test recordings, segments found as is best in those of validation."""
        finder = choose_finder(val, num_classes=len(self.names))
        figures = detection_figures(test, finder, IOU, len(self.names))
        frames = sum(len(label) for label in test.label)
        return [
            self.row(setting, stream, name, value, frames if name == "frames" else test.truth.size)
            for name, value in figures.items()
        ]

    def row(self, setting: str, stream: str, name: str, value: float, n: int) -> ResultRow:
        """One figure; the temporal IoU stands in the setting."""
        metric, _, iou = name.partition("@")
        metric = {"frames": "top1", "2d_ap": "map_a"}.get(metric, metric)
        words = {
            "neighbours": "knn raw windows",
            "stgcn": "supervised stgcn",
            "skeletonclr": "finetune stgcn skeletonclr",
            "crossclr": "finetune stgcn crossclr",
        }
        word = words.get(setting, f"finetune pretrained {setting}")
        if setting in room.LEVELS and self.options.pretrain_on:
            word += " on " + "+".join(named.key for named in self.options.pretrain_on)
        if self.options.share < 1 and setting != "neighbours":
            word += f", {100 * self.options.share:g}% labels"
        about = {"frames": "frames", "2d_ap": "2D-AP"}.get(name, f"IoU {iou}")
        model = {"neighbours": "raw-windows"}
        model |= dict.fromkeys(
            STGCNS, f"stgcn-w{self.b.width}-{self.b.steps}+{self.b.finetune_steps}"
        )
        loso = self.options.protocol == "leave_one_sequence_out"
        return ResultRow(
            dataset=self.options.set.key,
            protocol="loso" if loso else self.options.protocol,
            split=self.options.measure,
            model=model.get(setting, room.model_name(self.b)),
            stream=stream,
            setting=f"{word} ({about})" + (f" fold {self.fold}" if self.fold is not None else ""),
            seed=self.seed,
            metric=metric,
            value=value,
            n=n,
            commit=commit(),
            hardware=hardware(torch.cuda.is_available()),
            command=command_line(),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    out = results_folder(options.out, TABLE)
    b = common.chosen_budget(options, PRESETS)
    torch.set_num_threads(1)
    folds: list[int | None] = [None]
    if options.protocol == "leave_one_sequence_out":
        folds = list(range(20) if options.folds is None else options.folds)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for fold in folds:
            study = Study(options, b, seed, fold, out)
            for setting in options.settings:
                if setting == "neighbours" and seed != options.first_seed:
                    continue  # draws nothing
                for rows in study.rows(setting):
                    table = merge_results(out / TABLE, rows)
                    text = results_markdown(table, "Hi-TRS: action detection")
                    write_atomically(out / "table.md", (text + PUBLISHED).encode())
                    shown = [row for row in rows if row.metric in ("top1", "map_a")]
                    found = {row.setting.split("(")[1]: row for row in shown}
                    line = "  ".join(f"{k.rstrip(')')} {r.value:.3f}" for k, r in found.items())
                    print(f"{setting:12}{rows[0].stream:13}seed {seed}  {line}", flush=True)
    print(f"{PUBLISHED}\nwritten to {out / TABLE}")


if __name__ == "__main__":
    run(main)
