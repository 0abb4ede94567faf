"""Encoders compile and export for any number of poses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.skeleton import SkeletonGraph
from stgraph.testing.closeness import (
    assert_close,
    evaluating,
)


class _Core(nn.Module):
    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor, plan: Any) -> Tensor:
        return self.encoder.pooled(x, plan)


def assert_compiles(
    encoder: Any,
    batches: Sequence[SkeletonGraph],
    backend: str = "eager",
    tolerance: float | None = None,
) -> None:
    """The encoder's core compiles as one graph, once for all ragged batches.

    Args:
        encoder: Obeys the contract of the module's docstring.
        batches: At least two, of different sizes; the first with two or more recordings, tracks
            and poses, since torch takes 0 and 1 for constants. (It also takes sizes that happen to
            be equal in the first batch for equal always, which is switched off here.)
        backend: Of ``torch.compile``; ``"inductor"`` generates code, which takes a minute.
        tolerance: See :func:`assert_close`.
    """
    from torch._dynamo.utils import counters
    from torch.fx.experimental import _config as symbolic

    torch.compiler.reset()
    counters.clear()
    core = _Core(encoder)
    compiled = torch.compile(core, backend=backend, fullgraph=True, dynamic=True)
    with evaluating(encoder), torch.no_grad(), symbolic.patch(use_duck_shape=False):  # type: ignore[attr-defined]
        for batch in batches:
            x, plan = encoder.unpack(batch)
            assert_close(compiled(x, plan), core(x, plan), tolerance, "compiled and eager outputs")
    # graphs that were kept: a backend may be asked twice for one, when it restarts the analysis
    count = counters["stats"]["unique_graphs"]
    if count != 1:
        raise AssertionError(
            f"{type(encoder).__name__} was compiled {count} times for "
            f"{len(batches)} batches (expected once)"
        )


def assert_exports(
    encoder: Any,
    batches: Sequence[SkeletonGraph],
    tolerance: float | None = None,
) -> torch.export.ExportedProgram:
    """The encoder's core exports with a dynamic number of poses.

    Args:
        encoder: Obeys the contract of the module's docstring.
        batches: The first is exported, all are run; sizes as for :func:`assert_compiles`.
        tolerance: See :func:`assert_close`.

    Returns:
        The exported program.
    """
    core = _Core(encoder)
    with evaluating(encoder), torch.no_grad():
        inputs = encoder.unpack(batches[0])
        dynamic = torch.utils._pytree.tree_map(_all_sizes, inputs)
        program = torch.export.export(core, inputs, dynamic_shapes=dynamic, strict=False)
        module = program.module()
        for batch in batches:
            x, plan = encoder.unpack(batch)
            assert_close(module(x, plan), core(x, plan), tolerance, "exported and eager outputs")
    return program


def _all_sizes(value: Any) -> dict[int, Any] | None:
    if not isinstance(value, Tensor):
        return None
    return dict.fromkeys(range(value.dim()), torch.export.Dim.AUTO)
