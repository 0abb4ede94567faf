"""A network on fewer joints equals the one that has no edges from and to the others."""

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import SkeletonLayout
from stgraph.nn import (
    STGCN,
    FrameClassifier,
    MotionPredictor,
    RecurrentDecoder,
    SkeletonGIN,
    embed_poses,
)
from stgraph.objectives import MaskTokens
from stgraph.sparsity import edge_scores, joint_scores, prune_edges, prune_joints
from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    assert_exports,
    assert_folded_equals_unrolled,
    assert_joint_permutation,
    assert_people_invariant,
    assert_track_ends_hard,
)
from tests.sparsity.samples import BODY, WITH_CTR, network, recording

KEPT = ["right_foot", "hip", "neck", "left_hand"]
NUMBERS = torch.tensor([0, 1, 2, 5])


def without_edges_to_others(model):
    twin = copy.deepcopy(model)
    own = twin.partition_of(BODY)
    gone = ~torch.isin(own.edge_index, NUMBERS).all(dim=0)
    others = torch.tensor([3, 4])
    with torch.no_grad():
        own.edge_weight[gone] = 0.0
        for block in twin.blocks:
            adjacency = block.spatial.adjacency
            if adjacency is not None:
                adjacency[:, others] = 0.0
                adjacency[:, :, others] = 0.0
    return twin


@pytest.mark.parametrize("name", WITH_CTR)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_kept_joints_have_the_embeddings_of_a_network_without_edges_to_the_others(
    name, dtype, tolerance
):
    model = network(name, dtype)
    if name == "CTR-GCN":
        with torch.no_grad():  # what the layer makes of the data joins all joints
            for block in model.blocks:
                block.spatial.conv.alpha.zero_()
    data = Batch.from_data_list([recording([5, 3]), recording([4], seed=1)])
    data.pos = data.pos.to(dtype)
    smaller = prune_joints(model, KEPT)
    whole = without_edges_to_others(model)
    with torch.no_grad():
        nodes, expected = smaller.nodes(data), whole.nodes(data)
        assert nodes.joint.tolist() == NUMBERS.tolist()
        assert_close(nodes.x, expected.x[:, NUMBERS], tolerance)
        # pooling leaves the others out
        x, plan = whole.unpack(data)
        pooled = whole.core(x, plan)[NUMBERS].mean(dim=0) * plan.pool_weight[:, None]
        z = torch.zeros(2, pooled.size(1), dtype=dtype).index_add(0, plan.pool_batch, pooled)
        assert_close(smaller.embed(data), z, tolerance)
        assert_close(smaller(data), whole.head(z), tolerance)


def test_ctr_gcn_relates_kept_joints_as_it_did_among_all():
    model = network("CTR-GCN")
    data = recording([5])
    one = prune_joints(model, ["hip"])
    two = prune_joints(prune_joints(model, KEPT), ["hip"])
    with torch.no_grad():
        assert_close(one(data), two(data), 1e-12)
        assert not torch.allclose(one(data), prune_joints(model, KEPT)(data))


def test_joints_that_are_cut_off_have_no_influence():
    model = prune_joints(network(), KEPT)
    data = recording([4, 2])
    other = copy.copy(data)
    other.pos = data.pos.clone()
    other.folded("pos")[:, [3, 4]] = 1e6
    with torch.no_grad():
        assert torch.equal(model(data), model(other))


@pytest.mark.parametrize("name", WITH_CTR)
def test_a_network_on_fewer_joints_is_saved_and_loads(name, tmp_path):
    model = prune_joints(network(name, torch.float32), KEPT)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    data = recording([4, 2])
    data.pos = data.pos.float()
    with torch.no_grad():
        assert torch.equal(again(data), model(data))
    assert again.nodes(data).joint.tolist() == NUMBERS.tolist()


@pytest.mark.parametrize("name", WITH_CTR)
def test_a_network_on_fewer_joints_obeys_the_laws(name):
    model = prune_joints(network(name), KEPT)
    graphs = [recording(lengths, seed=i) for i, lengths in enumerate(([5, 3], [1], [8, 2]))]
    assert_batch_consistent(model, graphs)
    assert_people_invariant(model, graphs[0])
    assert_track_ends_hard(model, graphs[0])
    for perm in ([5, 3, 0, 1, 4, 2], [1, 0, 2, 3, 4, 5], [2, 4, 5, 3, 1, 0]):
        assert_joint_permutation(model, graphs[2], perm)
    if name not in ("message passing", "CTR-GCN"):
        assert_folded_equals_unrolled(model, Batch.from_data_list(graphs))


