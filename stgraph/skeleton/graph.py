"""A recording of people moving, as a PyG graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.layouts import resolve_layout
from stgraph.skeleton.partition import PartitionStrategy
from stgraph.skeleton.strategies import resolve_partition
from stgraph.skeleton.unroll import unroll

POSE_LEVEL = ("frame",)
TRACK_LEVEL = ("track_length", "person")
NODE_LEVEL = ("pos", "x", "score")


class SkeletonGraph(Data):
    r"""One recording: one node a joint of a pose, poses ordered by track, then time.

    Node ``pose * V + joint`` is a joint of a pose. A track is the consecutive poses of one person;
    a gap ends it. Frames without anybody do not exist. Edges are implicit, since they repeat in
    every pose: :meth:`unroll` writes them out. Stock ``Batch.from_data_list`` and ``DataLoader``
    make ragged batches without padding, and all properties below work on a batch as well.

    Args:
        pos: Coordinates as read, float32 [P*V, D]; the unit is the source's.
        layout: The joints; a :class:`SkeletonLayout` or a name.
        score: float32 [P*V] in 0...1; 0 means that there is no position (only filler values).
            Absent: every joint has a position.
        frame: Frame number of each pose, int64 [P]; by default 0, 1, ... within each track.
        fps: Frames per second.
        track_length: Number of poses of each track, int64 [M], all >= 1; by default one track.
        person: Number of the person of each track, int64 [M]; by default 0, 1, ...
        y: Class number.
        x: Node features [P*V, C], made by a stream transform; an encoder falls back to ``pos``.
        **kwargs: Anything else that belongs to the recording (``name``, ``subject``, ...).

    Raises:
        ValueError: if the shapes contradict each other or the layout, or a coordinate is not
            finite.
    """

    def __init__(
        self,
        pos: Any = None,
        *,
        layout: SkeletonLayout | str | None = None,
        score: Any = None,
        frame: Any = None,
        fps: float | Tensor | None = None,
        track_length: Any = None,
        person: Any = None,
        y: Any = None,
        x: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pos is None:
            return  # PyG builds empty objects first and fills them afterwards
        if layout is None:
            raise ValueError("SkeletonGraph expected a layout (a SkeletonLayout or a name)")
        self.layout = resolve_layout(layout)
        v = self.layout.num_joints
        self.pos = torch.as_tensor(pos, dtype=torch.float32)
        if self.pos.dim() == 3 and self.pos.size(1) == v:
            self.pos = self.pos.flatten(0, 1)
        if self.pos.dim() != 2 or self.pos.size(0) % v:
            raise ValueError(
                f"'SkeletonGraph' expected 'pos' as [poses*{v}, dims] or [poses, {v}, dims] for "
                f"layout {self.layout.name!r} (got {list(torch.as_tensor(pos).shape)}). Were "
                "joints dropped, or is it another layout?"
            )
        if not torch.isfinite(self.pos).all():
            bad = int((~torch.isfinite(self.pos)).any(dim=1).nonzero()[0])
            raise ValueError(
                f"'SkeletonGraph' expected finite coordinates (joint "
                f"{self.layout.joints[bad % v]!r} of pose {bad // v} is not); set missing joints "
                "to 0 with score 0"
            )
        poses = self.pos.size(0) // v
        if x is not None:
            self.x = x
        if score is not None:
            self.score = torch.as_tensor(score, dtype=torch.float32).reshape(-1)
        if track_length is None:
            track_length = [poses] if poses else []
        self.track_length = torch.as_tensor(track_length, dtype=torch.long).reshape(-1)
        tracks = self.track_length.numel()
        if int(self.track_length.sum()) != poses or (tracks and int(self.track_length.min()) < 1):
            raise ValueError(
                f"'SkeletonGraph' expected track lengths >= 1 that add up to {poses} poses "
                f"(got {self.track_length.tolist()[:8]})"
            )
        if person is None:
            person = torch.arange(tracks)
        self.person = torch.as_tensor(person, dtype=torch.long).reshape(-1)
        if frame is None:
            start = self.track_length.cumsum(0) - self.track_length
            frame = torch.arange(int(self.track_length.sum()))
            frame = frame - start.repeat_interleave(self.track_length)
        self.frame = torch.as_tensor(frame, dtype=torch.long).reshape(-1)
        if fps is not None:
            self.fps = torch.as_tensor(fps, dtype=torch.float32).reshape(1)
        if y is not None:
            self.y = torch.as_tensor(y, dtype=torch.long).reshape(-1)
        for name, size, what in (
            ("score", poses * v, "joints"),
            ("x", poses * v, "joints"),
            ("frame", poses, "poses"),
            ("person", tracks, "tracks"),
        ):
            value = getattr(self, name, None)
            if value is not None and value.size(0) != size:
                raise ValueError(
                    f"'SkeletonGraph' expected {size} entries in {name!r}, one for each of the "
                    f"{what} (got {value.size(0)})"
                )

    # --- counts and memberships, of a graph and of a batch ---
    @property
    def layouts(self) -> list[SkeletonLayout]:
        """The layout of each recording."""
        return list(self.layout) if isinstance(self.layout, list) else [self.layout]

    @property
    def is_mixed(self) -> bool:
        """Whether recordings of different layouts share this batch."""
        first, *others = self.layouts
        return any(layout is not first and layout != first for layout in others)

    @property
    def num_joints(self) -> int:
        """Number V of joints of a pose.

        Raises:
            ValueError: if layouts with different numbers of joints share the batch.
        """
        counts = {layout.num_joints for layout in self.layouts}
        if len(counts) > 1:
            names = sorted({layout.name for layout in self.layouts})
            raise ValueError(f"this batch mixes layouts of different joints: {', '.join(names)}")
        return counts.pop()

    @property
    def num_recordings(self) -> int:
        """Number B of recordings: 1, or the size of the batch."""
        return len(self.layouts)

    @property
    def num_poses(self) -> int:
        """Number P of poses of all tracks."""
        return self.frame.size(0)

    @property
    def num_tracks(self) -> int:
        """Number M of tracks."""
        return self.track_length.size(0)

    @property
    def num_dims(self) -> int:
        """Number D of coordinates of a joint."""
        return self.pos.size(1)

    @property
    def track(self) -> Tensor:
        """Track of each pose, int64 [P]."""
        tracks = torch.arange(self.num_tracks, device=self.track_length.device)
        return tracks.repeat_interleave(self.track_length, output_size=self.num_poses)

    @property
    def first_pose(self) -> Tensor:
        """First pose of each track, int64 [M]."""
        return self.track_length.cumsum(0) - self.track_length

    @property
    def tracks_per_recording(self) -> Tensor:
        """Number of tracks of each recording, int64 [B]."""
        return self._per_recording("track_length")

    @property
    def poses_per_recording(self) -> Tensor:
        """Number of poses of each recording, int64 [B]."""
        return self._per_recording("frame")

    def _per_recording(self, key: str) -> Tensor:
        device = self.track_length.device
        if isinstance(self, Batch):
            return self._slice_dict[key].diff().to(device)
        return torch.tensor([getattr(self, key).size(0)], device=device)

    @property
    def track_batch(self) -> Tensor:
        """Recording of each track, int64 [M]."""
        recordings = torch.arange(self.num_recordings, device=self.track_length.device)
        counts = self.tracks_per_recording
        return recordings.repeat_interleave(counts, output_size=self.num_tracks)

    @property
    def pose_batch(self) -> Tensor:
        """Recording of each pose, int64 [P]."""
        return self.track_batch[self.track]

    @property
    def joints_per_pose(self) -> Tensor:
        """Number of joints of each pose, int64 [P]; constant unless layouts are mixed."""
        counts = torch.tensor([layout.num_joints for layout in self.layouts])
        return counts.to(self.frame.device)[self.pose_batch]

    @property
    def pose(self) -> Tensor:
        """Pose of each node, int64 [N]."""
        poses = torch.arange(self.num_poses, device=self.frame.device)
        return poses.repeat_interleave(self.joints_per_pose, output_size=self.pos.size(0))

    @property
    def joint(self) -> Tensor:
        """Joint number of each node, int64 [N]."""
        counts = self.joints_per_pose
        start = (counts.cumsum(0) - counts)[self.pose]
        return torch.arange(self.pos.size(0), device=self.pos.device) - start

    def folded(self, name: str = "pos") -> Tensor:
        """A node attribute as [P, V, C] (a view)."""
        value = self[name]
        channels = value.size(1) if value.dim() > 1 else 1
        return value.view(self.num_poses, self.num_joints, channels)

    def folded_score(self) -> Tensor:
        """The scores as [P, V]; ones if there are none."""
        score = getattr(self, "score", None)
        if score is None:
            return self.pos.new_ones(self.num_poses, self.num_joints)
        return score.view(self.num_poses, self.num_joints)

    # --- other poses, same bookkeeping ---
    def take_poses(
        self, index: Tensor, track_length: Tensor, track_source: Tensor
    ) -> SkeletonGraph:
        """The graph or batch made of other poses, in other tracks.

        Args:
            index: Pose of this graph for each new pose, int64 [P'], in the order of the new
                tracks; poses may repeat.
            track_length: Number of poses of each new track, int64 [M'], all >= 1.
            track_source: Track of this graph that each new track continues, int64 [M'], in an
                order that keeps recordings together and ascending.

        Returns:
            A new object; every attribute of nodes, poses and tracks is gathered, and PyG's own
            bookkeeping of a batch is right. A recording may become empty.
        """
        levels = {key: self._level(key) for key in self.keys()}
        counts = self.joints_per_pose
        start = counts.cumsum(0) - counts
        new_counts = counts[index]
        total = int(new_counts.sum())
        ends = new_counts.cumsum(0)
        node = torch.arange(total, device=index.device)
        node = node + (start[index] - ends + new_counts).repeat_interleave(
            new_counts, output_size=total
        )
        track_batch = self.track_batch[track_source]
        out = self.__copy__()
        gather = {"node": node, "pose": index, "track": track_source}
        for key, level in levels.items():
            if level in gather:
                out[key] = self[key].index_select(0, gather[level])
        out.track_length = track_length
        if isinstance(self, Batch):
            b = self.num_recordings
            tracks = torch.bincount(track_batch, minlength=b)
            poses = torch.zeros_like(tracks).index_add_(0, track_batch, track_length)
            joints = torch.tensor([layout.num_joints for layout in self.layouts])
            sizes = {"track": tracks, "pose": poses, "node": poses * joints.to(poses.device)}
            slices = {
                level: torch.nn.functional.pad(size.cumsum(0), (1, 0)).cpu()
                for level, size in sizes.items()
            }
            out._slice_dict = {
                key: slices.get(levels.get(key, ""), value)
                for key, value in self._slice_dict.items()
            }
            recordings = torch.arange(b, device=node.device)
            out.batch = recordings.repeat_interleave(sizes["node"], output_size=total)
            out.ptr = slices["node"].to(node.device)
        return out

    def _level(self, key: str) -> str:
        """What an attribute has one entry for: node, pose, track, or else the recording."""
        value = self[key]
        if key in ("batch", "ptr") or not isinstance(value, Tensor) or value.dim() == 0:
            return "recording"
        if key in NODE_LEVEL:
            return "node"
        if key in POSE_LEVEL:
            return "pose"
        if key in TRACK_LEVEL:
            return "track"
        if isinstance(self, Batch):
            sizes = self._slice_dict[key].diff()
            if bool((sizes == 1).all()):
                return "recording"  # labels, not tracks, where every recording has one track
            for known, level in (("pos", "node"), ("frame", "pose"), ("track_length", "track")):
                if torch.equal(sizes, self._slice_dict[known].diff()):
                    return level
            return "recording"
        n = value.size(0)
        if n == 1:
            return "recording"
        return {self.pos.size(0): "node", self.num_poses: "pose", self.num_tracks: "track"}.get(
            n, "recording"
        )

    # --- dense arrays ---
    @classmethod
    def from_dense(
        cls,
        pos: Any,
        layout: SkeletonLayout | str,
        score: Any = None,
        keep_absent: bool = False,
        **kwargs: Any,
    ) -> SkeletonGraph:
        """A recording from a padded array.

        Args:
            pos: [M, T, V, D] (persons, frames, joints, coordinates); absent entries are 0.
            layout: The joints.
            score: [M, T, V]; by default 0 where all coordinates of a joint are 0, else 1.
            keep_absent: Keep absent frames and persons as poses at zero, one track a person of
                all T frames, as published networks see them.
            **kwargs: Further arguments of the constructor.

        Raises:
            ValueError: if ``pos`` is not four-dimensional or does not fit the layout.
        """
        layout = resolve_layout(layout)
        pos = torch.as_tensor(pos, dtype=torch.float32)
        if pos.dim() != 4 or pos.size(2) != layout.num_joints:
            raise ValueError(
                f"'from_dense' expected [persons, frames, {layout.num_joints}, dims] for layout "
                f"{layout.name!r} (got {list(pos.shape)})"
            )
        m, t = pos.shape[:2]
        found = pos.ne(0).any(dim=-1)
        score = found.float() if score is None else torch.as_tensor(score, dtype=torch.float32)
        exists = torch.ones(m, t, dtype=torch.bool) if keep_absent else score.gt(0).any(dim=-1)
        before = torch.nn.functional.pad(exists[:, :-1], (1, 0))
        person, frame = exists.nonzero(as_tuple=True)
        starts = (exists & ~before)[person, frame]
        if keep_absent:
            score = torch.ones_like(score)
        track = starts.long().cumsum(0) - 1
        return cls(
            pos[exists].flatten(0, 1),
            layout=layout,
            score=score[exists].flatten(),
            frame=frame,
            track_length=torch.bincount(track) if len(track) else [],
            person=person[starts],
            **kwargs,
        )

    def to_dense(self, num_frames: int | None = None, num_persons: int | None = None) -> Tensor:
        """Coordinates of one recording as [M, T, V, D], zero where nobody is.

        Args:
            num_frames: T; by default up to the last frame. Frames count from the first one.
            num_persons: M; by default as many as there are.

        Raises:
            ValueError: if called on a batch.
        """
        if isinstance(self, Batch):
            raise ValueError("'to_dense' takes one recording; use batch.to_data_list()")
        v, d = self.num_joints, self.num_dims
        if not self.num_poses:
            return self.pos.new_zeros(num_persons or 1, num_frames or 0, v, d)
        frame = self.frame - self.frame.min()
        person = self.person.unique(return_inverse=True)[1][self.track]
        t = int(frame.max()) + 1 if num_frames is None else num_frames
        m = int(person.max()) + 1 if num_persons is None else num_persons
        keep = (frame < t) & (person < m)
        out = self.pos.new_zeros(m, t, v, d)
        out[person[keep], frame[keep]] = self.folded("pos")[keep]
        return out

    # --- plain PyG graph ---
    def unroll(
        self,
        partition: str | PartitionStrategy = "uniform",
        temporal_kernel: int = 3,
        labels: str = "separate",
    ) -> Data:
        r"""A plain PyG graph with every bone and temporal edge written out.

        Args:
            partition: Labels the edges within a pose (types 0...K-1).
            temporal_kernel: Odd number :math:`\Gamma` of poses that a joint sees along its track.
            labels: ``"separate"``: the partition's edges within each pose, and edges from the
                same joint :math:`q - t = \pm 1, ...` poses away, types K, K+1, ... in the order of
                the offset; ``"joint"``: every edge of the partition at every offset
                :math:`|q - t| \le \lfloor\Gamma/2\rfloor`, with the type
                :math:`l(v_j) + (q - t + \lfloor\Gamma/2\rfloor) K` (Nagy et al., eq. 2-3).

        Returns:
            ``Data`` with ``edge_index`` (source to target), ``edge_type``, ``edge_weight``, and
            all other attributes of this graph; of a batch with ``batch`` and ``ptr``.

        Raises:
            ValueError: if the kernel is even or ``labels`` unknown.
        """
        return unroll(self, resolve_partition(partition), temporal_kernel, labels)
