"""The task of finding actions in untrimmed recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Batch
from torchmetrics import MeanMetric

from stgraph.metrics import Segments, SegmentScores, join_segments, make_segments
from stgraph.nn import FrameLogits, PretrainedMixin, frames_of
from stgraph.skeleton import SkeletonGraph, annotated_actions, pose_labels
from stgraph.tasks.base import TrainingTask, Transform
from stgraph.tasks.chunks import chunk_recording, own_frames
from stgraph.tasks.data import SkeletonDataModule, as_source, source_indices, source_num_poses
from stgraph.tasks.segmenting import SegmentFinder

#: Frames that are looked at together in a recording of any length.
CHUNK = 512
#: Frames around them where a network does not say how far it looks.
CONTEXT = 64


class FrameScores(NamedTuple):
    """What a network says of the frames of a recording in which somebody is.

    Attributes:
        frame: Their numbers, rising, int64 [F].
        probability: [F, C + 1]; column 0 is background.
    """

    frame: Tensor
    probability: Tensor


class Detection(TrainingTask):
    r"""Trains a network that gives each frame a class or background.

    Training sees pieces of recordings (:func:`~stgraph.tasks.chunk_store`), validation and test
    whole ones, of any length, piece by piece. Actions are annotated as ``segments``
    (:func:`~stgraph.skeleton.annotated_actions`).

    Args:
        model: Such as :class:`~stgraph.nn.FrameClassifier`: a batch to
            :class:`~stgraph.nn.FrameLogits`.
        class_names: Names of the C classes, without background.
        transform: See :class:`~stgraph.tasks.TrainingTask`, as all options that are not named here.
        augment: Likewise.
        label_smoothing: Share of the target that is spread over all classes.
        background_weight: Of background in the loss.
        frame_share: Share of the frames of a step that are learned from, drawn at random:
            neighbours say much the same, and an encoder that looks at windows does that much less.
        finder: How actions are found in probabilities.
        iou: Temporal IoUs at which validation measures.
        **settings: Optimiser and schedule; Hi-TRS: ``optimizer="adam", lr=4e-4``.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    figures = ("val/loss", "val/frames", "val/map_a", "val/map_v", "val/f1")
    default_figure = "val/map_a"

    def __init__(
        self,
        model: nn.Module,
        class_names: Sequence[str],
        *,
        transform: Transform | None = None,
        augment: Transform | None = None,
        label_smoothing: float = 0.0,
        background_weight: float = 1.0,
        frame_share: float = 1.0,
        finder: SegmentFinder | None = None,
        iou: Sequence[float] = (0.1, 0.3, 0.5),
        **settings: Any,
    ) -> None:
        more = {"label_smoothing": label_smoothing}
        super().__init__(transform=transform, augment=augment, more=more, **settings)
        own = getattr(model, "num_classes", None)
        if own is not None and own != len(class_names):
            raise ValueError(f"the network has {own} classes and {len(class_names)} have names")
        if background_weight <= 0:
            raise ValueError(f"expected a background weight above 0 (got {background_weight})")
        if not 0 < frame_share <= 1:
            raise ValueError(f"expected a frame_share in (0, 1] (got {frame_share})")
        self.frame_share = frame_share
        self.model = model
        self.class_names = tuple(class_names)
        self.finder = SegmentFinder() if finder is None else finder
        weight = torch.ones(len(class_names) + 1)
        weight[0] = background_weight
        self.register_buffer("loss_weight", weight, persistent=False)
        self.train_loss = MeanMetric(nan_strategy="disable")
        self.train_loss.persistent(True)  # a resumed epoch reports the mean of all of its steps
        self.iou = tuple(iou)
        self.loss_so_far = MeanMetric(nan_strategy="disable")
        self.right_so_far = MeanMetric(nan_strategy="disable")
        self.scores_so_far = SegmentScores(self.iou, len(class_names))
        self._videos = 0

    @property
    def num_classes(self) -> int:
        """Number C of classes without background."""
        return len(self.class_names)

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.model

    def trained_modules(self) -> Iterable[nn.Module]:
        """The network."""
        return [self.model]

    def shared_buffers(self) -> Iterable[Tensor]:
        """Statistics of the network."""
        return self.model.buffers()

    def check_data(self, data: SkeletonDataModule) -> None:
        """Refuses recordings without annotated actions, or with classes that there are not, and a
        transform that numbers their frames anew."""
        for part, source in (("train", data.train), ("val", data.val), ("test", data.test)):
            if source is None:
                continue
            store = getattr(source, "store", source)
            rows = source_indices(source)
            actions = annotated_actions(store.batch(rows))
            wrong = (actions.label < 1) | (actions.label > self.num_classes)
            if bool(wrong.any()):
                raise ValueError(
                    f"the {part} recordings hold an action of class "
                    f"{int(actions.label[wrong][0])}; classes count from 1 to {self.num_classes}"
                )
            prepared_in_place(self, store.batch(rows[source_num_poses(source) > 0][:2]))

    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes network and task, see :func:`~stgraph.tasks.save_detection`."""
        if not isinstance(self.network, PretrainedMixin):
            return None
        from stgraph.tasks.saving_detection import save_detection

        save_detection(self, folder, facts)
        return folder

    # --- what it computes -------------------------------------------------------------------------
    def forward(self, batch: SkeletonGraph) -> FrameLogits:
        """Logits of the frames of a batch as it was read."""
        return self.model(self.prepare(batch))

    def loss(self, logits: Tensor, label: Tensor) -> Tensor:
        """Cross-entropy of frames, weighted, over their number."""
        return F.cross_entropy(
            logits.float(),
            label,
            self.loss_weight,  # type: ignore[arg-type]
            reduction="none",
            label_smoothing=self.settings["label_smoothing"],
        ).mean()

    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.step_seed(batch_idx, 1))
        batch = self.prepare(batch, generator, train=True)
        label, own = frame_labels(batch)
        if self.frame_share < 1:
            drawn = torch.rand(own.shape, generator=generator).to(own.device) < self.frame_share
            own = own & drawn
        if not bool(own.any()):
            return sum(p.sum() * 0.0 for p in self.model.parameters())  # type: ignore[return-value]
        if self.frame_share < 1:
            logits = self.model(batch, own).logits
        else:
            logits = self.model(batch).logits[own]
        loss = self.loss(logits, label[own])
        self.train_loss.update(loss.detach(), own.sum())
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("train/loss", self.train_loss.compute(), sync_dist=True)
        self.train_loss.reset()

    # --- validation and test ----------------------------------------------------------------------
    def validation_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._measure(batch)

    def test_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._measure(batch)

    def _measure(self, batch: Any) -> None:
        graphs = batch.to_data_list() if isinstance(batch, Batch) else [batch]
        for graph in graphs:
            scores = score_frames(self, graph)
            label = labels_at(graph, scores.frame)
            number = self.global_rank + self._videos * self.trainer.world_size
            self._videos += 1
            if len(label):
                losses = -scores.probability.clamp(min=1e-12).log().gather(1, label[:, None])
                self.loss_so_far.update(losses[:, 0])
                self.right_so_far.update((scores.probability.argmax(dim=1) == label).double())
            self.scores_so_far.update(
                self.finder(scores.frame, scores.probability, number), true_segments(graph, number)
            )

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def _report(self, part: str) -> None:
        found = self.scores_so_far.compute()
        for name in ("map_a", "map_v", "f1"):
            values = [found[f"{name}@{iou:g}"] for iou in self.iou]
            self.log(f"{part}/{name}", sum(values) / len(values), sync_dist=True)
        self.log(f"{part}/frames", self.right_so_far.compute(), sync_dist=True)
        self.log(f"{part}/loss", self.loss_so_far.compute(), sync_dist=True)
        for metric in (self.scores_so_far, self.right_so_far, self.loss_so_far):
            metric.reset()
        self._videos = 0


def frame_labels(batch: SkeletonGraph) -> tuple[Tensor, Tensor]:
    """Class of each frame in which somebody is, int64 [F], and whether it counts, bool [F].

    Args:
        batch: Recordings or pieces of them, with ``segments``.
    """
    _, frame, owner = frames_of(batch)
    label = torch.zeros_like(frame)
    label[owner] = pose_labels(batch)
    return label, own_frames(batch, owner, frame.numel())


def labels_at(graph: SkeletonGraph, frame: Tensor) -> Tensor:
    """Class of some frames of a recording, int64 [F]; where actions overlap, the later one's."""
    label = torch.zeros_like(frame)
    actions = annotated_actions(graph)
    for name, start, end in zip(actions.label, actions.start, actions.end, strict=True):
        label[(frame >= start) & (frame <= end)] = name
    return label


