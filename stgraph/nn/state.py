"""State dicts that do not fit a network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class StateDictMismatch(ValueError):
    """Weights that do not fit a network; the message lists what does not."""


def check_state_dict(
    expected: Mapping[str, Tensor], given: Mapping[str, Tensor], source: str
) -> None:
    """Compares names and shapes strictly, and that fractions come from fractions.

    Raises:
        StateDictMismatch: with every name that is missing, left over, of another shape or kind.
    """
    missing = [key for key in expected if key not in given]
    unknown = [key for key in given if key not in expected]
    shapes = [
        f"{key}: {list(given[key].shape)} instead of {list(expected[key].shape)}"
        for key in expected
        if key in given and given[key].shape != expected[key].shape
    ]
    kinds = [
        f"{key}: {given[key].dtype} instead of {expected[key].dtype}"
        for key in expected
        if key in given and expected[key].is_floating_point() and not given[key].is_floating_point()
    ]
    if missing or unknown or shapes or kinds:
        lines = [f"the weights of {source} do not fit this network:"]
        for title, names in (
            ("missing", missing),
            ("not in the network", unknown),
            ("other shapes", shapes),
            ("other kinds of numbers", kinds),
        ):
            if names:
                lines.append(f"  {title} ({len(names)}): {', '.join(names)}")
        raise StateDictMismatch("\n".join(lines))
