"""How well does one joint stream recognise actions on Northwestern-UCLA from an unseen camera?

Trains on cameras 1 and 2 and takes the last epoch; the recipe was chosen with ``--validate`` (train
on camera 1, look at camera 2). Camera 3 is read once, after training. 95 of its 464 recordings are
exact copies of training recordings, so several figures are printed: all 464, the clean 369, the 95
copies, and (``--protocol copies_removed``) all 464 without the copied recordings in training; each
from one view of the recording, and from the mean over 14 views of it: turned about the vertical by
-45 to 45 degrees, as it is and mirrored. Stopped runs go on where they were.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch_geometric.transforms import Compose, LinearTransformation

from stgraph.datasets import NWUCLA
from stgraph.evaluation import (
    ResultRow,
    command_line,
    commit,
    hardware,
    merge_results,
    results_markdown,
)
from stgraph.io import RecordingError
from stgraph.metrics import mean_class_accuracy, top_k_accuracy
from stgraph.nn import CTRGCN, STGCN, STGCNPlusPlus
from stgraph.tasks import (
    Predictions,
    Recognition,
    SkeletonDataModule,
    fit_recognition,
    predict_logits,
)
from stgraph.transforms import (
    CenterJoint,
    Flip,
    Jitter,
    NormaliseRange,
    RandomRotate,
    RandomScale,
    RandomTimeCrop,
    Stream,
    UniformSample,
)

MODELS = {"stgcn": STGCN, "stgcn++": STGCNPlusPlus, "ctrgcn": CTRGCN}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder or archive nw_ucla")
    parser.add_argument("--out", required=True, type=Path, help="folder for checkpoints and rows")
    parser.add_argument("--protocol", default="cross_view", choices=NWUCLA.protocols)
    parser.add_argument(
        "--validate", action="store_true", help="train on camera 1 and look at camera 2 only"
    )
    parser.add_argument("--model", default="stgcn", choices=sorted(MODELS))
    parser.add_argument("--stream", default="joint")
    parser.add_argument("--partition", default="spatial", help="for stgcn (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=100, help="passes (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--recipe",
        default="ours",
        choices=["ours", "ctrgcn"],
        help="ours: AdamW and many changes of ragged recordings; ctrgcn: as its authors train it",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def transforms(recipe: str, stream: str) -> tuple[Compose, Compose]:
    """What changes training recordings, and what prepares all."""
    centre = CenterJoint(1, of="first")
    if recipe == "ctrgcn":
        turn = RandomRotate((60.0, 60.0, 0.0), order="xyz")
        augment = [centre, turn, UniformSample(52, "repeated", "fill")]
        prepare = [centre, NormaliseRange(), UniformSample(52, "even", "fill"), Stream(stream)]
        return Compose(augment), Compose(prepare)
    augment = [
        centre,
        RandomTimeCrop((0.7, 1.0)),
        UniformSample(52, "repeated", "keep"),
        Flip(0.5),
        RandomRotate((20.0, 60.0, 10.0), order="xyz"),
        RandomScale((0.9, 1.1), per_coordinate=True),
        Jitter(0.01),
    ]
    prepare = [centre, UniformSample(52, "even", "keep"), NormaliseRange(), Stream(stream)]
    return Compose(augment), Compose(prepare)


def make_task(args: argparse.Namespace, train: NWUCLA) -> Recognition:
    """The network with its recipe."""
    ours = args.recipe == "ours"
    network = MODELS[args.model](
        3,
        num_classes=train.num_classes,
        layout="kinect_v1_20_ctrgcn",
        width=args.width,
        dropout=0.1 if ours else 0.0,
        **({"partition": args.partition} if args.model == "stgcn" else {}),
    )
    augment, prepare = transforms(args.recipe, args.stream)
    training: dict[str, Any] = (
        {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 0.01, "warmup_epochs": 3}
        | {"label_smoothing": 0.1, "ema_decay": 0.999}
        if ours
        else {"optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4, "warmup_epochs": 5}
    )
    return Recognition(
        network,
        train.num_classes,
        class_names=train.class_names,
        augment=augment,
        transform=prepare,
        seed=args.seed,
        **training,
    )


def turned(degrees: float, mirrored: bool) -> Compose:
    """A recording from another side."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = LinearTransformation(
        torch.tensor([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    )
    return Compose([CenterJoint(1, of="first"), turn, *([Flip()] if mirrored else [])])


def predict_views(task: Recognition, data: NWUCLA) -> Predictions:
    """Logarithms of mean probabilities over 14 views of every recording."""
    views = [
        predict_logits(task, data, transform=turned(degrees, mirrored))
        for degrees in range(-45, 46, 15)
        for mirrored in (False, True)
    ]
    mean = torch.stack([logits.softmax(dim=1) for logits, _, _ in views]).mean(dim=0)
    return views[0]._replace(logits=mean.log())


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    part = {"val_by": "camera"} if args.validate else {}
    train = NWUCLA(
        args.data, "train" if args.validate else "trainval", protocol=args.protocol, **part
    )
    task = make_task(args, train)
    parameters = sum(p.numel() for p in task.model.parameters())
    print(f"{args.model}, width {args.width}, {parameters:,} parameters, {len(train)} recordings")
    model = f"{args.model}-w{args.width}-e{args.epochs}-{args.recipe}"
    name = f"{args.protocol}_{model}_s{args.seed}" + "_validate" * args.validate
    fit_recognition(
        task,
        SkeletonDataModule(train, batch_size=args.batch_size, seed=args.seed),
        max_epochs=args.epochs,
        out=args.out / name,
        seed=args.seed,
        select="last",
        checkpoint_every=200,
        gradient_clip=5.0 if args.recipe == "ours" else None,
    )
    partition = args.partition if args.model == "stgcn" else "inward_outward"
    rows = []
    for split in ["val"] if args.validate else ["test", "test_clean", "test_copies"]:
        data = NWUCLA(args.data, split, protocol=args.protocol, **part)
        for words, predict in (("last", predict_logits), ("last 14-views", predict_views)):
            logits, y, has_pose = predict(task, data)
            scores = {
                "top1": float(top_k_accuracy(logits, y, 1, has_pose)),
                "mean_class": float(mean_class_accuracy(logits, y, has_pose)),
            }
            print(f"{split:12s} {words:14s} n={len(data):4d}  top1 {scores['top1']:.4f}")
            for metric, value in scores.items():
                rows.append(
                    ResultRow(
                        dataset="nw_ucla",
                        protocol="camera1_to_2" if args.validate else args.protocol,
                        split=split,
                        model=model,
                        stream=args.stream,
                        setting=f"supervised {partition} {words}",
                        seed=args.seed,
                        metric=metric,
                        value=value,
                        n=len(data),
                        commit=commit(),
                        hardware=hardware(),
                        command=command_line(),
                    )
                )
    every = merge_results(args.out / "nw_ucla.csv", rows)
    text = results_markdown(every, "Northwestern-UCLA from an unseen camera")
    (args.out / "nw_ucla.md").write_text(text + "\n", encoding="utf-8")
    print(f"written: {args.out / 'nw_ucla.csv'}, {args.out / 'nw_ucla.md'}")


if __name__ == "__main__":
    try:
        main()
    except RecordingError as error:
        sys.exit(f"error: {error}")
