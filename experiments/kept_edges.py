"""Which edges and joints does a ST-GCN keep when it has to tell some actions apart?

For each set of actions a network is trained on these actions alone, while a mask over the edges of
the graph learns which of them stay, in all units together. What is left is drawn on the skeleton,
with the size of each joint by how much the loss on held-out training recordings grows when the
joint stands still at its mean. Seeds are averaged: an edge is drawn if most of them keep it.

Examples:
    python experiments/kept_edges.py --data kth_openpose.tar.xz
    python experiments/kept_edges.py --dataset nw_ucla --data nw_ucla.tar.xz --sparsity 0.7
    python experiments/kept_edges.py --epochs 2 --seeds 1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from _running import results_folder, run, share
from _sparse import Study, add_options
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.evaluation import merge_results, results_markdown
from stgraph.files import write_atomically
from stgraph.nn import STGCN
from stgraph.skeleton import SkeletonGraph
from stgraph.sparsity import SparsitySchedule, edge_scores, joint_scores, sparsify
from stgraph.tasks.data import source_labels
from stgraph.transforms import Stream
from stgraph.viz import KeptEdges, draw_kept_edges, save_figure
from stgraph.viz.partition import TYPE_NAMES

#: Actions that are told apart within each set.
ACTIONS: dict[str, dict[str, tuple[str, ...] | None]] = {
    "kth": {
        "with the arms": ("boxing", "handclapping", "handwaving"),
        "on the feet": ("jogging", "running", "walking"),
        "all six": None,
    },
    "nw_ucla": {
        "pick up, drop, throw, carry": (
            "pick up with one hand",
            "pick up with two hands",
            "drop trash",
            "throw",
            "carry",
        ),
        "walk, sit down, stand up": ("walk around", "sit down", "stand up"),
        "donning, doffing": ("donning", "doffing"),
        "all ten": None,
    },
}
#: Recordings that say how much a joint is used.
LOOKED_AT = 128


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/kept_edges", help="folder (%(default)s)")
    parser.add_argument("--sparsity", type=share, default=0.6, help="of the edges (%(default)s)")
    add_options(parser)
    return parser.parse_args()


class Part(NamedTuple):
    """Recordings of some actions, whose classes are counted anew.

    Attributes:
        source: Recordings.
        numbers: Those of them that count.
        classes: Number of each class in the whole set.
    """

    source: Any
    numbers: Sequence[int]
    classes: Sequence[int]

    def relabelled(self) -> list[SkeletonGraph]:
        """The recordings with their new classes."""
        graphs = []
        for i in self.numbers:
            graph = self.source[i].clone()
            graph.y = torch.tensor([self.classes.index(int(graph.y))])
            graphs.append(graph)
        return graphs


def only(source: Any, classes: Sequence[int]) -> Part:
    """The recordings of some classes."""
    keep = torch.isin(source_labels(source), torch.tensor(list(classes)))
    return Part(source, keep.nonzero().flatten().tolist(), list(classes))


class Left(NamedTuple):
    """What one network was left with.

    Attributes:
        edges: All edges.
        kept: Those that stay, bool [E].
        scores: How much each is used, [E].
        joints: How much the loss grows without each joint, [V].
    """

    edges: Any
    kept: Tensor
    scores: Tensor
    joints: Tensor


def learn(study: Study, name: str, part: Part, held: Part, seed: int, sparsity: float) -> Left:
    """Trains with a mask over the edges and looks at what it left."""
    torch.manual_seed(seed)
    model = STGCN(
        study.in_channels,
        len(part.classes),
        layout=study.sets.layout,
        width=int(study.recipe.width),
        dropout=study.recipe.dropout,
    )
    edges = edge_scores(model).edges
    words = f"spatial edges-of {'-'.join(name.replace(',', '').split())} {sparsity:g}"
    masks = sparsify(
        model,
        sparsity,
        granularity="edge",
        schedule=SparsitySchedule(0.3, 0.3, "cubic"),
        scores="magnitude",
        floor=None,
    )
    network = study.train(words, seed, model, masks, data=part.relabelled())
    found = edge_scores(network)
    figures = held.relabelled()
    generator = torch.Generator().manual_seed(0)
    some = torch.randperm(len(figures), generator=generator)[:LOOKED_AT]
    see = Stream(study.recipe.streams, score=study.recipe.score_channel)
    batch = see(Batch.from_data_list([figures[i] for i in some.tolist()]))
    joints = joint_scores(network, "occlusion", batch)
    right = 0
    with torch.no_grad():
        for start in range(0, len(figures), 64):
            graphs = see(Batch.from_data_list(figures[start : start + 64]))
            right += int((network(graphs).argmax(dim=1) == graphs.y).sum())
    study.note(words, seed, "val", "top1", right / len(figures), len(figures), study.model_name())
    kept = (found.unit_score > 0).any(dim=0)
    print(
        f"{name:<30} seed {seed}   {int(kept.sum())} of {kept.numel()} edges, "
        f"held out {right / len(figures):.3f}",
        flush=True,
    )
    return Left(edges, kept, found.score, joints.clamp(min=0))


def most(found: Sequence[Left]) -> KeptEdges:
    """What most seeds keep, with mean scores."""
    kept = torch.stack([one.kept for one in found]).float().mean(dim=0) > 0.5
    scores = torch.stack([one.scores for one in found]).mean(dim=0)
    joints = torch.stack([one.joints / one.joints.sum().clamp(min=1e-9) for one in found])
    return KeptEdges(found[0].edges, kept, scores * kept, joint_scores=joints.mean(dim=0))


def strongest(panel: KeptEdges, names: Sequence[str]) -> Iterator[str]:
    """The joints that are used most."""
    assert panel.joint_scores is not None
    for joint in panel.joint_scores.argsort(descending=True)[:4].tolist():
        yield names[joint]


def main() -> None:
    arguments = parse()
    out = results_folder(arguments.out)
    study = Study(arguments)
    names = study.sets.class_names
    whole, held = study.sets.prepared["train"], study.sets.prepared["val"]
    panels = {}
    for name, actions in ACTIONS["nw_ucla" if study.sets.key == "nw_ucla" else "kth"].items():
        classes = [names.index(action) for action in actions or names]
        found = [
            learn(study, name, only(whole, classes), only(held, classes), seed, arguments.sparsity)
            for seed in study.seeds
        ]
        panels[name] = most(found)
        print(f"{'':<30} most used: {', '.join(strongest(panels[name], study.sets.layout.joints))}")
    every = merge_results(out / "table.csv", study.rows)
    text = results_markdown(every, "Edges that stay")
    write_atomically(out / "table.md", (text + "\n").encode())
    figure = draw_kept_edges(
        study.sets.layout,
        panels,
        type_names=TYPE_NAMES["SpatialConfiguration"],
        title=f"{study.sets.title}: {1 - arguments.sparsity:.0%} of the edges",
        synthetic=study.sets.synthetic,
    )
    save_figure(figure, out / "kept_edges.png")
    print(f"\nwritten to {out / 'kept_edges.png'}")


if __name__ == "__main__":
    run(main)
