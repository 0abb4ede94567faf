from __future__ import annotations

import pytest

from stgraph.viz import draw_sparsity_curve

ROWS = {
    "generator": {0.6: [0.90, 0.91], 0.8: [0.89, 0.90], 0.95: [0.85, 0.87]},
    "ticket": {0.6: [0.90, 0.92], 0.95: [0.80, 0.84]},
}


def test_every_method_is_a_line_with_its_band_beside_the_dense_network():
    figure = draw_sparsity_curve(ROWS, [0.90, 0.92], title="KTH")
    (ax,) = figure.axes
    labels = [line.get_label() for line in ax.get_lines()]
    assert labels == ["dense", "generator", "ticket"]
    assert list(ax.get_lines()[1].get_ydata()) == pytest.approx([0.905, 0.895, 0.86])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["40 %", "20 %", "5 %"]
    left, right = ax.get_xlim()
    assert left > right  # from much kept to little


def test_one_seed_has_no_band():
    figure = draw_sparsity_curve({"generator": {0.6: [0.9], 0.8: [0.8]}})
    assert not figure.axes[0].collections


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "at least one method"),
        ({"a": {}}, "accuracies of 'a'"),
        ({"a": {0.5: []}}, "at 0.5"),
        ({"a": {1.0: [0.5]}}, "between 0 and 1"),
    ],
)
def test_nothing_to_draw_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        draw_sparsity_curve(rows)
