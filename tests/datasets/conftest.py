"""One cache of parsed sets a test session, apart from the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parsed")


@pytest.fixture(autouse=True)
def own_cache(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STGRAPH_CACHE", str(session_cache))


@pytest.fixture
def real(shared: Path) -> Callable[..., Any]:
    """`real(NWUCLA, "test")`: a split of the set in the shared folder."""

    def make(cls: Any, split: str = "train", **kwargs: Any) -> Any:
        folder = "kth_openpose" if cls.key == "kth" else cls.key
        return cls(shared / "data" / f"{folder}.tar.xz", split, **kwargs)

    return make
