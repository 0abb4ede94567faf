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
        raise RecordingError(path, "there is no such file", remedy="check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "stgraph_store" not in metadata:
                raise RecordingError(path, "it is no store of recordings", remedy=_REMEDY)
            if metadata["stgraph_store"] != _VERSION:
                problem = f"expected store version {_VERSION}"
                raise RecordingError(path, problem, remedy=_REMEDY)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return tensors, json.loads(metadata["header"])
    except RecordingError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise corrupt_store(path, error) from None


def corrupt_store(path: Path, error: Exception) -> RecordingError:
    """The error for a store whose content is not what its writer left."""
    return RecordingError(path, f"the store is corrupt or truncated ({error})", remedy=_REMEDY)