@pytest.mark.parametrize("order", [[0, 1, 2, 5], [5, 2, 0, 1]])
def test_a_recording_of_exactly_these_joints_is_read_too_in_any_order(order):
    layout = SkeletonLayout("four", [BODY.joints[j] for j in order], [(0, 1)])
    model, data = prune_joints(network("init"), KEPT), recording([4, 2])
    pos = data.folded("pos")[:, order].flatten(0, 1)
    small = recording([4, 2], layout)
    small.pos = pos
    with torch.no_grad():
        assert_close(model(small), model(data), 1e-12)
    part = model.partition_of(layout)
    named = [[layout.joints[j] for j in row] for row in part.edge_index.tolist()]
    whole = model.partition_of(BODY).edge_index.tolist()
    assert named == [[BODY.joints[j] for j in row] for row in whole]


def test_recordings_of_other_joints_and_orders_in_one_batch_are_refused():
    model = prune_joints(network(), KEPT)
    names = [BODY.joints[j] for j in NUMBERS]
    layouts = [SkeletonLayout("a", names, []), SkeletonLayout("b", names[::-1], [])]
    with pytest.raises(ValueError, match=r"joints are in one order \(got layouts a, b\)"):
        model(Batch.from_data_list([recording([2], layout) for layout in layouts]))
    strange = SkeletonLayout("c", ["hip", "neck", "left_hand", "tail"], [])
    with pytest.raises(ValueError, match="is bound to layout 'body' and got 'c'"):
        model(recording([2], strange))
    with pytest.raises(ValueError, match="6 joints there, 3 here"):
        model(recording([2], SkeletonLayout("d", names[:3], [])))


def test_a_network_is_built_on_fewer_joints_from_the_start_and_computes_on_them_alone():
    model = STGCN(3, 2, BODY, channels=[4, 4], joints=KEPT)
    x, _ = model.unpack(Batch.from_data_list([recording([4])]))
    assert x.shape == (4, 4, 3)
    assert model.data_norm.num_features == 12
    assert set(model.partition_of(BODY).edge_index.flatten().tolist()) == set(NUMBERS.tolist())
    learned = STGCN(3, 2, BODY, channels=[4], joints=KEPT, adaptive="init")
    assert learned.blocks[0].spatial.adjacency.shape == (3, 4, 4)
    for wrong, message in (
        (["tail"], "has no joint 'tail'"),
        (["hip", "hip"], "each once"),
        ("hip", r"write \['hip'\]"),
        ([], "at least one joint"),
    ):
        with pytest.raises(ValueError, match=message):
            STGCN(3, 2, BODY, channels=[4], joints=wrong)
    with pytest.raises(ValueError, match="give the network a layout"):
        STGCN(3, joints=KEPT, edge_importance=False, data_norm="channel")


def test_edges_and_joints_are_pruned_in_any_order():
    model, data = network("init"), recording([5])
    small = prune_joints(model, KEPT)
    edges = edge_scores(small).edges
    assert edges.num_edges == 3 * 4 * 4
    assert edges.num_joints == 6
    keep = torch.rand(48, generator=torch.Generator().manual_seed(0)) < 0.6
    one = prune_edges(small, keep=keep, floor=0)
    full = torch.zeros(3, 6, 6, dtype=torch.bool)
    full[edges.edge_type[keep], edges.edge_index[1][keep], edges.edge_index[0][keep]] = True
    two = prune_joints(prune_edges(model, keep=full.flatten(), floor=0), KEPT, floor=0)
    with torch.no_grad():
        assert_close(one(data), two(data), 1e-12)
    assert one.partition_of(BODY).num_edges == two.partition_of(BODY).num_edges == int(keep.sum())


def test_a_joint_counts_as_much_as_the_edges_that_leave_it():
    scores = edge_scores(network())
    expected = [float(scores.score[scores.edges.edge_index[0] == j].sum()) for j in range(6)]
    assert_close(joint_scores(network()), torch.tensor(expected, dtype=torch.float64), 1e-12)
    assert_close(joint_scores(network(), scores=scores).sum(), scores.score.sum(), 1e-12)


def labelled():
    data = Batch.from_data_list([recording([5, 3], seed=seed) for seed in (0, 1, 2)])
    data.y = torch.tensor([0, 2, 1])
    return data


