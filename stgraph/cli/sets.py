"""Named data sets for the command line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np

import stgraph.datasets as room
from stgraph.io import Store

SYNTHETIC = "kth_synthetic"
TRAINING_PARTS = {"train": "train or trainval", "val": "val or none"}


class StoreSplit:
    """One part of a store of the user's own, by its column ``split``."""

    def __init__(self, store: Store, split: str) -> None:
        self.store, self.split = store, split
        has_parts = "split" in store.column_names
        parts = store.column("split").astype(str) if has_parts else np.zeros(0, dtype=str)
        #: Names of the parts that the store has.
        self.parts = tuple(sorted(set(parts.tolist())))
        if split == "all":
            chosen = np.ones(len(store), dtype=bool)
        elif has_parts:
            chosen = parts == split
        else:
            raise ValueError(
                f"the store has no column 'split' to find {split!r} by; write the recordings with "
                "an attribute split='train', 'val' or 'test', or take the part 'all' (training: "
                "--data.train all --data.val none)"
            )
        self._indices = chosen.nonzero()[0].tolist()
        if not self._indices:
            known = ", ".join((*self.parts, "all"))
            more = "; --data.val none does without" * (split == "val")
            raise ValueError(f"the store has no part {split!r}; its parts are {known}{more}")
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
        if protocol is not None:
            raise ValueError(
                f"a store is split by its column 'split' and takes no --data.protocol (got "
                f"{protocol!r})"
            )
        if args:
            raise ValueError(f"a store takes no --data.args (got {', '.join(args)})")
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
        raise ValueError(
            f"the data set {name} is made on the spot and takes no --data.path; name the set of "
            f"{path!r} with --data.name (store for a file of Store.write)"
        )


def check_parts(name: str, train: str, val: str) -> None:
    """Refuses parts by whose names test recordings would train, or choose the epoch.

    Raises:
        ValueError: if one holds test recordings, or both are the same.
    """
    for option, part in (("train", train), ("val", val)):
        if part.lower().startswith("test") or (part == "all" and name != "store"):
            raise ValueError(
                f"--data.{option} {part} holds test recordings, which neither train nor choose the "
                f"epoch; take {TRAINING_PARTS[option]}"
            )
    if train == val:
        raise ValueError(
            f"--data.train and --data.val are both {train!r}: an epoch is chosen by recordings "
            "that do not train; take another part, or --data.val none"
        )


def check_apart(train: Any, val: Any) -> None:
    """Refuses opened parts that share recordings, or hold test recordings of a store.

    Raises:
        ValueError: if they do.
    """
    for option, part in (("train", train), ("val", val)):
        if part is None:
            continue
        held = [name for name in getattr(part, "parts", ()) if name.lower().startswith("test")]
        if held and part.split == "all":
            raise ValueError(
                f"--data.{option} all holds the part {held[0]!r} of the store, whose recordings "
                f"neither train nor choose the epoch; take one of {', '.join(part.parts)}"
            )
    shared = shared_recordings(train, val)
    if shared:
        raise ValueError(
            f"--data.train {train.split} and --data.val {val.split} share {shared:,} "
            "recordings: an epoch is chosen by recordings that do not train; take another part, or "
            "--data.val none"
        )


def check_untaught(train: Any, asked: Any) -> None:
    """Refuses to teach a classifier on recordings that it is asked, or on test recordings.

    Raises:
        ValueError: if the parts share recordings, or the first holds test recordings.
    """
    names = [train.split, *(getattr(train, "parts", ()) if train.split == "all" else ())]
    held = [name for name in names if name.lower().startswith("test")]
    if held:
        raise ValueError(
            f"--data.train {train.split} holds test recordings ({held[0]}), which teach nobody"
        )
    shared = shared_recordings(train, asked)
    if shared:
        raise ValueError(
            f"--data.train {train.split} and --part {asked.split} share {shared:,} recordings: "
            "what is asked must not teach"
        )


def shared_recordings(one: Any, other: Any) -> int:
    """Number of recordings that two parts of one store have in common."""
    return 0 if other is None else len(set(one.indices()) & set(other.indices()))


def part_hint(name: str, part: str) -> str:
    """What a reader of a figure should know of the part; nothing of most."""
    if (name, part) == ("nw_ucla", "test"):
        return "95 of them are copies of training recordings; --part test_clean leaves them out"
    return ""


def run_name(model: str) -> str:
    """A word for the run whose network a folder holds: ``NAME`` of ``runs/NAME/model``."""
    folder = Path(model).resolve()
    return folder.parent.name if folder.name == "model" else folder.name


def name_of(name: str, path: str | None) -> str:
    """A word for the set in names of folders and in results; stores go by their file."""
    return f"store_{Path(path).stem}" if name == "store" and path else name


def title_of(name: str) -> str:
    """The name to print; what is generated says so."""
    return f"{name} (SYNTHETIC)" if name == SYNTHETIC else name
