"""How well does one joint stream recognise actions on Northwestern-UCLA from an unseen camera?

Trains on cameras 1 and 2 and takes the last epoch; the recipe was chosen with ``--validate`` (train
on camera 1, validate on camera 2). Camera 3 is read once, after training. 95 of its 464
recordings are exact copies of training recordings, so four figures are printed: all 464, the clean
369, the 95 copies, and (``--protocol copies_removed``) all 464 without the copied recordings in
training.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch_geometric.transforms import Compose

from stgraph.datasets import NWUCLA
from stgraph.evaluation import ResultRow, command_line, commit, hardware, merge_results
from stgraph.io import RecordingError
from stgraph.metrics import mean_class_accuracy, top_k_accuracy
from stgraph.nn import CTRGCN, STGCN, STGCNPlusPlus
from stgraph.tasks import Recognition, SkeletonDataModule, fit_recognition, predict_logits
from stgraph.transforms import CenterJoint, NormaliseRange, RandomRotate, Stream, UniformSample

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
    parser.add_argument("--layout-partition", default="spatial", help="for stgcn")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=100, help="passes over training")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--ema", type=float, default=0.999, help="0 for none")
    parser.add_argument("--frames", type=int, default=52)
    parser.add_argument("--rotation", type=float, default=60.0, help="degrees about x and y")
    parser.add_argument("--keep-short", action="store_true", help="do not repeat frames")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    part = {"val_by": "camera"} if args.validate else {}
    train = NWUCLA(
        args.data, "train" if args.validate else "trainval", protocol=args.protocol, **part
    )
    network = MODELS[args.model](
        3,
        num_classes=train.num_classes,
        layout="kinect_v1_20_ctrgcn",
        width=args.width,
        dropout=args.dropout,
        **({"partition": args.layout_partition} if args.model == "stgcn" else {}),
    )
    short = "keep" if args.keep_short else "fill"
    centre = CenterJoint(1, of="first")
    task = Recognition(
        network,
        train.num_classes,
        class_names=train.class_names,
        augment=Compose(
            [
                centre,
                RandomRotate((args.rotation, args.rotation, 0), order="xyz"),
                UniformSample(args.frames, "repeated", short),
            ]
        ),
        transform=Compose(
            [
                centre,
                NormaliseRange(),
                UniformSample(args.frames, "even", short),
                Stream(args.stream),
            ]
        ),
        lr=args.lr,
        weight_decay=args.weight_decay,
        warmup_epochs=5,
        label_smoothing=args.label_smoothing,
        ema_decay=args.ema or None,
    )
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{args.model}, width {args.width}, {parameters:,} parameters, {len(train)} recordings")
    name = f"{args.protocol}_{args.model}_w{args.width}_e{args.epochs}_s{args.seed}"
    name += "_validate" if args.validate else ""
    fit_recognition(
        task,
        SkeletonDataModule(train, batch_size=args.batch_size),
        max_epochs=args.epochs,
        out=args.out / name,
        seed=args.seed,
        select="last",
        checkpoint_every=200,
    )
    splits = ["val"] if args.validate else ["test", "test_clean", "test_copies"]
    rows = []
    for split in splits:
        data = NWUCLA(args.data, split, protocol=args.protocol, **part)
        logits, y, has_pose = predict_logits(task, data)
        scores = {
            "top1": float(top_k_accuracy(logits, y, 1, has_pose)),
            "mean_class": float(mean_class_accuracy(logits, y, has_pose)),
        }
        print(f"{split:12s} n={len(data):4d}  top1 {scores['top1']:.4f}")
        protocol = "cross_view" if args.protocol == "cross_view" else args.protocol
        for metric, value in scores.items():
            rows.append(
                ResultRow(
                    dataset="nw_ucla",
                    protocol="camera1_to_2" if args.validate else protocol,
                    split=split,
                    model=f"{args.model}-w{args.width}-e{args.epochs}",
                    stream=args.stream,
                    setting="supervised "
                    + ("spatial" if args.model != "stgcn" else args.layout_partition),
                    seed=args.seed,
                    metric=metric,
                    value=value,
                    n=len(data),
                    commit=commit(),
                    hardware=hardware(),
                    command=command_line(),
                )
            )
    merge_results(args.out / "nw_ucla.csv", rows)


if __name__ == "__main__":
    try:
        main()
    except RecordingError as error:
        sys.exit(f"error: {error}")
