"""Layouts as networkx graphs, and what a networkx graph says about a layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import networkx as nx

if TYPE_CHECKING:
    from stgraph.skeleton.layout import SkeletonLayout


def layout_graph(layout: SkeletonLayout) -> nx.Graph:
    """See :meth:`SkeletonLayout.to_networkx`."""
    joints = layout.joints
    graph = nx.Graph(name=layout.name)
    for joint, canonical in zip(joints, layout.canonical, strict=True):
        graph.add_node(joint, canonical=canonical)
    if layout.parents != layout.breadth_first_parents():
        for joint, parent in zip(joints, layout.parents, strict=True):
            graph.nodes[joint]["parent"] = joints[parent]
    # a networkx graph keeps neither the order nor the direction in which edges were added
    for order, (a, b) in enumerate(layout.bones):
        graph.add_edge(joints[a], joints[b], order=order, start=joints[a])
    graph.graph["centre"] = [joints[joint] for joint in layout.centre]
    graph.graph["left_right"] = [[joints[a], joints[b]] for a, b in layout.left_right]
    graph.graph["parts"] = {
        part: [joints[j] for j in members] for part, members in layout.parts.items()
    }
    return graph


def graph_description(graph: nx.Graph, name: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    """What :meth:`SkeletonLayout.from_dict` takes, of a graph and further fields.

    Raises:
        ValueError: if an attribute names a joint that is no node of the graph.
    """
    nodes = list(graph.nodes)
    names = [str(node) for node in nodes]
    place = {node: i for i, node in enumerate(nodes)}

    def numbers(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: numbers(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [numbers(item) for item in value]
        if value is not None and value not in place and str(value) not in names:
            raise ValueError(f"layout from networkx: {value!r} is not a node of the graph")
        return names.index(str(value)) if value is not None else None

    description: dict[str, Any] = {
        "name": name or graph.graph.get("name") or "custom",
        "joints": names,
        "bones": [[place[a], place[b]] for a, b in _bones(graph)],
    }
    for key in ("centre", "left_right", "parts"):
        value = fields.pop(key, graph.graph.get(key))
        if value is not None:
            description[key] = numbers(value)
    canonical = [graph.nodes[node].get("canonical") for node in nodes]
    if any(c is not None for c in canonical):
        description["canonical"] = canonical
    if any("parent" in graph.nodes[node] for node in nodes):
        description["parents"] = [numbers(graph.nodes[node].get("parent", node)) for node in nodes]
    return {**description, **fields}


def _bones(graph: nx.Graph) -> list[tuple[Any, Any]]:
    """The edges without loops and repetitions, in the order and direction that they remember."""
    found: dict[frozenset[Any], tuple[Any, Any, float]] = {}
    for a, b, attributes in graph.edges(data=True):
        if a == b:
            continue
        start, order = attributes.get("start", a), attributes.get("order")
        rank = order if isinstance(order, int) else float("inf")
        pair = (b, a, rank) if start == b else (a, b, rank)
        found.setdefault(frozenset((a, b)), pair)
    return [(a, b) for a, b, _ in sorted(found.values(), key=lambda pair: pair[2])]
