"""The file of a store: flat tensors that are mapped into memory, and a header of plain values."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stgraph.files import replacing
from stgraph.io.errors import RecordingError

_VERSION = "1"
_REMEDY = "write the store again"
#: What the header holds, and what no recording is without.
_HEADER = {
    "order": list,
    "groups": dict,
    "num_lengths": int,
    "layout": dict,
    "strings": dict,
    "meta": dict,
}
_NEEDED = {"layout", "pos", "frame", "track_length", "person"}


def write_store_file(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Writes the tensors and the header, which JSON can hold, or nothing."""
    from safetensors.torch import save_file

    with replacing(path) as temporary:
        save_file(
            {key: value.contiguous() for key, value in tensors.items()},
            temporary,
            metadata={"stgraph_store": _VERSION, "header": json.dumps(header)},
        )


def read_store_file(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, mapped into memory, and the header.

    Raises:
        RecordingError: if the file is missing, truncated, corrupt, or no store of ours.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        problem = "expected a file (got a folder)" if path.is_dir() else "there is no such file"
        raise RecordingError(path, problem, remedy="check the path")
    try:
        path.open("rb").close()  # safetensors does not say that it may not read a file
    except OSError as error:
        problem = f"the system says {error.strerror!r}"
        raise RecordingError(path, problem, remedy="check the path") from None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "stgraph_store" not in metadata:
                raise RecordingError(path, "it is no store of recordings", remedy=_REMEDY)
            if metadata["stgraph_store"] != _VERSION:
                problem = f"expected store version {_VERSION}"
                raise RecordingError(path, problem, remedy=_REMEDY)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(metadata["header"])
        check_header(header)
        return tensors, header
    except RecordingError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise corrupt_store(path, error) from None


def check_header(header: Any) -> None:
    """Every entry that :meth:`Store.save` writes is there and of its kind.

    Raises:
        ValueError: naming the first that is not.
    """
    if not isinstance(header, dict):
        raise ValueError("the header is no object")
    for key, kind in _HEADER.items():
        if not isinstance(header.get(key), kind):
            raise ValueError(f"header entry {key!r} is missing or of another kind")
    number = header["num_lengths"]
    if number < 1:
        raise ValueError(f"header entry 'num_lengths' expected at least 1 (got {number})")
    missing = _NEEDED - set(header["order"])
    if missing:
        raise ValueError(f"header entry 'order' lacks {', '.join(sorted(missing))}")
    for key, group in header["groups"].items():
        whole = isinstance(group, list) and [type(n) for n in group] == [int, int]
        if not whole or not 0 <= group[0] < number or group[1] < 1:
            raise ValueError(f"header entry 'groups' has {group!r} for {key!r}")
    names = header.get("class_names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise ValueError("header entry 'class_names' is no list of names")


def corrupt_store(path: Path, error: Exception) -> RecordingError:
    """The error for a store whose content is not what its writer left."""
    problem = f"it is no store, or a corrupt or truncated one ({error})"
    return RecordingError(path, problem, remedy=_REMEDY)
