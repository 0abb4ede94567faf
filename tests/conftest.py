"""What every test has: one thread, fixed seeds, tolerances, the shared folder where it exists."""

from __future__ import annotations

import os

# Before torch and numpy are imported, which read them once.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import hypothesis
import numpy as np
import pytest
import torch

torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent

# No deadline: the first example of a test pays for imports and caches.
hypothesis.settings.register_profile("dev", deadline=None, max_examples=15)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=15, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=300)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev")
)


class Tolerance(NamedTuple):
    """Largest difference relative to the largest entry, as the laws state it."""

    forward: float
    backward: float


TOLERANCES = {
    torch.float32: Tolerance(forward=1e-5, backward=1e-4),
    torch.float64: Tolerance(forward=1e-11, backward=1e-10),
}


def shared_folder() -> Path:
    """The folder of real recordings and oracles, whether it exists or not."""
    named = os.environ.get("STGRAPH_SHARED")
    return Path(named) if named else REPOSITORY.parent / "shared"


def skip_unless_exists(path: Path) -> Path:
    """Return `path`, or skip the test and say that exactly this is missing."""
    if not path.exists():
        pytest.skip(f"{path} is missing (name the shared folder with STGRAPH_SHARED)")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that ask for the shared folder carry its marker without saying so again."""
    for item in items:
        if {"shared", "shared_path"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.shared)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if item.get_closest_marker("shared"):
        skip_unless_exists(shared_folder())


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Every test begins at the same place of the global generators."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - scikit-learn and others read the old global one
    torch.manual_seed(0)


@pytest.fixture
def generator() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session", params=[torch.float32, torch.float64], ids=["fp32", "fp64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The test runs once in each precision; `tolerance` follows it."""
    return request.param


@pytest.fixture(scope="session")
def tolerance(dtype: torch.dtype) -> Tolerance:
    """What the precision of this run allows, forward and backward."""
    return TOLERANCES[dtype]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder; the test is skipped where there is none."""
    return skip_unless_exists(shared_folder())


@pytest.fixture(scope="session")
def shared_path(shared: Path) -> Callable[..., Path]:
    """`shared_path("data", "x.tar.xz")`: that path, or a skip that names it."""
    return lambda *parts: skip_unless_exists(shared.joinpath(*parts))
