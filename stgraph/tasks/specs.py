"""Transforms, maskings and targets as data: what a recipe or a saved task says, and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch_geometric.transforms import Compose

import stgraph.transforms as room

Spec = list[str | dict[str, Any]]


def build_transform(spec: Sequence[str | dict[str, Any]] | None) -> Callable[..., Any] | None:
    """Transforms of :mod:`stgraph.transforms` from their names and arguments.

    Args:
        spec: Names, or ``{name: arguments}``, in their order.

    Returns:
        The transforms one after the other; None if there are none.

    Raises:
        ValueError: if a name or an argument is unknown.
    """
    transforms = [_build(item) for item in spec or ()]
    if len(transforms) < 2:
        return transforms[0] if transforms else None
    return Compose(transforms)


def _build(item: str | dict[str, Any]) -> Any:
    return build_part(item, room, "transform", room.__all__)


def build_part(item: Any, package: Any, what: str, names: Sequence[str]) -> Any:
    """One object of a package from its name and arguments.

    Args:
        item: A name, or ``{name: arguments}``.
        package: Module that its class comes from.
        what: What the name stands for, for errors.
        names: Those of the package that come into question; only classes that can be made count.

    Raises:
        ValueError: if the name or an argument is unknown.
    """
    if isinstance(item, str):
        item = {item: {}}
    if not isinstance(item, dict) or len(item) != 1:
        raise ValueError(f"expected a {what} as a name or {{name: arguments}} (got {item!r})")
    ((name, arguments),) = item.items()
    known = [name for name in names if _can_be_made(getattr(package, name))]
    if name == "unsaved":
        raise ValueError(f"the {what} {arguments} could not be written down; build it in Python")
    if name not in known:
        raise ValueError(f"unknown {what} {name!r}; known are {', '.join(sorted(known))}")
    words = arguments or {}
    if not isinstance(words, dict) or not all(isinstance(word, str) for word in words):
        raise ValueError(
            f"expected the arguments of {name} by name (got {arguments!r}; YAML reads on, off, yes "
            "and no as truth values: put them in quotes)"
        )
    try:
        return getattr(package, name)(**{k: _tuples(v) for k, v in words.items()})
    except TypeError as error:
        raise ValueError(f"the {what} {name}: {error}") from None


def describe_transform(transform: Any) -> Spec:
    """A transform as :func:`build_transform` takes it; strangers become ``{"unsaved": repr}``."""
    if transform is None:
        return []
    if isinstance(transform, Compose):
        return [item for part in transform.transforms for item in describe_transform(part)]
    return [describe_part(transform, room)]


def describe_part(part: Any, package: Any) -> str | dict[str, Any]:
    """An object of a package as :func:`build_part` takes it; a stranger is ``{"unsaved": repr}``.

    Args:
        part: An object that keeps the arguments of its constructor under their names.
        package: Module that its class should come from.
    """
    name = type(part).__name__
    if getattr(package, name, None) is not type(part):
        return {"unsaved": repr(part)}
    arguments = {}
    for parameter in inspect.signature(type(part)).parameters.values():
        value = getattr(part, parameter.name, parameter.default)
        if parameter.name == "generator" or value is parameter.default:
            continue
        if not _is_plain(value):
            return {"unsaved": repr(part)}
        if value != parameter.default:
            arguments[parameter.name] = _plain(value)
    return {name: arguments} if arguments else name


def _can_be_made(thing: Any) -> bool:
    """Whether it is a class, and not one that others have to fill in."""
    return (
        inspect.isclass(thing)
        and not inspect.isabstract(thing)
        and not getattr(thing, "_is_protocol", False)
        and thing is not room.SkeletonTransform
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _tuples(value: Any) -> Any:
    """JSON and YAML have lists where constructors take tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
