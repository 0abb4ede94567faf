"""Features are extracted once."""

from __future__ import annotations

import pytest
import torch

from stgraph import STGCN
from stgraph.evaluation import Features, LinearProbe, extract_features, weights_digest
from stgraph.transforms import BodyUnits
from tests.laws.encoders import BODY
from tests.objectives.samples import recordings, tiny_encoder


def graphs() -> list:
    made = recordings().to_data_list()
    for i, graph in enumerate(made):
        graph.y = torch.tensor([i])
    return made


def test_features_are_the_embeddings_in_their_order_whatever_the_batch_size():
    torch.manual_seed(0)
    encoder = tiny_encoder()
    one, other = (extract_features(encoder, graphs(), batch_size=n) for n in (1, 3))
    torch.testing.assert_close(one.x, other.x)
    assert one.y.tolist() == [0, 1, 2]
    with torch.no_grad():
        expected = torch.cat([encoder.eval()(graph) for graph in graphs()])
    torch.testing.assert_close(one.x, expected)


def test_an_encoder_with_a_classifier_gives_its_embedding_and_keeps_its_mode():
    network = STGCN(3, 5, layout=BODY, channels=[4], temporal_kernel=3).train()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert extract_features(network, graphs()).x.shape == (3, 4)
    assert network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_kept_features_are_found_again_and_told_from_others(tmp_path, monkeypatch):
    torch.manual_seed(0)
    encoder = tiny_encoder()
    first = extract_features(encoder, graphs(), cache=tmp_path)
    monkeypatch.setattr(encoder, "embed", None)  # would fail if it were asked
    again = extract_features(encoder, graphs(), cache=tmp_path)
    assert torch.equal(first.x, again.x)
    with pytest.raises(TypeError):
        extract_features(encoder, graphs()[:2], cache=tmp_path)
    with pytest.raises(TypeError):
        extract_features(encoder, graphs(), transform=BodyUnits(), cache=tmp_path)
    monkeypatch.undo()
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(b"damaged")
    assert torch.equal(extract_features(encoder, graphs(), cache=tmp_path).x, first.x)


def test_other_weights_are_another_encoder():
    torch.manual_seed(0)
    encoder = tiny_encoder()
    before = weights_digest(encoder)
    assert weights_digest(encoder) == before
    with torch.no_grad():
        next(encoder.parameters()).add_(1e-6)
    assert weights_digest(encoder) != before


def separable(number: int, seed: int, classes: int = 3) -> Features:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(number) % classes
    x = torch.randn(number, 5, generator=generator) + 4 * torch.nn.functional.one_hot(y, 5)
    return Features(x, y, torch.ones(number, dtype=torch.bool))


def test_a_linear_probe_learns_what_a_line_can_tell_apart():
    train, test = separable(90, 0), separable(60, 1)
    probe = LinearProbe(train, epochs=30)
    assert (probe.logits(test).argmax(dim=1) == test.y).float().mean() > 0.95


def test_a_linear_probe_is_decided_by_its_seed_and_leaves_torch_s_alone():
    train, test = separable(30, 0), separable(6, 1)
    torch.manual_seed(7)
    one = LinearProbe(train, epochs=2, seed=1).logits(test)
    drawn = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(LinearProbe(train, epochs=2, seed=1).logits(test), one)
    assert torch.equal(torch.rand(1), drawn)
    assert not torch.equal(LinearProbe(train, epochs=2, seed=2).logits(test), one)


def test_recordings_without_a_pose_teach_nothing():
    train = separable(30, 0)
    train.has_pose[:3] = False
    expected = LinearProbe(train.take(train.has_pose), epochs=2).logits(train)
    train.x[:3] = float("nan")
    assert torch.equal(LinearProbe(train, epochs=2).logits(separable(30, 0)), expected)
    train.has_pose[:] = False
    with pytest.raises(ValueError, match="training recordings with poses"):
        LinearProbe(train)
