"""The fields of a layout from whatever a user wrote down, with messages that name what is wrong."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

Pair = tuple[int, int]

KEYS = ("name", "joints", "bones", "centre", "left_right", "parts", "canonical", "parents")


def items(name: str, what: str, value: Any) -> list[Any]:
    """The entries of a list-like value.

    Raises:
        ValueError: if it is no list of things.
    """
    try:
        if not isinstance(value, str | bytes | Mapping):
            return list(value)
    except TypeError:
        pass
    raise ValueError(f"layout {name!r} expected {what} as a list (got {value!r})")


def number(name: str, what: str, value: Any) -> int:
    """A joint number, which is a whole one.

    Raises:
        ValueError: if it is not.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(
            f"layout {name!r} expected joint numbers in {what} (got {value!r})"
        ) from None


def numbers(name: str, what: str, value: Any) -> tuple[int, ...]:
    """A list of joint numbers."""
    return tuple(number(name, what, joint) for joint in items(name, what, value))


def pairs(name: str, what: str, value: Any) -> tuple[Pair, ...]:
    """A list of pairs of joint numbers; `what` is the word for one pair.

    Raises:
        ValueError: if an entry is no pair.
    """
    found = [numbers(name, f"each {what}", pair) for pair in items(name, f"{what}s", value)]
    for pair in found:
        if len(pair) != 2:
            raise ValueError(f"layout {name!r} expected two joints a {what} (got {pair})")
    return tuple((pair[0], pair[1]) for pair in found)


def groups(name: str, what: str, value: Any) -> dict[str, tuple[int, ...]]:
    """Named lists of joint numbers.

    Raises:
        ValueError: if it is no mapping.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"layout {name!r} expected {what} as names of joint lists (got {value!r})")
    return {str(key): numbers(name, f"{what} {key!r}", members) for key, members in value.items()}


def from_description(description: Any) -> dict[str, Any]:
    """Arguments of the constructor, in which joints are numbers; see ``SkeletonLayout.from_dict``.

    Raises:
        ValueError: if it is no mapping, a key is missing or unknown, or a joint is not in `joints`.
    """
    if not isinstance(description, Mapping):
        raise ValueError(f"a layout expected a dict with joints and bones (got {description!r})")
    given = {key: value for key, value in description.items() if key != "note"}
    name = str(given.get("name", "custom"))
    for key in ("joints", "bones"):
        if key not in given:
            found = ", ".join(sorted(map(str, given))) or "-"
            raise ValueError(f"layout {name!r} expected the key {key!r} (got {found})")
    unknown = sorted(str(key) for key in given if key not in KEYS)
    if unknown:
        raise ValueError(
            f"layout {name!r} does not know {unknown}; it knows {', '.join(sorted(KEYS))}"
        )
    joints = [str(joint) for joint in items(name, "joints", given["joints"])]

    def numbered(value: Any) -> Any:
        """The same with joint numbers instead of joint names, however deep."""
        if isinstance(value, Mapping):
            return {key: numbered(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [numbered(item) for item in value]
        if isinstance(value, str):
            if value not in joints:
                raise ValueError(
                    f"layout {name!r} has no joint {value!r}; it has {', '.join(joints)}"
                )
            return joints.index(value)
        return value

    fields = {"name": name, "joints": joints, "bones": numbered(given["bones"])}
    for key in ("centre", "left_right", "parts", "parents"):
        if given.get(key) is not None:
            fields[key] = numbered(given[key])
    if given.get("canonical") is not None:
        fields["canonical"] = given["canonical"]
    return fields
