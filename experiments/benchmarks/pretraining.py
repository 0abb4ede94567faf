"""What the pre-training rows of the benchmarks run: MAMP, ragged and padded."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from padded import to_padded
from padded_mamp import PaddedMAMP
from torch import nn
from torch_geometric.data import Batch
from workloads import LAYOUT, Workload

from stgraph.nn import make_tokens
from stgraph.objectives import MaskedReconstruction, MotionAware, mamp

#: Frames and persons of the padded form, as published.
NUM_FRAMES, NUM_PERSONS = 120, 2
SIZES = {
    "width": 256,
    "depth": 8,
    "num_heads": 8,
    "decoder_depth": 5,
    "patch_size": 4,
    "num_times": NUM_FRAMES // 4,
}


class PretrainingSide(NamedTuple):
    """A network with its input.

    Attributes:
        name: ``"ours"`` or ``"padded_eager"``.
        model: Gives a loss.
        inputs: Its argument.
    """

    name: str
    model: nn.Module
    inputs: Any


def make_objective(**sizes: Any) -> MaskedReconstruction:
    """MAMP at the size of its paper, or another."""
    torch.manual_seed(0)
    masking = MotionAware(0.9, 0.8, group="person")
    return mamp(LAYOUT, masking=masking, as_published=True, **{**SIZES, **sizes})


def make_pretraining_side(name: str, workload: Workload) -> PretrainingSide:
    """One side with its input ready; both have the same weights.

    Raises:
        ValueError: if the name is unknown.
    """
    graphs, objective = workload.graphs(), make_objective()
    if name == "ours":
        return PretrainingSide(name, objective, Batch.from_data_list(graphs))
    if name != "padded_eager":
        raise ValueError(f"unknown side {name!r}; known are ours, padded_eager")
    dense = to_padded(graphs, NUM_FRAMES, NUM_PERSONS)
    return PretrainingSide(name, PaddedMAMP(objective), dense)


def pretrain(side: PretrainingSide) -> None:
    """One step: forward, backward, AdamW."""
    side.model.train()
    optimizer = torch.optim.AdamW(side.model.parameters(), lr=1e-6)
    out = side.model(side.inputs)
    (out.loss if side.name == "ours" else out).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def check_equal_pretraining(tolerance: float = 1e-5) -> float:
    """Difference of the losses of both sides on full-length recordings with one mask.

    Raises:
        RuntimeError: if it exceeds the tolerance.
    """
    workload = Workload("full", [[NUM_FRAMES, NUM_FRAMES]] * 2, NUM_FRAMES, NUM_PERSONS)
    graphs = workload.graphs()
    objective = make_objective(width=64, depth=2, decoder_depth=1)
    padded = PaddedMAMP(objective).eval()
    dense = to_padded(graphs, NUM_FRAMES, NUM_PERSONS)
    batch: Any = Batch.from_data_list(graphs)
    n, c, t, v, m = dense.shape
    uniform = torch.rand(n * m, t // 4 * v, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        raw = dense.permute(0, 4, 1, 2, 3).reshape(n * m, c, t, v)
        _, _, hidden = padded.mask(padded.tokens(raw), v, uniform)
        tokens = make_tokens(batch, 4)
        objective.eval()
        result = objective.reconstruct(batch, hidden=hidden.flatten().bool())
        ours, theirs = objective.score(result).loss, padded(dense, uniform)
    assert tokens.num_tokens == hidden.numel()
    error = float((ours - theirs).abs())
    if not error <= tolerance:
        raise RuntimeError(
            f"the losses of the ragged and the padded MAMP differ by {error:.1e} on the same "
            "full-length recordings: the comparison would be worthless"
        )
    return error
