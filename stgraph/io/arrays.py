"""Plain numpy arrays, in any order of axes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stgraph.io.build import graph_from_frames
from stgraph.io.errors import RecordingError
from stgraph.io.parse import finite, parse_npy
from stgraph.io.source import read_bytes
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout

__all__ = ["graphs_from_array", "read_numpy"]


def read_numpy(
    source: str | os.PathLike[str] | bytes,
    layout: str | SkeletonLayout,
    *,
    axes: str | None = None,
    name: str | None = None,
    **fields: Any,
) -> SkeletonGraph | list[SkeletonGraph]:
    """A `.npy` file as one recording, or as a list of them if its axes have an N.

    Args: as :func:`graphs_from_array`, with `source` the path or contents of the file.

    Raises:
        RecordingError: if the file is missing, truncated, holds pickled objects, or its shape does
            not fit.
    """
    content, file = read_bytes(source, name)
    fields.setdefault("name", Path(file).stem)
    array = parse_npy(content, file)
    return graphs_from_array(array, layout, axes=axes, file=file, **fields)


def graphs_from_array(
    array: NDArray[Any],
    layout: str | SkeletonLayout,
    *,
    axes: str | None = None,
    confidence: bool = False,
    y: Any = None,
    file: str = "<array>",
    **fields: Any,
) -> SkeletonGraph | list[SkeletonGraph]:
    """An array as one recording, or as a list of them if its axes have an N.

    A joint whose coordinates are all 0 has no position (score 0); a person without a joint does
    not exist in that frame, so zeros that pad to a common length vanish.

    Args:
        array: Numbers in the order of `axes`.
        layout: Joints of axis V.
        axes: A letter an axis: N recordings, M persons, T frames, V joints, C coordinates.
            ``"TVC"``, ``"MTVC"``, ``"NTVC"``, ``"NMTVC"`` are ours, ``"CTV"`` and ``"NCTV"`` those
            of the KTH report, ``"NCTVM"`` that of the published feeders. By default guessed among
            TVC, CTV, MTVC and NCTV where the shape leaves no doubt.
        confidence: Whether the last coordinate is a confidence: cut to 0...1, it becomes the score.
        y: Class number, or one for each of the N.
        file: Name for messages.
        **fields: Further attributes: `fps`, `name` (numbered if there is an N), ...

    Raises:
        RecordingError: if the shape does not fit, leaves doubt, or a number is not finite.
        ValueError: if `axes` is no such word.
    """
    skeleton: SkeletonLayout = resolve_layout(layout)
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise RecordingError(file, f"expected numbers (got {array.dtype})", remedy="convert it")
    axes = _guess(array.shape, skeleton, file) if axes is None else axes.upper()
    if len(set(axes)) != len(axes) or not set("TVC") <= set(axes) <= set("NMTVC"):
        raise ValueError(f"expected axes of the letters N, M, T, V, C once each (got {axes!r})")
    if array.ndim != len(axes) or array.shape[axes.index("V")] != skeleton.num_joints:
        raise RecordingError(
            file,
            f"expected axes {axes} with {skeleton.num_joints} joints of {skeleton.name!r} "
            f"(got {array.shape})",
            remedy="name the axes or another layout",
        )
    letters = [letter for letter in "NMTVC" if letter in axes]
    array = array.transpose([axes.index(letter) for letter in letters])
    if "M" not in axes:
        array = np.expand_dims(array, letters.index("T"))
    if "N" not in axes:
        return _one(array, skeleton, confidence, file, y=y, **fields)
    name = fields.pop("name", None)
    labels = [y] * len(array) if y is None or np.ndim(y) == 0 else list(y)
    if len(labels) != len(array):
        raise RecordingError(
            file, f"expected {len(array)} labels (got {len(labels)})", remedy="give one each"
        )
    return [
        _one(
            part,
            skeleton,
            confidence,
            file,
            y=None if label is None else int(label),
            **({} if name is None else {"name": f"{name}_{i}"}),
            **fields,
        )
        for i, (part, label) in enumerate(zip(array, labels, strict=True))
    ]


def _one(
    array: NDArray[Any], layout: SkeletonLayout, confidence: bool, file: str, **fields: Any
) -> SkeletonGraph:
    pos = finite(array, file, "person")
    if confidence:
        pos, score = np.ascontiguousarray(pos[..., :-1]), pos[..., -1]
        low, high = score.min(initial=0), score.max(initial=0)
        if pos.shape[-1] < 2 or low < -0.5 or high > 1.5:
            raise RecordingError(
                file,
                "expected a confidence within 0...1 behind 2 or 3 coordinates (got "
                f"{low:g}...{high:g} behind {pos.shape[-1]})",
                remedy="leave out confidence=True if the last coordinate is none",
            )
        score = score.clip(0, 1)
    else:
        score = (pos != 0).any(axis=-1).astype(np.float32)
    return graph_from_frames(pos, layout, score=score, **fields)


def _guess(shape: tuple[int, ...], layout: SkeletonLayout, file: str) -> str:
    forms = {3: ("TVC", "CTV"), 4: ("MTVC", "NCTV")}.get(len(shape), ())
    fitting = [
        form
        for form in forms
        if shape[form.index("V")] == layout.num_joints and shape[form.index("C")] in (2, 3)
    ]
    if len(fitting) != 1:
        raise RecordingError(
            file,
            f"cannot tell the axes of {shape} for {layout.num_joints} joints",
            remedy="name them, for instance axes='TVC'",
        )
    return fitting[0]
