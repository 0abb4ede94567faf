"""What ``stgraph sparsify`` leaves: the compressed network, its costs, and pictures of it."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from stgraph.cli.show import count, say, share, table

MODEL = "model"

#: Largest difference of masked and compressed network, in units of the largest answer.
TOLERANCE = 1e-5
#: Recordings that both look at.
COMPARED = 32

NOTES = {
    "weight": "Single weights that are cut are zeros, which are multiplied as other numbers are: "
    "they save room on disk and no time. Channels save both (--granularity channel).",
    "channel": "The masked network computes its silent channels, too: only the compressed one, "
    "which has none of them, is faster.",
    "edge": "The masked network sends along its cut edges, too, and multiplies by zero. A skeleton "
    "has few edges, so that the compressed one saves little; channels save more "
    "(--granularity channel).",
}


class Compressing:
    """Compresses a plain network and makes sure that nothing else has changed.

    Args:
        data: Whose recordings both networks look at.
        transform: What they look through.

    Attributes:
        typical: A recording of median length of the training, as the network sees it.
        deviation: Largest difference found, in units of the largest answer.
    """

    def __init__(self, data: Any, transform: Any) -> None:
        self.transform = transform
        self.batch = _some_recordings(data.train if data.val is None else data.val)
        self.typical = _seen(_typical(data.train), transform)
        self.deviation = 0.0

    def __call__(self, plain: Any) -> Any:
        """The compressed network.

        Raises:
            RuntimeError: if it gives something else than the plain one.
        """
        from stgraph.sparsity import SparseAssembly, compress

        plain = plain.eval()
        # zeros of a network that has nothing to leave out take no room on disk all the same
        can_shrink = isinstance(plain, SparseAssembly) or hasattr(plain, "channel_groups")
        smaller = compress(plain) if can_shrink else plain
        self.deviation = self._difference(plain, smaller)
        if not self.deviation <= TOLERANCE:
            raise RuntimeError(
                f"the compressed network differs from the masked one by {self.deviation:.1e} of "
                f"its largest answer on {count(self.batch.num_recordings, 'recording')} (allowed: "
                f"{TOLERANCE:g}); nothing was saved. This is an error of stgraph: please report it"
            )
        return smaller

    def _difference(self, one: Any, other: Any) -> float:
        import torch

        from stgraph.transforms.base import with_nodes

        batch = _seen(self.batch, self.transform)
        names = [name for name in ("pos", "x", "score") if name in batch]
        # in double precision, so that what differs is not rounding
        batch = with_nodes(batch, **{name: batch[name].double() for name in names})
        with torch.no_grad():
            a, b = (copy.deepcopy(network).cpu().double().eval()(batch) for network in (one, other))
        return float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))


def _seen(recordings: Any, transform: Any) -> Any:
    return recordings if transform is None else transform(recordings)


def _typical(source: Any) -> Any:
    """The recording of median length among those with a pose."""
    from stgraph.tasks.data import source_indices, source_num_poses

    poses = source_num_poses(source)
    order = poses.argsort(stable=True)[int((poses == 0).sum()) :]
    return source.store[int(source_indices(source)[order[(len(order) - 1) // 2]])]


def _some_recordings(source: Any) -> Any:
    """Recordings with a pose, from all over a part."""
    from stgraph.tasks.data import source_indices, source_num_poses

    indices = source_indices(source)[source_num_poses(source) > 0]
    return source.store.batch(indices[:: -(-len(indices) // COMPARED)])


class Outcome(NamedTuple):
    """A run that is over.

    Attributes:
        task: With the chosen weights.
        dense: The network with nothing cut.
        compressing: How it was compressed.
        found: The sparsity for a latency, if one was asked for.
        out: Folder of the run.
        asked: The options.
        val: Validation recordings, where a trained network was there to compare with.
        strategy: What made the edges.
        synthetic: Whether the recordings are generated.
    """

    task: Any
    dense: Any
    compressing: Compressing
    found: Any
    out: Path
    asked: dict[str, Any]
    val: Any
    strategy: Any
    synthetic: bool


def say_outcome(outcome: Outcome) -> None:
    """Measures what is gained, prints it, and writes tables, facts and pictures."""
    from stgraph.evaluation import hardware
    from stgraph.files import write_atomically
    from stgraph.sparsity import cost_table, network_costs
    from stgraph.tasks import evaluate_recognition, load_network

    task, out, asked = outcome.task, outcome.out, outcome.asked
    masked = task.final_network().cpu().float().eval()
    networks = {"dense": outcome.dense, "masked": masked, "compressed": load_network(out / MODEL)}
    kept = task.kept()
    left, total = sum(part.kept for part in kept), sum(part.total for part in kept)
    say(f"kept    {left:,} of {total:,} {asked['granularity']}s ({left / total:.1%})")
    compared = count(outcome.compressing.batch.num_recordings, "recording")
    say(f"equal   compressed and masked, to {outcome.compressing.deviation:.0e}, on {compared}")
    if outcome.val is not None:
        was = evaluate_recognition(outcome.dense, outcome.val, transform=task.transform)["top1"]
        now = evaluate_recognition(task, outcome.val)["top1"]
        say(f"val     top-1 {share(now)}, of the network of --model {share(was)}")
    costs = network_costs(networks, outcome.compressing.typical)
    poses = count(outcome.compressing.typical.num_poses, "pose")
    timed = f"On this machine, one core, medians; a training recording of {poses}."
    notes = [NOTES[asked["granularity"]], timed]
    say()
    say(_columns(costs))
    say()
    for label, line in [("note", notes[0]), ("timed", timed), *_missed(outcome, costs)]:
        say(_paragraph(label, line))
    heading = "# Costs of the networks" + " (SYNTHETIC recordings)" * outcome.synthetic
    text = "\n\n".join([heading, cost_table(costs), *notes, f"Machine: {hardware()}."]) + "\n"
    write_atomically(out / "costs.md", text.encode())
    write_atomically(out / "costs.csv", _csv(costs).encode())
    facts = {
        **asked,
        "kept": left,
        "total": total,
        "difference": outcome.compressing.deviation,
        "target": None if outcome.found is None else outcome.found._asdict(),
        "layers": [part._asdict() for part in kept],
    }
    write_atomically(out / "sparsity.json", (json.dumps(facts, indent=1) + "\n").encode())
    picture = _draw(outcome, masked, kept)
    say()
    say(f"saved   {out / MODEL}")
    say(f"        {out / 'costs.md'}, costs.csv, sparsity.json, {picture.name}")
    say(f"next    stgraph test --model {out / MODEL}")


def unmask(dense: Any, masked: Any) -> None:
    """Gives a network of the same shape the weights that a trained one has below its masks."""
    found = {}
    for name, value in masked.state_dict().items():
        own = re.sub(r"parametrizations\.(\w+)\.original$", r"\1", name)
        if "parametrizations." not in own:
            found[own] = value
    dense.load_state_dict(found)


def _missed(outcome: Outcome, costs: Any) -> list[tuple[str, str]]:
    """What to know if the trained network is slower than was asked for."""
    wanted, got = outcome.asked["latency"], 1000 * costs["compressed"].latency
    if wanted is None or got <= wanted:
        return []
    text = (
        f"{got:.3g} ms are more than the {wanted:g} ms asked for: training kept other channels "
        "than those that were timed before it, or the machine is busier now; ask for less"
    )
    return [("NOTE", text)]


def _columns(costs: Any) -> str:
    """The costs, a network a column, each beside the factor that it saves."""
    first = next(iter(costs.values()))
    rows = []
    for title, form, value in (
        ("parameters", "{:,.0f}", lambda c: c.parameters),
        ("not zero", "{:,.0f}", lambda c: c.nonzero),
        ("KiB on disk", "{:,.0f}", lambda c: c.bytes / 1024),
        ("MFLOP a recording", "{:,.1f}", lambda c: c.flops / 1e6),
        ("ms at batch 1, one core", "{:,.2f}", lambda c: 1000 * c.latency),
        ("recordings/s in batches", "{:,.0f}", lambda c: c.throughput),
    ):
        row = [title, form.format(value(first))]
        for cost in list(costs.values())[1:]:
            better = value(first) / max(value(cost), 1e-12)
            better = 1 / better if title.startswith("recordings/s") else better
            row += [form.format(value(cost)), f"{better:.2g}x"]
        rows.append(row)
    header = ["", "dense"]
    for name in list(costs)[1:]:
        header += [name, ""]
    return table(header, rows)


def _csv(costs: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("parameters", "nonzero", "bytes", "flops", "latency", "throughput")
    writer.writerow(["network", *names])
    for network, cost in costs.items():
        writer.writerow([network, *(getattr(cost, name) for name in names)])
    return text.getvalue()


def _paragraph(label: str, text: str) -> str:
    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(text, width, initial_indent=f"{label:<8}", subsequent_indent=" " * 8)


def _draw(outcome: Outcome, masked: Any, kept: Any) -> Path:
    """The picture of what is left."""
    from stgraph.sparsity import edge_scores
    from stgraph.viz import KeptEdges, draw_densities, draw_kept_edges, save_figure
    from stgraph.viz.partition import TYPE_NAMES

    if outcome.asked["granularity"] == "edge":
        before, after = edge_scores(outcome.dense), edge_scores(masked)
        names = TYPE_NAMES.get(type(outcome.strategy).__name__)
        left = (after.unit_score > 0).any(dim=0)
        figure = draw_kept_edges(
            masked.layout,
            KeptEdges(before.edges, left, after.score),
            type_names=names if names and len(names) >= before.edges.num_types else None,
            title=f"{int(left.sum())} of {left.numel()} edges",
            synthetic=outcome.synthetic,
        )
        return save_figure(figure, outcome.out / "kept_edges.png")
    figure = draw_densities(
        {part.name: (part.kept, part.total) for part in kept},
        label=f"{outcome.asked['granularity']}s kept",
        synthetic=outcome.synthetic,
    )
    return save_figure(figure, outcome.out / "density.png")
