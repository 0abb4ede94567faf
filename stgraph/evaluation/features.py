"""Embeddings of recordings, extracted once and kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stgraph.files import replacing
from stgraph.tasks import as_source
from stgraph.tasks.inspection import recordings_digest
from stgraph.tasks.predict import outputs_of

__all__ = ["Features", "extract_features", "weights_digest"]


class Features(NamedTuple):
    """Embeddings of recordings, in their order.

    Attributes:
        x: float32 [n, D]; 0 for a recording without a pose.
        y: Class numbers, int64 [n]; -1 where there are none.
        has_pose: Whether there was anything to look at, bool [n].
    """

    x: Tensor
    y: Tensor
    has_pose: Tensor

    def take(self, index: Tensor) -> Features:
        """Some of them, by number or by a mask."""
        return Features(self.x[index], self.y[index], self.has_pose[index])


def weights_digest(encoder: nn.Module) -> str:
    """A short word that encoders of other weights or another form do not share."""
    found = hashlib.sha256(repr(encoder).encode())
    for name, value in sorted(encoder.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def extract_features(
    encoder: nn.Module,
    dataset: Any,
    *,
    transform: Callable[..., Any] | None = None,
    batch_size: int = 64,
    cache: str | Path | None = None,
) -> Features:
    """The embedding of every recording, in evaluation mode.

    Args:
        encoder: Has ``embed(batch)`` [B, D] (an encoder with or without a classifier), or is called
            with a batch.
        dataset: A data set, a store, or a list of graphs.
        transform: Applied to each batch.
        batch_size: Recordings at a time; the result does not depend on it.
        cache: Folder to keep features in, by what they depend on: weights, recordings and
            transform. A damaged file is made again.

    Returns:
        On the CPU.

    Raises:
        TypeError: if ``dataset`` is something else.
        ValueError: if it is empty.
    """
    source = as_source(dataset, "dataset")
    file = None
    if cache is not None:
        words = (weights_digest(encoder), recordings_digest(source), repr(transform))
        name = hashlib.sha256(repr(words).encode()).hexdigest()[:24]
        file = Path(cache) / f"features-{name}.safetensors"
        with contextlib.suppress(SafetensorError, OSError, KeyError):
            found = load_file(file)
            return Features(found["x"], found["y"], found["has_pose"])
    embed = getattr(encoder, "embed", encoder)
    features = Features(*outputs_of(encoder, embed, source, batch_size, transform))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            save_file(features._asdict(), temporary)
    return features
