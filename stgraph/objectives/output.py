"""What an objective gives."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ObjectiveOutput(NamedTuple):
    """The result of an objective on a batch.

    Attributes:
        loss: To minimise, a scalar.
        logs: Further figures by name, scalars.
    """

    loss: Tensor
    logs: dict[str, Tensor]
