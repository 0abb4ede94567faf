"""Embeddings in a plane or in space."""

from __future__ import annotations

import pytest
import torch

from stgraph.evaluation import project


def test_principal_components_keep_the_greatest_spread():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, generator=generator) * torch.tensor([9.0, 4.0, 2.0, 0.1, 0.1, 0.1])
    found = project(x, "pca", 3)
    _, _, axes = torch.linalg.svd(x.double() - x.double().mean(dim=0))
    expected = (x.double() - x.double().mean(dim=0)) @ axes[:3].T
    torch.testing.assert_close(found.abs(), expected.abs())


@pytest.mark.parametrize("dims", [2, 3])
def test_neighbours_stay_neighbours_in_t_sne(dims):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(40) % 2
    x = torch.randn(40, 5, generator=generator) * 0.1 + torch.nn.functional.one_hot(y, 5)
    found = project(x, "tsne", dims)
    assert found.shape == (40, dims)
    distance = torch.cdist(found, found).fill_diagonal_(float("inf"))
    assert (y[distance.argmin(dim=1)] == y).all()
    assert torch.equal(project(x, "tsne", dims), found)


def test_what_cannot_be_projected_is_said():
    with pytest.raises(ValueError, match="unknown projection 'umap'; known are pca, tsne"):
        project(torch.zeros(9, 3), "umap")
    with pytest.raises(ValueError, match=r"more than 2 embeddings \(got 2\)"):
        project(torch.zeros(2, 3))
