"""Parsing once: the cache, its key, and what happens when it is bad."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from stgraph.datasets import KTH, cache_folder
from stgraph.io import RecordingError
from stgraph.io.source import fingerprint


@pytest.fixture
def source(tmp_path: Path) -> Path:
    np.savez(tmp_path / "k.npz", person02_running_d3=np.ones((60, 25, 2)))
    return tmp_path / "k.npz"


def load(source: Path, cache: Path, **kwargs: object) -> KTH:
    return KTH(source, "all", cache_dir=cache, **kwargs)  # type: ignore[arg-type]


def test_a_set_is_parsed_once_and_again_when_the_source_changes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    calls = []
    parse = KTH._parse
    monkeypatch.setattr(KTH, "_parse", lambda self, skip: calls.append(1) or parse(self, skip))
    for _ in range(2):
        load(source, cache)
    assert len(calls) == 1
    assert len(list(cache.iterdir())) == 1
    os.utime(source, ns=(1, 1))
    load(source, cache)
    assert len(calls) == 2
    load(source, cache, level="video")
    assert len(calls) == 3
    load(source, cache, force_reload=True)
    assert len(calls) == 4
    monkeypatch.setattr(KTH, "version", KTH.version + 1)
    load(source, cache)
    assert len(calls) == 5


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_cache_is_built_anew(source: Path, tmp_path: Path, keep: int) -> None:
    cache = tmp_path / "cache"
    before = load(source, cache)[0]
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.warns(UserWarning, match=r"corrupt or truncated.*it is built anew"):
        after = load(source, cache)[0]
    assert torch.equal(before.pos, after.pos)
    load(source, cache)
    assert list(cache.iterdir()) == [file]


def test_a_cache_that_cannot_be_written_costs_only_time(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="cannot keep the parsed set"):
        assert len(load(source, tmp_path / "file" / "cache")) == 4


def test_the_cache_folder_follows_argument_then_environment_then_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cache_folder("a") == Path("a")
    monkeypatch.setenv("STGRAPH_CACHE", "b")
    assert cache_folder() == Path("b")
    monkeypatch.delenv("STGRAPH_CACHE")
    monkeypatch.setenv("HOME", "c")
    assert cache_folder() == Path("c") / ".cache" / "stgraph"


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file or folder"):
        load(tmp_path / "nothing", tmp_path)


def test_transforms_run_on_single_recordings_and_on_batches(source: Path) -> None:
    def double(data):
        data.pos = data.pos * 2
        return data

    dataset = KTH(source, "all", transform=double)
    assert dataset[0].pos.max() == 2
    assert dataset.store[0].pos.max() == 1
    (batch,) = dataset.loader(batch_size=4)
    assert batch.pos.max() == 2
    assert batch.num_graphs == 4


def test_a_renamed_file_is_another_source_for_names_carry_labels(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    np.savez(folder / "k.npz", person02_running_d3=np.ones((60, 25, 2)))
    before = fingerprint(folder)
    (folder / "k.npz").rename(folder / "l.npz")
    assert fingerprint(folder) != before
    (folder / "l.npz").rename(folder / "k.npz")
    assert fingerprint(folder) == before


def test_labels_follow_a_renamed_file(tmp_path: Path) -> None:
    folder, cache = tmp_path / "folder", tmp_path / "cache"
    folder.mkdir()
    np.save(folder / "person02_running_d3.npy", np.ones((60, 25, 2), dtype=np.float32))
    assert {KTH.class_names[y] for y in load(folder, cache).y} == {"running"}
    (folder / "person02_running_d3.npy").rename(folder / "person02_boxing_d3.npy")
    assert {KTH.class_names[y] for y in load(folder, cache).y} == {"boxing"}