def test_occlusion_says_how_much_worse_the_loss_gets_without_what_a_joint_says():
    model, data = network(), labelled()
    data.score = (torch.arange(data.pos.size(0)) % 7 > 0).double()
    scores = joint_scores(model, "occlusion", data)
    other = copy.copy(data)
    x = torch.where(data.score[:, None] > 0, data.pos, 0.0).view(-1, 6, 3).clone()
    found = data.score.view(-1, 6)[:, 2] > 0
    x[found, 2] = x[found, 2].mean(dim=0)
    other.x = x.flatten(0, 1)
    with torch.no_grad():
        losses = [torch.nn.functional.cross_entropy(model(d), data.y) for d in (data, other)]
    assert_close(scores[2], losses[1] - losses[0], 1e-9)
    assert "x" not in data


def test_a_joint_that_nothing_listens_to_scores_zero():
    model = prune_joints(network(), KEPT)
    for scores in (joint_scores(model), joint_scores(model, "occlusion", labelled())):
        assert (scores[[3, 4]] == 0).all()
        assert (scores[NUMBERS] != 0).all()


def test_occlusion_takes_any_loss_and_says_what_it_needs():
    model, data = network(), labelled()
    errors = joint_scores(
        model, "occlusion", data, lambda m, b: (m(b).argmax(1) != b.y).double().mean()
    )
    assert set((errors * 3).round().tolist()) <= {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}
    with pytest.raises(ValueError, match="needs recordings"):
        joint_scores(model, "occlusion")
    with pytest.raises(ValueError, match="known are edges, occlusion"):
        joint_scores(model, "degree")
    with pytest.raises(ValueError, match=r"recordings of layout 'body' \(got 'coco_17'"):
        joint_scores(model, "occlusion", recording([3], "coco_17"))


def test_joints_that_would_be_cut_off_from_everything_or_are_unknown_are_refused():
    model = network(partition="symmetrical")
    cut = prune_edges(model, keep=(edge_scores(model).edges.edge_index[0] != 2), floor=1)
    with pytest.raises(ValueError, match="would arrive at left_hand; keep another"):
        prune_joints(cut, ["left_hand", "left_foot"])
    assert prune_joints(cut, ["left_hand", "left_foot"], floor=0).kept.tolist() == [2, 4]
    with pytest.raises(ValueError, match="has no joint 'tail'"):
        prune_joints(model, ["tail"])
    with pytest.raises(ValueError, match=r"looks at \(got \['left_foot'\]\)"):
        prune_joints(prune_joints(model, KEPT), ["left_foot", "hip"])
    with pytest.raises(ValueError, match=r"write \['hip'\]"):
        prune_joints(model, "hip")
    with pytest.raises(TypeError, match="expected an STGCN"):
        prune_joints(SkeletonGIN(3, 8, 1, layout=BODY), KEPT)


def test_tasks_of_all_joints_say_that_they_need_them():
    small = prune_joints(network(dtype=torch.float32), KEPT)
    with pytest.raises(ValueError, match="cannot fill in the others"):
        MaskTokens(small)
    data = recording([4])
    data.pos = data.pos.float()
    assert embed_poses(small, data).shape == (4, 8)
    predictor = MotionPredictor(small, RecurrentDecoder(8, BODY, width=8, num_dims=3))
    assert predictor(data, 2).isfinite().all()


def test_a_smaller_network_exports_and_outlives_another_order_of_joints(tmp_path):
    model = prune_edges(prune_joints(network("init", torch.float32), KEPT), 0.5)
    batches = [Batch.from_data_list([recording(lengths)]) for lengths in ([5, 3], [7, 2])]
    for data in batches:
        data.pos = data.pos.float()
    assert_exports(model, batches)
    model.permute_joints([3, 0, 1, 2, 5, 4])
    model.save_pretrained(tmp_path)
    again = STGCN.from_pretrained(tmp_path).eval()
    data = recording([4], model.layout)
    data.pos = data.pos.float()
    with torch.no_grad():
        assert torch.equal(again(data), model(data))
    assert [model.layout.joints[j] for j in model.kept] == [
        name for name in model.layout.joints if name in KEPT
    ]


def test_a_classifier_of_frames_is_saved_with_its_smaller_encoder(tmp_path):
    model = FrameClassifier(prune_joints(network("offset", torch.float32), KEPT), 2).eval()
    model.save_pretrained(tmp_path)
    data = recording([4, 2])
    data.pos = data.pos.float()
    with torch.no_grad():
        again = FrameClassifier.from_pretrained(tmp_path).eval()
        assert torch.equal(again(data).logits, model(data).logits)
    with pytest.raises(TypeError, match=r"give it the encoder inside \(.encoder\)"):
        joint_scores(model)
