"""Closeness relative to the largest entry, and networks in a state that a test can judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

FORWARD_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
BACKWARD_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest entry of ``expected``."""
    if actual.shape != expected.shape:
        raise AssertionError(f"shapes differ: {list(actual.shape)}, {list(expected.shape)}")
    if expected.numel() == 0:
        return 0.0
    actual, expected = actual.detach(), expected.detach()
    scale = float(expected.abs().max())
    difference = float((actual - expected).abs().max())
    return difference / scale if scale else difference


def assert_close(
    actual: Tensor, expected: Tensor, tolerance: float | None = None, what: str = "values"
) -> None:
    """Two tensors agree up to a tolerance relative to the largest entry.

    Args:
        actual: What came out.
        expected: What should have.
        tolerance: By default 1e-5 in float32 and 1e-11 in float64.
        what: Named in the message.
    """
    tolerance = FORWARD_TOLERANCE[expected.dtype] if tolerance is None else tolerance
    difference = relative_difference(actual, expected)
    if not difference <= tolerance:
        raise AssertionError(f"{what} differ by {difference:.2e} of their size (> {tolerance:.0e})")


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """The modules in eval mode; afterwards each module and submodule is as it was."""
    before = [(m, m.training) for module in modules for m in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for m, training in before:
            m.training = training


def randomise_norms(module: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """Gives batch norms statistics and factors as after some training, in place.

    A fresh batch norm is the identity in eval mode, which hides mistakes.
    """
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
            assert m.running_var is not None
            with torch.no_grad():
                for tensor, low, high in (
                    (m.running_mean, -0.5, 0.5),
                    (m.running_var, 0.5, 2.0),
                    (m.weight, 0.5, 1.5),
                    (m.bias, -0.5, 0.5),
                ):
                    draw = torch.rand(tensor.shape, generator=generator).to(tensor)
                    tensor.copy_(low + (high - low) * draw)
    return module
