"""What a comparison sees is told apart by what it holds, and says when something is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stgraph.evaluation import ComparisonSets, load_comparison_sets

#: One person of each official part.
VIDEOS = ("person11_walking_d1", "person19_walking_d1", "person02_walking_d1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """KTH in small, as arrays in the report's layout."""
    path = tmp_path / "kth"
    path.mkdir()
    ranges = "\n".join(f"{video}\tframes\t1-4, 5-8" for video in VIDEOS)
    (path / "00sequences.txt").write_text(ranges + "\n")
    rng = np.random.default_rng(0)
    for video in VIDEOS:
        np.save(path / f"{video}.npy", rng.uniform(1, 9, (9, 18, 2)))
    return path


def load(folder: Path, **kwargs: object) -> ComparisonSets:
    return load_comparison_sets("kth", folder, cache_dir=folder.parent / "cache", **kwargs)


def test_other_coordinates_are_other_facts(folder: Path) -> None:
    before = load(folder).facts
    assert load(folder).facts == before
    file = folder / f"{VIDEOS[2]}.npy"
    np.save(file, np.load(file) + 1)
    after = load(folder).facts
    assert after["recordings"]["train"] == before["recordings"]["train"]
    assert after["recordings"]["test"] != before["recordings"]["test"]


def test_a_split_with_files_left_out_is_called_incomplete(folder: Path) -> None:
    assert load(folder, skip_bad=True).protocol == "official"
    np.save(folder / "person03_walking_d1.npy", np.ones(3))
    with pytest.warns(UserWarning, match="skipped 1 bad file"):
        sets = load(folder, skip_bad=True)
    assert sets.protocol == "official_incomplete"
