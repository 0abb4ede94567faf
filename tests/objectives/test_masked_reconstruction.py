"""The masked autoencoder."""

from __future__ import annotations

import pytest
import torch

from stgraph.nn import NodeDecoder, TokenDecoder, make_tokens
from stgraph.objectives import (
    Coordinates,
    LatentTarget,
    MaskedReconstruction,
    RandomTokens,
    squared_error,
)
from stgraph.testing import random_batch
from stgraph.transforms import BodyUnits, ResampleTime
from stgraph.transforms.base import with_nodes
from tests.laws.encoders import BODY, HAND
from tests.objectives.samples import recordings, tiny_encoder, tiny_objective


def test_the_loss_is_over_hidden_tokens_alone():
    objective = tiny_objective()
    batch = recordings(missing=0.2)
    found = objective.reconstruct(batch, torch.Generator().manual_seed(0))
    value, valid = found.target
    expected = squared_error(
        found.prediction[found.hidden], value[found.hidden], valid[found.hidden]
    )
    output = objective(batch, torch.Generator().manual_seed(0))
    assert output.loss.item() == expected.item()
    share = found.hidden.float().mean()
    assert float(output.logs["hidden"]) == pytest.approx(float(share))


def test_a_user_s_own_function_hides_and_scores():
    def first_joint(batch, tokens, generator):
        return tokens.site == 0

    def largest(prediction, target, valid):
        return (prediction - target).abs().max()

    objective = tiny_objective(masking=first_joint, loss=largest, target=Coordinates())
    batch = recordings()
    found = objective.reconstruct(batch)
    assert torch.equal(found.hidden, make_tokens(batch, 2).site == 0)
    objective(batch).loss.backward()


def test_it_learns_where_joints_are():
    objective = tiny_objective(target=Coordinates())
    batch = recordings()
    place = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    batch = with_nodes(batch, pos=place[batch.joint] + 0.05 * batch.pos)
    optimizer = torch.optim.Adam(objective.parameters(), lr=0.03)
    losses = []
    for step in range(140):
        optimizer.zero_grad()
        loss = objective(batch, torch.Generator().manual_seed(step)).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.25 * sum(losses[:4])


def test_every_parameter_takes_part():
    objective = tiny_objective(transform=BodyUnits())
    objective(recordings(missing=0.3), torch.Generator().manual_seed(1)).loss.backward()
    without = [name for name, p in objective.named_parameters() if p.grad is None]
    assert not without


def test_a_share_of_what_is_hidden_may_be_asked_for():
    objective = tiny_objective(predict_share=0.5)
    batch = recordings(missing=0.2)
    found = objective.reconstruct(batch, torch.Generator().manual_seed(0))
    whole = tiny_objective().reconstruct(batch, torch.Generator().manual_seed(0))
    counts = [torch.bincount(r.tokens.batch[r.hidden], minlength=3) for r in (found, whole)]
    assert counts[0].tolist() == [int(n / 2 + 0.5) for n in counts[1].tolist()]
    visible = [torch.bincount(r.tokens.batch[~r.hidden], minlength=3) for r in (found, whole)]
    assert torch.equal(*visible)
    objective(batch).loss.backward()
    with pytest.raises(ValueError, match=r"predict_share lies in \(0, 1\] \(got 0\)"):
        tiny_objective(predict_share=0)
    with pytest.raises(ValueError, match="a NodeDecoder needs all tokens"):
        MaskedReconstruction(
            tiny_encoder(), NodeDecoder(8, 3), RandomTokens(), Coordinates(), predict_share=0.5
        )


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'hinge'; known are squared_error"):
        tiny_objective(loss="hinge")
    assert isinstance(tiny_objective(loss="smooth_l1"), MaskedReconstruction)


def test_a_slow_teacher_that_sees_everything_may_be_the_target():
    objective = tiny_objective()
    target = LatentTarget(objective.encoder, momentum=0.5)
    objective.target = target
    objective.decoder = TokenDecoder(
        8, target.size(2, 3), layout=BODY, width=4, depth=1, num_heads=2
    )
    batch = recordings(missing=0.2)
    output = objective(batch, torch.Generator().manual_seed(0))
    output.loss.backward()
    assert all(p.grad is None for p in target.parameters())
    found = objective.reconstruct(batch, torch.Generator().manual_seed(0)).target.value
    torch.testing.assert_close(
        found.mean(dim=2), torch.zeros_like(found[:, :, 0]), atol=1e-5, rtol=0
    )
    before = [p.clone() for p in target.teacher.parameters()]
    with torch.no_grad():
        for p in objective.encoder.parameters():
            p.add_(1.0)
    objective.after_step()
    for old, new in zip(before, target.teacher.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)


def test_a_decoder_of_other_dimensions_is_told_what_to_do():
    objective = tiny_objective()
    objective.decoder = TokenDecoder(8, 4, layout=BODY, width=4, depth=1, num_heads=2)
    with pytest.raises(ValueError, match=r"predicts 4 numbers .* asks for 6 .* \(num_dims\)"):
        objective(recordings())


def test_filled_in_recordings_differ_from_the_truth_in_hidden_joints_alone():
    objective = tiny_objective(target=Coordinates()).eval()
    batch = recordings(0.3)
    filled = objective.fill_in(batch, torch.Generator().manual_seed(1))
    changed = (filled.prediction.pos != batch.pos).any(dim=1)
    assert torch.equal(changed, filled.hidden)
    assert torch.equal(filled.masked.score > 0, (batch.score > 0) & ~filled.hidden)
    assert torch.equal(filled.truth.pos, batch.pos)
    again = objective.fill_in(batch, torch.Generator().manual_seed(1))
    assert torch.equal(again.prediction.pos, filled.prediction.pos)


def test_latent_features_have_no_place():
    objective = tiny_objective()
    objective.target = lambda batch, tokens: None
    with pytest.raises(ValueError, match="a function does not say where joints are"):
        objective.fill_in(recordings())


def test_what_changes_the_poses_belongs_before_hiding():
    for transform in (ResampleTime(num_frames=40), ResampleTime(every=2)):
        objective = tiny_objective(transform=transform)
        with pytest.raises(ValueError, match=r"changes which poses there are.*before hiding"):
            objective(recordings())


def test_an_encoder_bound_to_joints_refuses_others_behind_a_mask():
    objective = tiny_objective()
    other = random_batch([[4]], HAND)
    with pytest.raises(ValueError, match="bound to layout 'body' and got 'hand'"):
        objective(other)
