"""What holds for every transform."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Generator
from torch_geometric.data import Batch
from torch_geometric.transforms import Compose

from stgraph import transforms as T
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import keep_poses
from tests.transforms.samples import assert_same, recording

Make = Callable[[Generator], T.SkeletonTransform]

DETERMINISTIC: dict[str, Make] = {
    "Stream": lambda g: T.Stream("joint"),
    "Stream all": lambda g: T.Stream(["joint", "bone", "joint_motion", "bone_motion"], score=True),
    "Stream relative": lambda g: T.Stream(["relative", "relative_motion"]),
    "Stream centred": lambda g: T.Stream("centred_motion"),
    "CenterJoint": lambda g: T.CenterJoint(),
    "CenterJoint hips": lambda g: T.CenterJoint(("left_hip", "right_hip")),
    "CenterJoint first": lambda g: T.CenterJoint(1, of="first"),
    "NormaliseScale": lambda g: T.NormaliseScale(),
    "NormaliseRange": lambda g: T.NormaliseRange(),
    "NormaliseRange common": lambda g: T.NormaliseRange(per_coordinate=False),
    "Standardise": lambda g: T.Standardise(),
    "Standardise common": lambda g: T.Standardise(per_coordinate=False),
    "BodyUnits": lambda g: T.BodyUnits(),
    "BodyUnits pose": lambda g: T.BodyUnits("pose", scale=False),
    "FaceForward": lambda g: T.FaceForward(up="z"),
    "PreNormalise2D fix": lambda g: T.PreNormalise2D((160, 120), threshold=0.4),
    "PreNormalise2D auto": lambda g: T.PreNormalise2D(),
    "PreNormalise3D": lambda g: T.PreNormalise3D("neck", ("left_hip", "neck")),
    "PreNormalise3D centre": lambda g: T.PreNormalise3D(1, None, drop_frames=False),
    "ResampleTime number": lambda g: T.ResampleTime(num_frames=7),
    "ResampleTime factor": lambda g: T.ResampleTime(factor=1.7),
    "ResampleTime every": lambda g: T.ResampleTime(every=3),
    "CropResize": lambda g: T.CropResize(8, part=0.5),
    "TimeCrop": lambda g: T.TimeCrop(0.5, at=0.3),
    "UniformSample centre": lambda g: T.UniformSample(5, how="centre"),
    "UniformSample even": lambda g: T.UniformSample(9, how="even", short="fill"),
    "BridgeGaps": lambda g: T.BridgeGaps(),
    "BridgeGaps interpolate": lambda g: T.BridgeGaps(max_gap=5, fill="interpolate"),
    "FillMissing": lambda g: T.FillMissing(),
    "FillMissing hold": lambda g: T.FillMissing(max_gap=2, hold=True),
    "SelectPersons motion": lambda g: T.SelectPersons(),
    "SelectPersons score": lambda g: T.SelectPersons(1, by="score"),
    "SelectPersons length": lambda g: T.SelectPersons(2, by="length"),
    "Flip": lambda g: T.Flip(),
}
RANDOM: dict[str, Make] = {
    "Flip half": lambda g: T.Flip(0.5, generator=g),
    "ReportAugmentation": lambda g: T.ReportAugmentation(1.0, generator=g),
    "RandomRotate": lambda g: T.RandomRotate((30, 20, 10), about="recording", generator=g),
    "RandomScale": lambda g: T.RandomScale((0.5, 2.0), per_coordinate=True, generator=g),
    "RandomTranslate": lambda g: T.RandomTranslate(5.0, generator=g),
    "RandomShear": lambda g: T.RandomShear(generator=g),
    "RandomTimeCrop": lambda g: T.RandomTimeCrop((0.3, 0.9), generator=g),
    "RandomTimeCrop number": lambda g: T.RandomTimeCrop(num_frames=4, generator=g),
    "RandomSpeed": lambda g: T.RandomSpeed((0.5, 2.0), generator=g),
    "CropResize random": lambda g: T.CropResize(6, part=(0.5, 1.0), min_frames=2, generator=g),
    "UniformSample random": lambda g: T.UniformSample(5, generator=g),
    "UniformSample fill": lambda g: T.UniformSample(7, short="fill", generator=g),
    "UniformSample repeated": lambda g: T.UniformSample(20, "repeated", "fill", generator=g),
    "TimeInterpolation": lambda g: T.TimeInterpolation(generator=g),
    "DropJoints": lambda g: T.DropJoints(0.3, generator=g),
    "DropJoints recording": lambda g: T.DropJoints(0.3, per="recording", generator=g),
}
NOISE: dict[str, Make] = {
    "Jitter": lambda g: T.Jitter(0.1, generator=g),
    "JointNoise": lambda g: T.JointNoise(3, 5.0, generator=g),
    "JointNoise constant": lambda g: T.JointNoise(3, 5.0, constant=True, generator=g),
    "HiTRSAugmentation": lambda g: T.HiTRSAugmentation(generator=g),
    "HiTRSAugmentation published": lambda g: T.HiTRSAugmentation(as_published=True, generator=g),
}
EVERY = {**DETERMINISTIC, **RANDOM, **NOISE}


def seeded() -> Generator:
    return Generator().manual_seed(11)


@pytest.mark.parametrize("name", [*DETERMINISTIC, *RANDOM])
def test_a_batch_gives_what_its_recordings_give_one_after_the_other(
    name: str, recordings: list[SkeletonGraph]
) -> None:
    together = EVERY[name](seeded())(Batch.from_data_list(recordings))
    one_by_one = EVERY[name](seeded())
    expected = [one_by_one(data) for data in recordings]
    assert together.num_recordings == len(expected)
    for found, single in zip(together.to_data_list(), expected, strict=True):
        assert_same(found, single)
    again = Batch.from_data_list(expected)
    for key in ("batch", "ptr", "pose_batch", "track_batch", "track", "joint"):
        assert torch.equal(getattr(together, key), getattr(again, key)), key


@pytest.mark.parametrize(
    "name", [n for n in (*DETERMINISTIC, *RANDOM) if not n.startswith("DropJoints")]
)
def test_the_order_of_tracks_does_not_matter(name: str) -> None:
    data = recording([6, 4, 9, 3], [0, 0, 1, 2], [0, 9, 2, 1], seed=1)
    order = torch.tensor([2, 0, 3, 1])
    poses = [torch.arange(data.num_poses)[data.track == track] for track in order.tolist()]
    other = data.take_poses(torch.cat(poses), data.track_length[order], order)
    found, expected = (by_person(EVERY[name](seeded())(graph)) for graph in (other, data))
    assert_same(found, expected)


def by_person(data: SkeletonGraph) -> SkeletonGraph:
    """The same recording with its tracks ordered by person, then time."""
    key = data.person * 1000 + data.frame[data.first_pose]
    order = key.argsort()
    poses = [torch.arange(data.num_poses)[data.track == track] for track in order.tolist()]
    return data.take_poses(torch.cat(poses), data.track_length[order], order)


def test_labels_stay_with_recordings_of_one_track_that_fall_apart_or_vanish() -> None:
    graphs = [recording([5], [0], [0], seed=i) for i in range(3)]
    batch = Batch.from_data_list(graphs)
    keep = torch.tensor([1, 0, 1, 1, 0] + [0] * 5 + [1] * 5, dtype=torch.bool)
    out = keep_poses(batch, keep)
    assert out.track_length.tolist() == [1, 2, 5]
    assert out.tracks_per_recording.tolist() == [2, 0, 1]
    assert out.y.tolist() == batch.y.tolist()
    assert [data.y.tolist() for data in out.to_data_list()] == [[0], [1], [2]]


@pytest.mark.parametrize("name", EVERY)
def test_what_is_given_stays_as_it_was(name: str, recordings: list[SkeletonGraph]) -> None:
    for data in (recordings[0], Batch.from_data_list(recordings)):
        before = copy.deepcopy(data)
        EVERY[name](seeded())(data)
        assert_same(data, before)
        if isinstance(data, Batch):
            assert data._slice_dict.keys() == before._slice_dict.keys()


@pytest.mark.parametrize("name", EVERY)
def test_a_batch_of_nobody_survives(name: str, recordings: list[SkeletonGraph]) -> None:
    nobody = recordings[2]
    for data in (nobody, Batch.from_data_list([nobody, nobody])):
        out = EVERY[name](seeded())(data)
        assert out.num_poses == out.num_tracks == 0
        assert out.num_recordings == data.num_recordings
        assert out.pos.shape == (0, 3)


@pytest.mark.parametrize("name", EVERY)
def test_values_of_missing_joints_have_no_influence(name: str) -> None:
    data = recording([6, 4, 9], [0, 0, 1], [0, 9, 2], seed=1)
    other = copy.copy(data)
    other.pos = torch.where(data.score[:, None] > 0, data.pos, 1e4)
    found, expected = EVERY[name](seeded())(other), EVERY[name](seeded())(data)
    for key in ("pos", "x"):
        if key in expected:
            shown = (found.score > 0)[:, None] if key == "pos" else torch.tensor(True)
            torch.testing.assert_close(found[key] * shown, expected[key] * shown)
    torch.testing.assert_close(found.score, expected.score)


@pytest.mark.parametrize("name", [name for name in EVERY if "2D" not in name])
def test_joints_without_scores_count_as_seen(name: str) -> None:
    data = recording([6, 4, 9], [0, 0, 1], [0, 9, 2], seed=1, missing=0.0)
    scored = copy.copy(data)
    scored.score = torch.ones_like(data.score)
    del data.score
    found, expected = EVERY[name](seeded())(data), EVERY[name](seeded())(scored)
    torch.testing.assert_close(found.pos, expected.pos)
    torch.testing.assert_close(found.folded_score(), expected.folded_score())


@pytest.mark.parametrize(
    "name",
    [n for n in EVERY if n not in ("DropJoints recording", "Jitter") and "HiTRS" not in n],
)
def test_layouts_may_be_mixed(name: str) -> None:
    graphs = [
        recording([6, 4], [0, 1], [0, 2], seed=1),
        recording([5], [0], [0], seed=2, layout="kinect_v2_25"),
        recording([8], [0], [0], seed=3),
    ]
    together = EVERY[name](seeded())(Batch.from_data_list(graphs))
    one_by_one = EVERY[name](seeded())
    for found, data in zip(together.to_data_list(), graphs, strict=True):
        assert_same(found, one_by_one(data))


@pytest.mark.parametrize("name", [*RANDOM, *NOISE])
def test_the_generator_alone_decides(name: str, recordings: list[SkeletonGraph]) -> None:
    batch = Batch.from_data_list(recordings)
    first = EVERY[name](seeded())(batch)
    torch.manual_seed(99)
    assert_same(EVERY[name](seeded())(batch), first)


def test_every_transform_is_tested_here() -> None:
    tested = {type(make(seeded())).__name__ for make in EVERY.values()}
    assert tested == set(T.__all__) - {"SkeletonTransform"}


def test_a_transform_prints_its_arguments() -> None:
    assert repr(T.CropResize(8, 0.5)) == (
        "CropResize(num_frames=8, part=0.5, min_frames=64, generator=None)"
    )
    for make in EVERY.values():
        transform = make(seeded())
        for argument in inspect.signature(type(transform)).parameters:
            assert f"{argument}=" in repr(transform)


def test_transforms_compose(recordings: list[SkeletonGraph]) -> None:
    chain = Compose(
        [T.BridgeGaps(), T.ResampleTime(num_frames=4), T.CenterJoint(), T.Stream("bone")]
    )
    out = chain(Batch.from_data_list(recordings))
    assert out.x.shape == out.pos.shape
    assert out.poses_per_recording.tolist() == [6, 4, 0, 4, 4]


def test_a_transform_without_forward_says_so(recordings: list[SkeletonGraph]) -> None:
    with pytest.raises(TypeError, match="does not override 'forward'"):
        T.SkeletonTransform()(recordings[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Stream("speed"), "knows joint, bone, .*got 'speed'"),
        (lambda: T.CenterJoint(of="last"), "of='pose' or 'first'"),
        (lambda: T.ResampleTime(), "one positive value"),
        (lambda: T.ResampleTime(num_frames=3, every=2), "one positive value"),
        (lambda: T.CropResize(8, part=(0.0, 1.0)), "parts within"),
        (lambda: T.RandomTimeCrop((0.9, 0.5)), "parts within"),
        (lambda: T.RandomSpeed((1.5, 0.5)), "0 < lowest <= highest factor"),
        (lambda: T.RandomSpeed(p=1.5), "a probability p"),
        (lambda: T.TimeCrop(0.0), r"a part within \(0, 1\] \(got 0.0\)"),
        (lambda: T.TimeCrop(0.5, at=2), r"'at' within \[0, 1\] \(got 2\)"),
        (lambda: T.UniformSample(8, how="often"), "got 'often'"),
        (lambda: T.UniformSample(0), "at least one frame"),
        (lambda: T.RandomRotate(10, order="xyx"), "an order of x, y and z"),
        (lambda: T.RandomScale((0.0, 1.0)), "0 < lowest"),
        (lambda: T.DropJoints(1.5), r"p within \[0, 1\]"),
        (lambda: T.BridgeGaps(fill="guess"), "got 'guess'"),
        (lambda: T.FillMissing(score=0.0), "a score above 0"),
        (lambda: T.SelectPersons(0), "a positive number"),
    ],
)
def test_a_bad_argument_is_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
