"""Networks from the options of the command line."""

from __future__ import annotations

import inspect
from typing import Any

from stgraph.cli.options import NetworkOptions


def find_network(name: str) -> Any:
    """A class of :mod:`stgraph.nn` that classifies, by its name.

    Raises:
        ValueError: if there is none.
    """
    import stgraph.nn

    of_frames = stgraph.nn.frame_networks  # they classify, but no recordings
    found = [getattr(stgraph.nn, n) for n in stgraph.nn.__all__ if n not in of_frames]
    known = {
        each.__name__.lower(): each
        for each in found
        if inspect.isclass(each)
        and issubclass(each, stgraph.nn.PretrainedMixin)
        and "num_classes" in inspect.signature(each.__init__).parameters
    }
    key = name.lower().replace("-", "").replace("_", "")
    if key not in known:
        names = ", ".join(each.__name__ for each in known.values())
        raise ValueError(f"unknown network {name!r}; known are {names}")
    return known[key]


def build_network(
    network_class: Any,
    options: NetworkOptions,
    train: Any,
    transform: Any,
    partition: Any,
    layout: Any,
    num_classes: int | None,
) -> Any:
    """The network for some recordings, whose partition may measure those of training.

    Args:
        network_class: Of :func:`find_network`.
        options: Its size and further arguments.
        train: Training recordings.
        transform: What the network sees them through.
        partition: Strategy that labels edges.
        layout: Wiring; None: that of the recordings.
        num_classes: Classes; None: an encoder, which strides in time only if it is told to.

    Raises:
        ValueError: if the wiring has other joints, or the class does not take an argument.
    """
    from stgraph.tasks import fit_partition

    batch = transform(_first(train))
    own = batch.layouts[0]
    wiring = layout or own
    if wiring.num_joints != own.num_joints:
        raise ValueError(
            f"--layout {wiring.name} has {wiring.num_joints} joints, and the recordings "
            f"({own.name}) have {own.num_joints}"
        )
    known = inspect.signature(network_class).parameters
    sizes = {"in_channels": batch.x.size(1), "width": options.width, "layout": wiring}
    if "encoder_kwargs" in known:  # a network around an encoder of poses
        sizes = {"encoder_kwargs": sizes}
    if "partition" in known:
        sizes["partition"] = fit_partition(partition, train)
    arguments = {**sizes, "dropout": options.dropout, **options.network_args}
    try:
        network = network_class(num_classes=num_classes, **arguments)
        if num_classes is None and "strides" in known and "strides" not in arguments:
            every = [1] * len(network.strides)  # each frame has an answer of its own
            network = network_class(num_classes=None, **arguments, strides=every)
    except TypeError as error:
        raise ValueError(f"the network does not take that: {error}") from None
    return network


def _first(source: Any) -> Any:
    """A batch of the first recording that has a pose."""
    from stgraph.tasks.data import source_indices, source_num_poses

    store, indices = getattr(source, "store", source), source_indices(source)
    return store.batch(indices[source_num_poses(source) > 0][:1])
