"""A network without some of its channels gives what it gives with those silent."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch_geometric.nn import GATv2Conv, MessagePassing

from stgraph.nn import (
    AAGCN,
    CTRGCN,
    DGSTGCN,
    STGCN,
    STRL,
    AdaptiveGraphConv,
    ChannelSlice,
    CTRGraphConv,
    DynamicGroupGraphConv,
    FrameClassifier,
    HiTRS,
    LayerChannels,
    MotionPredictor,
    MultiBranchTemporalConv,
    RecurrentDecoder,
    SkeletonGIN,
    SkeletonTransformer,
    STGCNPlusPlus,
    STGraphConv,
    TransformerStack,
    channel_groups,
    living_channels,
    silence_channels,
    to_published,
    with_channels,
)
from stgraph.nn.published import MAMPParts, to_mamp
from stgraph.testing import assert_close, random_batch, randomise_norms
from tests.laws.encoders import BODY, HAND

LENGTHS = [[5, 1], [7], [2, 9], [1]]


def stgcn(block="stgcn", **kwargs):
    sizes = {"layout": BODY, "channels": [6, 6, 10], "temporal_kernel": 5, "num_classes": 4}
    return STGCN(3, **{**sizes, "block": block, **kwargs})


def plus_plus(**kwargs):
    sizes = {"layout": BODY, "channels": [12, 12, 24], "strides": [1, 1, 2], "num_classes": 4}
    return STGCNPlusPlus(3, **{**sizes, **kwargs})


def ctrgcn(**kwargs):
    sizes = {"layout": BODY, "channels": [8, 8, 16], "strides": [1, 1, 2], "num_classes": 4}
    return CTRGCN(3, **{**sizes, **kwargs})


def aagcn(**kwargs):
    sizes = {"layout": BODY, "channels": [8, 8, 16], "strides": [1, 1, 2], "num_classes": 4}
    return AAGCN(3, **{**sizes, "temporal_kernel": 5, **kwargs})


def dgstgcn(**kwargs):
    sizes = {"layout": BODY, "channels": [12, 12, 18], "strides": [1, 1, 2], "num_classes": 4}
    return DGSTGCN(3, **{**sizes, "num_groups": 3, **kwargs})


def transformer(**kwargs):
    sizes = {"layout": BODY, "width": 8, "depth": 2, "num_heads": 4, "num_classes": 4}
    return SkeletonTransformer(3, **{**sizes, "patch_size": 2, **kwargs})


def hitrs(**kwargs):
    sizes = {"layout": BODY, "width": 8, "depth": 2, "num_heads": 3, "head_channels": 4}
    rest = {"window": 3, "stride": 2, "num_classes": 4}
    return HiTRS(3, **{**sizes, **rest, **kwargs})


def strl(**kwargs):
    sizes = {"in_channels": 3, "width": 12, "depth": 2, "hidden_channels": 8}
    return STRL(num_classes=4, num_layers=2, encoder_kwargs=sizes, **kwargs)


def plain(**block_kwargs):
    return lambda: stgcn("plain", block_kwargs=block_kwargs)


NETWORKS = {
    "stgcn": stgcn,
    "stgcn, sums first": lambda: stgcn(conv_kwargs={"aggregate_first": True}),
    "stgcn, no bias": lambda: stgcn(conv_kwargs={"bias": False}, adaptive="offset"),
    "stgcn, tied to the data": lambda: stgcn(first_residual=True, channels=[3, 3, 6]),
    "stgcn, wider without a stride": lambda: stgcn(first_residual=True, strides=[1, 1, 1]),
    "stgcn, a stride without wider": lambda: stgcn(channels=[6, 6, 6], strides=[1, 2, 1]),
    "stgcn, any layout": lambda: stgcn(
        layout=None, edge_importance=False, data_norm="channel", partition="distance"
    ),
    "stgcn of CTR layers": lambda: stgcn(conv=CTRGraphConv),
    "plain": plain(),
    "plain, norm at the start": plain(norm="start"),
    "plain, norm at the end": plain(norm="end", relu_first=True),
    "plain, no norm": plain(norm="none"),
    "plain of CTR layers": lambda: stgcn("plain", conv=CTRGraphConv, edge_importance=False),
    "pre-activation": lambda: stgcn("preactivation"),
    "pre-activation, stride": lambda: stgcn("preactivation", strides=[1, 1, 1]),
    "PYSKL's ST-GCN": lambda: stgcn(
        "stgcn++", block_kwargs={"spatial_residual": False, "branches": None}
    ),
    "stgcn++": plus_plus,
    "stgcn++ without mix": lambda: plus_plus(block_kwargs={"branches": {"mix": False}}),
    "stgcn++ without inner shortcut": lambda: plus_plus(block_kwargs={"spatial_residual": False}),
    "ctrgcn": ctrgcn,
    "ctrgcn with mix": lambda: ctrgcn(block_kwargs={"branches": {"dilations": (1, 2)}}),
    "stgcn of adaptive layers": lambda: stgcn(conv=AdaptiveGraphConv),
    "plain of adaptive layers": lambda: stgcn("plain", conv=AdaptiveGraphConv),
    "stgcn of dynamic groups": lambda: stgcn(conv=DynamicGroupGraphConv, conv_kwargs={"ratio": 1}),
    "pre-activation of dynamic groups": lambda: stgcn("preactivation", conv=DynamicGroupGraphConv),
    "AAGCN": aagcn,
    "AAGCN without attention to joints": lambda: aagcn(attention=False),
    "AAGCN with branches": lambda: aagcn(block_kwargs={"branches": {"dilations": (1, 2)}}),
    "AAGCN, any layout": lambda: aagcn(
        layout=None, attention=False, adaptive=None, data_norm="channel"
    ),
    "DG-STGCN": dgstgcn,
    "DG-STGCN, a gate for each group": lambda: dgstgcn(conv_kwargs={"gate_per_group": True}),
    "transformer": transformer,
    "transformer, head of joints": lambda: transformer(head="joints", head_channels=6),
    "transformer, any layout": lambda: transformer(layout=None),
    "Hi-TRS": hitrs,
    "Hi-TRS, clips of any layout": lambda: hitrs(layout=None, levels=("frame", "clip")),
    "STRL": strl,
    "STRL, one temporal layer": lambda: strl(temporal="last", exchange=False),
    "GIN": lambda: SkeletonGIN(3, width=8, depth=2, hidden_channels=12),
}


def network(name, dtype=torch.float64):
    """Weights and statistics look as after some training."""
    torch.manual_seed(0)
    model = randomise_norms(NETWORKS[name]())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval()


def a_choice(model, seed, share=0.5):
    g = torch.Generator().manual_seed(seed)
    groups = channel_groups(model).items()
    return {name: torch.rand(group.size, generator=g) < share for name, group in groups}


def masked(model, keep):
    return silence_channels(copy.deepcopy(model), keep)


def batch(model, dtype=torch.float64):
    mixed = "any layout" if getattr(model, "layout", None) is None else ""
    layouts = [BODY, HAND, BODY, HAND] if mixed else BODY
    return random_batch(LENGTHS, layouts, generator=torch.Generator().manual_seed(1), dtype=dtype)


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_without_silent_channels_a_network_gives_the_same(name, seed):
    for dtype in (torch.float64, torch.float32):
        model = network(name, dtype)
        keep = a_choice(model, seed, (0.5, 0.25, 0.9)[seed])
        recordings = batch(model, dtype)
        silent = masked(model, keep)
        small = with_channels(silent, keep)
        assert type(small) is type(model)
        assert num_parameters(small) < num_parameters(model)
        tolerance = 1e-10 if dtype == torch.float64 else 1e-5
        assert_close(small(recordings), silent(recordings), tolerance)
        assert not torch.allclose(silent(recordings), model(recordings))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_smaller_network_is_saved_and_trained_like_any_other(name, tmp_path):
    model = network(name)
    small = with_channels(model, a_choice(model, 3))
    small.save_pretrained(tmp_path)
    code = {"conv": small.config["conv"]} if small.config.get("conv") else {}
    again = type(small).from_pretrained(tmp_path, **code).double().eval()
    recordings = batch(model)
    assert torch.equal(again(recordings), small(recordings))
    small.train()
    optimiser = torch.optim.SGD(small.parameters(), lr=0.1)
    before = {name: p.clone() for name, p in small.named_parameters()}
    small(recordings).square().mean().backward()
    optimiser.step()
    moved = sum(not torch.equal(before[name], p) for name, p in small.named_parameters())
    assert moved > len(before) / 2
    # and made smaller once more
    keep = a_choice(small.eval(), 4)
    silent = masked(small, keep)
    assert_close(with_channels(silent, keep)(recordings), silent(recordings), 1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_channels_that_live_are_those_whose_gates_are_not_zero(name):
    model = network(name)
    assert all(alive.all() for alive in living_channels(model).values())
    keep = a_choice(model, 5)
    found = living_channels(masked(model, keep))
    assert all(torch.equal(found[name], kept) for name, kept in keep.items())


def test_the_groups_of_an_stgcn_are_its_hidden_channels_and_its_stages():
    model = stgcn(channels=[6, 6, 10, 10])
    groups = {name: group.size for name, group in channel_groups(model).items()}
    hidden = {f"blocks.{i}.hidden": size for i, size in enumerate((6, 6, 10, 10))}
    assert groups == {**hidden, "stage.0": 6, "stage.1": 10}
    small = with_channels(
        model,
        {"blocks.1.hidden": torch.arange(6) < 2, "stage.1": torch.arange(10) < 3},
    )
    assert small.channels == [6, 6, 3, 3]
    assert small.config["hidden_channels"] == [6, 2, 10, 10]
    assert small.blocks[1].temporal.weight.shape == (6, 2, 5)
    assert small.blocks[2].shortcut.conv.weight.shape == (3, 6, 1)
    assert small.head[1].weight.shape == (4, 3)


def test_what_a_network_returns_is_never_cut():
    assert "stage.1" not in channel_groups(stgcn(num_classes=None))
    assert "stage.1" in channel_groups(stgcn())
    names = channel_groups(stgcn(first_residual=True, channels=[3, 3, 6]))
    # the first stage carries the channels of the data
    assert [name for name in names if name.startswith("stage")] == ["stage.0"]
    assert names["stage.0"].size == 6


def test_a_shortcut_stays_a_convolution_where_both_sides_become_as_wide():
    model = network("stgcn, wider without a stride")
    keep = {"stage.1": torch.arange(10) < 6}
    silent = masked(model, keep)
    small = with_channels(silent, keep)
    assert small.channels == [6, 6, 6]
    assert small.blocks[2].shortcut.conv is not None
    assert_close(small(batch(model)), silent(batch(model)))


@pytest.mark.parametrize(
    ("name", "branch"), [*(("stgcn++", i) for i in range(6)), *(("ctrgcn", i) for i in range(4))]
)
def test_whole_branches_go(name, branch):
    model = network(name)
    temporal = model.blocks[2].temporal
    sizes = temporal.branch_channels
    keep = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)) != branch
    group = "blocks.2.temporal.branches" if temporal.mix is not None else "stage.1"
    silent = masked(model, {group: keep})
    small = with_channels(silent, {group: keep})
    rest = small.blocks[2].temporal
    assert rest.branch_channels[branch] == 0
    if branch < len(rest.branches):
        assert isinstance(rest.branches[branch], nn.Identity)
        assert rest.reduce.weight.size(0) == sum(rest.branch_channels[:-1])
    if branch == len(sizes) - 1:
        assert rest.point is None
    assert_close(small(batch(model)), silent(batch(model)), 1e-10)


def test_only_one_branch_may_be_left():
    for left in range(6):
        sizes = [4 if branch == left else 0 for branch in range(6)]
        layer = MultiBranchTemporalConv(8, 16, branch_channels=sizes)
        assert (layer.reduce is None) == (left == 5)
        assert sum(p.numel() for p in layer.parameters()) > 0
    with pytest.raises(ValueError, match="branches"):
        MultiBranchTemporalConv(8, 16, branch_channels=[0] * 6)
    with pytest.raises(ValueError, match=r"'reduced_channels' for each convolution"):
        MultiBranchTemporalConv(8, 16, branch_channels=[4] * 6, reduced_channels=[0, 4, 4, 4])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_channel_of_a_group_stays(name):
    model = network(name)
    groups = channel_groups(model)
    keep = {name: torch.zeros(group.size, dtype=torch.bool) for name, group in groups.items()}
    silent = masked(model, keep)
    small = with_channels(silent, keep)
    assert all(group.size > 0 for group in channel_groups(small).values())
    assert_close(small(batch(model)), silent(batch(model)), 1e-10)


def test_of_a_group_that_would_go_the_strongest_channel_stays():
    model = stgcn()
    with torch.no_grad():
        model.blocks[2].norm1.weight.copy_(torch.arange(10.0).roll(3))
    small = with_channels(model, {"blocks.2.hidden": torch.zeros(10, dtype=torch.bool)})
    assert small.blocks[2].norm1.weight.tolist() == [9.0]


def test_an_encoder_of_frames_loses_channels_but_for_those_that_it_returns():
    for encoder in (stgcn(num_classes=None), stgcn(), hitrs(num_classes=None)):
        model = randomise_norms(FrameClassifier(encoder, 3)).double().eval()
        groups = channel_groups(model)
        assert "encoder.stage.1" not in groups
        keep = a_choice(model, 0)
        silent = masked(model, keep)
        small = with_channels(silent, keep)
        assert num_parameters(small) < num_parameters(model)
        recordings = batch(encoder)
        assert_close(small(recordings).logits, silent(recordings).logits, 1e-10)
    with pytest.raises(TypeError, match=r"MotionPredictor does not say.*\(\.encoder\)"):
        channel_groups(MotionPredictor(stgcn(), RecurrentDecoder(10, BODY)))


def test_a_network_of_all_its_channels_is_a_copy():
    model = network("ctrgcn")
    model.blocks[0].norm1.weight.requires_grad_(False)
    state = torch.random.get_rng_state()
    small = with_channels(model, {})
    assert torch.equal(torch.random.get_rng_state(), state)
    assert small.config == model.config
    assert not small.blocks[0].norm1.weight.requires_grad
    assert torch.equal(small(batch(model)), model(batch(model)))
    assert small.blocks[0].norm1.weight is not model.blocks[0].norm1.weight


class Mean(MessagePassing):
    def __init__(self, in_channels, out_channels):
        super().__init__(aggr="mean", node_dim=0)
        self.project = nn.Linear(in_channels, out_channels)

    def forward(self, x, edge_index):
        return self.project(x) + self.propagate(edge_index, x=self.project(x))

    def channel_slices(self):
        made = (ChannelSlice("project.weight"), ChannelSlice("project.bias"))
        return LayerChannels((ChannelSlice("project.weight", axis=1),), made, made)


def test_a_layer_of_ones_own_that_says_where_its_channels_lie_is_cut():
    for block in ("stgcn", "plain", "preactivation"):
        model = stgcn(block, conv=Mean, edge_importance=False).double().eval()
        randomise_norms(model)
        keep = a_choice(model, 1)
        assert "blocks.0.hidden" in keep
        silent = masked(model, keep)
        assert_close(with_channels(silent, keep)(batch(model)), silent(batch(model)), 1e-10)


class Doubled(STGraphConv):
    def message(self, x_j, edge_weight):
        return 2 * super().message(x_j, edge_weight)


@pytest.mark.parametrize("conv", [GATv2Conv, "GINConv", Doubled])
def test_a_foreign_layer_has_no_groups_and_the_message_says_so(conv):
    model = stgcn(conv=conv, edge_importance=False)
    assert list(channel_groups(model)) == ["stage.1"]
    with pytest.raises(ValueError, match=r"no group of channels 'blocks.0.hidden'.*it has stage.1"):
        with_channels(model, {"blocks.0.hidden": torch.ones(6, dtype=torch.bool)})


def test_a_choice_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'stage.0' expected a choice of 6 .*got \[5\]"):
        with_channels(stgcn(), {"stage.0": torch.ones(5, dtype=torch.bool)})
    with pytest.raises(TypeError, match="Linear does not say which channels can be left out"):
        with_channels(nn.Linear(2, 2), {})


def test_arguments_of_units_need_one_entry_each():
    with pytest.raises(ValueError, match="expected 3 hidden_channels, one a unit"):
        stgcn(hidden_channels=[4, 4])
    with pytest.raises(ValueError, match="'block_kwargs' for each of 3 units"):
        stgcn(block_kwargs=[{}])
    with pytest.raises(ValueError, match="'num_heads' for each of 2 layers"):
        TransformerStack(8, 2, [2])
    with pytest.raises(ValueError, match="'hidden_channels' for each of 3 levels"):
        hitrs(hidden_channels=[[4, 4]])


def test_units_have_arguments_of_their_own():
    model = stgcn(
        "plain", hidden_channels=[2, 3, 4], block_kwargs=[{"norm": "end"}, {}, {"norm": "none"}]
    )
    assert [block.temporal.weight.size(1) for block in model.blocks] == [2, 3, 4]
    assert isinstance(model.blocks[0].norm1, nn.Identity)
    assert not isinstance(model.blocks[1].norm1, nn.Identity)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AAGCN", "spatial.conv.embedding"),
        ("AAGCN", "attention.squeeze"),
        ("DG-STGCN", "spatial.conv.group"),
        ("DG-STGCN", "temporal.branches"),
    ],
)
def test_channels_within_a_unit_go_by_themselves(name, kind):
    model = network(name)
    for block in model.blocks:
        for gate in ("alpha", "beta"):
            if hasattr(block.spatial.conv, gate):
                nn.init.constant_(getattr(block.spatial.conv, gate), 0.7)
    groups = channel_groups(model)
    names = [f"blocks.{i}.{kind}" for i in range(3)]
    keep = {name: torch.arange(groups[name].size) % 2 == 1 for name in names}
    silent = masked(model, keep)
    small = with_channels(silent, keep)
    sizes = {name: group.size for name, group in channel_groups(small).items()}
    assert all(sizes[name] == int(keep[name].sum()) for name in names)
    assert small.channels == model.channels
    assert_close(small(batch(model)), silent(batch(model)), 1e-10)
    assert not torch.allclose(silent(batch(model)), model(batch(model)))


def test_a_fresh_network_has_no_silent_channels():
    for name in ("AAGCN", "DG-STGCN", "AAGCN with branches"):
        assert all(alive.all() for alive in living_channels(NETWORKS[name]()).values())


def test_an_aagcn_of_fewer_channels_within_has_no_published_form():
    model = aagcn(channels=[8, 8], strides=[1, 1])
    for kind, size, argument in (
        ("spatial.conv.embedding", 2, "embedding_channels"),
        ("attention.squeeze", 4, "squeezed_channels"),
    ):
        keep = {f"blocks.{i}.{kind}": torch.arange(size) < 1 for i in range(2)}
        with pytest.raises(ValueError, match=rf"no published AAGCN.*{argument}"):
            to_published(with_channels(model, keep))


def test_a_network_of_different_widths_has_no_published_form():
    model = stgcn()
    small = with_channels(model, {"blocks.0.hidden": torch.arange(6) < 3})
    with pytest.raises(ValueError, match=r"different widths within .*hidden_channels"):
        to_published(small)
    uniform = ("stage.0", "blocks.0.hidden", "blocks.1.hidden")
    stage = with_channels(model, {name: torch.arange(6) < 3 for name in uniform})
    assert to_published(stage)["st_gcn_networks.0.gcn.conv.weight"].size(1) == 3
    encoder = transformer(num_times=8)
    small = with_channels(encoder, {"stack.blocks.0.mlp": torch.arange(32) < 3})
    with pytest.raises(ValueError, match="different widths within"):
        to_mamp(MAMPParts(small, None))
