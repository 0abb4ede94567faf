"""The picture of a pruned graph shows what was kept, what was cut, and how much is used."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

from stgraph import viz
from stgraph.skeleton import Partition, named_layouts, resolve_layout, resolve_partition
from stgraph.viz import KeptEdges, draw_kept_edges
from stgraph.viz.kept_edges import CUT
from stgraph.viz.style import BLUE, CYCLE

LAYOUT = resolve_layout("coco_17_pyskl")
EDGES = resolve_partition("spatial")(LAYOUT)
LOOP = EDGES.edge_index[0] == EDGES.edge_index[1]


def arrows(ax: object) -> list[FancyArrowPatch]:
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]  # type: ignore[attr-defined]


def dashed(ax: object) -> list[object]:
    return [line for line in ax.lines if to_hex(line.get_color()) == CUT.lower()]  # type: ignore[attr-defined]


def rings(ax: object) -> list[object]:
    return [dot for dot in ax.collections if dot.get_facecolor().size == 0]  # type: ignore[attr-defined]


def legend(figure: object) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]  # type: ignore[attr-defined]


def test_every_kept_edge_is_an_arrow_or_a_ring_in_the_colour_of_its_type() -> None:
    (ax,) = draw_kept_edges(LAYOUT, KeptEdges("spatial")).axes
    assert len(arrows(ax)) == int((~LOOP).sum())
    assert len(rings(ax)) == int(LOOP.sum())
    colours = [to_hex(patch.get_edgecolor()).upper() for patch in arrows(ax)]
    for kind in range(EDGES.num_types):
        assert colours.count(CYCLE[kind]) == int(((EDGES.edge_type == kind) & ~LOOP).sum())
    assert not dashed(ax)


def test_cut_edges_are_dashes_and_both_directions_of_a_bone_share_one() -> None:
    kept = LOOP.clone()
    (ax,) = draw_kept_edges(LAYOUT, KeptEdges(EDGES, kept)).axes
    assert not arrows(ax)
    assert len(dashed(ax)) == len(LAYOUT.bones)
    kept[int((~LOOP).nonzero()[0])] = True
    figure = draw_kept_edges(LAYOUT, KeptEdges(EDGES, kept))
    assert len(arrows(figure.axes[0])) == 1
    assert "cut" in legend(figure)


def test_the_width_of_an_edge_says_its_score() -> None:
    scores = torch.zeros(EDGES.num_edges)
    first, second = (~LOOP).nonzero().flatten()[:2].tolist()
    scores[first], scores[second] = 1.0, 0.5
    figure = draw_kept_edges(LAYOUT, KeptEdges(EDGES, None, scores))
    widths = sorted(
        (float(patch.get_linewidth()) for patch in arrows(figure.axes[0])), reverse=True
    )
    assert widths[0] > widths[1] > widths[2] == widths[-1]
    assert "low, high score" in legend(figure)
    assert "low, high score" not in legend(draw_kept_edges(LAYOUT, KeptEdges(EDGES)))


def test_a_joint_that_was_cut_is_hollow_and_has_no_edges() -> None:
    joints = torch.ones(17, dtype=torch.bool)
    joints[LAYOUT.index("left_wrist")] = False
    figure = draw_kept_edges(LAYOUT, KeptEdges(EDGES, joints=joints))
    (ax,) = figure.axes
    touching = (EDGES.edge_index == LAYOUT.index("left_wrist")).any(dim=0)
    assert len(arrows(ax)) == int((~LOOP & ~touching).sum())
    hollow = [d for d in ax.collections if to_hex(d.get_edgecolor()[0]) == CUT.lower()]
    assert len(hollow) == 1
    assert "joint cut" in legend(figure)


def test_joints_are_as_large_as_their_scores() -> None:
    scores = torch.linspace(0, 1, 17)
    (ax,) = draw_kept_edges(LAYOUT, KeptEdges(EDGES, ~LOOP, joint_scores=scores)).axes
    sizes = [float(dot.get_sizes()[0]) for dot in ax.collections]  # type: ignore[attr-defined]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 3 * sizes[0]


def test_both_directions_of_a_bone_lie_beside_each_other() -> None:
    two = Partition(torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 0]), torch.ones(2), 1, 17)
    figure = draw_kept_edges(LAYOUT, KeptEdges(two))
    paths = [p.get_path().interpolated(9).vertices for p in arrows(figure.axes[0])]
    middles = [path[: len(path) // 2].mean(axis=0) for path in paths]
    assert abs(middles[0] - middles[1]).max() > 1e-3


def test_panels_share_one_legend_and_widths_that_compare() -> None:
    edge = int((~LOOP).nonzero()[0])
    low = torch.zeros(EDGES.num_edges)
    low[edge] = 1.0
    panels = {"walk": KeptEdges("spatial", None, low), "wave": KeptEdges(EDGES, None, 4 * low)}
    figure = draw_kept_edges(LAYOUT, panels, title="Two classes", synthetic=True)
    assert [ax.get_title() for ax in figure.axes] == ["walk", "wave"]
    assert len(figure.legends) == 1
    assert legend(figure)[:3] == ["itself, or equally far", "nearer the centre", "farther out"]
    widths = [max(float(p.get_linewidth()) for p in arrows(ax)) for ax in figure.axes]
    assert widths[0] < widths[1]
    assert any(text.get_text() == "SYNTHETIC DATA" for text in figure.texts)


def test_types_have_the_names_that_are_given_and_those_not_used_none() -> None:
    figure = draw_kept_edges(LAYOUT, KeptEdges(EDGES, LOOP), type_names=["own", "in", "out"])
    assert legend(figure) == ["own", "from a joint to itself", "cut"]
    assert to_hex(figure.legends[0].get_lines()[0].get_color()).upper() == BLUE
    assert legend(draw_kept_edges(LAYOUT, KeptEdges(EDGES)))[0] == "type 0"


@pytest.mark.parametrize("name", ["kinect_v2_25", "openpose_coco_18", named_layouts()[0]])
def test_a_graph_of_any_layout_is_drawn_and_written(name: str, tmp_path: Path) -> None:
    figure = draw_kept_edges(name, KeptEdges("uniform"), names=True, title=name)
    assert viz.save_figure(figure, tmp_path / "a.png").stat().st_size > 1000
    texts = [text.get_text() for text in figure.axes[0].texts]
    names = [joint.replace("_", " ") for joint in resolve_layout(name).joints]
    assert sorted(texts) == sorted(names)


def test_nothing_left_can_be_drawn_too(tmp_path: Path) -> None:
    nothing = torch.zeros(EDGES.num_edges, dtype=torch.bool)
    figure = draw_kept_edges(LAYOUT, KeptEdges(EDGES, nothing, torch.zeros(EDGES.num_edges)))
    assert not arrows(figure.axes[0])
    viz.save_figure(figure, tmp_path / "a.svg")


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "at least one panel"),
        (KeptEdges(EDGES, torch.ones(3)), r"expected 'kept' as \[\d+\] \(got \[3\]\)"),
        (KeptEdges(EDGES, joint_scores=-torch.ones(17)), "finite 'joint_scores' of at least 0"),
        (KeptEdges(resolve_partition("spatial")("kinect_v2_25")), r"the 17 joints .*\(got 25\)"),
    ],
)
def test_what_does_not_fit_is_refused(panels: KeptEdges, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_kept_edges(LAYOUT, panels)


def test_too_few_names_of_types_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 3 type names \(got 1\)"):
        draw_kept_edges(LAYOUT, KeptEdges(EDGES), type_names=["one"])
