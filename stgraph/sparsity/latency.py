"""How many channels have to go for a network to be fast enough."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from stgraph.skeleton import SkeletonGraph
from stgraph.sparsity.compress import compress
from stgraph.sparsity.cost import seconds_of
from stgraph.sparsity.generator import sparsify

#: Share of the channels that is cut at most in looking for a fast network.
MOST = 0.99

Timer = Callable[[nn.Module], float]


class LatencyTarget(NamedTuple):
    """What :func:`sparsity_for_latency` found.

    Attributes:
        sparsity: Share of the channels to cut.
        latency: Median seconds of one recording at a time, of the compressed network without them.
        dense: Those of the network as it is.
        fastest: Those of the smallest compressed network.
    """

    sparsity: float
    latency: float
    dense: float
    fastest: float


def sparsity_for_latency(
    model: nn.Module,
    seconds: float,
    recording: SkeletonGraph,
    *,
    threads: int = 1,
    repeats: int = 20,
    steps: int = 7,
    timer: Timer | None = None,
    **options: Any,
) -> LatencyTarget:
    """The least sparsity of channels whose compressed network is fast enough, by bisection.

    Untrained copies are cut, compressed and timed. What training cuts is spread over the layers in
    its own way, so that the trained network may be somewhat slower or faster: time it again. A time
    is one of this machine and of what else runs on it.

    Args:
        model: An encoder whose channels can be left out; it is left as it is.
        seconds: How long one recording may take.
        recording: What the network looks at: a typical one.
        threads: Threads of torch while timing.
        repeats: Passes that are timed; the median counts.
        steps: Halvings of the range in which the sparsity lies.
        timer: Times a network instead, in seconds.
        **options: Further ones of :func:`sparsify`.

    Raises:
        TypeError: if the network does not say which channels can be left out.
        ValueError: if no sparsity is fast enough; names the fastest time.
    """
    if not seconds > 0:
        raise ValueError(f"a latency is longer than nothing (got {seconds} s)")
    cut = copy.deepcopy(model).eval()
    options = {**options, "granularity": "channel"}
    with torch.random.fork_rng(devices=[]):  # what comes after draws as if nobody had looked
        generator = sparsify(cut, MOST, **options)

    def at(sparsity: float) -> nn.Module:
        generator.sparsity = sparsity
        generator.at(1.0)
        return compress(cut)

    def times(*networks: nn.Module) -> list[float]:
        if timer is not None:
            return [timer(network) for network in networks]
        named = {str(i): network for i, network in enumerate(networks)}
        return list(seconds_of(named, recording, repeats, threads).values())

    dense, fastest = times(copy.deepcopy(model).eval(), at(MOST))  # in turns
    if dense <= seconds:
        return LatencyTarget(0.0, dense, dense, fastest)
    if fastest > seconds:
        raise ValueError(
            f"{1000 * seconds:.3g} ms a recording cannot be reached by this "
            f"{type(model).__name__}: the fastest is {1000 * fastest:.3g} ms, with {MOST:.0%} of "
            f"the channels cut (dense {1000 * dense:.3g} ms); allow more time, or take fewer units"
        )
    low, high, latency = 0.0, MOST, fastest
    for _ in range(steps):
        middle = (low + high) / 2
        (needed,) = times(at(middle))
        if needed <= seconds:
            high, latency = middle, needed
        else:
            low = middle
    return LatencyTarget(round(high, 4), latency, dense, fastest)
