"""What happens when, in recordings of several actions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton.graph import SkeletonGraph


class ActionTable(NamedTuple):
    """The annotated actions of a batch.

    Attributes:
        recording: Recording of each, int64 [S].
        label: Class, int64 [S]; classes count from 1, 0 is background.
        start: Its first frame number, float [S].
        end: Its last one, float [S].
    """

    recording: Tensor
    label: Tensor
    start: Tensor
    end: Tensor


def annotated_actions(batch: SkeletonGraph) -> ActionTable:
    """The rows of ``segments`` with their recordings.

    ``segments`` is a table [S, 3] of a recording: class (from 1), first and last frame number, both
    included; they need not be whole numbers.

    Args:
        batch: One recording or several.

    Raises:
        ValueError: if there is no such table, or it is none.
    """
    table = getattr(batch, "segments", None)
    if not isinstance(table, Tensor) or table.dim() != 2 or table.size(1) != 3:
        got = "none" if table is None else type(table).__name__
        if isinstance(table, Tensor):
            got = str(list(table.shape))
        raise ValueError(
            "recordings of several actions have 'segments', a table [S, 3] of class, first and "
            f"last frame (got {got})"
        )
    if isinstance(batch, Batch):
        counts = batch._slice_dict["segments"].diff().to(table.device)
    else:
        counts = torch.tensor([len(table)], device=table.device)
    recording = torch.arange(len(counts), device=table.device).repeat_interleave(counts)
    return ActionTable(recording, table[:, 0].long(), table[:, 1], table[:, 2])


def pose_labels(batch: SkeletonGraph) -> Tensor:
    """Class of each pose, int64 [P]; 0 where nothing is annotated.

    Where actions overlap, the later row of the table wins.

    Args:
        batch: Recordings with ``segments``.
    """
    actions = annotated_actions(batch)
    label = torch.zeros_like(batch.frame)
    if not len(actions.label):
        return label
    recording, frame = batch.pose_batch, batch.frame.to(actions.start.dtype)
    rows = torch.bincount(actions.recording, minlength=batch.num_recordings)
    first = rows.cumsum(0) - rows
    for number in range(int(rows.max())):  # a few dozen actions a recording at most
        row = (first + number).clamp(max=len(actions.label) - 1)[recording]
        inside = (number < rows[recording]) & (frame >= actions.start[row])
        inside &= frame <= actions.end[row]
        label = torch.where(inside, actions.label[row], label)
    return label
