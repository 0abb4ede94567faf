"""The timeline of a detector shows what is true, what is proposed, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from stgraph import viz
from stgraph.metrics import Segments, make_segments
from stgraph.viz.style import BLUE
from stgraph.viz.timeline import CURVE_POINTS, EMPTY, LANES, THINNEST, TRUTH

NAMES = ["sit_down", "stand up", "wave", "a class whose name is long enough for three lines " * 2]
NOTHING = make_segments([], [], [], [])


def segments(*rows: tuple[int, float, float], confidence: Any = None) -> Segments:
    label, start, end = zip(*rows, strict=True)
    return make_segments([0] * len(rows), label, start, end, confidence)


def bars(ax: Any, colour: str) -> list[Any]:
    return [patch for patch in ax.patches if to_hex(patch.get_facecolor()) == colour.lower()]


def rows(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_only_actions_that_occur_have_a_row_in_the_order_of_their_appearance() -> None:
    truth = segments((3, 50, 59), (1, 10, 19), (0, 70, 80))
    (ax,) = viz.draw_detections(truth, segments((2, 0, 4)), NAMES, num_frames=100).axes
    assert rows(ax) == ["sit down", "wave", "stand up"]
    assert ax.get_xlim() == (0, 100)
    assert ax.get_xlabel() == "frame"
    assert len(bars(ax, EMPTY)) == 2 * 3  # background stays an empty lane
    spans = [(bar.get_x(), bar.get_width()) for bar in bars(ax, TRUTH)]
    assert spans == [(10, 10), (50, 10)]


def test_truth_stands_above_what_is_proposed() -> None:
    figure = viz.draw_detections(segments((1, 0, 9)), segments((1, 3, 12)), NAMES)
    (ax,) = figure.axes
    (above,), (below,) = bars(ax, TRUTH), bars(ax, BLUE)
    assert ax.yaxis_inverted()
    assert above.get_y() + above.get_height() == pytest.approx(LANES[0][1])
    assert below.get_y() == pytest.approx(LANES[1][0])
    assert legend(figure) == ["true", "proposed, sure", "proposed, unsure"]


def test_proposals_have_the_rows_to_themselves_where_nobody_knows_what_is_true() -> None:
    found = segments((1, 10, 19), confidence=[0.5])
    figure = viz.draw_detections(None, found, NAMES, num_frames=40)
    (ax,) = figure.axes
    assert not bars(ax, TRUTH)
    assert "true" not in legend(figure)
    (bar,) = bars(ax, BLUE)
    assert bar.get_height() > 0.7
    empty = viz.draw_detections(None, NOTHING, NAMES, num_frames=40)
    assert empty.axes[0].get_title(loc="left") == "no action proposed"


def test_surer_proposals_are_stronger_and_on_top() -> None:
    proposals = segments((1, 0, 9), (1, 20, 29), (1, 40, 49), confidence=[0.9, 0.1, 0.5])
    (ax,) = viz.draw_detections(NOTHING, proposals, NAMES).axes
    found = bars(ax, BLUE)
    assert [bar.get_x() for bar in found] == [20, 40, 0]
    assert [bar.get_alpha() or bar.get_facecolor()[3] for bar in found] == pytest.approx(
        [0.325, 0.625, 0.925]
    )
    scaled = segments((1, 0, 9), (1, 20, 29), confidence=[-4.0, 8.0])
    (ax,) = viz.draw_detections(NOTHING, scaled, NAMES).axes
    assert [bar.get_facecolor()[3] for bar in bars(ax, BLUE)] == pytest.approx([0.25, 1.0])


def test_overlapping_segments_are_stacked_and_others_keep_their_height() -> None:
    proposals = segments((1, 0, 20), (1, 10, 30), (1, 15, 40), (1, 18, 22), (1, 60, 70))
    (ax,) = viz.draw_detections(NOTHING, proposals, NAMES).axes
    found = {bar.get_x(): bar for bar in bars(ax, BLUE)}
    assert len({round(found[x].get_y(), 6) for x in (0, 10, 15)}) == 3
    lane = LANES[1][1] - LANES[1][0]
    assert found[60].get_height() == pytest.approx(lane)
    top, bottom = LANES[1]
    assert all(
        top - 1e-9 <= bar.get_y() and bar.get_y() + bar.get_height() <= bottom
        for x, bar in found.items()
        if x < 60
    )


def test_an_hour_is_shown_in_minutes_and_no_segment_is_too_thin_to_see() -> None:
    truth = segments((1, 54000, 54001))
    (ax,) = viz.draw_detections(truth, NOTHING, NAMES, num_frames=108000, fps=30).axes
    (bar,) = bars(ax, TRUTH)
    assert bar.get_width() == pytest.approx(108000 * THINNEST)
    assert bar.get_x() + bar.get_width() / 2 == pytest.approx(54001)
    assert ax.get_xlabel() == "time (min)"
    (early,) = viz.draw_detections(segments((1, 0, 0)), NOTHING, NAMES, num_frames=9999).axes
    assert bars(early, TRUTH)[0].get_x() == 0  # not half outside
    ax.figure.canvas.draw()  # type: ignore[union-attr]
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["0", "10"]


def test_a_short_recording_is_shown_in_seconds() -> None:
    (ax,) = viz.draw_detections(segments((1, 0, 99)), NOTHING, NAMES, fps=10).axes
    assert ax.get_xlabel() == "time (s)"
    ax.figure.canvas.draw()  # type: ignore[union-attr]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2", "4", "6", "8", "10"]


def test_probabilities_run_through_the_lane_and_long_ones_keep_their_peaks() -> None:
    scores = np.zeros((40000, 5))
    scores[12345, 2] = 1.0
    (ax,) = viz.draw_detections(NOTHING, segments((2, 10, 20)), NAMES, scores=scores).axes
    (line,) = ax.lines
    heights = np.asarray(line.get_ydata())
    assert len(heights) <= CURVE_POINTS
    assert (heights.min(), heights.max()) == pytest.approx(LANES[1])
    assert ax.get_xlim() == (0, 40000)


def test_nothing_proposed_and_nothing_at_all_can_be_drawn() -> None:
    figure = viz.draw_detections(segments((1, 0, 9)), NOTHING, NAMES, synthetic=True)
    assert legend(figure) == ["true", "proposed: none"]
    assert "SYNTHETIC DATA" in [text.get_text() for text in figure.texts]
    (ax,) = viz.draw_detections(NOTHING, NOTHING, NAMES, num_frames=50).axes
    assert rows(ax) == []
    assert "no action" in ax.get_title(loc="left")


def test_long_names_take_two_lines_and_forty_rows_have_the_axis_at_both_ends() -> None:
    (ax,) = viz.draw_detections(segments((4, 0, 9)), NOTHING, NAMES).axes
    assert rows(ax)[0].count("\n") == 1
    assert rows(ax)[0].endswith("…")
    many = segments(*((i + 1, 10 * i, 10 * i + 5) for i in range(40)))
    figure = viz.draw_detections(many, many, [str(i) for i in range(40)])
    assert len(rows(figure.axes[0])) == 40
    assert figure.axes[0].xaxis.get_tick_params()["labeltop"]
    assert figure.get_figheight() / 40 > 0.25


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"proposals": make_segments([1], [1], [0], [1])}, r"of one recording \(got 2\)"),
        ({"class_names": ["a"]}, r"labels up to 1, the number of class names \(got 2\)"),
        ({"num_frames": 0}, "num_frames >= 1"),
        ({"fps": 0.0}, "more than 0 frames per second"),
        ({"scores": torch.zeros(9, 4)}, r"scores \[frames, 5\], background first \(got \[9, 4\]\)"),
    ],
)
def test_a_timeline_says_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "truth": segments((2, 0, 9)),
        "proposals": NOTHING,
        "class_names": NAMES,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        viz.draw_detections(**given)
