"""A network of the same class with other weights is where, and as, the network was."""

from __future__ import annotations

import pytest
import torch

from stgraph.nn import AAGCN, DGSTGCN, STGCN, without_types
from stgraph.nn.remaking import remade
from stgraph.sparsity import prune_joints
from tests.laws.encoders import BODY


def test_what_is_not_given_stays_and_what_is_unknown_is_left_out():
    model = STGCN(3, 2, BODY, channels=[4, 4], dropout=0.1).double().eval()
    model.blocks[0].norm1.weight.requires_grad_(False)
    before = torch.get_rng_state()
    new = remade(model, {"head.1.bias": torch.ones(2), "nobody": torch.ones(1)}, dropout=0.5)
    assert torch.equal(torch.get_rng_state(), before)
    assert new is not model
    assert new.config["dropout"] == new.blocks[1].dropout.p == 0.5
    assert new.head[1].bias.tolist() == [1, 1]
    assert torch.equal(new.head[1].weight, model.head[1].weight)
    assert new.head[1].bias.dtype == torch.float64
    assert not new.training
    frozen = [name for name, p in new.named_parameters() if not p.requires_grad]
    assert frozen == ["blocks.0.norm1.weight"]
    assert remade(model.train(), {}).training


class Free(STGCN):
    def __init__(self, in_channels, **kwargs):
        super().__init__(in_channels, **kwargs)


def test_an_argument_that_a_class_does_not_take_is_named():
    with pytest.raises(ValueError, match="constructor of AAGCN takes no argument joints"):
        prune_joints(AAGCN(3, 2, BODY, channels=[8], strides=[1]), ["hip"], floor=0)
    with pytest.raises(ValueError, match="constructor of DGSTGCN takes no argument partition"):
        without_types(DGSTGCN(3, 2, BODY, 2, channels=[12], strides=[1]), [0])
    model = Free(3, layout=BODY, channels=[4], num_classes=2)
    assert remade(model, {}, dropout=0.5).config["dropout"] == 0.5


def test_a_weight_that_does_not_fit_is_named():
    model = STGCN(3, 2, BODY, channels=[4])
    with pytest.raises(ValueError, match=r"does not know \(head.1.bias\); use STGraphConv"):
        remade(model, {"head.1.bias": torch.ones(3)})
    with pytest.raises(ValueError, match=r"binds parameters.*norm2.weight"):
        remade(model, {}, channels=[5])
