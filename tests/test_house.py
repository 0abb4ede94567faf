"""The house stands: imports run downwards, rooms introduce themselves, importing stays light."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "stgraph"

FLOORS = (
    ("ops", "skeleton", "metrics"),
    ("nn", "transforms", "viz"),
    ("objectives", "sparsity", "io"),
    ("tasks", "datasets"),
    ("evaluation",),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
LEAVES = ("viz", "cli")
# Helpers for tests stand beside the rooms, which must not know them.
BESIDE = {"testing"}

# What a room may know of the world beyond the standard library; rooms that are not named are free.
KNOWS = {
    "ops": {"torch", "torch_geometric", "torch_scatter", "torch_sparse", "pyg_lib", "triton"},
    "skeleton": {"torch", "torch_geometric", "numpy", "networkx"},
    "nn": {"torch", "torch_geometric", "numpy", "safetensors", "huggingface_hub"},
}
# What only these rooms may know.
ONLY = {
    "lightning": {"tasks", "cli"},
    "pytorch_lightning": set(),
    "matplotlib": {"viz"},
    "jsonargparse": {"cli"},
}


class Import(NamedTuple):
    """One imported module: where, what, and whether it happens when the file is imported."""

    file: Path
    line: int
    module: str
    eager: bool

    @property
    def room(self) -> str | None:
        """The room that imports, or None for a file beside the rooms."""
        return room_of_file(self.file)

    @property
    def target(self) -> str | None:
        """The room (or file beside the rooms) that is imported, None for another library."""
        parts = self.module.split(".")
        return parts[1] if parts[0] == "stgraph" and len(parts) > 1 else None

    def __str__(self) -> str:
        return f"{self.file.relative_to(REPOSITORY)}:{self.line} imports {self.module}"


def room_of_file(file: Path) -> str | None:
    first = file.relative_to(PACKAGE).parts[0]
    return first if first in FLOOR else None


def module_of_file(file: Path) -> list[str]:
    parts = list(file.relative_to(REPOSITORY).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports_of(source: str, file: Path) -> Iterator[Import]:
    """Every import statement, also those inside functions and under TYPE_CHECKING."""
    package = module_of_file(file)
    if file.name != "__init__.py":
        package = package[:-1]

    def walk(node: ast.AST, eager: bool) -> Iterator[Import]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            eager = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            eager = False
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, eager)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from stgraph import io` imports a room, `from stgraph.io import Store` a name.
                yield Import(file, node.lineno, f"{module}.{alias.name}", eager)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, eager)

    yield from walk(ast.parse(source), eager=True)


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [found for file in FILES for found in imports_of(file.read_text("utf-8"), file)]
ROOMS = [room for room in FLOOR if any((PACKAGE / room).rglob("*.py"))]


def listed(lines: list[str]) -> str:
    return "\n  ".join(["", *lines])


def runs_upwards(found: Import) -> bool:
    """Rooms of one floor are neighbours, and neighbours do not know each other either."""
    if found.room is None or found.target not in FLOOR or found.target == found.room:
        return False
    return found.room != "cli" and FLOOR[found.target] >= FLOOR[found.room]


def test_imports_run_only_downwards() -> None:
    upwards = [str(found) for found in IMPORTS if runs_upwards(found)]
    assert not upwards, "a room imports from its own floor or from above:" + listed(upwards)


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("ops/a.py", "from stgraph.nn import STGCN", True),
        ("ops/a.py", "from stgraph import skeleton", True),
        ("ops/a.py", "from ..skeleton import layout", True),
        ("ops/a.py", "def f():\n    import stgraph.io.store", True),
        ("ops/deep/a.py", "from ...tasks import recognise", True),
        ("nn/__init__.py", "from ..ops import pool", False),
        ("nn/__init__.py", "from .conv import STGraphConv", False),
        ("nn/a.py", "from .conv import io", False),
        ("evaluation/a.py", "import stgraph.metrics", False),
        ("cli/a.py", "import stgraph.evaluation", False),
    ],
)
def test_an_upward_import_is_seen_however_it_is_written(
    file: str, source: str, expected: bool
) -> None:
    (found,) = imports_of(source, PACKAGE / file)
    assert runs_upwards(found) is expected


def test_every_folder_of_the_package_is_a_room_of_the_house() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if any(path.rglob("*.py"))}
    assert folders - {"__pycache__"} - BESIDE <= FLOOR.keys(), (
        "a folder that has no floor in FLOORS"
    )


def test_nobody_imports_a_leaf_but_the_command_line() -> None:
    guests = [
        str(found)
        for found in IMPORTS
        if found.target in LEAVES
        and found.room not in (found.target, "cli")
        and found.file.name != "__main__.py"
    ]
    assert not guests, "viz and cli are leaves:" + listed(guests)


def test_the_command_line_loads_pictures_and_trainers_only_when_asked_for() -> None:
    eager = [
        str(found)
        for found in IMPORTS
        if found.room == "cli"
        and found.eager
        and (found.target == "viz" or found.module.split(".")[0] == "matplotlib")
    ]
    assert not eager, "import these inside the function that draws:" + listed(eager)


def test_no_room_imports_the_helpers_for_tests() -> None:
    guests = [str(found) for found in IMPORTS if found.room and found.target in BESIDE]
    assert not guests, "stgraph.testing is for tests:" + listed(guests)


@pytest.mark.parametrize("room", KNOWS)
def test_a_lower_room_knows_only_its_own_libraries(room: str) -> None:
    strangers = [
        str(found)
        for found in IMPORTS
        if found.room == room
        and (name := found.module.split(".")[0]) not in sys.stdlib_module_names
        and name not in KNOWS[room] | {"stgraph"}
    ]
    assert not strangers, f"stgraph.{room} knows {sorted(KNOWS[room])} only:" + listed(strangers)


@pytest.mark.parametrize("library", ONLY)
def test_a_heavy_library_stays_in_its_room(library: str) -> None:
    strangers = [
        str(found)
        for found in IMPORTS
        if found.module.split(".")[0] == library and found.room not in ONLY[library]
    ]
    assert not strangers, f"only {sorted(ONLY[library])} may import {library}:" + listed(strangers)


def test_tensors_are_all_that_ops_knows() -> None:
    graphs = [
        str(found)
        for found in IMPORTS
        if found.room == "ops" and found.module.startswith("torch_geometric.data")
    ]
    assert not graphs, "stgraph.ops is functions of tensors:" + listed(graphs)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_docstring_and_keeps_what_it_promises(room: str) -> None:
    file = PACKAGE / room / "__init__.py"
    assert file.exists(), f"stgraph/{room} has no __init__.py"
    assert ast.get_docstring(ast.parse(file.read_text("utf-8"))), f"stgraph/{room} has no docstring"
    module = importlib.import_module(f"stgraph.{room}")
    names = module.__all__
    assert len(names) == len(set(names)), f"stgraph.{room}.__all__ repeats a name"
    missing = [name for name in names if not hasattr(module, name)]
    assert not missing, f"stgraph.{room}.__all__ promises {missing}"
    given = {
        alias.asname or alias.name
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    unsaid = sorted(name for name in given - set(names) if not name.startswith("_"))
    assert not unsaid, f"stgraph.{room} imports {unsaid}, which its __all__ does not name"


# torchmetrics imports matplotlib, tasks are Lightning's, viz draws.
LIGHT = [room for room in ROOMS if room not in ("metrics", "tasks", "evaluation", "viz")]


def test_importing_loads_neither_a_trainer_nor_a_plotter() -> None:
    modules = ["stgraph", *(f"stgraph.{room}" for room in LIGHT)]
    heavy = ["lightning", "pytorch_lightning", "matplotlib", "tensorboard"]
    # One process, lightest first: the first module that a heavy one is listed under brought it in.
    script = (
        f"import importlib, sys\nfor module in {modules}:\n    importlib.import_module(module)\n"
        f"    for name in {heavy}:\n        if name in sys.modules:\n"
        "            sys.exit(f'import {module} also loads {name}')"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr


# Written in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(
    r"(?<![\w.:/~$}-])/(?:" + "|".join(["home", "work", "root", "tmp", "mnt", "Users"]) + r")/\w"
    r"|[A-Z]:\\\\?Users"
)
TEXT = {".py", ".json", ".yaml", ".yml", ".toml", ".md", ".rst", ".cpp", ".h", ".cff", ".txt"}
WRITTEN = [
    file
    for folder in ("stgraph", "experiments", "tests", "docs", "datasets")
    for file in sorted((REPOSITORY / folder).rglob("*"))
    if file.is_file() and file.suffix in TEXT and "_build" not in file.parts
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("open('" + "/home" + "/ada/x.npz')", True),
        ("`" + "/tmp" + "/x`", True),
        ("https://example.org" + "/home" + "/x", False),
        ("pages/home/x", False),
    ],
)
def test_a_path_of_one_machine_is_told_from_an_address(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found


def test_no_file_names_a_path_of_one_machine() -> None:
    lines = [
        f"{file.relative_to(REPOSITORY)}:{number} {line.strip()[:80]}"
        for file in WRITTEN
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not lines, "paths of one machine:" + listed(lines)


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def test_no_file_unpickles_code() -> None:
    unsafe = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (
                (called(node) == "torch.load" and keywords.get("weights_only") != "True")
                or called(node) in ("pickle.load", "pickle.loads")
                or (called(node) == "np.load" and keywords.get("allow_pickle", "False") != "False")
            ):
                unsafe.append(f"{file.relative_to(REPOSITORY)}:{node.lineno} {called(node)}")
    assert not unsafe, "files from strangers are data:" + listed(unsafe)


def test_no_module_keeps_a_lambda_which_could_not_be_pickled() -> None:
    kept = [
        f"{file.relative_to(REPOSITORY)}:{node.lineno}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Lambda)
        and any(isinstance(target, ast.Attribute) for target in node.targets)
    ]
    assert not kept, "use a method or torch.nn.Identity:" + listed(kept)


def test_folders_that_are_not_packages_hide_nobody_elses() -> None:
    for folder in ("datasets", "experiments", "tests"):
        assert not (REPOSITORY / folder / "__init__.py").exists(), f"{folder}/ is not a package"


def test_every_version_is_the_same() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    citation = re.search(r"^version: (\S+)$", (REPOSITORY / "CITATION.cff").read_text(), re.M)
    assert citation is not None
    assert citation[1] == project["version"]
    assert importlib.import_module("stgraph").__version__ == project["version"]


def test_the_extra_all_is_every_extra() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = dict(project["optional-dependencies"])
    (everything,) = extras.pop("all")
    named = re.search(r"\[(.*)\]", everything)
    assert named is not None
    assert set(named[1].split(",")) == extras.keys()


def test_every_data_file_of_the_package_is_shipped() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        str(file.relative_to(REPOSITORY))
        for file in PACKAGE.rglob("*")
        if file.is_file()
        and file.suffix not in (".py", ".pyc")
        and not any(file.match(pattern) for pattern in patterns)
    ]
    assert not left_out, "add these to [tool.setuptools.package-data]:" + listed(left_out)


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_no_section_of_all_hides_a_module(room):
    folder = PACKAGE / room
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    sections = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    modules = {path.stem for path in folder.iterdir() if path.suffix in ("", ".py")}
    assert not sections & modules
