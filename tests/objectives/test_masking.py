"""Maskings hide an exact share of every recording."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch

from stgraph import SkeletonGraph, SkeletonLayout
from stgraph.nn import make_tokens, token_values
from stgraph.objectives import (
    BodyParts,
    Frames,
    MotionAware,
    Persons,
    RandomJoints,
    RandomTokens,
    Tubes,
    gumbel_noise,
    motion_intensity,
    number_hidden,
    skeletonmae_parts,
)
from stgraph.skeleton import resolve_layout
from stgraph.testing import random_batch, random_skeleton_graph
from tests.laws.encoders import BODY, HAND
from tests.objectives.samples import recordings

RATIO = st.floats(0.0, 1.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    lengths=st.lists(st.lists(st.integers(1, 9), max_size=3), min_size=1, max_size=4),
    ratio=RATIO,
    aware=st.booleans(),
    group=st.sampled_from(["recording", "person"]),
    seed=st.integers(0, 99),
)
def test_tokens_are_hidden_in_the_exact_share(lengths, ratio, aware, group, seed):
    batch = random_batch(lengths, BODY)
    tokens = make_tokens(batch, 2)
    make = MotionAware if aware else RandomTokens
    hidden = make(ratio, group=group)(batch, tokens, seeded(seed))
    owner = tokens.batch if group == "recording" else tokens.person[tokens.track]
    for one in owner.unique():
        size = int((owner == one).sum())
        expected = min(int(size * ratio + 0.5), size - 1)
        assert int(hidden[owner == one].sum()) == expected


def test_the_published_rounding_keeps_74_of_750():
    size = torch.tensor([750])
    assert number_hidden(size, 0.9, "keep_floor").tolist() == [676]
    assert number_hidden(size, 0.9).tolist() == [675]


def test_one_draw_is_that_of_its_generator():
    batch = recordings()
    tokens = make_tokens(batch, 2)
    masking = RandomTokens(0.5)
    one, same, other = (masking(batch, tokens, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_motion_intensity_is_that_of_a_loop():
    batch = recordings(missing=0.3)
    tokens = make_tokens(batch, 2)
    values, expected = token_values(batch.pos, tokens), []
    has_before = tokens.before >= 0
    for i, before in enumerate(tokens.before.tolist()):
        j = i
        if before < 0:  # the first of a track copies its successor
            after = (tokens.before == i).nonzero().flatten()
            j, before = (int(after[0]), i) if len(after) else (i, -1)
        total, count = 0.0, 0
        for step in range(2 if before >= 0 else 0):
            if tokens.found[j, step] and tokens.found[before, step]:
                total += float((values[j, step] - values[before, step]).abs().mean())
                count += 1
        expected.append(total / max(count, 1))
    assert has_before.any()
    torch.testing.assert_close(motion_intensity(batch.pos, tokens), torch.tensor(expected))


def test_what_moves_is_hidden_more_often():
    pos = torch.zeros(40, 6, 3)
    pos[:, 2] = torch.randn(40, 3, generator=seeded())
    graph = SkeletonGraph(pos.flatten(0, 1), layout=BODY)
    tokens = make_tokens(graph, 2)
    counts = torch.zeros(6)
    for seed in range(50):
        hidden = MotionAware(0.5, temperature=0.2)(graph, tokens, seeded(seed))
        counts += torch.bincount(tokens.site[hidden], minlength=6)
    assert counts[2] > 2 * counts[[0, 1, 3, 4, 5]].max()


def test_the_greatest_of_gumbel_noise_is_a_draw_from_the_weights():
    weight = torch.tensor([0.1, 0.2, 0.7])
    uniform = torch.rand(20_000, 3, generator=seeded())
    drawn = gumbel_noise(weight.log().expand(20_000, 3), uniform).argmax(dim=1)
    share = torch.bincount(drawn, minlength=3) / 20_000
    torch.testing.assert_close(share, weight, atol=0.01, rtol=0)


def units_hidden(unit: torch.Tensor, hidden: torch.Tensor) -> tuple[int, int]:
    """How many units are hidden and how many there are; each wholly or not at all."""
    number = 0
    for one in unit.unique():
        mine = hidden[unit == one]
        assert mine.all() or not mine.any()
        number += bool(mine.all())
    return number, len(unit.unique())


def test_joints_are_hidden_throughout_a_recording_or_anew_in_every_patch():
    batch = recordings()
    tokens = make_tokens(batch, 2)
    hidden = RandomJoints(0.5)(batch, tokens, seeded())
    assert units_hidden(tokens.batch * 6 + tokens.site, hidden) == (9, 18)
    hidden = RandomJoints(0.5, per="patch")(batch, tokens, seeded())
    patch = tokens.track * 100 + tokens.time.long()
    for one in patch.unique():
        assert int(hidden[patch == one].sum()) == 3


def test_tubes_frames_and_persons_are_hidden_whole():
    batch = random_batch([[16], [8, 8]], BODY)
    tokens = make_tokens(batch, 2)
    block = tokens.track * 100 + (tokens.time / 4).long()
    hidden = Tubes(0.5, duration=4)(batch, tokens, seeded())
    assert units_hidden(block * 6 + tokens.site, hidden) == (12, 24)
    hidden = Frames(0.5, duration=4)(batch, tokens, seeded())
    assert units_hidden(block, hidden) == (2, 4)
    hidden = Persons(0.5)(batch, tokens, seeded())
    assert units_hidden(tokens.track, hidden) == (1, 3)  # who is alone is never hidden
    assert not hidden[tokens.batch == 0].any()


def test_the_parts_of_skeletonmae_have_the_sizes_that_the_paper_states():
    parts = skeletonmae_parts(resolve_layout("coco_17"))
    assert [len(members) for members in parts.values()] == [5, 4, 2, 2, 2, 2]
    for name in ("kinect_v1_20", "kinect_v2_25", "penn_13", "openpose_coco_18", "sbu_15"):
        layout = resolve_layout(name)
        members = [joint for part in skeletonmae_parts(layout).values() for joint in part]
        assert sorted(members) == list(range(layout.num_joints))


def test_named_parts_are_always_hidden_and_others_are_drawn_whole():
    layout = resolve_layout("coco_17")
    batch = random_batch([[4], [6]], layout)
    tokens = make_tokens(batch, 2)
    arms = skeletonmae_parts(layout)["V2"] + skeletonmae_parts(layout)["V3"]
    hidden = BodyParts(["V2", "V3"])(batch, tokens)
    assert set(tokens.site[hidden].tolist()) == set(arms)
    assert not set(tokens.site[~hidden].tolist()) & set(arms)
    masking = BodyParts(ratio=0.5)
    assert units_hidden(
        tokens.batch * 10 + masking.units(batch, tokens), masking(batch, tokens, seeded())
    ) == (6, 12)


def test_parts_of_mixed_layouts_are_their_own():
    left = SkeletonLayout("left", ["a", "b"], [(0, 1)], parts={"one": [0], "two": [1]})
    right = SkeletonLayout("right", ["c", "d"], [(0, 1)], parts={"one": [1]})
    batch = Batch.from_data_list([random_skeleton_graph(layout, [2]) for layout in (left, right)])
    tokens = make_tokens(batch, 2)
    hidden = BodyParts("one", scheme="layout")(batch, tokens)
    assert tokens.site[hidden].tolist() == [0, 3]
    assert not BodyParts(ratio=1.0, scheme="layout")(batch, tokens)[2]  # c is in no part


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomTokens(1.5), "'RandomTokens' expected a ratio in 0...1 .got 1.5"),
        (lambda: RandomTokens(0.5, group="video"), "unknown group 'video'; known are recording"),
        (lambda: RandomTokens(0.5, rounding="up"), "unknown rounding 'up'"),
        (lambda: MotionAware(0.5, temperature=0), "temperature above 0"),
        (lambda: RandomJoints(per="day"), "unknown per 'day'"),
        (lambda: Tubes(duration=0), "'Tubes' expected a duration of at least 1"),
        (lambda: Frames(duration=0), "'Frames' expected a duration of at least 1"),
        (lambda: BodyParts(scheme="horoscope"), "unknown scheme 'horoscope'"),
        (lambda: skeletonmae_parts(HAND), "joint 'palm' of layout 'hand' is in none"),
        (lambda: BodyParts(scheme="layout").parts_of(BODY), "'body' names no body parts"),
        (
            lambda: BodyParts("V7").parts_of(resolve_layout("coco_17")),
            "no part 'V7'; it has V0, V1",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_masking_shows_its_arguments():
    expected = "Tubes(ratio=0.9, group='recording', rounding='nearest', duration=4)"
    assert repr(Tubes()) == expected
