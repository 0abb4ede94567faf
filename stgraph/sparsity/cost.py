"""What a network costs: parameters, room on disk, arithmetic, time."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.data import Batch

from stgraph.nn import PretrainedMixin
from stgraph.nn.spatial import SpatialOperator
from stgraph.skeleton import SkeletonGraph


class NetworkCost(NamedTuple):
    """What a network costs.

    Attributes:
        parameters: Numbers that it holds.
        nonzero: Those that are not zero.
        bytes: Size of its folder, saved with ``pack=True``.
        flops: Floating-point operations of products and of sums over edges that one recording
            takes; zeros of masks are multiplied like other numbers.
        latency: Median seconds of one recording at a time.
        throughput: Recordings a second in batches.
    """

    parameters: int
    nonzero: int
    bytes: int
    flops: int
    latency: float
    throughput: float


@torch.no_grad()
def network_costs(
    networks: Mapping[str, nn.Module],
    recording: SkeletonGraph,
    *,
    batch_size: int = 16,
    repeats: int = 20,
    threads: int = 1,
) -> dict[str, NetworkCost]:
    """Costs of several networks, timed in turns within one run, so that ratios mean something.

    Args:
        networks: By name; all of them take the recording.
        recording: What they look at.
        batch_size: Recordings of a batch, for the throughput.
        repeats: Passes that are timed; the median counts.
        threads: Threads of torch while timing.

    Raises:
        ValueError: if there is no network.
    """
    if not networks:
        raise ValueError("'network_costs' expected at least one network (got none)")
    before, modes = torch.get_num_threads(), {}
    torch.set_num_threads(threads)
    try:
        for network in networks.values():
            modes.update({module: module.training for module in network.modules()})
            network.eval()
        many = Batch.from_data_list([recording] * batch_size)
        one = _median_seconds(networks, recording, repeats)
        all_at_once = _median_seconds(networks, many, max(3, repeats // 4))
        return {
            name: NetworkCost(
                sum(p.numel() for p in network.parameters()),
                sum(int(p.count_nonzero()) for p in network.parameters()),
                size_on_disk(network),
                flops_of(network, recording),
                one[name],
                batch_size / all_at_once[name],
            )
            for name, network in networks.items()
        }
    finally:
        torch.set_num_threads(before)
        for module, mode in modes.items():
            module.training = mode


@torch.no_grad()
def seconds_of(
    networks: Mapping[str, nn.Module], batch: SkeletonGraph, repeats: int = 20, threads: int = 1
) -> dict[str, float]:
    """Median seconds of a pass of each network, timed in turns, in the mode in which it is.

    Args:
        networks: By name; all of them take the batch.
        batch: What they look at.
        repeats: Passes that are timed, after two that warm up.
        threads: Threads of torch while timing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _median_seconds(networks, batch, repeats)
    finally:
        torch.set_num_threads(before)


def _median_seconds(
    networks: Mapping[str, nn.Module], batch: SkeletonGraph, repeats: int
) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for repeat in range(repeats + 2):  # the first two warm up
        for name, network in networks.items():
            begin = time.perf_counter()
            network(batch)
            if repeat >= 2:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def size_on_disk(network: nn.Module) -> int:
    """Bytes of the files that hold a network, its zeros packed."""
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(network, PretrainedMixin):
            network.save_pretrained(folder, pack=True)
        else:
            torch.save(network.state_dict(), Path(folder) / "state.pt")
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def flops_of(network: nn.Module, batch: SkeletonGraph) -> int:
    """Floating-point operations of one pass: products (two each), and sums over edges."""
    counted = 0

    def count(operator: Any, inputs: Any, out: torch.Tensor) -> None:
        # sums over few edges are row additions, which the counter of products does not see
        nonlocal counted
        _, edges, _ = inputs
        index = operator.weighted_edges(edges)[0]
        # layers that make a topology of each track multiply all of it
        few = index.size(1) * 5 <= operator.conv.num_types * out.size(0) ** 2
        few = few and not operator.per_track
        if operator.fold and few and not edges.unrolled and out.device.type == "cpu":
            counted += 2 * index.size(1) * out.size(1) * out.size(2)

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, SpatialOperator) and hasattr(module.conv, "num_types")
    ]
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return int(counter.get_total_flops()) + counted


def cost_table(costs: Mapping[str, NetworkCost]) -> str:
    """Costs as Markdown, the first network's beside the factors that the others save."""
    first = next(iter(costs.values()))
    head = "| network | parameters | not zero | on disk | MFLOP | batch 1 | recordings/s |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|"]
    for name, c in costs.items():
        cells = (
            (f"{c.parameters:,}", first.parameters / c.parameters),
            (f"{c.nonzero:,}", first.nonzero / max(c.nonzero, 1)),
            (f"{c.bytes / 1024:,.0f} KiB", first.bytes / c.bytes),
            (f"{c.flops / 1e6:,.1f}", first.flops / max(c.flops, 1)),
            (f"{1000 * c.latency:.2f} ms", first.latency / c.latency),
            (f"{c.throughput:,.0f}", c.throughput / first.throughput),
        )
        shown = [text if c is first else f"{text} ({ratio:.2g}x)" for text, ratio in cells]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)
