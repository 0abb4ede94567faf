"""A recording of people moving, as a PyG graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from stgraph.skeleton import checks
from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.layouts import resolve_layout
from stgraph.skeleton.levels import level_of
from stgraph.skeleton.partition import PartitionStrategy
from stgraph.skeleton.strategies import resolve_partition
from stgraph.skeleton.unroll import unroll


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
        frame: Frame number of each pose, int64 [P], rising by one within a track; by default
            0, 1, ... within each track.
        fps: Frames per second, above 0.
        track_length: Number of poses of each track, int64 [M], all >= 1; by default one track.
        person: Number of the person of each track, int64 [M]; by default 0, 1, ... Nobody has
            two tracks in one frame.
        y: Class number.
        x: Node features [P*V, C], made by a stream transform; an encoder falls back to ``pos``.
        **kwargs: Anything else that belongs to the recording (``name``, ``subject``, ...).

    Raises:
        ValueError: if the shapes contradict each other or the layout, or a value is none of those
            above; coordinates and features are finite.
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
        self.pos = checks.positions(pos, self.layout)
        poses = self.pos.size(0) // self.layout.num_joints
        if x is not None:
            self.x = checks.features(x)
        if score is not None:
            self.score = checks.scores(score).reshape(-1)
        if track_length is None:
            track_length = [poses] if poses else []
        self.track_length = checks.track_lengths(track_length, poses)
        if person is None:
            person = torch.arange(self.track_length.numel())
        self.person = checks.whole("person", person)
        if frame is None:
            frame = torch.arange(poses) - self.first_pose.repeat_interleave(self.track_length)
        self.frame = checks.whole("frame", frame)
        if fps is not None:
            self.fps = checks.rate(fps)
        if y is not None:
            self.y = checks.whole("y", y)
        checks.check_sizes(self)
        checks.check_frames(self.frame, self.track_length, self.person)

    # --- PyG's batching, which reads more into some names ---
    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if "index" in key and level_of(key, value) != "recording":
            return 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if ("index" in key or "batch" in key) and level_of(key, value) != "recording":
            return 0
        return super().__inc__(key, value, *args, **kwargs)

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
        """How many recordings B there are; 1, or the size of the batch."""
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

        Raises:
            ValueError: if an attribute whose name says node, pose or track has too few entries or
                too many.
        """
        levels = {key: level_of(key, self[key]) for key in self.keys()}
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
        gather = {
            "node": (node, self.pos.size(0)),
            "pose": (index, self.num_poses),
            "track": (track_source, self.num_tracks),
        }
        for key, level in levels.items():
            if level in gather:
                rows, size = gather[level]
                if self[key].size(0) != size:
                    raise ValueError(
                        f"'SkeletonGraph' expected {size} entries in {key!r}, one for each "
                        f"{level} (got {self[key].size(0)}); give it another name if it has others"
                    )
                out[key] = self[key].index_select(0, rows)
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
            out._follow_batch()
        return out

    def _follow_batch(self) -> None:
        """Renews what a loader's ``follow_batch`` asked for, such as ``pos_batch``."""
        for key in set(self.keys()) - {"batch", "ptr", *self._slice_dict}:
            name, _, what = key.rpartition("_")
            if name in self._slice_dict and what in ("batch", "ptr"):
                ptr = self._slice_dict[name].to(self[key].device)
                owner = torch.arange(self.num_recordings, device=ptr.device)
                self[key] = ptr if what == "ptr" else owner.repeat_interleave(ptr.diff())

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
            ValueError: if ``pos`` is not four-dimensional or does not fit the layout, or the
                scores do not fit it.
        """
        layout = resolve_layout(layout)
        pos = checks.fractions("pos", pos)
        if pos.dim() != 4 or pos.size(2) != layout.num_joints:
            raise ValueError(
                f"'from_dense' expected [persons, frames, {layout.num_joints}, dims] for layout "
                f"{layout.name!r} (got {list(pos.shape)})"
            )
        m, t = pos.shape[:2]
        score = pos.ne(0).any(dim=-1).float() if score is None else checks.scores(score)
        if score.shape != pos.shape[:3]:
            raise ValueError(
                f"'from_dense' expected scores {list(pos.shape[:3])} (got {list(score.shape)})"
            )
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
            num_frames: T; by default up to the last frame, at most a million. Frames count from
                the first one.
            num_persons: M; by default as many as there are.

        Raises:
            ValueError: if called on a batch, or if there would be more than a million frames,
                which only time stamps number.
        """
        if isinstance(self, Batch):
            raise ValueError("'to_dense' takes one recording; use batch.to_data_list()")
        v, d = self.num_joints, self.num_dims
        if not self.num_poses:
            return self.pos.new_zeros(num_persons or 1, num_frames or 0, v, d)
        frame = self.frame - self.frame.min()
        person = self.person.unique(return_inverse=True)[1][self.track]
        t = int(frame.max()) + 1 if num_frames is None else num_frames
        if num_frames is None and t > 10**6:
            raise ValueError(
                f"'to_dense' expected at most 1,000,000 frames (got {t:,}). Are the frame numbers "
                "time stamps? Number the frames, or give num_frames"
            )
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
