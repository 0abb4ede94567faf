"""The recordings of a comparison: the parts of a named set, prepared alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.transforms import Compose

from stgraph.datasets import KTH, NWUCLA, PennAction
from stgraph.datasets.synthetic_kth import SyntheticKTH
from stgraph.evaluation.preparation import prepare_poses, prepared_store
from stgraph.io import Store
from stgraph.skeleton import SkeletonLayout
from stgraph.tasks.inspection import recordings_digest
from stgraph.transforms import (
    DropJoints,
    Flip,
    Jitter,
    RandomRotate,
    RandomScale,
    RandomSpeed,
    RandomTimeCrop,
    ReportAugmentation,
    TimeCrop,
)

__all__ = ["AUGMENTATIONS", "VIEWS", "ComparisonSets", "load_comparison_sets"]

#: Names of :meth:`ComparisonSets.augmentation`.
AUGMENTATIONS = ("none", "report", "strong", "strong-speed")
#: What a network sees of a recording when it is tested; it answers with its mean over them.
VIEWS: dict[str, tuple[Any, ...]] = {
    "whole": (None,),
    # as short as the stretches that the augmentation "strong" trains on
    "stretches": (
        None,
        *(TimeCrop(part, at) for part in (0.75, 0.5) for at in (0.0, 0.5, 1.0)),
    ),
}
DATASETS = ("kth", "nw_ucla", "penn_action")
SPLITS = {
    "kth": ("official", "15-5-5", "scenario", "stratified"),
    "nw_ucla": ("official", "copies_removed"),
    "penn_action": ("official",),
}


@dataclass
class ComparisonSets:
    """What all rows of a comparison see.

    Attributes:
        key: Word for the set in results files.
        protocol: Word for the split, with ``_incomplete`` where bad files were left out.
        title: What to call them in headings.
        raw: Data sets as read, by part: ``train``, ``val``, and each test part; controls see these.
        prepared: The same recordings prepared, and ``trainval``.
        pixel: Length of a pixel (2-D) in prepared units; 0 in 3-D.
        facts: What else decides a result, for the name under which it is kept.
        companions: What :func:`companion` has fitted to them.
    """

    key: str
    protocol: str
    title: str
    raw: dict[str, Any]
    prepared: dict[str, Store]
    pixel: float
    facts: dict[str, Any] = field(default_factory=dict)
    companions: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def synthetic(self) -> bool:
        """Whether the recordings were generated."""
        return self.key == "kth_synthetic"

    @property
    def layout(self) -> SkeletonLayout:
        """Joints of the recordings."""
        return self.prepared["train"].layout

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.raw["train"].class_names)

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the test parts; the first is the official one."""
        return tuple(part for part in self.raw if part.startswith("test"))

    @property
    def num_dims(self) -> int:
        """Coordinates of a joint."""
        return self.prepared["train"][0].num_dims

    def videos(self, part: str) -> list[str] | None:
        """Video of each recording, where several recordings share one; else None."""
        store = self.prepared[part]
        if "video" not in store.column_names:
            return None
        videos = [str(video) for video in store.column("video")]
        return videos if len(set(videos)) < len(videos) else None

    def sizes(self) -> str:
        """Numbers of recordings, for headings."""
        parts = [f"{len(self.raw['train'])} training", f"{len(self.raw['val'])} validation"]
        parts += [f"{len(self.raw[part])} {part.replace('_', ' ')}" for part in self.tests]
        return ", ".join(parts)

    def augmentation(self, name: str = "report") -> Any:
        """Random changes of training recordings.

        Args:
            name: ``"none"``; ``"report"``: with probability one half two of the four changes of the
                KTH report, in 3-D turns and sizes; ``"strong"``: every recording is mirrored or
                not, turned, jittered, shortened, and loses joints. It keeps its size, because
                speed in body sizes tells walking from running. ``"strong-speed"``: half of the
                recordings also go up to a quarter faster or slower.

        Returns:
            A transform, or None.

        Raises:
            ValueError: if the name is unknown.
        """
        flat = self.num_dims == 2
        if name == "none":
            return None
        if name == "report" and flat:
            return ReportAugmentation(unit=self.pixel)
        turn = RandomRotate(15.0 if flat else (15.0, 30.0, 15.0), about="recording")
        if name == "report":
            return Compose([turn, RandomScale((0.85, 1.15))])
        if name in ("strong", "strong-speed"):
            speed = [RandomSpeed((0.8, 1.25))] if name == "strong-speed" else []
            rest = [turn, Jitter(0.05), RandomTimeCrop((0.5, 1.0)), DropJoints(0.05)]
            return Compose([Flip(0.5), *speed, *rest])
        raise ValueError(f"unknown augmentation {name!r}; known are {', '.join(AUGMENTATIONS)}")


