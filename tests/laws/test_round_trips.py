"""Law 7: what is written and read again is what it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch

from stgraph.io import Store
from stgraph.nn import STGCN, StateDictMismatch
from stgraph.nn.models import AAGCN, CTRGCN, DGSTGCN, STGCNPlusPlus
from stgraph.testing import random_batch, random_skeleton_graph
from tests.laws.encoders import BODY, encoder

LENGTHS = st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=5)
TENSORS = ("pos", "score", "frame", "track_length", "person", "y", "fps")


def recordings(lengths, seed):
    g = torch.Generator().manual_seed(seed)
    return [
        random_skeleton_graph(
            BODY, own, missing=0.2, generator=g, y=i, fps=30.0, name=f"r{i}", subject=i % 2
        )
        for i, own in enumerate(lengths)
    ]


@settings(max_examples=8)
@given(lengths=LENGTHS, seed=st.integers(0, 99), data=st.data())
def test_stored_recordings_come_back_exactly(lengths, seed, data, tmp_path_factory):
    graphs = recordings(lengths, seed)
    path = tmp_path_factory.mktemp("store") / "set.store"
    Store.write(path, graphs)
    store = Store.open(path)
    assert len(store) == len(graphs)
    for i, graph in enumerate(graphs):
        for key in TENSORS:
            assert torch.equal(store[i][key], graph[key]), key
            assert store[i][key].dtype == graph[key].dtype, key
        assert store[i].layout == graph.layout
        assert (store[i].name, store[i].subject) == (graph.name, graph.subject)
    chosen = data.draw(st.lists(st.integers(0, len(graphs) - 1), min_size=1, max_size=4))
    gathered, collated = store.batch(chosen), Batch.from_data_list([graphs[i] for i in chosen])
    for key in (*TENSORS, "batch", "ptr"):
        assert torch.equal(gathered[key], collated[key]), key


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stgcn", STGCN),
        ("preactivation", STGCN),
        ("distance, two hops", STGCN),
        ("ST-GCN++", STGCNPlusPlus),
        ("CTR-GCN", CTRGCN),
        ("AAGCN", AAGCN),
        ("DG-STGCN", DGSTGCN),
    ],
)
def test_a_saved_network_gives_equal_logits(name, kind, tmp_path):
    model = encoder(name, torch.float32, num_classes=3).eval()
    batch = random_batch([[5, 2], [1]], BODY)
    model.save_pretrained(tmp_path)
    again = kind.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(again(batch), model(batch))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_weights_that_do_not_fit_are_listed(tmp_path):
    encoder("stgcn", torch.float32, num_classes=3).save_pretrained(tmp_path)
    with pytest.raises(StateDictMismatch, match=r"(?s)do not fit.*other shapes.*head.*instead of"):
        STGCN.from_pretrained(tmp_path, num_classes=4)
