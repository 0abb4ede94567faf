"""A store of tiny recordings, and a model trained on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from stgraph import SkeletonGraph
from stgraph.cli import main
from stgraph.io import Store


def make_graphs(number: int = 12, seed: int = 0) -> list[SkeletonGraph]:
    """Recordings of three classes, some of a video each, one of them without a pose."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for i in range(number):
        poses = 0 if i == 4 else 3 + i % 3
        pos = torch.randn(poses, 20, 3, generator=generator) * 0.3
        pos[:, 3] += torch.tensor([0.0, 3.0 * (i % 3), 0.0])
        graphs.append(
            SkeletonGraph(
                pos,
                layout="kinect_v1_20",
                y=i % 3,
                name=f"clip{i}",
                video=f"v{i % 6}",
                split=("train", "train", "val", "test")[i // 3 % 4],
            )
        )
    return graphs


LONG_NAMES = ["bow", "wave"]


def make_long(number: int = 8, seed: int = 0) -> list[SkeletonGraph]:
    """Recordings of two actions each, between which nothing happens."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for i in range(number):
        pos = torch.randn(24, 20, 3, generator=generator) * 0.1
        pos[4:10, 3] += torch.tensor([0.0, 4.0, 0.0])
        pos[14:20, 3] += torch.tensor([4.0, 0.0, 0.0])
        graphs.append(
            SkeletonGraph(
                pos,
                layout="kinect_v1_20",
                name=f"long{i}",
                fps=10.0,
                segments=torch.tensor([[1.0, 4.0, 9.0], [2.0, 14.0, 19.0]]),
                split=("train", "train", "val", "test")[i % 4],
            )
        )
    return graphs


def write_long(path: Path, change: Callable[[list[Any]], None] = lambda graphs: None) -> Path:
    """A store of such recordings, changed."""
    graphs = make_long()
    change(graphs)
    Store.write(path, graphs, class_names=LONG_NAMES)
    return path


@pytest.fixture
def long_store(tmp_path: Path) -> Path:
    """A file of recordings of several actions."""
    return write_long(tmp_path / "long.safetensors")


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def stgraph(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the command in this process."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Result(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of recordings with a column ``split``."""
    path = tmp_path_factory.mktemp("data") / "mine.safetensors"
    Store.write(path, make_graphs(24), class_names=["sit down", "stand up", "wave"])
    return path


FIT = ["--epochs", 2, "--width", 4, "--network_args.channels", "[4]", "--lr", 0.05]


@pytest.fixture(scope="session")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of ``stgraph fit``."""
    out = tmp_path_factory.mktemp("runs") / "a"
    arguments = ["fit", "--data.name", "store", "--data.path", store, "--out", out, *FIT]
    assert main([str(argument) for argument in arguments]) == 0
    return out


@pytest.fixture
def fit_options() -> list[object]:
    """What makes a training tiny."""
    return list(FIT)
