"""Charts of forecasts and of pre-trained levels show every seed and what has to be beaten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stgraph import viz
from stgraph.viz.horizons import LEVELS
from stgraph.viz.style import QUIET

ERRORS = {
    "last pose": {80: [20.0], 400: [70.0]},
    "ours": {400: [40.0, 50.0], 80: [10.0, 14.0]},
}


def test_each_method_is_a_line_through_the_means_and_a_band_of_its_seeds() -> None:
    figure = viz.draw_horizons(ERRORS, baselines=["last pose"])
    (ax,) = figure.axes
    lines: dict[Any, Any] = {line.get_label(): line for line in ax.lines}
    assert lines["ours"].get_xdata().tolist() == [80, 400]
    assert lines["ours"].get_ydata().tolist() == [12, 45]
    (band,) = ax.collections  # one seed has no band
    corners = band.get_paths()[0].vertices
    assert {(80, 10), (80, 14), (400, 40), (400, 50)} <= {tuple(xy) for xy in np.asarray(corners)}
    assert lines["last pose"].get_color() == QUIET
    assert [lines[name].is_dashed() for name in ERRORS] == [True, False]
    assert ax.get_ylim()[0] == 0
    assert [label.get_text() for label in ax.get_xticklabels()] == ["80", "400"]


def test_the_legend_stands_in_the_order_of_the_ends_of_the_lines() -> None:
    rows = {"low": {80: [1.0]}, "high": {80: [9.0]}, "between": {80: [5.0]}}
    (legend,) = viz.draw_horizons(rows, synthetic=True).legends
    assert [text.get_text() for text in legend.get_texts()] == ["high", "between", "low"]


def test_numbers_of_crowded_horizons_keep_apart() -> None:
    (ax,) = viz.draw_horizons({"a": {40.0 * i: [1.0] for i in range(1, 51)}}).axes
    assert 5 <= len(ax.get_xticks()) <= 15
    assert ax.get_xticks()[-1] == 2000


@pytest.mark.parametrize(
    ("rows", "baselines", "message"),
    [
        ({}, [], r"at least one method \(got none\)"),
        ({"a": {}}, [], r"errors of 'a' \(got none\)"),
        ({"a": {80: []}}, [], r"errors of 'a' at 80 ms \(got none\)"),
        ({"a": {80: [1.0]}}, ["b"], r"baselines among a \(got 'b'\)"),
    ],
)
def test_horizons_say_what_does_not_fit(rows: Any, baselines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        viz.draw_horizons(rows, baselines=baselines)


def test_levels_stand_in_their_order_with_a_point_for_every_seed() -> None:
    rows = {name: [0.1 * i, 0.1 * i + 0.02] for i, name in enumerate(reversed(LEVELS))}
    (ax,) = viz.draw_levels(rows, title="levels", synthetic=True).axes
    assert [label.get_text() for label in ax.get_xticklabels()] == list(LEVELS)
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([np.mean(rows[name]) for name in LEVELS])
    assert [len(points.get_offsets()) for points in ax.collections] == [2] * 8
    (line,) = ax.lines
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([heights[0]] * 2)
    assert ax.texts[0].get_text() == "0.710"


def test_some_levels_are_enough_and_unknown_ones_are_refused() -> None:
    (ax,) = viz.draw_levels({"all": [80.25], "F": [70.0]}, label="accuracy in %").axes
    assert [text.get_text() for text in ax.texts] == ["70.0", "80.2"]
    assert not ax.lines
    with pytest.raises(ValueError, match=r"expected levels none, F, .* \(got 'frames'\)"):
        viz.draw_levels({"frames": [0.5]})
    with pytest.raises(ValueError, match=r"\(got none\)"):
        viz.draw_levels({})
    with pytest.raises(ValueError, match=r"scores of 'C' \(got none\)"):
        viz.draw_levels({"C": []})
