"""Named data sets for the command line."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import stgraph.datasets as room
from stgraph.io import Store

SYNTHETIC = "kth_synthetic"


class StoreSplit:
    """One part of a store of the user's own, by its column ``split``."""

    def __init__(self, store: Store, split: str) -> None:
        self.store, self.split = store, split
        if split == "all":
            chosen = np.ones(len(store), dtype=bool)
        elif "split" in store.column_names:
            chosen = store.column("split").astype(str) == split
        else:
            raise ValueError(
                f"the store has no column 'split' to find {split!r} by; write the recordings with "
                "an attribute split='train', 'val' or 'test', or take the part 'all'"
            )
        self._indices = chosen.nonzero()[0].tolist()
        self.protocol = "own"

    def indices(self) -> list[int]:
        """Numbers of its recordings in the store."""
        return self._indices

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes."""
        return self.store.class_names

    @property
    def layout(self) -> Any:
        """Joints of the recordings."""
        return self.store.layout


def dataset_classes() -> dict[str, Any]:
    """The classes of the data sets by their names."""
    classes = [getattr(room, name) for name in room.__all__]
    classes = [
        c for c in classes if inspect.isclass(c) and isinstance(getattr(c, "key", None), str)
    ]
    return {c.key: c for c in classes}


def open_part(
    name: str,
    path: str | None,
    part: str,
    protocol: str | None = None,
    args: dict[str, Any] | None = None,
) -> Any:
    """One part of a data set.

    Args:
        name: One of :func:`dataset_classes`, or ``store``.
        path: Folder or archive; sets that are made on the spot have none.
        part: ``train``, ``val``, ``test``, ...
        protocol: How the set is split.
        args: Further arguments of the class.

    Raises:
        RecordingError: if the source cannot be read.
        ValueError: if the part or an argument is unknown.
    """
    if name == "store":
        return StoreSplit(Store.open(path or ""), part)
    chosen = dataset_classes()[name]
    options = dict(args or {})
    if protocol is not None:
        options["protocol"] = protocol
    place = [] if path is None else [path]
    try:
        return chosen(*place, part, **options)
    except TypeError as error:
        raise ValueError(f"the data set {name} does not take that: {error}") from None


def check_name(name: str, path: str | None) -> None:
    """Says what is wrong with a name or a path before anything is opened.

    Raises:
        ValueError: if the name is unknown, or a path is missing or too much.
    """
    if name == "store":
        if path is None:
            raise ValueError("--data.name store needs --data.path: the file")
        return
    classes = dataset_classes()
    if name not in classes:
        known = ", ".join([*sorted(classes), "store"])
        raise ValueError(f"unknown data set {name!r}; known are {known}")
    chosen = classes[name]
    needs_path = "path" in inspect.signature(chosen.__init__).parameters
    if needs_path and path is None:
        raise ValueError(
            f"the data set {name} needs --data.path: its folder or archive (where to get it: "
            f"{chosen.where})"
        )
    if not needs_path and path is not None:
        raise ValueError(f"the data set {name} is made on the spot and takes no --data.path")


def title_of(name: str) -> str:
    """The name to print; what is generated says so."""
    return f"{name} (SYNTHETIC)" if name == SYNTHETIC else name
