"""Layouts: drawn facts of the named ones, and a user's own."""

from __future__ import annotations

import copy
import json
import pickle

import networkx as nx
import pytest
import torch

from stgraph.skeleton import SkeletonLayout, named_layouts, resolve_layout

EVERY_LAYOUT = pytest.mark.parametrize("layout", [SkeletonLayout.named(n) for n in named_layouts()],
                                       ids=named_layouts())  # fmt: skip

CROSS = {
    "name": "cross",
    "joints": ["hub", "left", "right", "tip"],
    "bones": [["hub", "left"], ["hub", "right"], ["hub", "tip"]],
    "centre": "hub",
    "left_right": [["left", "right"]],
    "parts": {"ends": ["left", "right", "tip"]},
}


# --- named ones ---------------------------------------------------------------------------------
def test_the_layouts_of_the_design_are_there():
    expected = """kinect_v1_20 utd_mhad_20 msr_action3d_20 sbu_15 penn_13 openpose_coco_18
        kinect_v2_25 openpose_body_25 coco_17 halpe_26 shrec_hand_22 mediapipe_33
        h36m_17 hand_21 jhmdb_15"""
    assert set(expected.split()) <= set(named_layouts())


def test_shared_layouts_are_under_their_names_as_they_are(shared_path):
    described = json.loads(shared_path("data", "layouts.json").read_text("utf-8"))
    described = described.get("layouts", described)
    for name, fields in described.items():
        if not isinstance(fields, dict) or "joints" not in fields:
            continue
        layout = SkeletonLayout.named(name)
        assert list(layout.joints) == [str(joint) for joint in fields["joints"]], name
        bones = {frozenset(bone) for bone in layout.bones}
        theirs = {
            frozenset(layout.index(j) if isinstance(j, str) else j for j in bone)
            for bone in fields["bones"]
        }
        assert bones == theirs, name


@EVERY_LAYOUT
def test_mirroring_twice_is_identity(layout):
    assert torch.equal(layout.mirror[layout.mirror], torch.arange(layout.num_joints))


@EVERY_LAYOUT
def test_what_left_is_called_the_mirror_calls_right(layout):
    for a, b in layout.left_right:
        names = {layout.canonical[a], layout.canonical[b]} - {None}
        sides = {name.split("_")[0] for name in names}
        assert sides <= {"left", "right"}, names
        assert len({name.split("_", 1)[1] for name in names}) <= 1, names


@EVERY_LAYOUT
def test_the_mirror_keeps_the_centre(layout):
    assert {int(layout.mirror[c]) for c in layout.centre} == set(layout.centre)


@EVERY_LAYOUT
def test_canonical_names_are_unique(layout):
    names = [name for name in layout.canonical if name is not None]
    assert len(set(names)) == len(names)


@EVERY_LAYOUT
def test_parts_do_not_overlap(layout):
    members = [joint for part in layout.parts.values() for joint in part]
    assert len(set(members)) == len(members)


@EVERY_LAYOUT
def test_no_bone_is_drawn_twice(layout):
    assert len({frozenset(bone) for bone in layout.bones}) == len(layout.bones)


@EVERY_LAYOUT
def test_hops_are_a_distance(layout):
    hops = layout.hops
    assert torch.equal(hops, hops.T)
    assert bool((hops.diagonal() == 0).all())
    assert int((hops == 1).sum()) == 2 * len(layout.bones)
    graph = layout.to_networkx()
    for start, lengths in nx.all_pairs_shortest_path_length(graph):
        for end, length in lengths.items():
            assert int(hops[layout.index(start), layout.index(end)]) == length


@EVERY_LAYOUT
def test_every_joint_that_bones_reach_has_its_root_above_it(layout):
    for joint in range(layout.num_joints):
        seen = [joint]
        while layout.parents[seen[-1]] != seen[-1]:
            parent = layout.parents[seen[-1]]
            assert parent not in seen
            assert int(layout.hops[seen[-1], parent]) == 1
            seen.append(parent)


@EVERY_LAYOUT
def test_a_layout_survives_json_networkx_and_pickle(layout, tmp_path):
    layout.to_json(tmp_path / "layout.json")
    assert SkeletonLayout.from_json(tmp_path / "layout.json") == layout
    assert pickle.loads(pickle.dumps(layout)) == layout
    again = SkeletonLayout.from_networkx(layout.to_networkx(), parents=layout.parents)
    assert again.joints == layout.joints
    assert {frozenset(b) for b in again.bones} == {frozenset(b) for b in layout.bones}
    assert (again.centre, again.left_right) == (layout.centre, layout.left_right)
    assert (dict(again.parts), again.canonical) == (dict(layout.parts), layout.canonical)


# --- values -------------------------------------------------------------------------------------
def test_layouts_compare_and_hash_by_value():
    one, two = SkeletonLayout.from_dict(CROSS), SkeletonLayout.from_dict(CROSS)
    assert one == two
    assert hash(one) == hash(two)
    assert one != SkeletonLayout.from_dict({**CROSS, "centre": "tip"})
    assert len({one, two}) == 1


