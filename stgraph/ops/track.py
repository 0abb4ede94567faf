"""Whole tracks at once: what a layer needs that looks at a track beyond its neighbouring poses.

A batched matrix product wants matrices of one shape. Tracks are cut into chunks of equally many
poses (only the last chunk of a track has blanks), or kept whole where all have the same length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 16


class TrackChunks(NamedTuple):
    """Tracks cut into chunks of L poses; tensors only.

    Attributes:
        place: Place of each pose among the ``chunks * L`` places, int64 [P]; None if each track is
            one full chunk, so that nothing moves.
        track: Track of each chunk, int64 [chunks]; None likewise.
        blank: True where no pose lies, bool [chunks, L].
        length: Number of poses of each track, int64 [M].
    """

    place: Tensor | None
    track: Tensor | None
    blank: Tensor
    length: Tensor


def make_track_chunks(track_length: Tensor, length: int = CHUNK) -> TrackChunks:
    """The chunks of tracks.

    Args:
        track_length: Number of poses of each track, int64 [M].
        length: Poses of a chunk; tracks of one common length are kept whole.
    """
    device = track_length.device
    longest = int(track_length.max())
    if bool((track_length == longest).all()):
        blank = torch.zeros(track_length.numel(), longest, dtype=torch.bool, device=device)
        return TrackChunks(None, None, blank, track_length)
    length = min(length, longest)
    chunks = (track_length + length - 1) // length
    tracks = torch.arange(track_length.numel(), device=device)
    poses = torch.arange(int(track_length.sum()), device=device)
    start = chunks.cumsum(0) - chunks
    shift = start * length - (track_length.cumsum(0) - track_length)
    place = poses + shift.repeat_interleave(track_length, output_size=poses.numel())
    track = tracks.repeat_interleave(chunks)
    blank = torch.ones(track.numel() * length, dtype=torch.bool, device=device)
    blank[place] = False
    return TrackChunks(place, track, blank.view(-1, length), track_length)


def into_places(x: Tensor, chunks: TrackChunks) -> Tensor:
    """[V, P, C] to [V, chunks, L, C], zero in the blanks."""
    count, length = chunks.blank.shape
    if chunks.place is not None:
        places = x.new_zeros(x.size(0), count * length, x.size(2))
        x = places.index_copy(1, chunks.place, x)
    return x.reshape(x.size(0), count, length, x.size(2))


def chunked_track_mean(x: Tensor, chunks: TrackChunks) -> Tensor:
    """Mean over the poses of each track: [V, P, C] to [V, M, C]."""
    total = into_places(x, chunks).sum(dim=2)
    if chunks.track is not None:
        start = total.new_zeros(total.size(0), chunks.length.size(0), total.size(2))
        total = start.index_add(1, chunks.track, total)
    return total / chunks.length[:, None].to(total.dtype)


def topology_aggregate(x: Tensor, topology: Tensor, chunks: TrackChunks) -> Tensor:
    r"""Sums over the joints of a pose with a topology for each track and channel.

    .. math::
        \mathbf{y}_{u,p,c} = \sum_k \sum_v \mathbf{R}^{(m(p))}_{k,c,u,v} \, \mathbf{x}^{(k)}_{v,p,c}

    Args:
        x: What each joint sends along each of K types of edge, [V, P, K*C], type-major.
        topology: [M, C, V, K*V], target joint before types and source joints.
        chunks: The chunks of the tracks.

    Returns:
        [V, P, C].
    """
    v = x.size(0)
    k, c = topology.size(3) // v, topology.size(1)
    count, length = chunks.blank.shape
    sent = into_places(x, chunks).view(v, count, length, k, c)
    sent = sent.permute(1, 4, 3, 0, 2).reshape(count * c, k * v, length)
    if chunks.track is not None:
        topology = topology.index_select(0, chunks.track)
    y = torch.bmm(topology.flatten(0, 1), sent).view(count, c, v, length)
    y = y.permute(2, 0, 3, 1).reshape(v, count * length, c)
    return y if chunks.place is None else y.index_select(1, chunks.place)


def topology_aggregate_reference(x: Tensor, topology: Tensor, track: Tensor) -> Tensor:
    """The same, slow and readable; track is the track of each pose, int64 [P]."""
    v, p, _ = x.shape
    sent = x.view(v, p, -1, topology.size(1)).permute(1, 3, 2, 0).flatten(2)  # [P, C, K*V]
    return torch.einsum("pcuv,pcv->upc", topology[track], sent)


def track_products(source: Tensor, target: Tensor, num_types: int, chunks: TrackChunks) -> Tensor:
    r"""Inner products of two joints over all poses of each track.

    .. math::
        \mathbf{G}^{(m)}_{k,u,v} = \sum_{p \in m} \langle \mathbf{t}^{(k)}_{u,p},
        \mathbf{s}^{(k)}_{v,p} \rangle

    Args:
        source: [V, P, K*R], type-major.
        target: Likewise.
        num_types: K.
        chunks: The chunks of the tracks.

    Returns:
        [M, K, V, V], target joint before source joint.
    """
    v, k = source.size(0), num_types
    count, length = chunks.blank.shape

    def rows(x: Tensor) -> Tensor:
        """[chunks*K, V, L*R]; blanks are zero, and so add nothing."""
        places = into_places(x, chunks).view(v, count, length, k, -1)
        return places.permute(1, 3, 0, 2, 4).reshape(count * k, v, -1)

    products = torch.bmm(rows(target), rows(source).transpose(1, 2)).view(count, k, v, v)
    if chunks.track is None:
        return products
    start = products.new_zeros(chunks.length.size(0), k, v, v)
    return start.index_add(0, chunks.track, products)


def shared_topology_aggregate(x: Tensor, topology: Tensor, chunks: TrackChunks) -> Tensor:
    r"""Sums over the joints of a pose with a topology for each track, the same for all channels.

    .. math::
        \mathbf{y}^{(k)}_{u,p} = \sum_v \mathbf{R}^{(m(p))}_{k,u,v} \, \mathbf{x}_{v,p}

    Args:
        x: [V, P, C].
        topology: [M, K, V, V], target joint before source joint.
        chunks: The chunks of the tracks.

    Returns:
        [V, P, K*C], type-major.
    """
    v, _, c = x.shape
    k = topology.size(1)
    count, length = chunks.blank.shape
    sent = into_places(x, chunks).transpose(0, 1).reshape(count, v, length * c)
    if chunks.track is not None:
        topology = topology.index_select(0, chunks.track)
    y = torch.bmm(topology.reshape(count, k * v, v), sent).view(count, k, v, length, c)
    y = y.permute(2, 0, 3, 1, 4).reshape(v, count * length, k * c)
    return y if chunks.place is None else y.index_select(1, chunks.place)
