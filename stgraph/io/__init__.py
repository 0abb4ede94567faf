"""Bytes to recordings: one reader a format, the store of a whole set, and the loader.

A reader takes a path or the bytes at hand and returns a :class:`~stgraph.skeleton.SkeletonGraph`
with coordinates exactly as read, in the unit that its docstring names; a joint without a position
has score 0, frames without anybody do not exist, and a gap ends a track. What cannot be read raises
:class:`RecordingError`, which names file, place and remedy. A :class:`Store` keeps all recordings
of a set in one memory-mapped file; a :class:`StoreLoader` gathers batches from it.
"""

from stgraph.io.arrays import graphs_from_array, read_numpy
from stgraph.io.build import GUESSED_SCORE, clip_frames, clip_segments, graph_from_frames
from stgraph.io.concat import ConcatStore
from stgraph.io.errors import RecordingError
from stgraph.io.kth import read_kth_poses, read_kth_sequences
from stgraph.io.loader import EpochSampler, StoreLoader
from stgraph.io.msr_action3d import read_msr_action3d
from stgraph.io.nw_ucla import read_nw_ucla
from stgraph.io.openpose import read_openpose, read_openpose_folder
from stgraph.io.penn_action import read_penn_action
from stgraph.io.pku_mmd import read_pku_mmd, read_pku_mmd_labels
from stgraph.io.sbu import read_sbu
from stgraph.io.source import iter_files, read_all
from stgraph.io.store import Store
from stgraph.io.utd_mhad import read_utd_mhad
from stgraph.io.utkinect import read_utkinect, read_utkinect_labels

readers = [
    "read_kth_poses",
    "read_kth_sequences",
    "read_msr_action3d",
    "read_numpy",
    "read_nw_ucla",
    "read_openpose",
    "read_openpose_folder",
    "read_penn_action",
    "read_pku_mmd",
    "read_pku_mmd_labels",
    "read_sbu",
    "read_utd_mhad",
    "read_utkinect",
    "read_utkinect_labels",
]
building = [
    "GUESSED_SCORE",
    "clip_frames",
    "clip_segments",
    "graph_from_frames",
    "graphs_from_array",
]
sources = ["RecordingError", "iter_files", "read_all"]
stores = ["ConcatStore", "EpochSampler", "Store", "StoreLoader"]

__all__ = [*readers, *building, *sources, *stores]
