"""Checkpoints: written whole or not at all, read without running anybody's code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from stgraph.files import replacing


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """The tensors and plain values of a checkpoint.

    Raises:
        ValueError: if it is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*pickle protocol")  # an error follows
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {str(path)!r}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError):
        # torch's own words advise to run what the file says
        raise ValueError(
            f"the checkpoint {str(path)!r} is damaged or holds more than tensors and plain values; "
            "remove it to begin anew"
        ) from None
    if not isinstance(state, dict):
        raise ValueError(f"the checkpoint {str(path)!r} holds a {type(state).__name__}, no dict")
    return state


def load_training(path: str | Path, keys: Sequence[str] = ("state_dict",)) -> dict[str, Any]:
    """A checkpoint of a training.

    Raises:
        ValueError: if :func:`load_checkpoint` fails, or one of the keys is missing.
    """
    state = load_checkpoint(path)
    missing = [key for key in keys if not isinstance(state.get(key), dict | list)]
    if missing:
        raise ValueError(
            f"the checkpoint {str(path)!r} is none of a training of ours (it has no "
            f"{missing[0]!r}); remove it to begin anew"
        )
    return state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, renamed into place on the same disk and loaded as data.

    Lightning's own way moves a file from the system's temporary folder, which copies it where
    that is another disk: an interruption then leaves half a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Writes a checkpoint."""
        with replacing(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint; whatever is asked for, only tensors and plain values."""
        return load_checkpoint(path)
