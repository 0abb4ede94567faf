"""Law 3: backends agree with the slow readable reference, forward and backward.

Single operations, on any edges, kernels and lengths: tests/ops. Here whole encoders.
"""

from __future__ import annotations

import pytest
import torch

from stgraph import nn as stgraph_nn
from stgraph.ops import partitioned_aggregate, temporal_conv
from stgraph.testing import assert_close, evaluating, random_batch
from tests.laws.encoders import BODY, FOLDING, encoder


def run(name, dtype, mode, batch):
    model = encoder(name, dtype).train(mode == "train")
    out = model(batch)
    probe = torch.linspace(-1, 1, out.numel()).to(out).view_as(out)
    (out * probe).sum().backward()
    return out.detach(), {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("name", FOLDING)
def test_an_encoder_on_reference_operations_is_the_same(name, mode, dtype, tolerance, monkeypatch):
    batch = random_batch([[5, 3], [1], [8]], BODY, dtype=dtype)
    out, grads = run(name, dtype, mode, batch)
    for module in (stgraph_nn.temporal, stgraph_nn.conv.st_graph_conv):
        for operation in (temporal_conv, partitioned_aggregate):
            if hasattr(module, operation.__name__):
                monkeypatch.setattr(
                    module,
                    operation.__name__,
                    lambda *a, _op=operation, **k: _op(*a, **{**k, "backend": "reference"}),
                )
    expected, expected_grads = run(name, dtype, mode, batch)
    assert_close(out, expected, tolerance.forward * 10)
    scale = max(float(g.abs().max()) for g in expected_grads.values() if g is not None)
    for key, grad in grads.items():
        reference = expected_grads[key]
        if reference is not None:
            # biases before a batch norm have no gradient but rounding: compare with the largest
            difference = float((grad - reference).abs().max())
            assert difference <= tolerance.backward * max(scale, 1.0), key


def test_the_gradient_of_a_whole_unit_is_that_of_finite_differences():
    model = encoder("stgcn", channels=[2, 2], temporal_kernel=3)
    batch = random_batch([[2, 1], [3]], BODY, dtype=torch.float64)
    with evaluating(model):
        x, plan = model.unpack(batch)
        x = x.detach().requires_grad_(True)
        assert torch.autograd.gradcheck(lambda x: model.core(x, plan), (x,), fast_mode=True)
