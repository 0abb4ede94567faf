"""The task of predicting motion: what counts, what is chosen, what is saved."""

from __future__ import annotations

import json

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.metrics import mpjpe
from stgraph.nn import (
    STGCN,
    GraphDecoder,
    HiTRS,
    MotionPredictor,
    RecurrentDecoder,
    constant_velocity,
    zero_velocity,
)
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks import (
    MotionPrediction,
    SkeletonDataModule,
    cut_windows,
    evaluate_motion,
    fit_task,
    load_network,
    load_prediction,
    load_recognition,
    predict_motion,
    save_prediction,
)
from stgraph.testing import random_skeleton_graph
from stgraph.transforms import RandomRotate, Stream
from stgraph.transforms.base import with_nodes
from tests.laws.encoders import BODY
from tests.laws.test_resume import StopAfter


def graphs(number: int = 6, missing: float = 0.2, seed: int = 0, **options) -> list[SkeletonGraph]:
    """People who walk steadily, each with joints that swing."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for i in range(number):
        graph = random_skeleton_graph(
            BODY, [9 + i % 3], missing=missing, generator=generator, fps=20.0, **options
        )
        steps = graph.frame[graph.pose][:, None] * 0.1
        pos = graph.pos[graph.joint] * 0.3 + graph.joint[:, None] + steps
        graph.pos = torch.where(graph.score[:, None] > 0, pos, 0.0) if missing else pos
        out.append(graph)
    return out


def make(kind: str = "graph", **options) -> MotionPrediction:
    torch.manual_seed(0)
    sizes = {"width": 8, "depth": 1, "num_heads": 2, "head_channels": 4, "window": 3, "stride": 2}
    encoder = HiTRS(3, layout=BODY, **sizes)
    if kind == "graph":
        decoder = GraphDecoder(32, BODY, 4, node_channels=8, width=8, num_recent=2)
    else:
        decoder = RecurrentDecoder(32, BODY, width=16)
    model = MotionPredictor(encoder, decoder)
    numbers = {"num_observed": 4, "num_future": 4, "stride": 2}
    return MotionPrediction(model, **{**numbers, "lr": 0.01, **options})


def fit(task, **options):
    data = SkeletonDataModule(graphs(), graphs(4, seed=1), graphs(3, seed=2), batch_size=4)
    return fit_task(task, data, **{"max_epochs": 3, "progress": False, **options})


BOTH = pytest.mark.parametrize("kind", ["graph", "recurrent"])


@BOTH
def test_the_loss_falls_and_the_least_error_chooses(kind):
    task = make(kind)
    result = fit(task, max_epochs=6)
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    errors = [row["val/mpjpe"] for row in result.history]
    assert result.best_epoch == errors.index(min(errors)) + 1
    with torch.no_grad():
        windows = cut_windows(Batch.from_data_list(graphs(4, seed=1)), 4, 4, 2)
        error = mpjpe(task.eval()(windows.observed), windows.target, windows.valid, 1000.0)
    assert error.item() == pytest.approx(result.best["val/mpjpe"], rel=1e-5)


def test_an_early_stop_waits_for_a_smaller_error():
    task = make(lr=0.0)
    assert len(fit(task, max_epochs=9, early_stopping=2).history) == 3


@BOTH
def test_missing_joints_never_count(kind):
    task = make(kind).eval()
    batch = Batch.from_data_list(graphs(missing=0.4))
    away = batch.score == 0
    windows = cut_windows(batch, 4, 4, 2)
    loss = task.loss(task(windows.observed), windows)
    junk = with_nodes(batch, pos=torch.where(away[:, None], torch.full((1, 3), 1e4), batch.pos))
    other = cut_windows(junk, 4, 4, 2)
    assert torch.equal(task.loss(task(other.observed), other), loss)
    assert bool((~windows.valid).any())
    prediction = task(windows.observed).detach().requires_grad_()
    for name in ("mse", "distance"):
        task.settings["loss"] = name
        (grad,) = torch.autograd.grad(task.loss(prediction, windows), prediction)
        assert bool(grad.isfinite().all())
        assert grad[~windows.valid].abs().sum() == 0
        assert bool((grad[windows.valid].abs().sum(dim=1) > 0).all())


def test_both_losses_by_hand():
    task = make()
    windows = cut_windows(Batch.from_data_list(graphs(2, missing=0.0)), 4, 4, 9)
    task.model.normalise = "root"  # lengths stay as they are read
    off = windows.target.clone()
    off[..., 0] += 3
    off[..., 1] += 4
    assert task.loss(off, windows).item() == pytest.approx(25 / 3, rel=1e-5)
    task.settings["loss"] = "distance"
    assert task.loss(off, windows).item() == pytest.approx(5, rel=1e-5)


def test_stopped_and_resumed_is_as_never_stopped(tmp_path):
    options = {"augment": RandomRotate(20.0)}
    whole = make("recurrent", **options)
    expected = fit(whole)
    with pytest.raises(KeyboardInterrupt):
        fit(make("recurrent", **options), out=tmp_path, callbacks=[StopAfter(3, "ctrl-c")])
    resumed = make("recurrent", **options)
    result = fit(resumed, out=tmp_path)
    assert [{**row, "seconds": 0} for row in result.history] == [
        {**row, "seconds": 0} for row in expected.history
    ]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


@BOTH
def test_a_saved_predictor_predicts_the_same(kind, tmp_path):
    task = make(kind, unit=1.0)
    task.model.transform = Stream("joint_motion")
    result = fit(task, out=tmp_path, max_epochs=1)
    loaded = load_prediction(result.folder)
    graph = graphs(1)[0]
    ours, theirs = predict_motion(task, graph), predict_motion(loaded, graph)
    assert torch.equal(ours.pos, theirs.pos)
    assert (loaded.num_observed, loaded.num_future, loaded.stride, loaded.unit) == (4, 4, 2, 1.0)
    assert isinstance(load_network(result.folder), HiTRS)
    with pytest.raises(ValueError, match="holds a motion predictor, not a recogniser"):
        load_recognition(result.folder)


def test_damaged_files_are_named(tmp_path):
    task = make()
    save_prediction(task, tmp_path)
    file = tmp_path / "task.json"
    description = json.loads(file.read_text())
    file.write_text(json.dumps({**description, "num_observed": "ten"}))
    with pytest.raises(ValueError, match=r"task.json' has a wrong 'num_observed'"):
        load_prediction(tmp_path)
    file.write_text(json.dumps({**description, "task": "recognition"}))
    with pytest.raises(ValueError, match="holds a task of recognition, not a motion predictor"):
        load_prediction(tmp_path)
    file.write_text("[]")
    with pytest.raises(ValueError, match="does not describe a motion predictor"):
        load_prediction(tmp_path)
    file.unlink()
    with pytest.raises(ValueError, match="holds no motion predictor"):
        load_prediction(tmp_path)
    save_prediction(task, tmp_path)
    weights = tmp_path / "decoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"decoder/model.safetensors' is damaged"):
        load_prediction(tmp_path)


def test_the_recipe_of_the_supplement_is_the_default():
    settings = MotionPrediction(make("recurrent").model).settings
    assert (settings["optimizer"], settings["lr"], settings["gamma"]) == ("adam", 1e-4, 0.5)
    assert (settings["milestones"], settings["loss"]) == ((20,), "mse")
    decoder = RecurrentDecoder(32, BODY)
    assert (decoder.config["width"], decoder.config["dropout"]) == (1024, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "l1"}, "unknown loss 'l1'; known are mse, distance"),
        ({"num_future": 0}, r"num_future >= 1 \(got 0\)"),
        ({"transform": Stream("bone")}, "might show the future"),
    ],
)
def test_arguments_that_make_no_sense_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_network_of_another_kind_and_tracks_too_short_are_named():
    with pytest.raises(TypeError, match="expected a MotionPredictor"):
        MotionPrediction(STGCN(3, layout=BODY, channels=[4]))  # type: ignore[arg-type]
    data = SkeletonDataModule(graphs(), batch_size=4)
    with pytest.raises(ValueError, match="no training track longer than the 40 poses"):
        fit_task(make(num_observed=40), data, max_epochs=1, progress=False)
    with pytest.raises(ValueError, match="no validation track longer than the 40 poses"):
        fit(make(num_observed=40))
    with pytest.raises(ValueError, match="found no track longer than the 40 poses"):
        evaluate_motion(zero_velocity, graphs(), num_observed=40)
    with pytest.raises(ValueError, match=r"horizons within 1\.\.\.4 poses \(got 5\)"):
        evaluate_motion(make(), graphs(), horizons=[1, 5])


# --- what is predicted, and how far it is off -----------------------------------------------------
def test_people_go_on_and_so_do_their_frames():
    graph = graphs(1, missing=0.0)[0]
    future = predict_motion(constant_velocity, graph, 3, num_observed=4)
    assert future.frame.tolist() == [9, 10, 11]
    assert future.fps.tolist() == [20.0]
    step = graph.folded("pos")[-1] - graph.folded("pos")[-2]
    expected = torch.stack([graph.folded("pos")[-1] + n * step for n in (1, 2, 3)])
    torch.testing.assert_close(future.folded("pos"), expected)
    assert "score" not in future


def test_a_joint_that_was_never_seen_has_no_prediction():
    graph = graphs(1, missing=0.0)[0]
    score = torch.ones(9, 6)
    score[:, 2] = 0
    graph = with_nodes(graph, score=score.flatten())
    future = predict_motion(make(), graph)
    assert future.folded_score().sum(dim=0).tolist() == [4, 4, 0, 4, 4, 4]
    assert future.folded("pos")[:, 2].abs().sum() == 0


def test_nobody_goes_on_where_nobody_was():
    future = predict_motion(make(), random_skeleton_graph(BODY, []), 5)
    assert future.num_poses == 0


def test_predicting_leaves_the_mode_of_a_network_alone():
    task = make().train()
    before = predict_motion(task, graphs(1)[0])
    assert task.training
    assert torch.equal(predict_motion(task, graphs(1)[0]).pos, before.pos)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_errors_by_horizon_equal_the_metric(batch_size):
    found = evaluate_motion(
        zero_velocity,
        graphs(missing=0.3),
        num_observed=4,
        num_future=6,
        horizons=[1, 6],
        stride=2,
        batch_size=batch_size,
    )
    windows = cut_windows(Batch.from_data_list(graphs(missing=0.3)), 4, 6, 2)
    prediction = zero_velocity(windows.observed, 6)
    each = mpjpe(prediction, windows.target, windows.valid, 1000.0, per_horizon=True)
    mean = mpjpe(prediction, windows.target, windows.valid, 1000.0)
    assert [row.frames for row in found] == [1, 6, None]
    assert [row.ms for row in found] == [50.0, 300.0, None]
    expected = [each[0].item(), each[5].item(), mean.item()]
    assert [row.mpjpe for row in found] == pytest.approx(expected, rel=1e-6)
    counts = [int(windows.valid[:, t].any(dim=1).sum()) for t in (0, 5)]
    assert [row.windows for row in found[:2]] == counts
    assert [row.recordings for row in found] == [6, 4, 6]


def test_without_one_frame_rate_there_are_no_milliseconds():
    slower = graphs(2)
    slower[0].fps = torch.tensor([10.0])
    found = evaluate_motion(zero_velocity, slower, num_observed=4, num_future=2)
    assert [row.ms for row in found] == [None, None, None]
