"""Checks the family `adjacency`: our partition strategies against published adjacency tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from _oracles.cases import Arrays, Case, Result, absolute
from torch import Tensor

from stgraph.skeleton import (
    Distance,
    InwardOutward,
    PartitionStrategy,
    SkeletonLayout,
    SpatialConfiguration,
    Symmetrical,
    Uniform,
    named_layouts,
    normalise_adjacency,
    resolve_layout,
    resolve_partition,
)

TOLERANCE = 1e-6
# Layouts that a reference has and no configuration describes: st-gcn's NTU joints without the
# spine shoulder, whose centre (a number from 1 there) is used as a number from 0.
NTU_EDGE: list[tuple[int, int]] = [
    *((1, 2), (3, 2), (4, 3), (5, 2), (6, 5), (7, 6), (8, 7), (9, 2), (10, 9), (11, 10), (12, 11)),
    *((13, 1), (14, 13), (15, 14), (16, 15), (17, 1), (18, 17), (19, 18), (20, 19), (21, 22)),
    *((22, 8), (23, 24), (24, 12)),
]
DESCRIBED: dict[str, dict[str, Any]] = {
    "ntu_edge24": {"num_node": 24, "center": 2, "edges": [(a - 1, b - 1) for a, b in NTU_EDGE]}
}
NAMED = {
    "openpose18": "openpose_coco_18",
    "ntu25": "kinect_v2_25",
    "coco17": "coco_17",
    "hand21": "hand_21",
    "ucla20": "kinect_v1_20",
    "body25": "openpose_body_25",
}


def layout_from(name: str, description: Mapping[str, Any]) -> SkeletonLayout:
    """A layout from what the configuration says of a reference's own."""
    links = [tuple(link) for link in description.get("inward") or description["edges"]]
    joints = int(description["num_node"])
    centre = description.get("center")
    parents = None
    if "inward" in description:
        parents = list(range(joints))
        for child, parent in links:
            parents[child] = parent
    opposite = description.get("opposite", {})
    pairs = sorted({tuple(sorted((int(a), int(b)))) for a, b in opposite.items()})
    return SkeletonLayout(
        name,
        [f"joint_{i}" for i in range(joints)],
        [link for link in links if link[0] != link[1]],
        centre=centre,
        left_right=pairs,
        parents=parents,
    )


def named_like(name: str) -> str:
    """The named layout that a short name such as `sbu15` stands for."""
    word, count = re.fullmatch(r"(.*?)_?(\d*)", name).groups()  # type: ignore[union-attr]
    for known in named_layouts():
        joints = known.split("_")[-1] if known.split("_")[-1].isdigit() else ""
        if known.replace("_", "") == name.replace("_", "") or (joints == count and word in known):
            return known
    return name


def find_layout(reference: str, name: str, config: Mapping[str, Any]) -> SkeletonLayout:
    """The layout of a key, by the reference's own description or that of another reference.

    Rules applied to foreign layouts carry the centre in the name: `ucla20_center2`,
    `body25_center_midhip`.
    """
    found = re.fullmatch(r"(.+?)_center_?(\w+)", name)
    base = found.group(1) if found else name
    own = config.get(f"{reference}/{base}")
    others = [value for key, value in config.items() if key.endswith(f"/{base}")]
    description = own or DESCRIBED.get(base) or (others[0] if others else None)
    if description is None:
        layout = resolve_layout(NAMED.get(base) or named_like(base))
    else:
        layout = layout_from(name, description)
    if not found:
        return layout
    centre = found.group(2)
    if not centre.isdigit():
        names = [re.sub(r"\W|_", "", j).lower() for j in (description or {}).get("joint_names", [])]
        known = names or [re.sub("_", "", str(c)) for c in layout.canonical]
        centre = str(known.index(centre.lower()))
    fields = {**layout.to_dict(), "centre": [int(centre)]}
    fields.pop("parents")
    return SkeletonLayout.from_dict(fields)


def kinship(layout: SkeletonLayout, target: int, source: int) -> int | None:
    """CTR-GCN's two scales: itself, parent, child, grandparent, grandchild."""

    def up(joint: int, steps: int) -> int | None:
        for _ in range(steps):
            if layout.parents[joint] == joint:
                return None
            joint = layout.parents[joint]
        return joint

    if target == source:
        return 0
    for steps in (1, 2):
        if up(target, steps) == source:
            return 2 * steps - 1
        if up(source, steps) == target:
            return 2 * steps
    return None


