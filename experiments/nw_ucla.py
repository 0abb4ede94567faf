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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from _running import positive_int, results_folder, run
from torch_geometric.transforms import Compose, LinearTransformation

from stgraph import nn
from stgraph.cli.parsing import UsageError, find_recipe
from stgraph.datasets import NWUCLA
from stgraph.evaluation import (
    ResultRow,
    command_line,
    commit,
    hardware,
    merge_results,
    results_markdown,
)
from stgraph.metrics import mean_class_accuracy, top_k_accuracy
from stgraph.tasks import (
    Recognition,
    SkeletonDataModule,
    build_transform,
    fit_task,
    predict_views,
)
from stgraph.transforms import CenterJoint, Flip

#: The wiring of CTR-GCN, hips on the spine.
LAYOUT = "kinect_v1_20_ctrgcn"
#: What a recipe says about training, beside the epochs.
TRAINING = (
    "optimizer",
    "lr",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "label_smoothing",
    "ema_decay",
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder or archive nw_ucla")
    parser.add_argument("--out", required=True, type=Path, help="folder for checkpoints and rows")
    parser.add_argument("--protocol", default="official", choices=NWUCLA.protocols)
    parser.add_argument(
        "--validate", action="store_true", help="train on camera 1 and look at camera 2 only"
    )
    parser.add_argument(
        "--recipe", default="nw_ucla", help="as `stgraph fit` takes it (default: %(default)s)"
    )
    parser.add_argument("--width", type=positive_int, help="instead of the recipe's")
    parser.add_argument("--epochs", type=positive_int, help="passes, instead of the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=positive_int, default=1)
    return parser.parse_args()


def read_recipe(args: argparse.Namespace) -> dict[str, Any]:
    """The recipe with what the command line changes."""
    try:
        recipe = yaml.safe_load(find_recipe(args.recipe, "fit").read_text("utf-8"))
    except UsageError as error:
        raise SystemExit(f"error: {error}") from None
    changes = {"width": args.width, "epochs": args.epochs}
    return recipe | {key: value for key, value in changes.items() if value is not None}


def transforms(recipe: Mapping[str, Any]) -> tuple[Any, Any]:
    """What changes training recordings, and what prepares all."""
    augment = build_transform(recipe["augment"])
    return augment, build_transform(
        [*recipe["transform"], {"Stream": {"stream": recipe["stream"]}}]
    )


def make_task(recipe: Mapping[str, Any], train: NWUCLA, seed: int) -> Recognition:
    """The network with its recipe."""
    network = getattr(nn, recipe["network"])(
        3,
        num_classes=train.num_classes,
        layout=LAYOUT,
        width=recipe["width"],
        dropout=recipe["dropout"],
        partition=recipe["partition"],
    )
    augment, prepare = transforms(recipe)
    return Recognition(
        network,
        train.num_classes,
        class_names=train.class_names,
        augment=augment,
        transform=prepare,
        seed=seed,
        **{key: recipe[key] for key in TRAINING if key in recipe},
    )


def turned(degrees: float, mirrored: bool) -> Compose:
    """A recording from another side."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = LinearTransformation(
        torch.tensor([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    )
    return Compose([CenterJoint(1, of="first"), turn, *([Flip()] if mirrored else [])])


#: Turned about the vertical and mirrored.
VIEWS = [turned(degrees, mirrored) for degrees in range(-45, 46, 15) for mirrored in (False, True)]


def main() -> None:
    args = parse()
    results_folder(args.out, "nw_ucla.csv")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = read_recipe(args)
    part = {"val_by": "camera"} if args.validate else {}
    train = NWUCLA(
        args.data, "train" if args.validate else "trainval", protocol=args.protocol, **part
    )
    task = make_task(recipe, train, args.seed)
    parameters = sum(p.numel() for p in task.model.parameters())
    model = f"{recipe['network'].lower()}-w{recipe['width']}-e{recipe['epochs']}"
    print(f"{model}, {parameters:,} parameters, {len(train)} recordings")
    fit_task(
        task,
        SkeletonDataModule(train, batch_size=recipe["batch_size"], seed=args.seed),
        max_epochs=recipe["epochs"],
        out=args.out / f"{args.protocol}_{model}_s{args.seed}{'_validate' * args.validate}",
        seed=args.seed,
        select="last",
        checkpoint_every=200,
        gradient_clip=recipe.get("gradient_clip"),
    )
    rows = []
    for split in ["val"] if args.validate else ["test", "test_clean", "test_copies"]:
        data = NWUCLA(args.data, split, protocol=args.protocol, **part)
        for words, views in (("last", [None]), ("last 14-views", VIEWS)):
            logits, y, has_pose = predict_views(task, data, views)
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
                        stream=recipe["stream"],
                        setting=f"supervised {recipe['partition']} {words}",
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
    run(main)
