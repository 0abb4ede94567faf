"""Law 6: values of replaced and of missing nodes have no influence on what the encoder gives."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.transforms import Compose

from stgraph.nn import AAGCN, DGSTGCN, STGCN, SkeletonGIN, STGCNPlusPlus, make_tokens
from stgraph.objectives import (
    BodyParts,
    Frames,
    MaskTokens,
    MotionAware,
    Persons,
    RandomJoints,
    RandomTokens,
    Tubes,
)
from stgraph.skeleton import SkeletonGraph
from stgraph.testing import random_batch, randomise_norms
from stgraph.transforms import BodyUnits, CenterJoint, Stream
from stgraph.transforms.base import with_nodes
from tests.laws.encoders import BODY, ENCODERS, HAND, encoder
from tests.objectives.samples import recordings, tiny_objective

MASKINGS = {
    "random tokens": RandomTokens(0.5),
    "motion": MotionAware(0.5),
    "joints": RandomJoints(0.5),
    "joints of a patch": RandomJoints(0.5, per="patch"),
    "parts": BodyParts(ratio=0.5, scheme="layout"),
    "tubes": Tubes(0.5, duration=2),
    "frames": Frames(0.5),
    "persons": Persons(0.5),
}
TRANSFORMS = {
    "none": None,
    "body units": BodyUnits(),
    "centre": CenterJoint(),
    "streams": Compose([BodyUnits("pose"), Stream("joint_motion")]),
}


def encoded(objective, batch: SkeletonGraph, hidden: torch.Tensor) -> torch.Tensor:
    tokens = make_tokens(batch, objective.encoder.patch_size)
    seen = objective.visible_part(batch, tokens, hidden)
    return objective.encoder.encode(seen, tokens, ~hidden)


def node_encoder(name: str) -> MaskTokens:
    """An encoder that works on whole poses, with learned vectors in place of hidden nodes."""
    torch.manual_seed(0)
    sizes = {"channels": [4, 6], "strides": [1, 2], "temporal_kernel": 3}
    networks = {
        "GIN": lambda: SkeletonGIN(3, 8, 2),
        "GAT": lambda: SkeletonGIN(3, 8, 2, layer="gat"),
        "ST-GCN": lambda: STGCN(3, layout=BODY, **sizes),
        "ST-GCN++": lambda: STGCNPlusPlus(3, layout=BODY, channels=[12, 12], strides=[1, 2]),
        "AAGCN": lambda: AAGCN(3, layout=BODY, channels=[8, 8], strides=[1, 2]),
        "DG-STGCN": lambda: DGSTGCN(3, layout=BODY, channels=[12, 12], strides=[1, 2]),
    }
    return MaskTokens(randomise_norms(networks[name]()))


@pytest.mark.parametrize("network", ["GIN", "GAT", "ST-GCN", "ST-GCN++", "AAGCN", "DG-STGCN"])
@pytest.mark.parametrize("masking", MASKINGS)
def test_learned_vectors_stand_for_what_an_encoder_of_nodes_must_not_see(
    masking, network, body_with_parts
):
    check(MASKINGS[masking], None, body_with_parts, node_encoder(network))


@pytest.mark.parametrize("network", ["GIN", "any layout"])
def test_nor_do_encoders_of_nodes_see_it_in_a_batch_of_mixed_layouts(network):
    encoder = node_encoder("GIN") if network == "GIN" else None
    if encoder is None:
        sizes = {"channels": [4, 6], "strides": [1, 2], "temporal_kernel": 3}
        free = {"layout": None, "edge_importance": False, "data_norm": "channel"}
        encoder = MaskTokens(randomise_norms(STGCN(3, **sizes, **free)))
    encoder.eval().double()
    batch = random_batch([[5], [4, 2]], [BODY, HAND], dtype=torch.float64)
    tokens = make_tokens(batch, 1)
    hidden = RandomTokens(0.5)(batch, tokens, torch.Generator().manual_seed(0))
    away = torch.zeros(batch.pos.size(0), dtype=torch.bool)
    away[tokens.node[hidden, 0]] = True
    out = encoder.encode(batch, tokens, ~hidden)
    other = torch.where(away[:, None], torch.full_like(batch.pos, 1e3), batch.pos)
    assert torch.equal(encoder.encode(with_nodes(batch, pos=other), tokens, ~hidden), out)
    moved = torch.where(away[:, None], batch.pos, batch.pos + 1.0)
    assert not torch.equal(encoder.encode(with_nodes(batch, pos=moved), tokens, ~hidden), out)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("masking", MASKINGS)
def test_what_is_hidden_or_missing_has_no_influence(masking, transform, body_with_parts):
    check(MASKINGS[masking], TRANSFORMS[transform], body_with_parts)


def check(masking, transform, body_with_parts, encoder=None):
    objective = tiny_objective(masking=masking, transform=transform)
    if encoder is not None:
        objective.encoder = encoder
    objective.eval().double()
    batch = body_with_parts(recordings(missing=0.2))
    batch = with_nodes(batch, pos=batch.pos.double(), score=batch.score.double())
    tokens = make_tokens(batch, objective.encoder.patch_size)
    hidden = objective.masking(batch, tokens, torch.Generator().manual_seed(0))
    assert hidden.any()
    assert not hidden.all()
    seen = torch.zeros(batch.pos.size(0), dtype=torch.bool)
    seen[tokens.node[~hidden][tokens.found[~hidden]]] = True

    pos = batch.pos.clone().requires_grad_()
    out = encoded(objective, with_nodes(batch, pos=pos), hidden)
    (grad,) = torch.autograd.grad(out.square().sum(), pos)
    assert grad[~seen].abs().sum() == 0
    assert grad[seen].abs().sum() > 0

    other = torch.where(seen[:, None], batch.pos, torch.full_like(batch.pos, 1e3))
    assert torch.equal(encoded(objective, with_nodes(batch, pos=other), hidden), out)


@pytest.fixture
def body_with_parts():
    """The same recordings on a layout that names its parts."""

    def give(batch: SkeletonGraph) -> SkeletonGraph:
        layout = batch.layouts[0]
        named = type(layout).from_dict(
            {**layout.to_dict(), "parts": {"trunk": [0, 1], "hands": [2, 3], "feet": [4, 5]}}
        )
        batch.layout = [named] * batch.num_recordings
        return batch

    return give


@pytest.mark.parametrize("name", ENCODERS)
def test_what_lies_where_nothing_was_found_never_reaches_a_network(name):
    model = encoder(name, torch.float32).eval()
    batch = recordings(missing=0.3)
    other = torch.where((batch.score > 0)[:, None], batch.pos, torch.full_like(batch.pos, 1e4))
    assert torch.equal(model(batch), model(with_nodes(batch, pos=other)))
