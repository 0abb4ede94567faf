"""The joints of a body and how they hang together: an immutable value."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from stgraph.skeleton.layout_fields import Pair, from_description, groups, items, numbers, pairs
from stgraph.skeleton.layout_graph import graph_description, layout_graph


class SkeletonLayout:
    r"""The joints of a skeleton, its bones, its centre, its sides and its parts.

    A layout holds no coordinates. It is immutable, hashable, picklable and compares by value, so
    that it can travel with every recording and serve as a key.

    Args:
        name: Name of the layout, used in messages and files.
        joints: Joint names, in the order of the data's columns; all different.
        bones: Unordered pairs of joint numbers; cycles are allowed.
        centre: One joint number or several (a hop distance to the centre is then the minimum over
            them). Empty means that the layout has no centre.
        left_right: Pairs of joint numbers that a mirror exchanges.
        parts: Named groups of joint numbers.
        canonical: One name a joint in the common convention (``left_shoulder``), ``None`` where
            there is none; relates layouts to each other. Defaults to the joint names.
        parents: One joint number a joint; a root is its own parent. Defaults to a breadth-first
            search from the centre (from the lowest number in a component without centre).

    Raises:
        ValueError: if a joint is named twice, a bone, centre, pair or part names an unknown joint
            or what is no joint number, a joint has two mirror images, or is its own ancestor.
    """

    def __init__(
        self,
        name: str,
        joints: Sequence[str],
        bones: Iterable[Sequence[int]],
        centre: int | Sequence[int] | None = (),
        left_right: Iterable[Sequence[int]] = (),
        parts: Mapping[str, Sequence[int]] | None = None,
        canonical: Sequence[str | None] | None = None,
        parents: Sequence[int] | None = None,
    ) -> None:
        name = str(name)
        centre = () if centre is None else centre if isinstance(centre, Iterable) else (centre,)
        joints = tuple(str(joint) for joint in items(name, "joints", joints))
        canonical = joints if canonical is None else items(name, "canonical", canonical)
        fields: dict[str, Any] = {
            "name": name,
            "joints": joints,
            "bones": pairs(name, "bone", bones),
            "centre": numbers(name, "centre", centre),
            "left_right": pairs(name, "left/right pair", left_right),
            "parts": MappingProxyType(groups(name, "parts", {} if parts is None else parts)),
            "canonical": tuple(None if c is None else str(c) for c in canonical),
        }
        self.__dict__.update(fields)
        self._validate()
        self.__dict__["parents"] = (
            self.breadth_first_parents() if parents is None else self._given_parents(parents)
        )

    def _validate(self) -> None:
        who = f"layout {self.name!r}"
        if not self.joints:
            raise ValueError(f"{who} expected at least one joint (got none)")
        twice = sorted({joint for joint in self.joints if self.joints.count(joint) > 1})
        if twice:
            raise ValueError(f"{who} expected different joint names (got {twice} more than once)")
        if len(self.canonical) != self.num_joints:
            raise ValueError(
                f"{who} expected {self.num_joints} canonical names, one a joint "
                f"(got {len(self.canonical)})"
            )
        named: list[tuple[str, Iterable[int]]] = [("centre", self.centre)]
        named += [("bone", bone) for bone in self.bones]
        named += [("left/right pair", pair) for pair in self.left_right]
        named += [(f"part {part!r}", members) for part, members in self.parts.items()]
        for what, members in named:
            for joint in members:
                if not 0 <= joint < self.num_joints:
                    raise ValueError(
                        f"{who} has {self.num_joints} joints, numbered from 0, but its {what} "
                        f"{tuple(members)} names joint {joint}"
                    )
        for bone in self.bones:
            if bone[0] == bone[1]:
                raise ValueError(f"{who}: bone {bone} joins a joint to itself")
        mirrored = [joint for pair in self.left_right for joint in pair]
        if len(set(mirrored)) != len(mirrored):
            raise ValueError(f"{who} has a joint in more than one left/right pair")

    def _given_parents(self, parents: Sequence[int]) -> tuple[int, ...]:
        parents = numbers(self.name, "parents", parents)
        if len(parents) != self.num_joints or not all(0 <= p < self.num_joints for p in parents):
            raise ValueError(
                f"layout {self.name!r} expected {self.num_joints} parents in 0..."
                f"{self.num_joints - 1} (got {list(parents)})"
            )
        ancestor = list(range(self.num_joints))
        for _ in self.joints:
            ancestor = [parents[joint] for joint in ancestor]
        for joint, last in enumerate(ancestor):
            if parents[last] != last:
                raise ValueError(
                    f"layout {self.name!r} expected parents that lead to a root, which is its own "
                    f"parent (those of joint {self.joints[joint]!r} go round in a circle)"
                )
        return parents

    def breadth_first_parents(self) -> tuple[int, ...]:
        """The parents that follow from bones and centre, one joint number a joint."""
        neighbours = self.neighbours
        parents = [-1] * self.num_joints
        for root in (*self.centre, *range(self.num_joints)):
            if parents[root] >= 0:
                continue
            # all centre joints are roots of one wave, so that "parent" means "nearer the centre"
            wave = [j for j in self.centre if parents[j] < 0] if root in self.centre else [root]
            for joint in wave:
                parents[joint] = joint
            queue = deque(wave)
            while queue:
                joint = queue.popleft()
                for other in neighbours[joint]:
                    if parents[other] < 0:
                        parents[other] = joint
                        queue.append(other)
        return tuple(parents)

    # --- immutable value ---
    name: str
    joints: tuple[str, ...]
    bones: tuple[Pair, ...]
    centre: tuple[int, ...]
    left_right: tuple[Pair, ...]
    parts: Mapping[str, tuple[int, ...]]
    canonical: tuple[str | None, ...]
    parents: tuple[int, ...]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a SkeletonLayout is immutable (tried to set {name!r}); make a new one"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a SkeletonLayout is immutable (tried to delete {name!r})")

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        parts = tuple(self.parts.items())
        return (
            self.name,
            self.joints,
            self.bones,
            self.centre,
            self.left_right,
            parts,
            self.canonical,
            self.parents,
        )

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, SkeletonLayout) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __copy__(self) -> SkeletonLayout:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SkeletonLayout:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (SkeletonLayout.from_dict, (self.to_dict(),))

    def __repr__(self) -> str:
        centre = ", ".join(self.joints[joint] for joint in self.centre) or "none"
        return (
            f"SkeletonLayout({self.name!r}, joints={self.num_joints}, bones={len(self.bones)}, "
            f"centre={centre})"
        )

    # --- what follows from the bones ---
    @property
    def num_joints(self) -> int:
        """Number of joints V."""
        return len(self.joints)

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """The joints that share a bone with each joint, ascending."""
        sets: list[set[int]] = [set() for _ in self.joints]
        for a, b in self.bones:
            sets[a].add(b)
            sets[b].add(a)
        return tuple(tuple(sorted(s)) for s in sets)

    @cached_property
    def hops(self) -> Tensor:
        """Hop distance between any two joints, int64 [V, V]; -1 where there is no path."""
        table = torch.full((self.num_joints, self.num_joints), -1, dtype=torch.long)
        for start in range(self.num_joints):
            table[start, start] = 0
            queue = deque([start])
            while queue:
                joint = queue.popleft()
                for other in self.neighbours[joint]:
                    if table[start, other] < 0:
                        table[start, other] = table[start, joint] + 1
                        queue.append(other)
        return table

    @cached_property
    def centre_hops(self) -> Tensor:
        """Hop distance of each joint to the nearest centre joint, int64 [V]; -1 without a path.

        Raises:
            ValueError: if the layout has no centre.
        """
        if not self.centre:
            raise ValueError(
                f"layout {self.name!r} has no centre, so no joint is nearer to it than another; "
                "give it one (centre=...)"
            )
        hops = self.hops[list(self.centre)]
        far = self.num_joints + 1
        nearest = torch.where(hops < 0, far, hops).amin(dim=0)
        return torch.where(nearest == far, -1, nearest)

    @cached_property
    def mirror(self) -> Tensor:
        """The joint that each joint becomes in a mirror, int64 [V]; its own inverse."""
        table = torch.arange(self.num_joints)
        for a, b in self.left_right:
            table[a], table[b] = b, a
        return table

    @cached_property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """Groups of joints that bones connect."""
        groups = {tuple((row >= 0).nonzero().flatten().tolist()) for row in self.hops}
        return tuple(sorted(groups))

    @property
    def num_components(self) -> int:
        """Number of groups of joints that bones connect; 1 for a connected skeleton."""
        return len(self.components)

    def index(self, joint: str) -> int:
        """Number of a joint, by its own or its canonical name."""
        for names in (self.joints, self.canonical):
            if joint in names:
                return names.index(joint)
        raise ValueError(
            f"layout {self.name!r} has no joint {joint!r}; it has {', '.join(self.joints)}"
        )

    def joint_conflict(self, other: SkeletonLayout) -> str | None:
        """What keeps recordings of another layout from being read as ones of this layout.

        Joints are equal if their names are, or their canonical names. Bones, centre and sides may
        differ, as they do between the published wirings of one skeleton. A layout without any
        canonical name says no more than how many joints it has.

        Returns:
            The first joint that differs, in words; None if the joints are the same.
        """
        if self.num_joints != other.num_joints:
            return f"{self.num_joints} joints there, {other.num_joints} here"
        if not (any(self.canonical) and any(other.canonical)):
            return None
        ours = zip(self.joints, self.canonical, strict=True)
        theirs = zip(other.joints, other.canonical, strict=True)
        for number, ((a, known), (b, found)) in enumerate(zip(ours, theirs, strict=True)):
            if a != b and (known is None or known != found):
                return f"joint {number} is {a!r} there, {b!r} here"
        return None

    def permute(self, perm: Sequence[int]) -> SkeletonLayout:
        """The same skeleton with its joints in another order: new joint i is old ``perm[i]``."""
        perm = [int(old) for old in perm]
        if sorted(perm) != list(range(self.num_joints)):
            raise ValueError(
                f"layout {self.name!r} expected a permutation of 0...{self.num_joints - 1} "
                f"(got {perm})"
            )
        new = {old: i for i, old in enumerate(perm)}
        return SkeletonLayout(
            name=self.name,
            joints=[self.joints[old] for old in perm],
            bones=[(new[a], new[b]) for a, b in self.bones],
            centre=[new[c] for c in self.centre],
            left_right=[(new[a], new[b]) for a, b in self.left_right],
            parts={part: [new[j] for j in members] for part, members in self.parts.items()},
            canonical=[self.canonical[old] for old in perm],
            parents=[new[self.parents[old]] for old in perm],
        )

    # --- in and out ---
    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings, ready for JSON."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "bones": [list(bone) for bone in self.bones],
            "centre": list(self.centre),
            "left_right": [list(pair) for pair in self.left_right],
            "parts": {part: list(members) for part, members in self.parts.items()},
            "canonical": list(self.canonical),
            "parents": list(self.parents),
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> SkeletonLayout:
        """A layout from plain lists; joints may be named by number or by name.

        Args:
            description: ``joints`` and ``bones``, optionally ``name``, ``centre``, ``left_right``,
                ``parts``, ``canonical``, ``parents``.

        Raises:
            ValueError: if it is no dict, a key is missing or unknown, or a joint is not in
                ``joints``.
        """
        return cls(**from_description(description))

    @classmethod
    def from_json(cls, path: str | Path) -> SkeletonLayout:
        """A layout from a JSON file that holds what :meth:`from_dict` takes.

        Raises:
            ValueError: if the file cannot be read, or what it holds describes no layout.
        """
        path = Path(path)
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"layout file {str(path)!r} does not exist") from None
        except OSError as error:
            raise ValueError(
                f"layout file {str(path)!r} cannot be read: the system says {error.strerror!r}"
            ) from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"layout file {str(path)!r} is not JSON: {error}") from None
        if not isinstance(description, dict):
            raise ValueError(f"layout file {str(path)!r} expected an object with joints and bones")
        description.setdefault("name", path.stem)
        try:
            return cls.from_dict(description)
        except ValueError as error:
            raise ValueError(f"layout file {str(path)!r}: {error}") from None

    def to_json(self, path: str | Path) -> None:
        """Writes what :meth:`from_json` reads."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_networkx(
        cls, graph: nx.Graph, name: str | None = None, **fields: Any
    ) -> SkeletonLayout:
        """A layout whose joints are the nodes of a graph, in their order, and bones its edges.

        Graph attributes ``centre``, ``left_right`` and ``parts`` (in node names) are taken over
        unless given as keyword arguments; node attributes ``canonical`` and ``parent`` and edge
        attributes ``order`` and ``start`` likewise, so that :meth:`to_networkx` is inverted.
        Parallel edges are one bone.
        """
        return cls.from_dict(graph_description(graph, name, fields))

    def to_networkx(self) -> nx.Graph:
        """A :class:`networkx.Graph` whose nodes are the joint names, in order.

        Edges remember as ``order`` and ``start`` how the bones are listed; nodes have a ``parent``
        where it is not the one that a breadth-first search finds.
        """
        return layout_graph(self)

    @classmethod
    def named(cls, name: str) -> SkeletonLayout:
        """One of :func:`named_layouts`, by its name."""
        from stgraph.skeleton.layouts import shipped_layouts

        layouts = shipped_layouts()
        if name not in layouts:
            raise ValueError(f"unknown layout {name!r}; known are {', '.join(layouts)}")
        return layouts[name]
