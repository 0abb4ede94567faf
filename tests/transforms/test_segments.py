"""Annotated actions follow the frames that show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph, pose_labels
from stgraph.transforms import (
    BridgeGaps,
    CropResize,
    Flip,
    HiTRSAugmentation,
    PreNormalise3D,
    RandomRotate,
    RandomSpeed,
    RandomTimeCrop,
    ReportAugmentation,
    ResampleTime,
    SelectPersons,
    TimeCrop,
    TimeInterpolation,
    UniformSample,
)
from tests.transforms.samples import recording

Make = Callable[[torch.Generator], Any]
TRANSFORMS: dict[str, Make] = {
    "crop": lambda g: TimeCrop(0.5, at=0.7),
    "random crop": lambda g: RandomTimeCrop(generator=g),
    "stretch": lambda g: RandomTimeCrop(num_frames=3, generator=g),
    "sample": lambda g: UniformSample(5, generator=g),
    "centre": lambda g: UniformSample(3, "centre", generator=g),
    "ring": lambda g: UniformSample(9, short="fill", generator=g),
    "repeated": lambda g: UniformSample(6, "repeated", short="fill", generator=g),
    "even": lambda g: UniformSample(4, "even", generator=g),
    "resize": lambda g: ResampleTime(num_frames=7),
    "faster": lambda g: ResampleTime(factor=0.4),
    "slower": lambda g: ResampleTime(factor=2.6),
    "every": lambda g: ResampleTime(every=3),
    "speed": lambda g: RandomSpeed((0.5, 2.0), p=0.8, generator=g),
    "crop and resize": lambda g: CropResize(8, (0.5, 1.0), min_frames=2, generator=g),
    "middle": lambda g: CropResize(5, 0.8),
    "bridge": lambda g: BridgeGaps(fill="interpolate"),
    "between": lambda g: TimeInterpolation(generator=g),
    "persons": lambda g: SelectPersons(1, by="length"),
    "normalise": lambda g: PreNormalise3D(),
    "hi-trs": lambda g: HiTRSAugmentation(generator=g),
    "report": lambda g: ReportAugmentation(generator=g),
    "flip": lambda g: Flip(p=0.5, generator=g),
    "rotate": lambda g: RandomRotate(20.0, generator=g),
}


def annotated(seed: int, actions: list[tuple[int, float, float]], persons: int) -> SkeletonGraph:
    """One or two people, one of whom leaves and comes back."""
    if persons == 0:
        graph = recording([], [], [], seed, "kinect_v1_20")
    elif persons == 1:
        graph = recording([4, 6], [0, 0], [3, 9], seed, "kinect_v1_20")
    else:
        graph = recording([5, 3, 4], [0, 0, 1], [0, 8, 4], seed, "kinect_v1_20")
    graph.segments = torch.tensor(actions, dtype=torch.float32).reshape(-1, 3)
    graph.pose_true = pose_labels(graph)
    return graph


action = st.tuples(
    st.integers(1, 3),
    st.sampled_from([-2, 0, 2.5, 3, 5, 6, 7, 9, 11]),
    st.sampled_from([0, 1.5, 3, 4, 6, 8, 10, 12, 14, 30]),
)
people = st.lists(st.tuples(st.lists(action, max_size=4), st.integers(0, 2)), min_size=1)


@pytest.mark.parametrize("name", TRANSFORMS)
@settings(max_examples=25, deadline=None)
@given(drawn=people, seed=st.integers(0, 1000))
def test_labels_of_frames_are_those_of_the_actions_that_went_along(name, drawn, seed):
    graphs = [annotated(i, actions, persons) for i, (actions, persons) in enumerate(drawn)]
    batch = TRANSFORMS[name](torch.Generator().manual_seed(seed))(Batch.from_data_list(graphs))
    # a bridge is new: it has no joint that is surer than a guess
    old = batch.folded_score().gt(0.1).any(dim=1)
    assert torch.equal(pose_labels(batch)[old], batch.pose_true[old])
    again = Batch.from_data_list(batch.to_data_list())
    assert torch.equal(again.segments, batch.segments)
    assert torch.equal(pose_labels(again), pose_labels(batch))
    if hasattr(TRANSFORMS[name](torch.Generator()), "generator"):
        return  # alone it would draw something else
    transform = TRANSFORMS[name](torch.Generator())
    for one, found in zip(graphs, batch.to_data_list(), strict=True):
        assert torch.equal(transform(one).segments, found.segments)


def test_an_action_is_cut_at_the_ends_of_a_crop_and_goes_when_nothing_is_left():
    graph = recording([10], [0], [0], 0)
    graph.segments = torch.tensor([[1.0, 0.0, 2.0], [2.0, 2.0, 6.0], [3.0, 5.5, 9.0]])
    found = TimeCrop(0.5, at=0.6)(graph)
    assert found.frame.tolist() == [3, 4, 5, 6, 7]
    assert found.segments.tolist() == [[2.0, 3.0, 6.0], [3.0, 5.5, 7.0]]


def test_actions_are_numbered_as_the_frames_that_show_them():
    graph = recording([10], [0], [100], 0)
    graph.segments = torch.tensor([[1, 100, 103], [2, 105, 105], [2, 106, 109]])
    found = ResampleTime(every=2)(graph)
    assert found.segments.tolist() == [[1, 0, 1], [2, 3, 4]]  # 105 is not among the frames
    assert found.segments.dtype == torch.long
    twice = ResampleTime(factor=2)(graph)
    assert twice.segments.tolist() == [[1, 0, 7], [2, 10, 11], [2, 12, 19]]


def test_an_action_that_a_ring_of_frames_cuts_is_two():
    graph = recording([4], [0], [0], 0)
    graph.segments = torch.tensor([[1.0, 1.0, 2.0]])
    found = UniformSample(8, short="fill", generator=torch.Generator().manual_seed(0))(graph)
    assert len(found.segments) >= 2
    assert (found.segments[1:, 1] > found.segments[:-1, 2]).all()


def test_actions_of_people_who_were_left_out_are_gone():
    graph = recording([5, 2], [0, 1], [0, 10], 0)
    graph.segments = torch.tensor([[1.0, 0.0, 3.0], [2.0, 10.0, 12.0], [3.0, 4.0, 10.0]])
    found = SelectPersons(1, by="length")(graph)
    assert found.segments.tolist() == [[1.0, 0.0, 3.0], [3.0, 4.0, 10.0]]


def test_a_loader_may_follow_the_actions():
    graphs = [annotated(0, [(1, 3, 5), (2, 9, 12)], 1), annotated(1, [(1, 0, 1)], 2)]
    batch = Batch.from_data_list(graphs, follow_batch=["segments"])
    found = TimeCrop(0.4, at=0)(batch)
    assert found.segments_batch.tolist() == [0, 1]


def test_a_table_that_is_none_is_refused_by_name():
    graph = recording([4], [0], [0], 0)
    graph.segments = torch.zeros(3)
    with pytest.raises(ValueError, match=r"a table \[S, 3\] of class, first and last frame"):
        TimeCrop(0.5)(graph)
