"""A forecast is drawn over what came, at the times asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.colors import to_hex
from torch_geometric.data import Batch

from stgraph import viz
from stgraph.skeleton import SkeletonGraph
from stgraph.testing import random_skeleton_graph
from stgraph.viz.forecast_poses import TRUTH

LAYOUT = "openpose_coco_18"


def poses(number: int, shift: float = 0.0, dims: int = 2, **kwargs: Any) -> SkeletonGraph:
    pos = 50 * viz.rest_pose(LAYOUT)[None] + 3.0 * torch.arange(number)[:, None, None] + shift
    if dims == 3:
        pos = torch.cat([pos * torch.tensor([1.0, -1.0]), torch.zeros_like(pos[..., :1])], dim=-1)
    return SkeletonGraph(pos.flatten(0, 1), layout=LAYOUT, fps=25.0, **kwargs)


def bones(ax: Any, soft: bool) -> int:
    return sum((to_hex(line.get_color()) == TRUTH.lower()) is soft for line in ax.lines)


@pytest.mark.parametrize("dims", [2, 3])
def test_each_horizon_has_the_prediction_over_the_grey_truth(dims: int) -> None:
    observed, future, prediction = poses(5, 0, dims), poses(10, 15, dims), poses(10, 20, dims)
    figure = viz.draw_forecast(observed, future, prediction, horizons_ms=[40, 400])
    last, first, second = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["last observed", "40 ms", "400 ms"]
    number = len(observed.layouts[0].bones)
    assert (bones(last, soft=True), bones(last, soft=False)) == (0, number)
    for ax in (first, second):
        assert (bones(ax, soft=True), bones(ax, soft=False)) == (number, number)
        assert to_hex(ax.lines[0].get_color()) == TRUTH.lower()  # the truth is drawn first
        assert ax.get_ylim() == last.get_ylim()
        assert ax.yaxis_inverted()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "truth",
        "prediction, left",
        "prediction, right",
    ]


def test_captions_say_the_time_of_the_pose_that_is_drawn_and_its_error() -> None:
    figure = viz.draw_forecast(
        poses(5), poses(10), poses(10), horizons_ms=[75, 130], mpjpe_mm=[8.26, 70]
    )
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["last observed\n", "80 ms\n8.3 mm", "120 ms\n70.0 mm"]
    assert figure.legends[0].get_texts()[-1].get_text() == "in mm: MPJPE"


def test_a_forecast_is_drawn_without_truth() -> None:
    figure = viz.draw_forecast(poses(5), None, poses(10), horizons_ms=[80], synthetic=True)
    assert bones(figure.axes[1], soft=True) == 0
    assert "truth" not in {text.get_text() for text in figure.legends[0].get_texts()}
    assert "SYNTHETIC DATA" in [text.get_text() for text in figure.texts]


def test_missing_joints_are_left_out_of_truth_and_prediction() -> None:
    score = torch.ones(10, 18)
    score[1, 4] = 0
    prediction = poses(10, score=score.reshape(-1))
    figure = viz.draw_forecast(poses(5), poses(10), prediction, horizons_ms=[40, 80])
    whole, lacking = (len(ax.collections) for ax in figure.axes[1:])
    assert (whole, lacking) == (36, 35)
    score[1] = 0
    gone = poses(10, score=score.reshape(-1))
    figure = viz.draw_forecast(poses(5), gone, gone, horizons_ms=[80])
    assert not figure.axes[1].lines


def test_a_prediction_that_is_lost_does_not_shrink_the_people() -> None:
    near = viz.draw_forecast(poses(5), poses(10), poses(10), horizons_ms=[40]).axes[1]
    far = viz.draw_forecast(poses(5), poses(10), poses(10, 1e5), horizons_ms=[40]).axes[1]
    low, high = near.get_ylim()[::-1]
    assert far.get_ylim()[0] - far.get_ylim()[1] < 2 * (high - low)


def test_an_animation_shows_observed_poses_then_the_forecast(tmp_path: Path) -> None:
    from PIL import Image

    path = viz.animate_forecast(poses(3), poses(4), poses(4, 5), tmp_path / "f.gif", dpi=30)
    with Image.open(path) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 7)  # type: ignore[attr-defined]
        assert gif.info["duration"] == 40
    path = viz.animate_forecast(poses(1), None, poses(2), tmp_path / "g.gif", dpi=30, fps=5)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.info["duration"]) == (3, 200)  # type: ignore[attr-defined]


def test_the_milliseconds_run_in_an_animation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stgraph.viz import forecast

    said: list[str] = []

    def listen(recording: SkeletonGraph, *args: Any) -> Path:
        said.extend(args[-1](recording, frame) for frame in recording.frame.unique().tolist())
        return tmp_path

    monkeypatch.setattr(forecast, "write_gif", listen)
    viz.animate_forecast(poses(2), None, poses(2), tmp_path / "f.gif")
    assert said == ["observed, −40 ms", "observed, 0 ms", "predicted, +40 ms", "predicted, +80 ms"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizons_ms": [20]}, r"horizons of 40 to 400 ms, which were predicted \(got 20\)"),
        ({"horizons_ms": [80, 440]}, r"\(got 440\)"),
        ({"horizons_ms": []}, "got no horizon"),
        ({"mpjpe_mm": [1.0, 2.0]}, "one error for each of them"),
        ({"future": poses(9)}, r"as many true poses as predicted ones, 10 \(got 9\)"),
        ({"prediction": poses(10, dims=3)}, r"'prediction' in 2-D .* \(got 3-D"),
        ({"future": poses(10, track_length=[5, 5])}, r"one track as 'future' \(got 1 of 2\)"),
        ({"observed": Batch.from_data_list([poses(2), poses(2)])}, r"'observed' \(got 2 of 2\)"),
        ({"observed": poses(1, score=torch.zeros(18))}, "last observed pose with a joint"),
    ],
)
def test_a_forecast_says_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "observed": poses(5),
        "future": poses(10),
        "prediction": poses(10),
        "horizons_ms": [80],
        **change,
    }
    with pytest.raises(ValueError, match=message):
        viz.draw_forecast(**given)


def test_a_forecast_needs_a_speed() -> None:
    still = random_skeleton_graph(LAYOUT, [4], generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"frames per second \(got no 'fps'\)"):
        viz.draw_forecast(still, None, still, horizons_ms=[80])
