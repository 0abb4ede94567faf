from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stgraph.sparsity import ScorePool, threshold


def pool(*sizes: int, seed: int = 0, **options) -> ScorePool:
    generator = torch.Generator().manual_seed(seed)
    scores = [nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]
    return ScorePool(scores, **options)


@given(st.floats(0, 0.999), st.integers(0, 5))
def test_the_share_that_is_asked_for_is_cut(sparsity, seed):
    masks = pool(300, 50, 7, seed=seed, floor=None).masks_at(sparsity)
    cut = sum(int((~mask).sum()) for mask in masks)
    assert cut == round(sparsity * (357 - 1))


@given(st.floats(0, 1), st.sampled_from(["global", "layer"]), st.integers(0, 5))
def test_no_layer_is_emptied(sparsity, scope, seed):
    scores = pool(300, 50, 7, seed=seed, scope=scope, floor=0.02)
    with torch.no_grad():
        scores.scores[1].sub_(100.0)
    kept = [int(mask.sum()) for mask in scores.masks_at(sparsity)]
    assert kept[0] >= 6
    assert kept[1] >= 1
    assert kept[2] >= 1


def test_without_a_floor_a_layer_can_be_emptied():
    scores = pool(300, 50, floor=None)
    with torch.no_grad():
        scores.scores[1].sub_(100.0)
    assert not bool(scores.masks_at(0.5)[1].any())


def test_the_floor_does_not_change_how_much_is_cut_of_all():
    scores = pool(300, 50, floor=0.1)
    with torch.no_grad():
        scores.scores[1].sub_(100.0)
    assert sum(int((~mask).sum()) for mask in scores.masks_at(0.5)) == round(0.5 * 349)


def test_what_is_kept_is_what_sorting_says():
    scores = pool(40, 60, floor=None)
    together = torch.cat([s.detach() for s in scores.scores])
    kept = torch.cat(scores.masks_at(0.7))
    order = together.argsort()
    assert not bool(kept[order[:69]].any())
    assert bool(kept[order[69:]].all())
    assert float(threshold(together, 0.7)) == float(together.sort().values[69])


def test_layers_have_a_threshold_each():
    scores = pool(40, 60, scope="layer", floor=None)
    with torch.no_grad():
        scores.scores[0].add_(100.0)
    assert [int(mask.sum()) for mask in scores.masks_at(0.5)] == [20, 30]


def test_masks_follow_scores_and_sparsity():
    scores = pool(40, floor=None)
    assert bool(scores.masks()[0].all())
    scores.sparsity = 0.5
    before = scores.masks()[0]
    assert scores.masks()[0] is before
    with torch.no_grad():
        scores.scores[0].neg_()
    assert not torch.equal(scores.masks()[0], before)


@pytest.mark.parametrize("wrong", [{"scope": "everywhere"}, {"floor": 1.0}, {"floor": -0.1}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match=r"scope|floor"):
        pool(3, **wrong)
