"""The generated KTH: people look like people, it is reproducible, and it carries KTH's facts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from stgraph.datasets._kth_body import SEGMENTS, body_positions
from stgraph.datasets._kth_motion import arm_action_angles, gait_angles, gait_duty
from stgraph.datasets.kth import OFFICIAL_SUBJECTS
from stgraph.datasets.synthetic_kth import (
    Difficulty,
    SimulatedVideos,
    SyntheticKTH,
    simulate_kth,
)
from stgraph.evaluation.controls import (
    accuracy,
    logistic_regression,
    visibility_only,
)
from stgraph.evaluation.statistics import as_batch, motion_statistics
from stgraph.skeleton import resolve_layout

LAYOUT = resolve_layout("openpose_body_25")


@pytest.fixture(scope="module")
def videos() -> SimulatedVideos:
    return simulate_kth(seed=1, ranges_per_video=1)


def joint(videos: SimulatedVideos, name: str) -> Tensor:
    return videos.true[:, LAYOUT.index(name)]


def still(poses: int) -> dict[str, Tensor]:
    """Angles of somebody who stands upright with hanging arms."""
    one_side = ("hip", "hip_out", "knee", "ankle", "shoulder", "shoulder_out", "elbow")
    names = ["lean", "sway", "twist", "head_turn"]
    names += [f"{n}_{s}" for n in (*one_side, "forearm_out") for s in ("left", "right")]
    return {name: torch.zeros(poses) for name in names}


def lengths(poses: int) -> dict[str, Tensor]:
    return {name: torch.full((poses,), length) for name, length in SEGMENTS.items()}


def test_somebody_who_stands_is_upright_and_symmetric() -> None:
    body = body_positions(still(1), lengths(1))[0]
    assert body[LAYOUT.index("nose"), 2] > 1.4
    assert body[:, 2].min().item() == pytest.approx(0, abs=1e-6)
    mirrored = body[LAYOUT.mirror] * torch.tensor([1.0, -1.0, 1.0])
    assert torch.allclose(body, mirrored, atol=1e-6)
    assert body[LAYOUT.index("l_wrist"), 1] > 0 > body[LAYOUT.index("r_wrist"), 1]
    assert body[LAYOUT.index("l_big_toe"), 0] > body[LAYOUT.index("l_heel"), 0]


def test_segments_keep_their_lengths_whatever_the_angles(generator: torch.Generator) -> None:
    angles = {name: torch.randn(50, generator=generator) for name in still(50)}
    body = body_positions(angles, lengths(50))
    for first, second, segment in (
        ("r_shoulder", "r_elbow", "upper_arm"),
        ("l_elbow", "l_wrist", "forearm"),
        ("r_hip", "r_knee", "thigh"),
        ("l_knee", "l_ankle", "shank"),
    ):
        bone = body[:, LAYOUT.index(first)] - body[:, LAYOUT.index(second)]
        assert torch.allclose(bone.norm(dim=1), torch.full((50,), SEGMENTS[segment]), atol=1e-5)
    feet = body[
        :, [LAYOUT.index(f"{s}_{n}") for s in "lr" for n in ("heel", "big_toe", "small_toe")]
    ]
    assert torch.allclose(feet[..., 2].amin(1), torch.zeros(50), atol=1e-5)


def test_gaits_have_their_duty_and_legs_half_a_stride_apart() -> None:
    assert gait_duty(torch.tensor([0.0, 1.0, 2.0])).tolist() == pytest.approx([0.62, 0.42, 0.31])
    phase = torch.linspace(0, 1, 21)
    traits = ("lean", "arm_bend", "arm_swing", "arm_base", "arm_out", "pump", "head_turn")
    traits += ("arm_lag", "pump_lag", "limp", "gait")
    style = {name: torch.zeros(21) for name in traits}
    style |= {name: torch.ones(21) for name in ("hip_size", "knee_size")}
    now, later = gait_angles(phase, style), gait_angles(phase + 0.5, style)
    for name in ("hip", "knee", "ankle"):
        assert torch.allclose(now[f"{name}_left"], later[f"{name}_right"], atol=1e-5)
    assert now["hip_left"][0].item() == pytest.approx(math.radians(28), abs=0.15)


def test_unknown_arm_action_is_refused() -> None:
    style = {name: torch.zeros(1) for name in ("leader", "one_arm", "lag", "sharp")}
    with pytest.raises(ValueError, match=r"expected 'boxing'.*got 'walking'"):
        arm_action_angles("walking", torch.zeros(1), style)


def test_same_seed_same_frames_and_other_seed_other_frames(videos: SimulatedVideos) -> None:
    again = simulate_kth(seed=1, ranges_per_video=1)
    assert torch.equal(videos.pos, again.pos)
    assert torch.equal(videos.score, again.score)
    other = simulate_kth(seed=2, ranges_per_video=1)
    assert not torch.equal(videos.pos[:100], other.pos[:100])


def test_people_are_upright_and_of_plausible_size(videos: SimulatedVideos) -> None:
    """Image axes: y down."""
    head, hip = joint(videos, "nose")[:, 1], joint(videos, "mid_hip")[:, 1]
    foot = torch.maximum(joint(videos, "l_heel")[:, 1], joint(videos, "r_heel")[:, 1])
    assert (head < joint(videos, "neck")[:, 1]).float().mean() > 0.99
    assert (joint(videos, "neck")[:, 1] < hip).all()
    assert (hip < foot).all()
    assert (foot - head).median().item() == pytest.approx(62, abs=12)


def test_those_who_walk_cross_the_picture_and_those_who_box_stay(videos: SimulatedVideos) -> None:
    action = videos.cast.action[videos.range]
    x = joint(videos, "mid_hip")[:, 0]
    for number in range(6):
        own = action == number
        outside = ((x < 0) | (x > 159))[own].float().mean()
        assert outside == 0 if number < 3 else 0.02 < outside < 0.5


def test_what_is_not_found_is_zero_and_what_is_found_lies_in_the_picture(
    videos: SimulatedVideos,
) -> None:
    found = videos.score > 0
    assert (videos.pos[~found] == 0).all()
    assert (videos.pos[found] >= 0).all()
    assert (videos.pos[found] <= torch.tensor([159.0, 119.0])).all()
    assert videos.score.max() < 1
    assert 0.02 < (~found[found.any(1)]).float().mean() < 0.35
    assert 0.01 < (~found.any(1)).float().mean() < 0.3


def test_confidence_falls_with_the_error(videos: SimulatedVideos) -> None:
    found = videos.score > 0
    error = (videos.pos - videos.true).norm(dim=-1)[found]
    rank = torch.stack([error.argsort().argsort(), videos.score[found].argsort().argsort()])
    assert torch.corrcoef(rank.double())[0, 1] < -0.15


def test_recordings_carry_what_kth_carries() -> None:
    dataset = SyntheticKTH("all", seed=1, ranges_per_video=2)
    assert len(dataset) == 1200
    assert dataset.num_classes == 6
    assert dataset.layout.name == "openpose_body_25"
    graph = dataset[1]
    assert graph.name == "person01_boxing_d1_r2"
    assert (graph.video, graph.subject, graph.scenario) == ("person01_boxing_d1", 1, 1)
    assert graph.fps.item() == pytest.approx(25 / 3)
    assert int(graph.frame[0]) >= graph.clip_start > 0
    batch = as_batch(dataset)
    assert batch.num_recordings == 1200
    within = batch.track[1:] == batch.track[:-1]
    assert (batch.frame.diff()[within] == 1).all()
    gaps = ~within & (batch.pose_batch[1:] == batch.pose_batch[:-1])
    assert (batch.frame.diff()[gaps] > 1).all()
    assert gaps.sum() > 200


@pytest.mark.parametrize("protocol", ["official", "15-5-5", "scenario", "stratified"])
def test_protocols_share_nothing_between_their_parts(protocol: str) -> None:
    parts = [
        SyntheticKTH(split, protocol=protocol, seed=1, ranges_per_video=2)
        for split in ("train", "val", "test")
    ]
    assert sum(len(part) for part in parts) == 1200
    videos = [set(part.column("video")) for part in parts]
    assert not (videos[0] & videos[1] | videos[0] & videos[2] | videos[1] & videos[2])
    if protocol == "official":
        assert [len(part) for part in parts] == [384, 384, 432]
        subjects = [set(part.column("subject").tolist()) for part in parts]
        assert subjects == [set(OFFICIAL_SUBJECTS[key]) for key in ("train", "val", "test")]


def test_the_class_shows_in_motion_more_than_in_what_is_missing() -> None:
    train, val, test = (
        SyntheticKTH(split, seed=1, ranges_per_video=2) for split in ("train", "val", "test")
    )
    motion = accuracy(logistic_regression(train, test, val, strengths=(0.03,)), test)
    missing = accuracy(visibility_only(train, test, val, strengths=(0.03,)), test)
    assert missing + 0.1 < motion < 0.65


@pytest.mark.parametrize(
    ("easy", "hard"),
    [
        (Difficulty(overlap=0.0, stray=0.0), Difficulty(overlap=1.0, stray=0.0)),
        (Difficulty(overlap=0.0, stray=0.0), Difficulty(overlap=0.0, stray=1.0)),
    ],
    ids=["overlap", "stray"],
)
def test_overlap_and_strays_make_marginal_statistics_say_less(
    easy: Difficulty, hard: Difficulty
) -> None:
    scores = []
    for difficulty in (easy, hard):
        made = {"difficulty": difficulty, "ranges_per_video": 2}
        train, test = (as_batch(SyntheticKTH(split, **made)) for split in ("train", "test"))
        x, y = motion_statistics(train), motion_statistics(test)
        # Nearest class mean needs no iterations.
        spread = x.std(0).clamp(min=1e-6)
        means = torch.stack([x[train.y == c].mean(0) for c in range(6)]) / spread
        nearest = torch.cdist(y / spread, means).argmin(1)
        scores.append((nearest == test.y).double().mean().item())
    assert scores[0] > scores[1] + 0.02


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"overlap": 1.5}, r"overlap between 0 and 1 \(got 1.5\)"), ({"jitter": -1}, "jitter >= 0")],
)
def test_difficulty_refuses_impossible_values(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Difficulty(**wrong)


def test_numbers_out_of_range_and_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match=r"ranges_per_video >= 1 \(got 0\)"):
        simulate_kth(ranges_per_video=0)
    with pytest.raises(ValueError, match=r"frame_step >= 1"):
        SyntheticKTH(frame_step=0)
    with pytest.raises(ValueError, match="does not know the split 'tset'"):
        SyntheticKTH("tset", seed=1, ranges_per_video=2)


def test_a_finer_step_gives_more_frames(videos: SimulatedVideos) -> None:
    finer = simulate_kth(seed=1, ranges_per_video=1, frame_step=1)
    assert len(finer.place) == pytest.approx(3 * len(videos.place), rel=0.1)
