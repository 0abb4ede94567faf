from __future__ import annotations

import pytest
import torch
from torch import nn

from stgraph.nn import STGCN, STGCNPlusPlus
from stgraph.sparsity import LEVELS, SparseAssembly, assemble
from stgraph.testing import random_batch, randomise_norms
from tests.sparsity.networks import BODY, LENGTHS


def member() -> STGCN:
    return STGCN(3, None, BODY, channels=[16, 16])


def test_the_published_levels_keep_two_thirds_of_one_dense_network():
    assembled = assemble(member, 5)
    for generator in assembled.generators:
        generator.at(1.0)
    assert len(assembled.generators) == len(LEVELS)
    assert assembled.density == pytest.approx(0.66, abs=0.02)


@pytest.mark.parametrize("fusion", ["mean", "scale", "mix"])
def test_the_answer_is_that_of_the_fused_embeddings(fusion, generator):
    model = SparseAssembly([member(), member()], 5, fusion).eval()
    graphs = random_batch(LENGTHS, BODY, generator=generator)
    main, *own = model.all_logits(graphs)
    assert len(own) == 2
    assert torch.equal(model(graphs), main)
    assert torch.equal(own[1], model.auxiliary[1](model.members[1].embed(graphs)))
    if fusion == "mean":
        mean = (model.members[0].embed(graphs) + model.members[1].embed(graphs)) / 2
        assert torch.allclose(main, model.head(mean), atol=1e-6)


def test_members_of_several_kinds_are_saved_and_loaded(generator, tmp_path):
    other = STGCNPlusPlus(3, None, BODY, channels=[12], strides=[2])
    model = SparseAssembly([STGCN(3, None, BODY, channels=[12]), other], 5, "scale")
    randomise_norms(model).eval().save_pretrained(tmp_path)
    graphs = random_batch(LENGTHS, BODY, generator=generator)
    with torch.no_grad():
        again = SparseAssembly.from_pretrained(tmp_path).eval()
        assert torch.equal(again(graphs), model(graphs))


def test_an_assembly_is_saved_and_loaded(generator, tmp_path):
    model = SparseAssembly([member(), member()], 5, "mix")
    randomise_norms(model).eval().save_pretrained(tmp_path)
    graphs = random_batch(LENGTHS, BODY, generator=generator)
    with torch.no_grad():
        again = SparseAssembly.from_pretrained(tmp_path).eval()
        assert torch.equal(again(graphs), model(graphs))


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        ([], {}, "at least one member"),
        ([member(), STGCN(3, None, BODY, channels=[8])], {}, "different sizes"),
        ([member()], {"fusion": "vote"}, "unknown fusion"),
        ([nn.Linear(3, 3)], {}, "an encoder of stgraph"),
        ([{"model": "Linear"}], {}, "no encoder of stgraph"),
    ],
)
def test_members_that_do_not_fit_are_refused(members, options, message):
    with pytest.raises(ValueError, match=message):
        SparseAssembly(members, 5, **options)
