"""Long recordings in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from stgraph.io import Store, clip_frames
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.data import as_source, source_class_names, source_indices


def chunk_recording(
    graph: SkeletonGraph, num_frames: int, context: int = 0
) -> Iterator[SkeletonGraph]:
    """Consecutive pieces of a recording, each with some frames around it.

    Every frame belongs to one piece. ``pose_own`` says of each pose whether it lies within its
    piece or is only there to be seen. Pieces without anybody are left out.

    Args:
        graph: One recording.
        num_frames: Frames of a piece.
        context: Frames before and after it.

    Raises:
        ValueError: if a number is out of range.
    """
    if num_frames < 1 or context < 0:
        raise ValueError(
            f"'chunk_recording' expected num_frames >= 1 and context >= 0 (got {num_frames} and "
            f"{context})"
        )
    if not graph.num_poses:
        return
    # where somebody is: hours of nobody cost nothing
    first = int(graph.frame.min())
    for number in ((graph.frame - first) // num_frames).unique().tolist():
        start = first + number * num_frames
        end = start + num_frames - 1
        piece = clip_frames(graph, start - context, end + context)
        piece["pose_own"] = (piece.frame >= start) & (piece.frame <= end)
        yield piece


def chunk_store(source: Any, num_frames: int, context: int = 0) -> Store:
    """The pieces of all recordings as a store, to train on.

    Args:
        source: A data set, a store, or a list of graphs.
        num_frames: Frames of a piece.
        context: Frames before and after it.

    Raises:
        ValueError: if no recording has a pose.
    """
    source = as_source(source)
    store = getattr(source, "store", source)
    pieces = [
        piece
        for i in source_indices(source).tolist()
        for piece in chunk_recording(store[i], num_frames, context)
    ]
    if not pieces:
        raise ValueError("'chunk_store' expected recordings with poses (got none)")
    return Store.from_graphs(pieces, class_names=source_class_names(source))


def own_frames(batch: SkeletonGraph, owner: Tensor, num_frames: int) -> Tensor:
    """Whether each frame lies within its piece, bool [F]; all do outside of pieces.

    Args:
        batch: Pieces or recordings.
        owner: Frame of each pose, int64 [P].
        num_frames: F.
    """
    own = torch.zeros(num_frames, dtype=torch.bool, device=owner.device)
    if "pose_own" not in batch:
        return ~own
    own[owner[batch.pose_own]] = True
    return own
