"""Finding actions in untrimmed recordings."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_geometric.data import Batch

from stgraph.metrics import make_segments
from stgraph.nn import (
    STGCN,
    FrameClassifier,
    HiTRS,
    SkeletonGIN,
    SkeletonTransformer,
    embed_poses,
    frames_of,
    pose_channels,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.tasks import (
    Detection,
    SegmentFinder,
    SkeletonDataModule,
    chunk_recording,
    chunk_store,
    detect,
    fit_task,
    load_detection,
    score_frames,
    smooth,
    suppress,
)
from stgraph.tasks.detection import frame_labels
from stgraph.testing import assert_close, random_skeleton_graph
from stgraph.transforms import RandomRotate, ResampleTime, TimeCrop, UniformSample
from tests.laws.test_resume import StopAfter

BODY = SkeletonLayout("body", ["hip", "neck", "hand"], [(0, 1), (1, 2)], centre=0)
NAMES = ("wave", "jump")


def hitrs(**kwargs):
    torch.manual_seed(0)
    sizes = {"width": 8, "depth": 1, "num_heads": 2, "head_channels": 4, "dropout": 0.0}
    more = {"window": 5, "dilation": 2, "levels": ("frame", "clip")}
    return HiTRS(3, layout=BODY, **{**sizes, **more, **kwargs})


def recording(*lengths, segments=(), seed=0, **kwargs):
    table = torch.tensor(list(segments), dtype=torch.float32).view(-1, 3)
    generator = torch.Generator().manual_seed(seed)
    return random_skeleton_graph(BODY, list(lengths), segments=table, generator=generator, **kwargs)


def moving(seed, length=60):
    """Someone whose hand goes up and down in frames 10-24 and whose neck does in 35-49."""
    generator = torch.Generator().manual_seed(seed)
    pos = 0.05 * torch.randn(length, 3, 3, generator=generator)
    time = torch.arange(length)
    pos[10:25, 2, 1] += 1.0 + time[10:25].sin()
    pos[35:50, 1, 1] -= 1.0 + time[35:50].sin()
    return SkeletonGraph(
        pos.flatten(0, 1),
        layout=BODY,
        segments=torch.tensor([[1.0, 10, 24], [2.0, 35, 49]]),
        name=f"m{seed}",
    )


# --- embeddings of poses --------------------------------------------------------------------------
def encoders():
    torch.manual_seed(0)
    return {
        "hitrs": hitrs(),
        "stgcn": STGCN(3, layout=BODY, channels=[4, 8, 8], strides=[1, 2, 2], temporal_kernel=3),
        "gin": SkeletonGIN(3, 8, 1, layout=BODY),
        "transformer": SkeletonTransformer(3, layout=BODY, width=8, depth=1, num_heads=2),
    }


@pytest.mark.parametrize("name", list(encoders()))
def test_every_encoder_embeds_every_pose_whatever_its_strides(name):
    encoder = encoders()[name].eval()
    graphs = [recording(9, 4), recording(1, seed=1), recording(13, seed=2)]
    batch = Batch.from_data_list(graphs)
    x = embed_poses(encoder, batch)
    assert x.shape == (27, pose_channels(encoder))
    assert x.abs().sum(dim=1).min() > 0
    assert_close(x, torch.cat([embed_poses(encoder, graph) for graph in graphs]), 1e-5)


def test_an_encoder_of_ones_own_needs_poses_or_nodes():
    class Own(nn.Module):
        out_channels = 3

        def poses(self, batch):
            return batch.folded().mean(dim=1)

    graph = recording(4)
    assert torch.equal(embed_poses(Own(), graph), graph.folded().mean(dim=1))
    with pytest.raises(TypeError, match="neither 'poses' nor 'nodes'"):
        embed_poses(nn.Linear(3, 3), graph)


def test_persons_of_a_frame_count_alike():
    encoder = hitrs().eval()
    model = FrameClassifier(encoder, 2).eval()
    one, two = recording(6), recording(4, seed=1)
    both = SkeletonGraph(
        torch.cat([one.pos, two.pos]),
        layout=BODY,
        track_length=[6, 4],
        frame=torch.cat([torch.arange(6), torch.arange(3, 7)]),
    )
    a, b = encoder.poses(one), encoder.poses(two)
    expected = torch.cat([a[:3], (a[3:] + b[:3]) / 2, b[3:]])
    out = model(both)
    assert out.frame.tolist() == list(range(7))
    assert_close(out.logits, model.head(expected))


# --- pieces ---------------------------------------------------------------------------------------
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 7),
    st.integers(0, 4),
)
def test_every_frame_belongs_to_one_piece(lengths, num_frames, context):
    starts = [20 * i for i in range(len(lengths))]
    frames = [torch.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)]
    graph = recording(*lengths, frame=torch.cat(frames), person=[0] * len(lengths))
    own, seen = [], []
    for piece in chunk_recording(graph, num_frames, context):
        own += piece.frame[piece.pose_own].tolist()
        seen.append(set(piece.frame.tolist()))
        span = piece.frame[piece.pose_own]
        assert int(span.max() - span.min()) < num_frames
        assert int(piece.frame.min()) >= int(span.min()) - context - num_frames
    assert own == graph.frame.tolist()


def test_frames_of_a_recording_do_not_depend_on_the_pieces():
    model = FrameClassifier(hitrs(), 2).eval()
    graph = recording(50)
    whole = score_frames(model, graph, chunk=1000)
    for chunk in (1, 7, 20):
        found = score_frames(model, graph, chunk=chunk)
        assert torch.equal(found.frame, whole.frame)
        assert_close(found.probability, whole.probability, 1e-5)


def test_a_recording_of_hours_with_nobody_in_between_is_two_short_pieces():
    frames = torch.cat([torch.arange(5), torch.arange(10**7, 10**7 + 5)])
    graph = recording(5, 5, frame=frames, person=[0, 0])
    assert len(list(chunk_recording(graph, 64, 8))) == 2
    assert len(score_frames(FrameClassifier(hitrs(), 2), graph).frame) == 10


def test_pieces_to_train_on_keep_their_actions_and_count_no_frame_twice():
    store = chunk_store([moving(0), moving(1)], 16, context=4)
    batch = store.batch(range(len(store)))
    label, own = frame_labels(batch)
    assert int(own.sum()) == 120
    assert torch.bincount(label[own]).tolist() == [60, 30, 30]


def test_pieces_of_nothing_are_refused():
    with pytest.raises(ValueError, match="num_frames >= 1"):
        list(chunk_recording(recording(3), 0))
    with pytest.raises(ValueError, match="with poses"):
        chunk_store([recording()], 4)


# --- finding actions ------------------------------------------------------------------------------
def share(rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_runs_of_the_most_probable_class_are_proposals():
    frame = torch.tensor([0, 1, 2, 3, 4, 5, 6, 9])
    rows = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]
    finder = SegmentFinder("argmax", smoothing=1, min_length=1, nms=1.0)
    found = finder(frame, share([*rows, [0.0, 1.0]]), video=7)
    assert found.start.tolist() == [1, 4, 9]
    assert found.end.tolist() == [2, 5, 9]
    assert found.confidence.tolist() == pytest.approx([0.7, 0.9, 1.0])
    assert found.video.tolist() == [7, 7, 7]
    assert found.label.tolist() == [1, 1, 1]


def test_gaps_are_bridged_and_short_proposals_left_out():
    frame = torch.arange(8)
    over = share([[0.0, 1.0]] * 2 + [[1.0, 0.0]] + [[0.0, 1.0]] * 2 + [[1.0, 0.0]] * 2 + [[0, 1.0]])
    bridging = SegmentFinder("threshold", 0.5, smoothing=1, max_gap=1, min_length=2, nms=1.0)
    found = bridging(frame, over)
    assert (found.start.tolist(), found.end.tolist()) == ([0], [4])


def test_several_thresholds_give_proposals_and_the_surest_of_each_overlap_stays():
    frame = torch.arange(10)
    p = torch.tensor([0.2, 0.2, 0.6, 0.9, 0.9, 0.6, 0.2, 0.2, 0.0, 0.0])
    rows = torch.stack([1 - p, p], dim=1)
    every = SegmentFinder("threshold", (0.1, 0.5), smoothing=1, min_length=1, nms=1.0)
    assert every(frame, rows).size == 2
    kept = SegmentFinder("threshold", (0.1, 0.5), smoothing=1, min_length=1, nms=0.4)(frame, rows)
    assert (kept.start.tolist(), kept.end.tolist()) == ([2], [5])


def test_suppression_leaves_other_classes_and_distant_segments_alone():
    found = suppress(
        make_segments([0] * 4, [1, 1, 2, 1], [0, 1, 0, 50], [10, 11, 10, 60], [0.5, 0.9, 0.1, 0.2]),
        0.3,
    )
    assert found.start.tolist() == [1, 0, 50]


@given(st.lists(st.integers(0, 40), min_size=1, unique=True), st.integers(1, 9))
def test_smoothing_is_the_mean_of_frames_nearby(numbers, width):
    frame = torch.tensor(sorted(numbers))
    value = torch.rand(len(frame), 2, dtype=torch.float64)
    near = (frame[:, None] - frame).abs() <= (width // 2 if width > 1 else 0)
    expected = torch.stack([value[row].mean(dim=0) for row in near])
    assert_close(smooth(frame, value, width), expected)


def test_a_finder_of_nothing_finds_nothing():
    empty = SegmentFinder()(torch.zeros(0, dtype=torch.long), torch.zeros(0, 3))
    assert empty.size == 0
    assert SegmentFinder()(torch.arange(5), share([[1.0, 0.0]] * 5)).size == 0


@pytest.mark.parametrize(
    "options",
    [{"method": "peaks"}, {"threshold": 1.0}, {"smoothing": 0}, {"nms": 0.0}, {"min_length": 0}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=r"expected|unknown method"):
        SegmentFinder(**options)


# --- the task -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detection")
    torch.manual_seed(0)
    task = Detection(
        FrameClassifier(hitrs(width=16), 2),
        NAMES,
        optimizer="adam",
        lr=5e-3,
        weight_decay=0.0,
        schedule="constant",
    )
    data = SkeletonDataModule(
        chunk_store([moving(i) for i in range(6)], 20, context=4),
        [moving(10)],
        batch_size=6,
        check_classes=False,
    )
    result = fit_task(task, data, max_epochs=10, out=folder, progress=False)
    return task, result, folder


def test_it_learns_what_happens_when(trained):
    task, result, _ = trained
    found = detect(task, [moving(20), moving(21)])
    assert found.frame_accuracy > 0.9
    assert result.best["val/map_a"] > 0.8
    proposals = found.proposals(task.finder)
    first = proposals.take(proposals.video == 0)
    assert set(first.label.tolist()) == {1, 2}


def test_a_saved_detector_finds_the_same(trained):
    task, result, _ = trained
    again = load_detection(result.folder)
    one, two = (score_frames(each, moving(30)) for each in (task, again))
    assert torch.equal(one.probability, two.probability)
    assert again.finder == task.finder
    assert again.class_names == NAMES


def test_damaged_and_other_tasks_are_refused(trained, tmp_path):
    _, result, _ = trained
    file = result.folder / "task.json"
    description = json.loads(file.read_text())
    for change, message in (
        ({"task": "recognition"}, "holds a recognition task"),
        ({"finder": {"method": "peaks"}}, "does not describe a detection task"),
        ({"class_names": None}, "does not describe a detection task"),
    ):
        folder = tmp_path / message.replace(" ", "_") / str(len(change))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task.json").write_text(json.dumps({**description, **change}))
        with pytest.raises(ValueError, match=message):
            load_detection(folder)


def test_recordings_without_actions_or_with_strange_classes_are_refused():
    task = Detection(FrameClassifier(hitrs(), 2), NAMES)
    with pytest.raises(ValueError, match="'segments', a table"):
        task.check_data(SkeletonDataModule([random_skeleton_graph(BODY, [4])]))
    with pytest.raises(ValueError, match="an action of class 3"):
        task.check_data(SkeletonDataModule([recording(4, segments=[[3, 0, 2]])]))


@pytest.mark.parametrize("transform", [ResampleTime(every=2), UniformSample(20, "even")], ids=type)
def test_a_transform_that_numbers_frames_anew_is_refused_and_an_augmentation_is_not(transform):
    data = SkeletonDataModule(chunk_store([moving(i) for i in range(4)], 32), check_classes=False)
    task = Detection(FrameClassifier(hitrs(), 2), NAMES, transform=transform)
    with pytest.raises(ValueError, match="keeps the numbers of frames"):
        fit_task(task, data, max_epochs=1, progress=False)
    with pytest.raises(ValueError, match="keeps the numbers of frames"):
        score_frames(task, moving(0))
    task = Detection(FrameClassifier(hitrs(), 2), NAMES, augment=transform, transform=TimeCrop(0.9))
    fit_task(task, data, max_epochs=1, progress=False)
    assert len(score_frames(task, moving(0)).frame) == 54


def test_frames_without_anybody_do_not_exist():
    graph = recording(3, 2, frame=torch.tensor([0, 1, 2, 7, 8]), person=[0, 0])
    recordings, frame, owner = frames_of(graph)
    assert frame.tolist() == [0, 1, 2, 7, 8]
    assert recordings.tolist() == [0] * 5
    assert owner.tolist() == list(range(5))


def test_the_networks_and_the_names_have_to_agree():
    with pytest.raises(ValueError, match="2 classes and 3 have names"):
        Detection(FrameClassifier(hitrs(), 2), ("a", "b", "c"))
    with pytest.raises(ValueError, match="expected an encoder"):
        FrameClassifier(num_classes=2)


@pytest.mark.parametrize("name", list(encoders()))
def test_some_frames_alone_are_classified_as_among_all(name):
    model = FrameClassifier(encoders()[name], 2).eval()
    batch = Batch.from_data_list([recording(9, 4), recording(13, seed=2)])
    whole = model(batch)
    chosen = torch.rand(len(whole.frame), generator=torch.Generator().manual_seed(0)) < 0.4
    some = model(batch, chosen)
    assert torch.equal(some.frame, whole.frame[chosen])
    assert torch.equal(some.recording, whole.recording[chosen])
    assert_close(some.logits, whole.logits[chosen], 1e-5)


def test_a_share_of_the_frames_is_learned_from():
    task = Detection(FrameClassifier(hitrs(), 2), NAMES, frame_share=0.3, lr=1e-3)
    data = SkeletonDataModule(chunk_store([moving(0)], 20, context=4), check_classes=False)
    result = fit_task(task, data, max_epochs=1, progress=False)
    assert result.history[0]["train/loss"] > 0
    with pytest.raises(ValueError, match="frame_share"):
        Detection(FrameClassifier(hitrs(), 2), NAMES, frame_share=0.0)


def test_stopped_and_resumed_is_as_never_stopped(tmp_path):
    def fit(out, **kwargs):
        torch.manual_seed(0)
        model = FrameClassifier(hitrs(), 2, dropout=0.2)
        task = Detection(model, NAMES, frame_share=0.5, augment=RandomRotate(20.0), lr=1e-2)
        store = chunk_store([moving(i) for i in range(3)], 20, context=4)
        data = SkeletonDataModule(store, [moving(9)], batch_size=3, check_classes=False)
        fit_task(task, data, max_epochs=2, out=out, progress=False, **kwargs)
        return task

    whole = fit(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", callbacks=[StopAfter(4, "ctrl-c")])
    resumed = fit(tmp_path / "parts")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