def test_a_layout_cannot_be_changed():
    layout = SkeletonLayout.from_dict(CROSS)
    with pytest.raises(AttributeError, match="immutable"):
        layout.centre = (1,)
    with pytest.raises(AttributeError, match="immutable"):
        del layout.bones
    with pytest.raises(TypeError):
        layout.parts["more"] = (1,)
    assert copy.deepcopy(layout) is layout


def test_a_layout_prints_what_it_is():
    text = repr(SkeletonLayout.from_dict(CROSS))
    assert text == "SkeletonLayout('cross', joints=4, bones=3, centre=hub)"


def test_a_hop_to_a_set_of_centres_is_the_smallest():
    chain = {"joints": list("abcde"), "bones": [[0, 1], [1, 2], [2, 3], [3, 4]], "centre": [0, 3]}
    layout = SkeletonLayout.from_dict(chain)
    assert layout.centre_hops.tolist() == [0, 1, 1, 0, 1]
    assert layout.parents == (0, 0, 3, 3, 3)


def test_joints_are_found_by_their_own_and_their_canonical_name():
    layout = SkeletonLayout.from_dict({**CROSS, "canonical": ["pelvis", None, None, "head"]})
    assert layout.index("tip") == layout.index("head") == 3
    with pytest.raises(ValueError, match="no joint 'nose'; it has hub, left, right, tip"):
        layout.index("nose")


def test_permuting_and_permuting_back_is_identity():
    layout = SkeletonLayout.from_dict(CROSS)
    perm = [2, 0, 3, 1]
    back = [perm.index(i) for i in range(4)]
    permuted = layout.permute(perm)
    assert permuted.joints == ("right", "hub", "tip", "left")
    assert permuted.centre == (1,)
    assert permuted.permute(back) == layout
    with pytest.raises(ValueError, match=r"a permutation of 0\.\.\.3"):
        layout.permute([0, 0, 1, 2])


# --- a user's own -------------------------------------------------------------------------------
def test_a_layout_comes_from_names_numbers_and_graphs_alike():
    by_number = {**CROSS, "bones": [[0, 1], [0, 2], [0, 3]], "centre": 0, "left_right": [[1, 2]],
                 "parts": {"ends": [1, 2, 3]}}  # fmt: skip
    graph = nx.Graph(name="cross")
    graph.add_nodes_from(CROSS["joints"])
    graph.add_edges_from(CROSS["bones"])
    fields = {key: CROSS[key] for key in ("centre", "left_right", "parts")}
    layout = SkeletonLayout.from_dict(CROSS)
    assert SkeletonLayout.from_dict(by_number) == layout
    assert SkeletonLayout.from_networkx(graph, **fields) == layout
    assert resolve_layout(CROSS) == layout
    assert resolve_layout(layout) is layout
    assert resolve_layout(graph).num_joints == 4


def test_a_layout_file_is_taken_by_its_path(tmp_path):
    layout = SkeletonLayout.from_dict(CROSS)
    layout.to_json(tmp_path / "own.json")
    assert resolve_layout(str(tmp_path / "own.json")) == layout
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    for name, message in (
        ("none.json", "does not exist"),
        ("list.json", "expected an object"),
        ("broken.json", "is not JSON"),
    ):
        with pytest.raises(ValueError, match=message):
            resolve_layout(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bones": [["hub", "nose"]]}, "has no joint 'nose'; it has hub, left"),
        ({"bones": [[0, 4]]}, r"4 joints, numbered from 0, but its bone \(0, 4\) names joint 4"),
        ({"bones": [[0, 0]]}, "joins a joint to itself"),
        ({"bones": [[0, 1, 2]]}, "expected two joints a bone"),
        ({"centre": "nose"}, "has no joint 'nose'"),
        ({"centre": 9}, r"its centre \(9,\) names joint 9"),
        ({"left_right": [["left", "right"], ["left", "tip"]]}, "in more than one left/right pair"),
        ({"parts": {"all": [7]}}, "its part 'all'"),
        ({"joints": ["hub", "left", "right", "tip", "tip"]}, "expected different joint names"),
        ({"canonical": ["a"]}, "4 canonical names, one a joint .got 1"),
        ({"parents": [0, 0]}, "expected 4 parents"),
        ({"edges": []}, r"does not know \['edges'\]"),
        ({"joints": "abcd"}, "expected joints as a list"),
        ({"bones": None}, r"expected bones as a list \(got None\)"),
        ({"bones": 5}, r"expected bones as a list \(got 5\)"),
        ({"bones": [0, 1]}, r"expected each bone as a list \(got 0\)"),
        ({"bones": [[0.9, 1]]}, r"expected joint numbers in each bone \(got 0.9\)"),
        ({"centre": 0.5}, r"expected joint numbers in centre \(got 0.5\)"),
        ({"left_right": [1]}, "expected each left/right pair as a list"),
        ({"parts": [0]}, "expected parts as names of joint lists"),
        ({"parts": {"all": 3}}, "expected parts 'all' as a list"),
        ({"canonical": 3}, "expected canonical as a list"),
        ({"parents": [None] * 4}, "expected joint numbers in parents"),
        ({"parents": [0, 2, 3, 1]}, "those of joint 'left' go round in a circle"),
    ],
)
def test_a_contradiction_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=f"layout 'cross'.*{message}"):
        SkeletonLayout.from_dict({**CROSS, **change})


