"""Sliding windows over tracks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.ops import sliding_windows, take_windows

LENGTHS = st.lists(st.integers(1, 23), min_size=1, max_size=5)


def slow_windows(lengths, size, stride, dilation):
    """For each window its track and, for each step, its pose or None."""
    out, first = [], 0
    for track, length in enumerate(lengths):
        for centre in range(0, length, stride):
            steps = [centre + dilation * (i - size // 2) for i in range(size)]
            out.append((track, [first + s if 0 <= s < length else None for s in steps]))
        first += length
    return out


@given(LENGTHS, st.integers(1, 8), st.integers(1, 9), st.integers(1, 4))
def test_windows_hold_what_a_slow_reference_says_also_at_both_ends(lengths, size, stride, dilation):
    windows = sliding_windows(torch.tensor(lengths), size, stride, dilation)
    expected = slow_windows(lengths, size, stride, dilation)
    assert windows.track.tolist() == [track for track, _ in expected]
    found = [
        [pose if here else None for pose, here in zip(*row, strict=True)]
        for row in zip(windows.pose.tolist(), windows.exists.tolist(), strict=True)
    ]
    assert found == [steps for _, steps in expected]
    assert windows.length.tolist() == [-(-length // stride) for length in lengths]
    assert windows.centre.tolist() == [steps[size // 2] for _, steps in expected]


@given(LENGTHS, st.integers(1, 8), st.integers(1, 4))
def test_a_step_outside_of_its_track_is_the_nearest_pose_of_the_track(lengths, size, dilation):
    windows = sliding_windows(torch.tensor(lengths), size, 1, dilation)
    ends = torch.tensor(lengths).cumsum(0)
    first, last = (ends - torch.tensor(lengths))[windows.track], ends[windows.track] - 1
    assert (windows.pose >= first[:, None]).all()
    assert (windows.pose <= last[:, None]).all()
    assert bool(
        torch.where(
            windows.exists, True, windows.pose.eq(first[:, None]) | windows.pose.eq(last[:, None])
        ).all()
    )


def test_a_margin_holds_no_centre_but_steps():
    windows = sliding_windows(torch.tensor([8]), size=3, stride=2, dilation=2, margin=2)
    assert windows.pose.tolist() == [[0, 2, 4], [2, 4, 6]]
    assert windows.exists.all()


def test_windows_that_are_taken_keep_their_tracks():
    windows = sliding_windows(torch.tensor([3, 2]), 1)
    taken = take_windows(windows, torch.tensor([False, True, False, True, True]))
    assert taken.pose.flatten().tolist() == [1, 3, 4]
    assert taken.length.tolist() == [1, 2]
    assert taken.number.tolist() == [0, 0, 1]


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, -2), (2.5, 1, 1)])
def test_numbers_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        sliding_windows(torch.tensor([3]), *sizes)
