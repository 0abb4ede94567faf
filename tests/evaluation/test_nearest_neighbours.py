"""Classes by neighbours, beside scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from stgraph.evaluation import NO_POSE, Features, nearest_neighbours, vote, weighted_vote


def features(number: int, seed: int, classes: int = 4) -> Features:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (number,), generator=generator)
    x = torch.randn(number, 6, generator=generator) + torch.nn.functional.one_hot(y, 6)
    return Features(x, y, torch.ones(number, dtype=torch.bool))


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_it_agrees_with_scikit_learn(k):
    train, test = features(80, 0), features(50, 1)
    reference = KNeighborsClassifier(k, metric="cosine", algorithm="brute")
    expected = reference.fit(train.x.numpy(), train.y.numpy()).predict(test.x.numpy())
    assert nearest_neighbours(train, test, k).tolist() == expected.tolist()


def test_what_decides_a_tie_can_be_said():
    labels, similar = torch.tensor([[3, 1, 3, 1, 0]]), torch.tensor([[0.9, 0.8, 0.3, 0.7, 0.1]])
    assert vote(labels, similar).tolist() == [1]
    assert vote(labels, similar, "nearest").tolist() == [3]
    assert vote(labels, similar, "similarity").tolist() == [1]
    with pytest.raises(ValueError, match="unknown ties 'coin'; known are label, nearest"):
        vote(labels, similar, "coin")


def test_a_recording_without_a_pose_is_nobody_s_neighbour_and_has_no_class():
    train, test = features(5, 0), features(3, 1)
    train.has_pose[0] = test.has_pose[1] = False
    train.x[0] = test.x[0]  # the nearest of all, had it a pose
    train.y[0] = 99
    predicted = nearest_neighbours(train, test)
    assert predicted[1] == NO_POSE
    assert 99 not in predicted.tolist()
    with pytest.raises(ValueError, match=r"9 neighbours need as many recordings .got 4"):
        nearest_neighbours(train, test, 9)


def test_weighted_votes_are_those_of_a_loop():
    train, test = features(20, 0), features(6, 1)
    found = weighted_vote(train, test, k=5, temperature=0.2)
    cosine = torch.nn.functional.cosine_similarity(
        test.x.double()[:, None], train.x.double()[None], dim=2
    )
    for row, scores in zip(cosine, found, strict=True):
        expected = [0.0] * 4
        for i in row.topk(5).indices.tolist():
            expected[int(train.y[i])] += float((row[i] / 0.2).exp())
        assert scores.tolist() == pytest.approx(expected)
