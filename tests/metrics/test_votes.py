"""Votes over the ranges of a video."""

from __future__ import annotations

import pytest
import torch

from stgraph.metrics import top_k_accuracy, video_votes

LOGITS = torch.tensor([[4.0, 0], [0, 1], [0, 1], [3, 0], [0, 3]])
VIDEO = ["b", "a", "b", "a", "c"]


def test_videos_come_in_the_order_of_their_first_recordings() -> None:
    votes = video_votes(LOGITS, VIDEO)
    assert votes.first.tolist() == [0, 1, 4]
    assert torch.equal(votes.scores, video_votes(LOGITS, torch.tensor([1, 0, 1, 0, 2])).scores)


def test_the_mean_is_that_of_the_probabilities() -> None:
    scores = video_votes(LOGITS, VIDEO).scores
    torch.testing.assert_close(scores[0], LOGITS[[0, 2]].softmax(1).mean(0))


def test_most_recordings_win_and_the_mean_parts_equal_numbers() -> None:
    logits = torch.tensor([[9.0, 0], [0, 1], [0, 1]])
    assert video_votes(logits, "aaa").scores.argmax(1).tolist() == [0]
    assert video_votes(logits, "aaa", how="majority").scores.argmax(1).tolist() == [1]
    assert video_votes(logits[:2], "aa", how="majority").scores.argmax(1).tolist() == [0]


def test_recordings_without_a_pose_have_no_vote() -> None:
    has_pose = torch.tensor([False, True, True, True, False])
    votes = video_votes(LOGITS, VIDEO, has_pose)
    assert votes.has_pose.tolist() == [True, True, False]
    torch.testing.assert_close(votes.scores[0], LOGITS[2].softmax(0))
    y = torch.tensor([1, 0, 1, 0, 1])
    share = top_k_accuracy(votes.scores, y[votes.first], 1, votes.has_pose)
    torch.testing.assert_close(share, torch.tensor(2 / 3))


@pytest.mark.parametrize(
    ("video", "how", "message"),
    [("ab", "mean", "5, 2.*2 videos"), (VIDEO, "loudest", "known are mean, majority")],
)
def test_an_error_says_what_does_not_fit(video: list[str], how: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        video_votes(LOGITS, video, how=how)


@pytest.mark.parametrize("how", ["mean", "majority"])
def test_logits_that_are_no_numbers_have_no_vote(how: str) -> None:
    logits = LOGITS.clone()
    logits[[2, 4]] = float("nan")
    votes = video_votes(logits, VIDEO, how=how)
    assert votes.scores.isfinite().all()
    assert votes.scores[0].argmax().item() == 0  # of "b" one is left
    assert votes.has_pose.tolist() == [True, True, False]