def true_segments(graph: SkeletonGraph, video: int = 0) -> Segments:
    """The annotated actions of a recording."""
    actions = annotated_actions(graph)
    n = len(actions.label)
    return make_segments([video] * n, actions.label, actions.start, actions.end)


@torch.no_grad()
def score_frames(
    task_or_model: Detection | nn.Module,
    graph: SkeletonGraph,
    chunk: int = CHUNK,
    context: int | None = None,
) -> FrameScores:
    """Probabilities of the frames of one recording of any length, in bounded memory.

    Args:
        task_or_model: A :class:`Detection` (its transform applies), or a network that gives
            :class:`~stgraph.nn.FrameLogits`.
        graph: The recording, as it was read.
        chunk: Frames at a time.
        context: Frames around them that are seen; by default as far as the network looks, else 64.

    Returns:
        On the CPU.
    """
    task = task_or_model if isinstance(task_or_model, Detection) else None
    model: Any = task_or_model if task is None else task.model
    if context is None:
        reach = getattr(model, "reach", None)
        context = CONTEXT if reach is None else int(reach)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    training = {each: each.training for each in model.modules()}
    model.eval()
    frames, shares = [], []
    try:
        for piece in chunk_recording(graph, chunk, context):
            batch = Batch.from_data_list([piece]).to(device)
            if task is not None:
                batch = prepared_in_place(task, batch)
            out = model(batch)
            own = own_frames(batch, frames_of(batch)[2], out.frame.numel())
            frames.append(out.frame[own].cpu())
            shares.append(out.logits[own].float().softmax(dim=1).cpu())
    finally:
        for each, mode in training.items():
            each.training = mode
    if not frames:
        return FrameScores(torch.zeros(0, dtype=torch.long), torch.zeros(0, model.num_classes + 1))
    return FrameScores(torch.cat(frames), torch.cat(shares))


