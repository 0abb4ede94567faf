"""Published functions that no oracle covers, and their messages."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from stgraph.transforms import published


def test_the_first_frame_of_actor_one_is_the_origin_and_empty_poses_stay_zero() -> None:
    clip = torch.zeros(2, 3, 2, 3)
    clip[0, 1:] = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    clip[1, 0] = 10
    found = published.ntu_origin(clip)
    assert not found[0, 0].any()
    assert found[0, 1].tolist() == [[-3, -3, -3], [0, 0, 0]]
    assert found[1, 0].tolist() == [[6, 5, 4], [6, 5, 4]]
    assert not found[1, 1:].any()
    assert not published.ntu_origin(torch.zeros(1, 2, 2, 3)).any()


def test_repeated_frames_are_sorted_copies() -> None:
    found = published.repeated_frames(3, 52, random.Random(0))
    assert found.shape == (52,)
    assert found.tolist() == sorted(found.tolist())
    assert set(found.tolist()) <= {0, 1, 2}
    assert torch.equal(found, published.repeated_frames(3, 52, 0))


def test_generators_may_be_shared_between_calls() -> None:
    shared = np.random.RandomState(3)
    first = published.uniform_train_frames(100, 8, random=shared)
    second = published.uniform_train_frames(100, 8, random=shared)
    assert torch.equal(first, published.uniform_train_frames(100, 8, random=3))
    assert not torch.equal(first, second)


def test_the_table_of_the_readme_of_the_oracles() -> None:
    assert published.uniform_test_frames(5, 8).tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert published.uniform_test_frames(15, 8).tolist() == [1, 3, 5, 7, 9, 10, 11, 13]
    assert published.uniform_test_frames(64, 8).tolist() == [7, 9, 22, 29, 39, 40, 53, 57]


def test_motion_of_short_clips_is_zero() -> None:
    for frames in (1, 2):
        assert not published.centred_motion(torch.ones(3, frames, 4, 1)).any()
    assert not published.to_motion(torch.ones(1, 1, 4, 3)).any()


def test_a_clip_of_one_frame_survives() -> None:
    clip = torch.rand(3, 1, 5, 2)
    assert published.crop_resize(clip, 1, 0.95, 4).shape == (3, 4, 5, 2)
    assert published.random_crop_resize(clip, 1, window=4, random=0)[1] == (0, 1)
    assert torch.equal(published.temporal_crop(clip, random=0)[0], clip)
    assert torch.equal(published.openpose_match(clip[..., :1]), clip[..., :1])
    assert published.random_move(clip, random=0, choice=0).shape == clip.shape


def test_an_empty_clip_is_left_alone() -> None:
    clip = torch.zeros(2, 4, 25, 3)
    assert torch.equal(published.pre_normalise_3d(clip)[0], clip)
    assert torch.equal(published.random_rotate(clip, random=0)[0], clip)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: published.pre_normalise_3d(torch.ones(3, 2, 25, 3)), "one or two persons"),
        (lambda: published.pre_normalise_2d(torch.ones(1, 2, 17, 2), mode="wide"), "got 'wide'"),
        (lambda: published.pad_to(torch.ones(1, 9, 3, 2), 4), "at most 4 frames"),
        (lambda: published.format_gcn_input(torch.ones(1, 5, 3, 2), num_clips=2), "multiple of 2"),
        (lambda: published.uniform_train_frames(0, 8), "at least one frame"),
    ],
)
def test_a_bad_argument_is_named(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
