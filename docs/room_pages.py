"""Sphinx extension: one API page a room, made at build time from the sections of its ``__all__``.

A section is a named list that ``__all__`` is put together from, or a comment on a line of its own
inside ``__all__``::

    layouts = ["SkeletonLayout", "named_layouts"]
    __all__ = [
        *layouts,
        # Recordings as graphs
        "SkeletonGraph",
    ]

The pages go to ``docs/api/generated``, which git ignores.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import pkgutil
import tokenize
from pathlib import Path
from typing import NamedTuple

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

logger = logging.getLogger(__name__)

# As the house stands, from the ground floor to the roof.
ROOMS = [
    "skeleton",
    "ops",
    "metrics",
    "nn",
    "transforms",
    "viz",
    "objectives",
    "sparsity",
    "io",
    "tasks",
    "datasets",
    "evaluation",
    "cli",
    "testing",
]


class Section(NamedTuple):
    """A heading of a page and the names below it; no title for names above the first heading."""

    title: str
    names: list[str]


def comments_of(source: str) -> dict[int, str]:
    """Comments that have a line to themselves, by line number."""
    lines = source.splitlines()
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#")
    }


def sections_of(source: str) -> list[Section]:
    """Read the sections of ``__all__`` without running the file."""
    comments = comments_of(source)
    values: dict[str, ast.expr] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            values[node.target.id] = node.value
    sections: list[Section] = []

    def add(node: ast.expr, title: str) -> None:
        if isinstance(node, ast.BinOp):
            add(node.left, title)
            add(node.right, title)
        elif isinstance(node, ast.Starred):
            add(node.value, title)
        elif isinstance(node, ast.Name):
            add(values[node.id], node.id.strip("_").replace("_", " ").capitalize())
        elif isinstance(node, ast.List | ast.Tuple):
            sections.append(Section(title, []))
            line = node.lineno
            for element in node.elts:
                for number in range(line + 1, element.lineno):
                    if number in comments:
                        sections.append(Section(comments[number], []))
                line = element.lineno
                if isinstance(element, ast.Constant):
                    sections[-1].names.append(str(element.value))
                else:
                    add(element, title)
                    sections.append(Section("More", []))
        else:
            raise ValueError(f"__all__ is a list of names and lists (got '{ast.unparse(node)}').")

    add(values.get("__all__", ast.List(elts=[], lineno=0)), "")
    return [section for section in sections if section.names]


def heading(text: str, mark: str) -> list[str]:
    return [text, mark * len(text), ""]


def directive_of(thing: object) -> list[str]:
    """Which autodoc directive shows this object, and its options."""
    if inspect.isclass(thing):
        return ["autoclass", "   :members:", "   :show-inheritance:"]
    if inspect.ismodule(thing):
        return ["automodule", "   :members:"]
    return ["autofunction"]


def is_constant(thing: object) -> bool:
    """Whether autodoc would show the docstring of its type, such as that of `dict`."""
    return not (inspect.isclass(thing) or inspect.ismodule(thing) or callable(thing))


def constant(room: str, name: str, thing: object) -> list[str]:
    """A constant with its value, if short, and the ``#:`` comment above it."""
    value = repr(thing)
    lines = [f".. py:data:: {room}.{name}"]
    lines += [f"   :value: {value}"] if len(value) <= 80 else []
    package = importlib.import_module(room)
    modules = [room, *(f"{room}.{m.name}" for m in pkgutil.iter_modules(package.__path__))]
    for module in modules:
        said = ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name))
        if said:
            return [*lines, "", *(f"   {line}" for line in said)]
    return [*lines, ""]


def page_of(module_name: str, source: str) -> str:
    """The page of one room: its docstring, a table a section, then every name in full."""
    module = importlib.import_module(module_name)
    lines = heading(module_name, "=")
    lines += [f".. automodule:: {module_name}", "   :no-members:", ""]
    for title, names in sections_of(source):
        if title:
            lines += heading(title, "-")
        constants = [name for name in names if is_constant(getattr(module, name))]
        names = [name for name in names if name not in constants]
        lines += [f".. currentmodule:: {module_name}", ""]
        if names:
            lines += [".. autosummary::", "   :nosignatures:", ""]
            lines += [*(f"   {name}" for name in names), ""]
        for name in constants:
            lines += constant(module_name, name, getattr(module, name))
        for name in names:
            directive, *options = directive_of(getattr(module, name))
            lines += [f".. {directive}:: {module_name}.{name}", *options, ""]
    return "\n".join(lines)


def write_pages(app: Sphinx) -> None:
    """Write the pages of the rooms that exist and the list of them; leave what did not change."""
    folder = Path(app.srcdir) / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(__file__).resolve().parent.parent / "stgraph"
    pages: dict[str, str] = {}
    for room in ROOMS:
        files = [package / room / "__init__.py", package / f"{room}.py"]
        file = next((file for file in files if file.exists()), None)
        if file is None:
            continue
        try:
            pages[room] = page_of(f"stgraph.{room}", file.read_text("utf-8"))
        except Exception as error:
            logger.warning("stgraph.%s has no API page: %s: %s", room, type(error).__name__, error)
    index = [*heading("API", "="), "One page a room, from the ground floor to the roof.", ""]
    index += [".. toctree::", "   :maxdepth: 1", "", *(f"   {room}" for room in pages), ""]
    pages["index"] = "\n".join(index)
    for path in folder.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