def prepared_in_place(task: Detection, batch: SkeletonGraph) -> SkeletonGraph:
    """What a detector sees of recordings whose frames keep their numbers.

    Raises:
        ValueError: if its transform numbers frames anew: what is found would lie elsewhere.
    """
    batch = batch.__copy__()
    batch["pose_read"] = batch.frame
    if isinstance(batch, Batch):
        for name in ("_slice_dict", "_inc_dict"):
            table = getattr(batch, name)
            setattr(batch, name, {**table, "pose_read": table["frame"]})
    out = task.prepare(batch)
    if "pose_read" not in out:  # a transform of the user's own that makes something new
        return out
    at, read = out.pose_batch, out.pose_read
    low, high = (int(end) for end in read.aminmax()) if len(read) else (0, 0)
    key = at * (high - low + 1) + read - low
    still = torch.isin(key, key[out.frame == read])
    if not bool(still.all()):
        raise ValueError(
            "a detector's transform keeps the numbers of frames (got frame "
            f"{int(read[~still][0])} under another one); resample recordings when they are read, "
            "or put what changes time at random into 'augment'"
        )
    return out


def each_recording(source: Any) -> Iterator[SkeletonGraph]:
    """The recordings of a data set, a store, or a list, one at a time."""
    source = as_source(source)
    store = getattr(source, "store", source)
    for i in source_indices(source).tolist():
        yield store[i]


class Detected(NamedTuple):
    """What was found in the recordings of a part.

    Attributes:
        scores: Of the frames of each recording.
        truth: Annotated actions of all, videos numbered in order.
        label: Class of each frame of each recording.
    """

    scores: list[FrameScores]
    truth: Segments
    label: list[Tensor]

    def proposals(self, finder: SegmentFinder) -> Segments:
        """The proposals of a finder in all recordings."""
        return join_segments([finder(*s, video=i) for i, s in enumerate(self.scores)])

    @property
    def frame_accuracy(self) -> float:
        """Share of frames whose class is the most probable one."""
        right = [
            (s.probability.argmax(dim=1) == y) for s, y in zip(self.scores, self.label, strict=True)
        ]
        return float(torch.cat(right).double().mean())


def detect(task_or_model: Detection | nn.Module, source: Any, chunk: int = CHUNK) -> Detected:
    """Scores the frames of annotated recordings.

    Args:
        task_or_model: See :func:`score_frames`.
        source: A data set, a store, or a list of graphs, with ``segments``.
        chunk: Frames at a time.
    """
    scores, truth, label = [], [], []
    for number, graph in enumerate(each_recording(source)):
        found = score_frames(task_or_model, graph, chunk)
        scores.append(found)
        truth.append(true_segments(graph, number))
        label.append(labels_at(graph, found.frame))
    return Detected(scores, join_segments(truth), label)