def neighbours(layout: SkeletonLayout, target: int, source: int) -> int | None:
    """One type for all bones, without the joint itself."""
    return 0 if int(layout.hops[target, source]) == 1 else None


def table(strategy: PartitionStrategy, layout: SkeletonLayout, how: str | None = None) -> Tensor:
    """The float64 adjacency that a strategy makes, [K, target, source]."""
    adjacency = strategy.adjacency(layout)
    return normalise_adjacency(adjacency, how or strategy.normalisation, strategy.alpha)


def source_first(adjacency: Tensor) -> Tensor:
    return adjacency.transpose(1, 2)


def stgcn(layout: SkeletonLayout, parts: Sequence[str]) -> Tensor:
    """st-gcn's strategies: source joint first, nearer joints after the others."""
    strategy, hop, *rest = parts
    hops: dict[str, Any] = {"max_hop": int(hop.removeprefix("hop"))}
    if rest:
        hops["dilation"] = int(rest[0].removeprefix("dil"))
    if strategy == "hop_dis":
        return torch.where(layout.hops > hops["max_hop"], -1, layout.hops).double()
    if strategy in ("uniform", "distance"):
        kind = Uniform if strategy == "uniform" else Distance
        return source_first(table(kind(**hops), layout))
    if strategy != "spatial":
        raise ValueError(f"unknown strategy {strategy!r}")
    rule = SpatialConfiguration("hops_truncated", ties="farther", split_hops=True, **hops)
    found = table(rule, layout)
    order = [0, *(i for h in range(1, found.size(0), 2) for i in (h + 1, h))]
    return source_first(found[order])


def pyskl(layout: SkeletonLayout, parts: Sequence[str]) -> Tensor:
    mode, *hop = parts
    if mode == "binary_adj":
        return source_first(table(resolve_partition(neighbours, normalisation="none"), layout))
    if mode == "spatial":
        return source_first(table(InwardOutward(), layout))
    if mode == "stgcn_spatial":
        return stgcn(layout, ["spatial", *hop])
    raise ValueError(f"unknown mode {mode!r}")


def ctrgcn(layout: SkeletonLayout, parts: Sequence[str]) -> Tensor:
    (mode,) = parts
    rules: dict[str, PartitionStrategy] = {
        "spatial": InwardOutward(),
        "multiscale_spatial": resolve_partition(kinship, num_types=5, normalisation="per_type"),
        "uniform_graph": Uniform(),
    }
    if mode not in rules:
        raise ValueError(f"unknown graph {mode!r}")
    found = source_first(table(rules[mode], layout))
    return found[0] if mode == "uniform_graph" else found


def kth(case: Case, layout: SkeletonLayout, parts: Sequence[str], where: str) -> Tensor:
    strategy, ring, form = parts
    hop = int(ring.removeprefix("d"))
    how = {"raw": "none", "normalized_asbuilt": "as_built", "normalized_intended": "symmetric"}
    if strategy.startswith("spatial"):
        distance = case.tensor(f"{where}/avg_distances{strategy.removeprefix('spatial')}")
        rule: PartitionStrategy = SpatialConfiguration("measured", distance, max_hop=hop)
    else:
        kinds: dict[str, Callable[..., PartitionStrategy]] = {
            "uniform": Uniform,
            "distance": Distance,
            "symmetrical": Symmetrical,
        }
        rule = kinds[strategy](max_hop=hop)
    return table(rule, layout, how[form])


def compute(key: str, case: Case, config: Mapping[str, Any]) -> Tensor:
    """Our table for a key such as `stgcn/ntu25/spatial/hop1`."""
    reference, name, *parts = key.split("/")
    layout = find_layout(reference, name, config)
    if reference in ("stgcn", "stgcn_rules"):
        return stgcn(layout, parts)
    if reference == "pyskl":
        return pyskl(layout, parts)
    if reference == "ctrgcn":
        return ctrgcn(layout, parts)
    if reference == "kth":
        return kth(case, layout, parts, f"{reference}/{name}")
    raise ValueError(f"unknown reference {reference!r}")


def check(arrays: Arrays, config: Mapping[str, Any]) -> Iterator[Result | str]:
    """Every table; large entries are compared relative to the largest."""
    case = Case("", arrays, config)
    for key in arrays:
        if "/" not in key or key.rsplit("/", 1)[1].startswith("avg_distances"):
            continue
        try:
            expected = case.tensor(key).double()
            largest = max(1.0, float(expected.abs().max()))
            yield Result(key, absolute(compute(key, case, config), expected) / largest, TOLERANCE)
        except Exception as error:
            yield f"{key}: {type(error).__name__}: {error}"
