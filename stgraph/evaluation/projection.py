"""Embeddings in two or three dimensions, to look at."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["PROJECTIONS", "project"]

#: Names of what :func:`project` knows.
PROJECTIONS = ("pca", "tsne")


def project(x: Tensor, how: str = "pca", dims: int = 2, seed: int = 0) -> Tensor:
    """Coordinates of embeddings in a plane or in space.

    Args:
        x: Embeddings [n, D].
        how: ``"pca"``: principal components of the embeddings; ``"tsne"``: t-SNE of their
            directions (the cosine is what neighbours are told by), begun at the principal
            components.
        dims: 2 or 3.
        seed: Of t-SNE.

    Returns:
        float64 [n, dims].

    Raises:
        ValueError: if the name is unknown, or there are fewer than ``dims + 1`` embeddings.
    """
    if how not in PROJECTIONS:
        raise ValueError(f"unknown projection {how!r}; known are {', '.join(PROJECTIONS)}")
    if len(x) <= dims:
        raise ValueError(f"'project' expected more than {dims} embeddings (got {len(x)})")
    if how == "pca":
        from sklearn.decomposition import PCA

        return torch.from_numpy(PCA(dims, random_state=seed).fit_transform(x.double().numpy()))
    from sklearn.manifold import TSNE

    model = TSNE(
        dims,
        init="pca",
        perplexity=min(30.0, (len(x) - 1) / 3),
        random_state=seed,
        metric="euclidean",
    )
    found = model.fit_transform(F.normalize(x.double(), dim=1).numpy())
    return torch.from_numpy(found).double()
