"""Pictures show what they are given, upright, and say when it was generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from stgraph import viz
from stgraph.skeleton import SkeletonGraph, named_layouts, resolve_layout, resolve_partition
from stgraph.viz.skeleton import joint_sides
from stgraph.viz.style import QUIET

LAYOUT = "openpose_coco_18"


def recording(poses: int = 5, **kwargs: object) -> SkeletonGraph:
    pos = 50 * viz.rest_pose(LAYOUT)[None] + 3.0 * torch.arange(poses)[:, None, None]
    return SkeletonGraph(pos.flatten(0, 1), layout=LAYOUT, fps=10.0, **kwargs)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", named_layouts())
def test_every_layout_has_a_rest_pose_without_joints_on_top_of_each_other(name: str) -> None:
    pose = viz.rest_pose(name)
    assert pose.shape == (resolve_layout(name).num_joints, 2)
    assert torch.isfinite(pose).all()
    gaps = torch.cdist(pose, pose) + torch.eye(len(pose))
    assert gaps.min() > 0.005


@pytest.mark.parametrize("name", ["kinect_v2_25", "coco_17", "mediapipe_33", "openpose_body_25"])
def test_a_person_at_rest_faces_the_reader_and_stands_upright(name: str) -> None:
    layout, pose = resolve_layout(name), viz.rest_pose(name)
    sides = joint_sides(layout)
    for joint, side in enumerate(sides):
        if side != "middle":
            assert (pose[joint, 0] > 0) == (side == "left")
    assert pose[layout.index("left_ankle"), 1] > pose[layout.index("left_shoulder"), 1]


def test_a_skeleton_is_drawn_with_equal_lengths_and_y_down() -> None:
    layout = resolve_layout(LAYOUT)
    ax = viz.draw_skeleton(layout)
    assert ax.get_aspect() == 1.0
    assert ax.yaxis_inverted()
    assert len(ax.lines) == len(layout.bones)
    assert len(ax.collections) == layout.num_joints


def test_a_missing_joint_is_left_out_with_its_bones() -> None:
    layout = resolve_layout(LAYOUT)
    score = torch.ones(18)
    score[layout.index("neck")] = 0.0
    ax = viz.draw_skeleton(layout, score=score)
    at_neck = sum(layout.index("neck") in bone for bone in layout.bones)
    assert len(ax.lines) == len(layout.bones) - at_neck
    assert len(ax.collections) == 17


def test_a_pose_of_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a pose \[18, D\] .* \(got \[25, 2\]\)"):
        viz.draw_skeleton(LAYOUT, torch.zeros(25, 2))


def test_three_dimensions_are_turned_about_the_vertical_axis() -> None:
    pos = torch.tensor([[1.0, 2.0, 3.0]])
    assert viz.to_plane(pos).tolist() == [[1.0, -2.0]]
    assert torch.allclose(viz.to_plane(pos, turn=90), torch.tensor([[3.0, -2.0]]), atol=1e-6)
    assert viz.to_plane(pos, y_down=True).tolist() == [[1.0, 2.0]]
    assert viz.to_plane(pos[:, :2]).tolist() == [[1.0, 2.0]]


def test_a_typical_pose_is_a_real_complete_one() -> None:
    batch = Batch.from_data_list([recording(), recording(3)])
    assert any(torch.equal(viz.typical_pose(batch), pose) for pose in batch.folded("pos"))
    with pytest.raises(ValueError, match="every joint is seen"):
        viz.typical_pose(recording(score=torch.zeros(90)))


def test_a_root_joint_receives_one_arrow_from_each_neighbour() -> None:
    layout = resolve_layout(LAYOUT)
    root = layout.index("right_elbow")
    ax = viz.draw_partition(layout, "symmetrical", root="right_elbow")
    source, target = resolve_partition("symmetrical")(layout).edge_index
    received = int(((target == root) & (source != root)).sum())
    assert sum(text.arrow_patch is not None for text in ax.texts) == received == 5  # type: ignore[attr-defined]


def test_partitions_stand_side_by_side_and_explain_their_colours() -> None:
    figure = viz.draw_partitions(LAYOUT, synthetic=True)
    axes = figure.axes
    assert [ax.get_title() for ax in axes] == ["uniform", "distance", "spatial", "symmetrical"]
    legend = axes[2].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][1:] == [
        "nearer the centre",
        "farther out",
    ]
    assert len(viz.draw_partitions(LAYOUT, ["uniform", "identity"], root=3).axes) == 4


def said(figure: object) -> list[str]:
    return [text.get_text() for text in figure.texts]  # type: ignore[attr-defined]


def test_generated_data_are_marked_in_every_figure_when_asked() -> None:
    for mark in (True, False):
        figures = [
            viz.draw_partitions(LAYOUT, ["uniform"], synthetic=mark),
            viz.draw_recording(recording(), synthetic=mark),
            viz.draw_scores({"test": {"a": [0.5]}}, synthetic=mark),
            viz.draw_learning_curves({"loss": {"a": [[1.0, 0.5]]}}, synthetic=mark),
            viz.draw_confusion([[1, 0], [0, 1]], ["a", "b"], synthetic=mark),
        ]
        assert all(("SYNTHETIC DATA" in said(figure)) is mark for figure in figures)


def test_a_film_strip_has_the_frames_asked_for_with_their_times() -> None:
    figure = viz.draw_recording(recording(9), num_frames=3)
    assert [ax.get_title() for ax in figure.axes] == ["0.00 s", "0.40 s", "0.80 s"]
    assert len(viz.draw_recording(recording(2), num_frames=8).axes) == 2


def test_only_one_recording_with_somebody_in_it_can_be_drawn() -> None:
    with pytest.raises(ValueError, match=r"got a batch\); take one of batch.to_data_list"):
        viz.draw_recording(Batch.from_data_list([recording(), recording()]))
    with pytest.raises(ValueError, match="somebody is seen"):
        viz.draw_recording(recording(score=torch.zeros(90)))


def test_an_animation_has_a_picture_for_every_frame(tmp_path: Path) -> None:
    from PIL import Image

    moving = recording(4)
    path = viz.animate(moving, tmp_path / "deep" / "a.gif", dpi=30, synthetic=True)
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == 4  # type: ignore[attr-defined]
        assert gif.info["duration"] == 100


def test_a_reconstruction_has_three_strips_and_an_animation(tmp_path: Path) -> None:
    from PIL import Image

    truth = recording(4)
    hidden = torch.zeros(truth.pos.size(0), dtype=torch.bool)
    hidden[::2] = True
    prediction = truth.clone()
    prediction.pos = truth.pos + hidden[:, None] * 0.2
    figure = viz.draw_reconstruction(truth, prediction, hidden, 3, title="half")
    assert len(figure.axes) == 9
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"What it saw", "What it filled in", "What was there"} <= words
    joints = [len(ax.collections) for ax in figure.axes]
    assert joints[0] < joints[3]
    assert joints[6] == truth.num_joints
    path = viz.animate_reconstruction(truth, prediction, hidden, tmp_path / "r.gif", dpi=30)
    with Image.open(path) as gif:
        assert (gif.format, gif.n_frames) == ("GIF", 4)  # type: ignore[attr-defined]
    assert [file.name for file in tmp_path.iterdir()] == ["r.gif"]
    nobody = truth.clone()
    nobody.score = torch.zeros(truth.pos.size(0))
    with pytest.raises(ValueError, match="somebody is seen"):
        viz.draw_reconstruction(nobody, nobody, hidden)


def test_a_recording_may_say_itself_which_way_is_up() -> None:
    upright = recording(2)
    pos = torch.cat([upright.pos, torch.zeros(upright.pos.size(0), 1)], dim=1)
    deep = SkeletonGraph(pos, layout=LAYOUT, y_down=1)
    other = SkeletonGraph(pos * torch.tensor([1.0, -1.0, 1.0]), layout=LAYOUT)
    first, second = (viz.draw_recording(graph, 1).axes[0] for graph in (deep, other))
    heights = [[float(p.get_offsets()[0, 1]) for p in ax.collections] for ax in (first, second)]
    assert heights[0] == pytest.approx(heights[1])


def test_scores_show_the_mean_and_a_point_for_every_seed() -> None:
    figure = viz.draw_scores(
        {"validation": {"a": [0.5, 0.7], "b": [0.2]}, "test": {"a": [0.4, 0.6]}},
        reference={"test": {"a": 0.9}},
        controls=["b"],
        level={"test": ("line", 0.3)},
    )
    first, second = figure.axes
    assert [patch.get_width() for patch in first.patches] == pytest.approx([0.6, 0.2])
    assert [len(points.get_offsets()) for points in first.collections] == [2, 1]
    assert "0.600 ± 0.141" in [text.get_text() for text in first.texts]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    assert len(second.patches) == 1


def test_learning_curves_show_seeds_their_mean_and_the_chosen_epochs() -> None:
    seeds = [[0.1, 0.5], [0.3, 0.3]]
    figure = viz.draw_learning_curves({"accuracy": {"a": seeds}}, marks={"a": [1, 0]})
    lines = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert lines == [[0.1, 0.5], [0.5], [0.3, 0.3], [0.3], [0.2, 0.4]]


def test_curves_of_controls_are_grey_and_one_epoch_is_a_point() -> None:
    curves = {"a": [[0.5]], "b": [[0.4]], "none": [[0.1]]}
    figure = viz.draw_learning_curves({"accuracy": curves}, controls=["none"])
    (ax,) = figure.axes
    colours = {line.get_label(): line.get_color() for line in ax.lines}
    assert colours["none"] == QUIET
    assert len({colours["a"], colours["b"], QUIET}) == 3
    assert {line.get_marker() for line in ax.lines if line.get_label() in curves} == {"o"}


def test_a_confusion_matrix_writes_counts_and_may_have_a_column_for_nothing() -> None:
    (ax,) = viz.draw_confusion([[3, 1, 2], [0, 4, 0]], ["a", "b"]).axes
    assert sorted(text.get_text() for text in ax.texts) == ["1", "2", "3", "4"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b", "(no pose)"]
    with pytest.raises(ValueError, match=r"expected counts of 2 classes \(got \(3, 3\)\)"):
        viz.draw_confusion(torch.eye(3).tolist(), ["a", "b"])


def test_a_figure_is_saved_where_it_is_wanted(tmp_path: Path) -> None:
    ax = viz.draw_skeleton("hand_21", names=[0], title="hand")
    path = viz.save_figure(ax.figure, tmp_path / "new" / "hand.png")  # type: ignore[arg-type]
    assert path.read_bytes().startswith(b"\x89PNG")


# --- embeddings and classes ---
@pytest.mark.parametrize("dims", [2, 3])
def test_every_class_of_an_embedding_is_in_the_legend(dims):
    points, y = np.random.default_rng(0).normal(size=(30, dims)), np.arange(30) % 3
    figure = viz.draw_embedding(points, y, ["sit_down", "stand", "wave"], title="t", synthetic=True)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["sit down", "stand", "wave"]
    some = viz.draw_embedding(points, y, ["a", "b", "c"], classes=[1])
    assert [text.get_text() for text in some.legends[0].get_texts()] == ["others", "b"]
    with pytest.raises(ValueError, match="points and n classes"):
        viz.draw_embedding(points, y[:5], ["a", "b", "c"])


def test_class_differences_are_from_the_mean_and_leave_out_what_is_unknown():
    figure = viz.draw_class_differences([0.5, 1.0, float("nan"), 0.6], ["a", "b", "c", "d"])
    (ax,) = figure.axes
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([0.3, -0.1, -0.2])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["b", "d", "a"]
    with pytest.raises(ValueError, match=r"expected 1 accuracies \(got 2\)"):
        viz.draw_class_differences([1.0, 0.0], ["a"])


def test_the_long_tail_is_in_order_and_may_have_accuracies_beside():
    figure = viz.draw_class_frequencies([3, 9, 5], ["a", "b", "c"], accuracy=[0.1, 0.9, 0.5])
    bars, points = figure.axes
    assert [bar.get_height() for bar in bars.patches] == [9, 5, 3]
    assert points.lines[0].get_ydata().tolist() == [0.9, 0.5, 0.1]
    with pytest.raises(ValueError, match=r"expected 2 numbers \(got 1\)"):
        viz.draw_class_frequencies([1], ["a", "b"])
    many = viz.draw_class_frequencies(list(range(100)), [str(i) for i in range(100)])
    assert many.axes[0].get_xlabel() == "class, in this order"
