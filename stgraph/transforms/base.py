"""What all transforms share: a base class, and per-recording statistics and draws."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.transforms import BaseTransform

from stgraph.skeleton import SkeletonGraph, SkeletonLayout


class SkeletonTransform(BaseTransform):
    """A transform of one :class:`~stgraph.skeleton.SkeletonGraph` or of a batch of them.

    A subclass overrides ``forward`` and returns a new object; what it was given stays as it was.
    """

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """The transformed recording or batch."""
        raise TypeError(f"{type(self).__name__} is no transform: it does not override 'forward'")

    def __repr__(self) -> str:
        names = [name for name in inspect.signature(type(self)).parameters if hasattr(self, name)]
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({values})"


class LayoutGroup(NamedTuple):
    """The part of a batch that has one layout."""

    layout: SkeletonLayout
    node: Tensor | slice  # [n] nodes
    pose: Tensor | slice  # [p] poses
    track_length: Tensor  # [m]


def by_layout(data: SkeletonGraph) -> Iterator[LayoutGroup]:
    """The batch in groups of one layout each; one group unless layouts are mixed."""
    layouts = data.layouts
    if not data.is_mixed:
        yield LayoutGroup(layouts[0], slice(None), slice(None), data.track_length)
        return
    distinct = list(dict.fromkeys(layouts))
    kind = torch.tensor([distinct.index(layout) for layout in layouts]).to(data.frame.device)
    pose_kind, track_kind = kind[data.pose_batch], kind[data.track_batch]
    node_kind = pose_kind[data.pose]
    for number, layout in enumerate(distinct):
        yield LayoutGroup(
            layout,
            (node_kind == number).nonzero().flatten(),
            (pose_kind == number).nonzero().flatten(),
            data.track_length[track_kind == number],
        )


def joint_numbers(layout: SkeletonLayout, joints: int | str | Sequence[int | str]) -> list[int]:
    """Joint numbers from numbers, names or canonical names.

    Raises:
        ValueError: if the layout has no such joint.
    """
    if isinstance(joints, int | str):
        joints = [joints]
    numbers = [layout.index(joint) if isinstance(joint, str) else joint for joint in joints]
    for number in numbers:
        if not 0 <= number < layout.num_joints:
            raise ValueError(
                f"layout {layout.name!r} has joints 0...{layout.num_joints - 1} (got {number})"
            )
    return numbers


def node_recording(data: SkeletonGraph) -> Tensor:
    """Recording of each node, int64 [N]."""
    batch = getattr(data, "batch", None)
    if batch is not None:
        return batch
    return torch.zeros(data.pos.size(0), dtype=torch.long, device=data.pos.device)


def seen(data: SkeletonGraph) -> Tensor:
    """Whether each node has a position, bool [N]."""
    score = getattr(data, "score", None)
    if score is None:
        return torch.ones(data.pos.size(0), dtype=torch.bool, device=data.pos.device)
    return score > 0


def mean_of(values: Tensor, index: Tensor, size: int, keep: Tensor | None = None) -> Tensor:
    """Mean of rows by group, [size, C]; 0 for a group without rows.

    Args:
        values: [N, C].
        index: Group of each row, int64 [N].
        size: Number of groups.
        keep: Which rows count, bool [N].
    """
    if keep is not None:
        values, index = values[keep], index[keep]
    total = values.new_zeros(size, values.size(1)).index_add_(0, index, values)
    count = values.new_zeros(size).index_add_(0, index, torch.ones_like(values[:, 0]))
    return total / count.clamp(min=1)[:, None]


def range_of(
    values: Tensor, index: Tensor, size: int, keep: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Least and greatest value by group, each [size, C]; 0 for a group without rows."""
    if keep is not None:
        values, index = values[keep], index[keep]
    where = index[:, None].expand_as(values)
    zeros = values.new_zeros(size, values.size(1))
    low = zeros.scatter_reduce(0, where, values, "amin", include_self=False)
    high = zeros.scatter_reduce(0, where, values, "amax", include_self=False)
    return low, high


def median_of(values: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Lower median by group, [size], and the number of values in each group, int64 [size]."""
    count = torch.bincount(index, minlength=size)
    order = values.argsort(stable=True)
    order = order[index[order].argsort(stable=True)]
    middle = count.cumsum(0) - count + (count - 1).clamp(min=0) // 2
    found = count > 0
    median = values.new_zeros(size)
    median[found] = values[order[middle[found]]]
    return median, count


def groups(recording: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Entries with the same number in the same recording, as groups in ascending order.

    Args:
        recording: Recording of each entry, int64 [n].
        number: Frame or person of each entry, int64 [n].

    Returns:
        Recording of each group, and group of each entry [n].
    """
    if not len(number):
        return number, number
    low, high = (int(end) for end in number.aminmax())
    span = high - low + 1
    if span > 2**32:  # time stamps: their pairs might not fit an int64
        number = number.unique(return_inverse=True)[1]
        low, span = 0, int(number.max()) + 1
    # one number a pair: unique rows are many times slower
    pairs, group = (recording * span + number - low).unique(return_inverse=True)
    return pairs // span, group


def draw(data: SkeletonGraph, number: int, generator: torch.Generator | None) -> Tensor:
    """Uniform draws in [0, 1), ``number`` for each recording, [B, number].

    A batch draws what its recordings would draw one after the other.
    """
    device = "cpu" if generator is None else generator.device
    return torch.rand(data.num_recordings, number, generator=generator, device=device).to(
        data.pos.device
    )


def pick(draws: Tensor, number: int) -> Tensor:
    """Uniform draws in [0, 1) as whole numbers 0...number-1."""
    return (draws * number).long().clamp(max=number - 1)


def with_nodes(data: SkeletonGraph, **values: Tensor) -> SkeletonGraph:
    """A copy in which node attributes are new, with PyG's bookkeeping for a batch.

    Args:
        data: Recording or batch.
        **values: Node attributes, each [N, ...].
    """
    out = data.__copy__()
    for name, value in values.items():
        out[name] = value
    if isinstance(data, Batch):
        slices, steps = data._slice_dict["pos"], data._inc_dict["pos"]
        out._slice_dict = {**data._slice_dict, **dict.fromkeys(values, slices)}
        out._inc_dict = {**data._inc_dict, **dict.fromkeys(values, steps)}
    return out


def with_positions(data: SkeletonGraph, pos: Tensor) -> SkeletonGraph:
    """A copy with other positions; those of missing joints become 0."""
    if getattr(data, "score", None) is not None:
        pos = torch.where(seen(data)[:, None], pos, torch.zeros_like(pos))
    return with_nodes(data, pos=pos)


def keep_poses(data: SkeletonGraph, keep: Tensor) -> SkeletonGraph:
    """The poses that are kept; a pose left out within a track ends it.

    Args:
        data: Recording or batch.
        keep: bool [P].
    """
    index = keep.nonzero().flatten()
    before = torch.nn.functional.pad(keep[:-1], (1, 0)) if len(keep) else keep
    starts = keep & ~before
    starts[data.first_pose] = keep[data.first_pose]
    return take_tracks(data, index, starts[index])


def take_tracks(data: SkeletonGraph, index: Tensor, starts: Tensor) -> SkeletonGraph:
    """Poses by number, with a mark where a new track starts.

    Args:
        data: Recording or batch.
        index: Pose numbers, int64 [P'].
        starts: Whether a pose starts a track, bool [P'].
    """
    length = torch.bincount(starts.long().cumsum(0) - 1) if len(index) else index
    return data.take_poses(index, length, data.track[index[starts]])
