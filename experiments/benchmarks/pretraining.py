"""What the pre-training rows of the benchmarks run: MAMP and Hi-TRS, ragged and padded."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from padded import to_padded
from padded_hitrs import Draws, PaddedHiTRS
from padded_mamp import PaddedMAMP
from torch import nn
from torch_geometric.data import Batch
from workloads import LAYOUT, Workload

from stgraph.nn import HierarchyLevels, HiTRS, make_tokens
from stgraph.objectives import (
    HierarchicalPretraining,
    MaskedReconstruction,
    MotionAware,
    hitrs,
    mamp,
    order_loss,
)
from stgraph.ops import Windows
from stgraph.transforms.base import with_nodes

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


#: The same of Hi-TRS, whose persons are sequences of their own.
HITRS_FRAMES = 100
HITRS_SIZES = {"width": 128, "depth": 3, "num_heads": 8, "head_channels": 64, "num_clips": 200}
#: Phases of the benchmarks and the system that each trains.
SYSTEMS = {"pretrain": "mamp", "pretrain_hitrs": "hitrs"}


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


def make_hitrs(zero_ends: bool = False, **sizes: Any) -> HierarchicalPretraining:
    """Hi-TRS at the size of its paper, or another."""
    torch.manual_seed(0)
    encoder = HiTRS(3, layout=LAYOUT, zero_ends=zero_ends, **{**HITRS_SIZES, **sizes})
    return hitrs(encoder=encoder)


def make_pretraining_side(name: str, workload: Workload, system: str = "mamp") -> PretrainingSide:
    """One side with its input ready; both have the same weights.

    Args:
        name: ``"ours"`` or ``"padded_eager"``.
        workload: The recordings.
        system: ``"mamp"`` or ``"hitrs"``.

    Raises:
        ValueError: if the name is unknown.
    """
    graphs = workload.graphs()
    objective: Any = make_objective() if system == "mamp" else make_hitrs()
    if name == "ours":
        return PretrainingSide(name, objective, Batch.from_data_list(graphs))
    if name != "padded_eager":
        raise ValueError(f"unknown side {name!r}; known are ours, padded_eager")
    if system == "hitrs":
        dense = to_padded(graphs, HITRS_FRAMES, NUM_PERSONS)
        return PretrainingSide(name, PaddedHiTRS(objective), dense)
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


def check_equal_hitrs(tolerance: float = 1e-4) -> float:
    """Difference of the losses of both Hi-TRS on full-length recordings with the same draws.

    Raises:
        RuntimeError: if it exceeds the tolerance.
    """
    workload = Workload("full", [[HITRS_FRAMES, HITRS_FRAMES]] * 2, HITRS_FRAMES, NUM_PERSONS)
    graphs = workload.graphs()
    objective = make_hitrs(True, width=16, depth=2).eval()
    encoder: Any = objective.encoder
    padded = PaddedHiTRS(objective).eval()
    dense = to_padded(graphs, HITRS_FRAMES, NUM_PERSONS)
    x = dense.permute(0, 4, 2, 3, 1).flatten(0, 1)
    x = nn.functional.pad(x, (0, 0, 0, 0, encoder.reach, encoder.reach))
    draws: Draws = padded.draw(x)
    theirs = padded(dense, draws)
    batch = encoder.ends(Batch.from_data_list(graphs))
    marks = {"node_chosen": draws.chosen.flatten(), "node_truth": x.flatten(0, 2)}
    batch = with_nodes(batch, pos=draws.values.flatten(0, 2), **marks)
    levels = HierarchyLevels(encoder, batch)
    tasks: Any = objective.tasks
    s, t = x.shape[:2]
    every = torch.arange(s)
    exists = torch.ones_like(draws.clip, dtype=torch.bool)
    windows = Windows(draws.clip + every[:, None] * t, exists, every, torch.ones_like(every))
    order = torch.arange(encoder.window).repeat(s, 1)
    order[:, [0, 2]] = order[:, [2, 0]]
    valid = torch.ones(s, dtype=torch.bool)
    w = len(padded.windows(t))
    length = torch.full((s,), w - 1)
    row = (every[:, None] * w + torch.arange(w - 1)).flatten()
    altered = (every[:, None] * w + draws.order).flatten()
    videos = [levels.embed_videos(levels.clips, length, rows) for rows in (row, altered)]
    last = levels.clips.view(s, w, -1)[:, -1]
    losses = [
        tasks["masked_pose"](levels).loss,
        tasks["clip_order"].score(levels, windows, order, valid).loss,
        order_loss(tasks["video_order"].head(torch.cat(videos)), valid)[0],
        tasks["future_clip"].score(videos[0], last).loss,
    ]
    error = float((torch.stack(losses).sum() - theirs).detach().abs())
    if not error <= tolerance:
        raise RuntimeError(
            f"the losses of the ragged and the padded Hi-TRS differ by {error:.1e} on the same "
            "full-length recordings: the comparison would be worthless"
        )
    return error