def load_comparison_sets(
    dataset: str = "kth",
    path: str | os.PathLike[str] | None = None,
    split: str = "official",
    *,
    split_seed: int = 0,
    synthetic: Mapping[str, Any] | None = None,
    skip_bad: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    **preparation: Any,
) -> ComparisonSets:
    """The recordings of a comparison.

    Args:
        dataset: ``"kth"``, ``"nw_ucla"`` or ``"penn_action"``.
        path: Its folder or archive; None (KTH only): the generated stand-in.
        split: KTH: ``official``, ``15-5-5``, ``scenario``, ``stratified``; NW-UCLA: ``official``
            or ``copies_removed``; Penn Action: ``official``.
        split_seed: Decides what is drawn: the stratified split, and the validation part of sets
            that name none.
        synthetic: Further arguments of :class:`~stgraph.datasets.SyntheticKTH`.
        skip_bad: Leave out files that cannot be read, with a warning.
        cache_dir: Folder of parsed sets, see :func:`stgraph.datasets.cache_folder`.
        **preparation: Arguments of :func:`~stgraph.evaluation.prepare_poses`.

    Raises:
        ValueError: if data set or split is unknown, or there is no path where one is needed.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}; known are {', '.join(DATASETS)}")
    if split not in SPLITS[dataset]:
        raise ValueError(
            f"unknown split {split!r} of {dataset}; known are {', '.join(SPLITS[dataset])}"
        )
    if path is None and dataset != "kth":
        raise ValueError(f"{dataset} has no stand-in: name its folder or archive (--data PATH)")
    parts = ["train", "val", "test"]
    kwargs: dict[str, Any] = {"seed": split_seed, "skip_bad": skip_bad, "cache_dir": cache_dir}
    if path is None:
        key, title = "kth_synthetic", "generated KTH stand-in"
        made = {"split_seed": split_seed, **(synthetic or {})}
        raw = {p: SyntheticKTH(p, protocol=split, **made) for p in parts}
    elif dataset == "kth":
        key, title = "kth", "KTH"
        raw = {p: KTH(path, p, protocol=split, **kwargs) for p in parts}
    elif dataset == "nw_ucla":
        key, title = "nw_ucla", "Northwestern-UCLA"
        parts += ["test_clean", "test_copies"]
        raw = {p: NWUCLA(path, p, protocol=split, **kwargs) for p in parts}
    else:
        key, title = "penn_action", "Penn Action"
        raw = {p: PennAction(path, p, protocol=split, **kwargs) for p in parts}

    transform = prepare_poses(**preparation)
    prepared = {part: prepared_store(source, transform) for part, source in raw.items()}
    both = [*_graphs(prepared["train"]), *_graphs(prepared["val"])]
    prepared["trainval"] = Store.from_graphs(both, class_names=raw["train"].class_names)
    facts = {
        "dataset": key,
        "split": split,
        "split_seed": split_seed,
        "source": None if path is None else Path(path).name,
        "synthetic": _plain(synthetic or {}) if path is None else None,
        "preparation": repr(transform),
        "recordings": {part: recordings_digest(source) for part, source in raw.items()},
    }
    # what is left out would count as wrong: figures of fewer recordings are no official ones
    left_out = any(source.store.meta.get("skipped") for source in raw.values())
    protocol = f"{split}_incomplete" if left_out else split
    return ComparisonSets(
        key, protocol, title, raw, prepared, _pixel(raw["train"], prepared), facts
    )


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON holds them."""
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in arguments.items()
    }


def _graphs(store: Store) -> list[Any]:
    return [store[i] for i in range(len(store))]


def _pixel(source: Any, prepared: Mapping[str, Store]) -> float:
    """Median over recordings of prepared over raw spread; 0 in 3-D."""
    if prepared["train"][0].num_dims != 2:
        return 0.0
    raw = source.batch(torch.arange(len(source)))
    new = prepared["train"].batch(torch.arange(len(source)))
    before, after = (_spread(batch) for batch in (raw, new))
    usual = (before > 0) & (after > 0)
    return float((after[usual] / before[usual]).median()) if usual.any() else 1.0


def _spread(batch: Any) -> Tensor:
    """Root mean square distance of the found joints from their pose's mean, [B]."""
    found = (batch.folded_score() > 0).to(batch.pos.dtype)[..., None]
    pos = batch.folded("pos")
    middle = (pos * found).sum(1, keepdim=True) / found.sum(1, keepdim=True).clamp(min=1)
    square = ((pos - middle).square() * found).sum((1, 2))
    total = pos.new_zeros(batch.num_recordings).index_add_(0, batch.pose_batch, square)
    count = pos.new_zeros(batch.num_recordings)
    count.index_add_(0, batch.pose_batch, found.sum((1, 2)))
    return (total / count.clamp(min=1)).sqrt()
