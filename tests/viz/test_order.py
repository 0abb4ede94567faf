"""Confusions of the order tasks name the classes and count them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stgraph import viz


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_the_true_order_comes_first_with_counts_and_shares() -> None:
    clips = torch.tensor([[30, 10], [1, 1199]])  # class 1 is the true order
    figure = viz.draw_order_confusion({"clips": clips, "videos": [[5, 5], [0, 10]]}, title="order")
    first, second = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["clips", "videos"]
    assert words(first)[:4] == ["1,199", "99.9%", "1", "0.1%"]
    assert words(first)[4:8] == ["10", "25.0%", "30", "75.0%"]
    assert words(first)[-1] == "99.1% of 1,240 right"
    assert words(second)[-1] == "75.0% of 20 right"
    assert [label.get_text() for label in first.get_xticklabels()] == ["true order", "exchanged"]
    assert [label.get_text() for label in first.get_yticklabels()] == ["true order", "exchanged"]


def test_a_class_that_never_came_has_no_share() -> None:
    (ax,) = viz.draw_order_confusion({"clips": [[0, 0], [0, 9]]}, synthetic=True).axes
    assert words(ax) == ["9", "100.0%", "0", "0.0%", "0", "0", "100.0% of 9 right"]
    (ax,) = viz.draw_order_confusion({"clips": torch.zeros(2, 2)}).axes
    assert words(ax)[-1] == "none seen"


def test_an_order_confusion_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"at least one panel \(got none\)"):
        viz.draw_order_confusion({})
    with pytest.raises(ValueError, match=r"counts \[2, 2\] of at least 0 in panel 'clips'"):
        viz.draw_order_confusion({"clips": [[1, 2, 3]]})
    with pytest.raises(ValueError, match="in panel 'videos'"):
        viz.draw_order_confusion({"videos": [[1, -2], [3, 4]]})
