"""What an encoder says of every node."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class NodeEmbeddings(NamedTuple):
    """Node embeddings of a batch, after the strides of the encoder.

    Attributes:
        x: [P', V, D] (mixed layouts: [N', D]).
        pose: Pose of the batch that each one stands for, int64 [P'] (mixed layouts: node, [N']).
        pose_batch: Recording of each, int64 [P'].
        joint: Joint of the encoder's layout in each of V columns, int64 [V]; None: all of them.
    """

    x: Tensor
    pose: Tensor
    pose_batch: Tensor
    joint: Tensor | None = None
