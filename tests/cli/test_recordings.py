"""Files become recordings of the joints that the model knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from stgraph.cli.recordings import read_recordings
from stgraph.io import RecordingError, Store
from stgraph.skeleton import SkeletonLayout
from stgraph.testing import random_skeleton_graph


def test_recordings_of_as_many_other_joints_are_refused_and_other_wirings_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data.safetensors"
    Store.from_graphs([random_skeleton_graph("utd_mhad_20")]).save(path)
    kinect, utd = (SkeletonLayout.named(name) for name in ("kinect_v1_20", "utd_mhad_20"))
    with pytest.raises(
        RecordingError, match=r"data.safetensors.*'utd_mhad_20'.*expects those of 'kinect_v1_20'"
    ):
        read_recordings(path, kinect)
    assert len(read_recordings(path, utd)) == 1
    Store.from_graphs([random_skeleton_graph("kinect_v1_20_ctrgcn")]).save(path)
    assert len(read_recordings(path, kinect)) == 1
