"""Weights from files, as data: no code in them is run."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, from safetensors or from a file of ``torch.save``.

    The dictionary may lie under ``state_dict`` and the like, and its keys may begin with
    ``module.`` (a network trained in parallel).

    Args:
        path: The file.

    Raises:
        ValueError: if the file is missing, damaged, holds no tensors, or more than data.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is no file; expected weights")
    found: Any
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Detected pickle protocol")
                found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "unknown objects"
        raise ValueError(
            f"{str(path)!r} holds more than tensors, and reading that would run code of whoever "
            "wrote it; get it as safetensors, or save its bare state_dict where you trust the "
            f"file ({reason})"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{str(path)!r} is damaged or holds no weights: {error}") from None
    except (LookupError, ValueError, TypeError, AttributeError):  # bytes that are no weights
        raise ValueError(
            f"{str(path)!r} holds no weights; expected safetensors or what torch.save wrote"
        ) from None
    for key in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()
    ):
        raise ValueError(f"{str(path)!r} expected a dictionary of tensors (got other values)")
    return bare_names(found)


def bare_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same without a prefix ``module.`` that all keys share."""
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state)
