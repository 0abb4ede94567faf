"""The layouts that have a name, and a layout from whatever names or describes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import networkx as nx

from stgraph.skeleton.layout import SkeletonLayout


@cache
def shipped_layouts() -> Mapping[str, SkeletonLayout]:
    """The layouts of ``layouts.json``, by name."""
    text = resources.files("stgraph.skeleton").joinpath("layouts.json").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            name: SkeletonLayout.from_dict({"name": name, **description})
            for name, description in json.loads(text).items()
        }
    )


def named_layouts() -> tuple[str, ...]:
    """The names that :meth:`SkeletonLayout.named` knows."""
    return tuple(shipped_layouts())


def resolve_layout(
    layout: str | Path | Mapping[str, Any] | nx.Graph | SkeletonLayout,
) -> SkeletonLayout:
    """A layout from its name, a JSON file, a dict, a networkx graph, or itself.

    Raises:
        ValueError: if the name is neither a shipped layout nor a JSON file.
        TypeError: if the argument is of another kind.
    """
    if isinstance(layout, SkeletonLayout):
        return layout
    if isinstance(layout, Mapping):
        return SkeletonLayout.from_dict(layout)
    if isinstance(layout, nx.Graph):
        return SkeletonLayout.from_networkx(layout)
    if isinstance(layout, str | Path):
        if str(layout).endswith(".json"):
            return SkeletonLayout.from_json(layout)
        return SkeletonLayout.named(str(layout))
    raise TypeError(
        "a layout is a SkeletonLayout, a name, a JSON file, a dict or a networkx graph "
        f"(got {type(layout).__name__})"
    )
