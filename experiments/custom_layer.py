"""A layer of your own in an ST-GCN: ten lines of attention beside STGraphConv and PyG's GATv2Conv.

Any message-passing layer plugs in through ``STGCN(conv=...)``: a class called as
``conv(in_channels, out_channels)``, or the name of a layer of ``torch_geometric.nn``.

Examples:
    python experiments/custom_layer.py
    python experiments/custom_layer.py --epochs 20 --width 16
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch
from _running import positive_int, run
from torch import Tensor
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from stgraph import STGCN
from stgraph.evaluation import count_parameters, load_comparison_sets, markdown_table
from stgraph.tasks import Recognition, SkeletonDataModule, evaluate_recognition, fit_task


class AttentionConv(MessagePassing):
    """Ten lines: what a neighbour says is weighed by how well it answers the joint's question."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.own = torch.nn.Linear(in_channels, out_channels)
        self.value = torch.nn.Linear(in_channels, out_channels, bias=False)
        self.score = torch.nn.Linear(2 * out_channels, 1)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.own(x) + self.propagate(edge_index, x=self.value(x))

    def message(self, x_i: Tensor, x_j: Tensor, index: Tensor, size_i: int | None) -> Tensor:
        score = torch.nn.functional.leaky_relu(self.score(torch.cat([x_i, x_j], dim=-1)), 0.2)
        return softmax(score, index, num_nodes=size_i) * x_j


LAYERS = {
    "AttentionConv (this file)": AttentionConv,
    "STGraphConv": None,
    "GATv2Conv (PyG)": "GATv2Conv",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="PATH", help="KTH; without it the generated stand-in")
    parser.add_argument("--epochs", type=positive_int, default=10)
    parser.add_argument("--width", type=positive_int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    small = {"ranges_per_video": 1} if args.data is None else None
    sets = load_comparison_sets("kth", args.data, synthetic=small)
    data = SkeletonDataModule(sets.prepared["train"], sets.prepared["val"], seed=args.seed)
    lines = []
    for name, conv in LAYERS.items():
        print(f"\n{name}")
        torch.manual_seed(args.seed)
        model = STGCN(
            sets.num_dims,
            len(sets.class_names),
            layout=sets.layout,
            conv=conv,
            channels=[args.width, 2 * args.width, 4 * args.width],
            edge_importance=False,
        )
        task = Recognition(model, len(sets.class_names), optimizer="adam", lr=2e-3)
        began = time.monotonic()
        fit_task(task, data, max_epochs=args.epochs, seed=args.seed)
        seconds = (time.monotonic() - began) / args.epochs
        val, test = (
            evaluate_recognition(task, sets.prepared[part])["top1"] for part in ("val", "test")
        )
        parameters = f"{count_parameters(model):,}"
        lines.append([name, parameters, f"{val:.3f}", f"{test:.3f}", f"{seconds:.1f}"])
    mark = "   [SYNTHETIC DATA]" if sets.synthetic else ""
    print(f"\nThree layers in one network, {sets.title}, top-1 accuracy{mark}\n")
    print(markdown_table(["layer", "params", "val", "test", "s an epoch"], lines))


if __name__ == "__main__":
    run(main)