def test_what_is_no_description_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a dict with joints and bones"):
        SkeletonLayout.from_dict([1])
    with pytest.raises(ValueError, match=r"layout file .* cannot be read.*directory"):
        SkeletonLayout.from_json(tmp_path)
    (tmp_path / "own.json").write_text('{"joints": ["a"], "bones": 5}')
    with pytest.raises(ValueError, match=r"own.json': layout 'own' expected bones as a list"):
        SkeletonLayout.from_json(tmp_path / "own.json")


# --- networkx and back --------------------------------------------------------------------------
@EVERY_LAYOUT
def test_a_layout_survives_networkx(layout):
    assert SkeletonLayout.from_networkx(layout.to_networkx()) == layout


def test_order_and_direction_of_bones_and_given_parents_survive_networkx():
    odd = {**CROSS, "bones": [[3, 0], [0, 2], [1, 0]], "parents": [3, 0, 0, 3]}
    layout = SkeletonLayout.from_dict(odd)
    assert SkeletonLayout.from_networkx(layout.to_networkx()) == layout


def test_an_edge_that_a_user_adds_is_a_further_bone():
    graph = SkeletonLayout.from_dict(CROSS).to_networkx()
    graph.add_edge("left", "right")
    assert SkeletonLayout.from_networkx(graph).bones == ((0, 1), (0, 2), (0, 3), (1, 2))


def test_parallel_edges_are_one_bone():
    graph = nx.MultiDiGraph([("a", "b"), ("a", "b"), ("b", "a"), ("b", "c")])
    assert SkeletonLayout.from_networkx(graph).bones == ((0, 1), (1, 2))


# --- the same joints ----------------------------------------------------------------------------
def test_wirings_of_one_skeleton_have_the_same_joints_and_others_do_not():
    kinect = SkeletonLayout.named("kinect_v1_20")
    assert kinect.joint_conflict(SkeletonLayout.named("kinect_v1_20_ctrgcn")) is None
    utd = SkeletonLayout.named("utd_mhad_20")
    assert kinect.joint_conflict(utd) == "joint 0 is 'hip_center' there, 'head' here"
    assert kinect.joint_conflict(SkeletonLayout.named("sbu_15")) == "20 joints there, 15 here"
    swapped = kinect.permute([1, 0, *range(2, 20)])
    assert kinect.joint_conflict(swapped) == "joint 0 is 'hip_center' there, 'spine' here"


def test_joints_with_other_names_are_the_same_by_their_canonical_ones():
    ours = SkeletonLayout("ours", ["Kopf", "Hals"], [(0, 1)], canonical=["head", None])
    theirs = SkeletonLayout("theirs", ["tete", "Hals"], [(0, 1)], canonical=["head", "neck"])
    assert ours.joint_conflict(theirs) is None
    nameless = SkeletonLayout("nameless", ["0", "1"], [(0, 1)], canonical=[None, None])
    assert nameless.joint_conflict(ours) is None
    assert ours.joint_conflict(nameless) is None


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="expected the key 'bones'"):
        SkeletonLayout.from_dict({"joints": ["a"]})


def test_an_unknown_node_of_networkx_is_refused():
    with pytest.raises(ValueError, match="'nose' is not a node"):
        SkeletonLayout.from_networkx(nx.path_graph(3), centre="nose")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown layout .ntu.; known are .*kinect_v2_25"):
        resolve_layout("ntu")
    with pytest.raises(TypeError, match="got int"):
        resolve_layout(25)


def test_a_layout_without_centre_says_so_when_one_is_needed():
    layout = SkeletonLayout("loose", ["a", "b"], [(0, 1)])
    assert layout.centre == ()
    with pytest.raises(ValueError, match="layout 'loose' has no centre"):
        _ = layout.centre_hops


def test_two_components_are_counted_and_unreachable_joints_marked():
    layout = SkeletonLayout("two", ["a", "b", "c"], [(0, 1)], centre=0)
    assert layout.num_components == 2
    assert layout.components == ((0, 1), (2,))
    assert layout.hops[0].tolist() == [0, 1, -1]
    assert layout.centre_hops.tolist() == [0, 1, -1]
    assert layout.parents == (0, 0, 2)
