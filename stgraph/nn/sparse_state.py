"""State dicts whose zeros take no room: the values that are there, and where they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from stgraph.nn.state import StateDictMismatch

VALUES, BITS, GAPS = "|values", "|bits", "|gaps"
_FAR = 255


def pack_zeros(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors; those with enough zeros as ``NAME|values``, the entries that are not zero,
    with ``NAME|bits``, one bit an entry, or ``NAME|gaps``, how many zeros stand before each value
    (255: that many and no value), whichever is smallest.

    Args:
        state: Tensors by name.

    Returns:
        What to store; :func:`unpack_zeros` makes the state dict of it.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        flat = tensor.detach().cpu().flatten()
        places = flat.nonzero().flatten()
        if not tensor.is_floating_point() or places.numel() == flat.numel():
            packed[name] = tensor
            continue
        key, where = _where(places.numpy(), flat.numel())
        if places.numel() * tensor.element_size() + where.size >= flat.numel() * (
            tensor.element_size()
        ):
            packed[name] = tensor
            continue
        packed[name + VALUES] = flat[places].clone()
        packed[name + key] = torch.from_numpy(where)
    return packed


def _where(places: np.ndarray, size: int) -> tuple[str, np.ndarray]:
    gaps = _to_gaps(places)
    if gaps.size < -(-size // 8):
        return GAPS, gaps
    kept = np.zeros(size, dtype=bool)
    kept[places] = True
    return BITS, np.packbits(kept)


def _to_gaps(places: np.ndarray) -> np.ndarray:
    zeros = np.diff(places, prepend=-1) - 1
    ends = np.cumsum(zeros // _FAR + 1) - 1
    gaps = np.full(int(ends[-1]) + 1 if ends.size else 0, _FAR, dtype=np.uint8)
    gaps[ends] = zeros % _FAR
    return gaps


def _from_gaps(gaps: np.ndarray) -> np.ndarray:
    ends = gaps != _FAR
    return np.cumsum(np.where(ends, gaps.astype(np.int64) + 1, _FAR))[ends] - 1


def unpack_zeros(
    packed: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str
) -> dict[str, Tensor]:
    """The state dict that :func:`pack_zeros` packed.

    Args:
        packed: What was stored.
        expected: Tensors of the right shapes by name, so that a damaged file cannot ask for more.
        source: Where it comes from, for messages.

    Raises:
        StateDictMismatch: naming the tensor whose places do not fit its values or its shape.
    """
    state = {}
    for name, values in packed.items():
        if not name.endswith(VALUES):
            owner = name.rpartition("|")[0]
            if not (name.endswith((BITS, GAPS)) and owner + VALUES in packed):
                state[name] = values
            continue
        plain = name.removesuffix(VALUES)
        if plain not in expected:
            state[plain] = values  # is reported with the others
            continue
        shape = expected[plain].shape
        places = _places(packed, plain, shape.numel())
        if (
            places is None
            or values.dim() != 1
            or places.size != values.numel()
            or (places.size and int(places[-1]) >= shape.numel())
        ):
            raise StateDictMismatch(
                f"{source} is damaged: the places of {plain!r} do not fit its {values.numel()} "
                f"values and its shape {list(shape)}; get it again"
            )
        tensor = values.new_zeros(shape.numel())
        tensor[torch.from_numpy(places)] = values
        state[plain] = tensor.view(shape)
    return state


def _places(packed: Mapping[str, Tensor], name: str, size: int) -> np.ndarray | None:
    for key in (BITS, GAPS):
        where = packed.get(name + key)
        if where is None:
            continue
        if where.dtype != torch.uint8 or where.dim() != 1:
            return None
        if key == GAPS:
            return _from_gaps(where.numpy())
        if where.numel() != -(-size // 8):
            return None
        return np.flatnonzero(np.unpackbits(where.numpy(), count=size))
    return None
