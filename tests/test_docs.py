"""The documentation builds, and its API pages follow the sections of each `__all__`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")


@pytest.fixture(scope="module")
def room_pages(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "room_pages", repository / "docs" / "room_pages.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('__all__ = ["A", "b"]', [("", ["A", "b"])]),
        ('graphs = ["A"]\n__all__ = graphs', [("Graphs", ["A"])]),
        (
            'graphs = ["A"]\nto_files = ["b"]\n__all__ = graphs + to_files',
            [("Graphs", ["A"]), ("To files", ["b"])],
        ),
        ('graphs = ["A"]\n__all__ = [*graphs, "b"]', [("Graphs", ["A"]), ("More", ["b"])]),
        (
            '__all__ = [\n    # One\n    "A",\n    # Two\n    "b",  # not a heading\n    "c",\n]',
            [("One", ["A"]), ("Two", ["b", "c"])],
        ),
        ("x = 1", []),
    ],
)
def test_sections_are_named_lists_or_comments(
    room_pages: ModuleType, source: str, expected: list[tuple[str, list[str]]]
) -> None:
    assert room_pages.sections_of(source) == expected


def test_an_all_that_is_computed_is_refused(room_pages: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"list of names and lists \(got 'dir\(\)'\)"):
        room_pages.sections_of("__all__ = dir()")


@pytest.mark.slow
@pytest.mark.parametrize("builder", ["html", "doctest"])
def test_the_documentation_builds_without_a_warning(
    repository: Path, tmp_path: Path, builder: str
) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder]
    built = subprocess.run(
        [*command, str(repository / "docs"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
