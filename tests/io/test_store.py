"""The store: exact round trips, batches as PyG makes them, clear errors."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import Batch

from stgraph.io import ConcatStore, RecordingError, Store, StoreLoader
from stgraph.skeleton import SkeletonGraph, resolve_layout


def recording(seed: int, layout: str = "kinect_v1_20", dims: int = 3, **extra) -> SkeletonGraph:
    """Up to three tracks of one to four poses; every fifth recording has none."""
    g = torch.Generator().manual_seed(seed)
    tracks = 0 if seed % 5 == 4 else int(torch.randint(1, 4, (1,), generator=g))
    length = torch.randint(1, 5, (tracks,), generator=g)
    poses = int(length.sum())
    v = resolve_layout(layout).num_joints
    extra = {
        "name": f"r{seed}",
        "subject": seed % 3,
        "scale": seed / 4,
        "good": seed % 2 == 0,
    } | extra
    return SkeletonGraph(
        pos=torch.randn(poses * v, dims, generator=g) * 10.0 ** (seed % 7 - 3),
        layout=layout,
        score=torch.rand(poses * v, generator=g),
        frame=torch.arange(poses) + seed,
        fps=30.0,
        track_length=length,
        person=torch.arange(tracks),
        y=seed % 4,
        **extra,
    )


def assert_equal_value(a: object, b: object, what: str) -> None:
    if isinstance(b, Tensor):
        assert isinstance(a, Tensor), what
        assert a.dtype == b.dtype, what
        assert a.shape == b.shape, what
        assert torch.equal(a, b), what
    else:
        assert type(a) is type(b), what
        assert a == b, what


def assert_same(a, b) -> None:
    """Same class, keys in the same order, equal values, and the same bookkeeping of a batch."""
    assert type(a) is type(b)
    assert list(a.stores[0].keys()) == list(b.stores[0].keys())
    for key in b.stores[0]:
        assert_equal_value(a[key], b[key], key)
    for table in ("_slice_dict", "_inc_dict"):
        ours, theirs = getattr(a, table, {}), getattr(b, table, {})
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_equal_value(ours[key], theirs[key], f"{table} {key}")
    assert getattr(a, "_num_graphs", None) == getattr(b, "_num_graphs", None)


@pytest.fixture
def graphs() -> list[SkeletonGraph]:
    return [recording(seed) for seed in range(8)]


@given(seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=5), d=st.sampled_from([2, 3]))
def test_what_goes_into_a_file_comes_out_exactly(
    tmp_path_factory: pytest.TempPathFactory, seeds: list[int], d: int
) -> None:
    graphs = [recording(seed, dims=d) for seed in seeds]
    path = tmp_path_factory.mktemp("store") / "set.safetensors"
    store = Store.write(path, graphs, class_names=["a", "b"], meta={"a": [1, "x"]})
    assert len(store) == len(graphs)
    assert store.class_names == ("a", "b")
    assert store.meta == {"a": [1, "x"]}
    assert store.layout == graphs[0].layout
    for i, graph in enumerate(graphs):
        assert_same(store[i], graph)


@given(data=st.data())
def test_a_gathered_batch_equals_the_one_pyg_makes(data: st.DataObject) -> None:
    graphs = [recording(seed) for seed in range(8)]
    store = Store.from_graphs(graphs)
    chosen = data.draw(st.lists(st.integers(0, 7), min_size=1, max_size=10))
    batch = store.batch(chosen)
    expected = Batch.from_data_list([graphs[i] for i in chosen])
    assert_same(batch, expected)
    for ours, theirs in zip(batch.to_data_list(), expected.to_data_list(), strict=True):
        assert_same(ours, theirs)
    for place, i in enumerate(chosen):
        # PyG gives whole numbers back as tensors of one, so only tensors are compared here
        assert torch.equal(batch.get_example(place).pos, graphs[i].pos)


def test_indices_may_be_negative_tensors_or_arrays(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs)
    for indices in (torch.tensor([-1, 0]), torch.tensor([7, 0]).numpy(), range(7, -1, -7)):
        assert_same(store.batch(indices), Batch.from_data_list([graphs[7], graphs[0]]))
    assert_same(store[-1], graphs[7])


def test_columns_labels_and_poses_are_at_hand(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs)
    assert store.column("subject").tolist() == [seed % 3 for seed in range(8)]
    assert store.column("name").tolist() == [f"r{seed}" for seed in range(8)]
    assert store.y.tolist() == [seed % 4 for seed in range(8)]
    assert store.num_poses.tolist() == [graph.num_poses for graph in graphs]
    with pytest.raises(ValueError, match="no column 'camera'; it has name, subject, scale, good"):
        store.column("camera")


def test_what_is_taken_out_does_not_write_back(tmp_path: Path, graphs: list[SkeletonGraph]) -> None:
    store = Store.write(tmp_path / "s", graphs)
    store[0].pos.zero_()
    store.y.zero_()
    store.column("subject")[:] = 9
    assert_same(store[0], graphs[0])
    assert store.column("subject").max() == 2


def test_a_class_and_a_rate_may_be_given_as_plain_numbers(tmp_path: Path) -> None:
    given = [recording(seed) for seed in range(4)]
    for graph in given:
        graph.y, graph.fps = int(graph.y), float(graph.fps)
    given[1].y = torch.tensor(1)
    store = Store.write(tmp_path / "a.safetensors", given)
    assert store.y.tolist() == [0, 1, 2, 3]
    assert_same(store[2], recording(2))
    assert store.batch(torch.arange(4)).y.tolist() == [0, 1, 2, 3]


def test_a_selection_and_new_labels_leave_the_rest(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs).select([6, 2]).with_labels(torch.tensor([5, 1]), ["x"] * 6)
    for i, (source, y) in enumerate(((6, 5), (2, 1))):
        expected = copy.copy(graphs[source])
        expected.y = torch.tensor([y])
        assert_same(store[i], expected)
    assert store.class_names == ("x",) * 6
    with pytest.raises(ValueError, match="expected 2 class numbers"):
        store.with_labels(torch.zeros(3))


def test_labels_can_be_added_to_recordings_without() -> None:
    graph = recording(1)
    del graph.y
    store = Store.from_graphs([graph])
    assert store.y.tolist() == [-1]
    assert store.with_labels(torch.tensor([3]))[0].y.tolist() == [3]


@pytest.mark.parametrize("in_file", [True, False])
def test_a_store_pickles(tmp_path: Path, graphs: list[SkeletonGraph], in_file: bool) -> None:
    store = Store.write(tmp_path / "s", graphs) if in_file else Store.from_graphs(graphs)
    again = pickle.loads(pickle.dumps(store))
    assert_same(again.batch([3, 1]), store.batch([3, 1]))


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, graphs: list[SkeletonGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "set.safetensors"
    Store.write(path, graphs[:2])

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Store.from_graphs(graphs).save(path)
    assert len(Store.open(path)) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["set.safetensors"]


@pytest.mark.parametrize("keep", [0, 5, 200, 3000, -1])
def test_a_truncated_file_is_refused(
    tmp_path: Path, graphs: list[SkeletonGraph], keep: int
) -> None:
    path = tmp_path / "set.safetensors"
    Store.write(path, graphs)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordingError, match=r"corrupt or truncated.*write the store again"):
        Store.open(path)


def test_strange_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    where = f"cannot read '{tmp_path}"
    with pytest.raises(RecordingError, match=f"^{where}/nothing': there is no such file; check"):
        Store.open(tmp_path / "nothing")
    with pytest.raises(RecordingError, match=rf"^{where}': expected a file \(got a folder\)"):
        Store.open(tmp_path)
    (tmp_path / "text").write_text("no tensors " * 10)
    with pytest.raises(RecordingError, match=rf"^{where}/text': it is no store, or a corrupt or"):
        Store.open(tmp_path / "text")
    save_file({"a": torch.zeros(3)}, tmp_path / "other")
    with pytest.raises(RecordingError, match="no store of recordings"):
        Store.open(tmp_path / "other")
    save_file({"a": torch.zeros(3)}, tmp_path / "next", metadata={"stgraph_store": "999"})
    with pytest.raises(RecordingError, match="expected store version 1"):
        Store.open(tmp_path / "next")
    metadata = {"stgraph_store": "1", "header": "[1, 2"}
    save_file({"a": torch.zeros(3)}, tmp_path / "json", metadata=metadata)
    with pytest.raises(RecordingError, match="corrupt"):
        Store.open(tmp_path / "json")


def test_a_file_that_may_not_be_read_says_what_the_system_says(
    tmp_path: Path, graphs: list[SkeletonGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    Store.write(tmp_path / "set", graphs)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordingError, match=r"set': the system says 'Permission denied'; check"):
        Store.open(tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": {"pos": [99, 20]}}, r"'groups' has \[99, 20\] for 'pos'"),
        ({"groups": {"pos": [-1, 20]}}, "'groups' has"),
        ({"groups": {"pos": [0, 0]}}, "'groups' has"),
        ({"groups": {"pos": 3}}, "'groups' has 3"),
        ({"groups": [1]}, "'groups' is missing or of another kind"),
        ({"num_lengths": 0}, "'num_lengths' expected at least 1"),
        ({"num_lengths": 10**9}, "corrupt"),
        ({"num_lengths": None}, "'num_lengths' is missing"),
        ({"order": ["pos"]}, "'order' lacks frame, layout, person, track_length"),
        ({"order": [["pos"]]}, "corrupt"),
        ({"layout": {"joints": ["a"], "bones": None}}, "expected bones as a list"),
        ({"layout": 3}, "'layout' is missing or of another kind"),
        ({"class_names": [1]}, "'class_names' is no list of names"),
        ({"strings": {"name": 3}}, "corrupt"),
        ({"meta": None}, "'meta' is missing or of another kind"),
    ],
)
def test_a_header_that_was_tampered_with_is_refused(
    tmp_path: Path, graphs: list[SkeletonGraph], change: dict, message: str
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "set.safetensors"
    Store.write(path, graphs)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    header = json.loads(metadata["header"])
    for key, value in change.items():
        both = isinstance(value, dict) and key == "groups"
        header[key] = header[key] | value if both else value
    save_file(tensors, tmp_path / "lie", metadata=metadata | {"header": json.dumps(header)})
    with pytest.raises(RecordingError, match=rf"lie': .*{message}.*; write the store again$"):
        Store.open(tmp_path / "lie")


def test_lengths_that_lie_are_refused(tmp_path: Path, graphs: list[SkeletonGraph]) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "set.safetensors"
    Store.write(path, graphs)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    tensors["length.0"][0] += 1
    save_file(tensors, tmp_path / "lie", metadata=metadata)
    with pytest.raises(RecordingError, match="does not fit its lengths"):
        Store.open(tmp_path / "lie")


def test_recordings_that_do_not_belong_together_are_refused(graphs: list[SkeletonGraph]) -> None:
    with pytest.raises(ValueError, match="at least one recording"):
        Store.from_graphs([])
    with pytest.raises(ValueError, match=r"one layout.*ConcatStore"):
        Store.from_graphs([*graphs, recording(0, layout="sbu_15")])
    with pytest.raises(ValueError, match="recording 8 differs in camera"):
        Store.from_graphs([*graphs, recording(0, camera=1)])
    with pytest.raises(TypeError, match="cannot hold 'subject'"):
        Store.from_graphs([*graphs, recording(0, subject="s1")])
    with pytest.raises(ValueError, match="PyG shifts"):
        Store.from_graphs([recording(0, frame_index=1)])


def test_indices_out_of_range_are_refused(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs)
    for wrong in (8, -9):
        with pytest.raises(IndexError, match="8 recordings"):
            store.batch([wrong])
        with pytest.raises(IndexError, match="8 recordings"):
            store[wrong]
    with pytest.raises(ValueError, match="at least one"):
        store.batch([])


def test_the_stock_loader_takes_a_store_as_its_collate_function(
    graphs: list[SkeletonGraph],
) -> None:
    store = Store.from_graphs(graphs)
    batches = list(DataLoader(range(8), batch_size=3, collate_fn=store.batch))  # type: ignore[arg-type]
    assert [batch.num_graphs for batch in batches] == [3, 3, 2]
    assert_same(batches[1], Batch.from_data_list(graphs[3:6]))


# --- several layouts ------------------------------------------------------------------------------
def test_a_mixed_batch_equals_the_one_pyg_makes() -> None:
    flat = [recording(seed, "openpose_coco_18", dims=2) for seed in range(3)]
    deep = [recording(seed) for seed in range(4)]
    both = ConcatStore(
        [
            Store.from_graphs(flat, class_names=["walk", "run", "sit", "box"]),
            Store.from_graphs(deep, class_names=["sit", "jump", "walk", "fall"]),
        ]
    )
    assert both.class_names == ("walk", "run", "sit", "box", "jump", "fall")
    assert len(both) == 7
    assert both.y.tolist() == [0, 1, 2, 2, 4, 0, 5]
    order = [5, 0, 3, 2, 5, 1]
    batch = both.batch(order)
    assert_same(batch, Batch.from_data_list([both[i] for i in order]))
    assert batch.is_mixed
    assert batch.source.tolist() == [1, 0, 1, 0, 1, 0]
    assert batch.source_dims.tolist() == [3, 2, 3, 2, 3, 2]
    one = both[1]
    assert torch.equal(one.pos[:, :2], flat[1].pos)
    assert not one.pos[:, 2].any()
    assert one.layout == flat[1].layout
    assert torch.equal(both[5].pos, deep[2].pos)


def test_missing_scores_count_as_one_in_a_mixed_batch() -> None:
    bare = recording(0)
    del bare.score
    both = ConcatStore([Store.from_graphs([bare]), Store.from_graphs([recording(1, "sbu_15")])])
    batch = both.batch([1, 0])
    assert torch.equal(batch.get_example(1).score, torch.ones(bare.pos.size(0)))
    assert both.column("name").tolist() == ["r0", "r1"]
    for wrong in (2, -3):
        with pytest.raises(IndexError):
            both[wrong]
    with pytest.raises(ValueError, match="class names in all stores"):
        ConcatStore([Store.from_graphs([bare]), Store.from_graphs([bare], class_names=["a"])])


# --- the loader -----------------------------------------------------------------------------------
def names(loader: StoreLoader) -> list[list[str]]:
    return [batch.name for batch in loader]


def test_the_order_follows_from_seed_and_epoch(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs)
    loader = StoreLoader(store, 3, shuffle=True, seed=5)
    first, second = names(loader), names(loader)
    assert first != second
    assert sorted(chain.from_iterable(first)) == sorted(graph.name for graph in graphs)
    loader.set_epoch(0)
    assert names(loader) == first
    again = StoreLoader(store, 3, shuffle=True, seed=5)
    again.set_epoch(1)
    assert names(again) == second
    assert names(StoreLoader(store, 3, shuffle=True, seed=6)) != first
    assert names(StoreLoader(store, 8)) == [[graph.name for graph in graphs]]


class AddNoise:
    def __call__(self, batch):
        batch.pos = batch.pos + torch.randn_like(batch.pos)
        return batch


def test_random_transforms_do_not_depend_on_workers_or_on_the_past(
    graphs: list[SkeletonGraph],
) -> None:
    store = Store.from_graphs(graphs)
    torch.manual_seed(1)
    here = StoreLoader(store, 4, shuffle=True, transform=AddNoise())
    first, second = list(here), list(here)
    assert not torch.equal(first[0].pos, second[0].pos)
    torch.manual_seed(2)
    there = StoreLoader(store, 4, shuffle=True, transform=AddNoise(), num_workers=2)
    for a, b in zip(there, first, strict=True):
        assert_same(a, b)


def test_processes_share_an_epoch(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs[:7])
    one = names(StoreLoader(store, 4, shuffle=True, seed=1))
    two = [
        names(StoreLoader(store, 2, shuffle=True, seed=1, num_replicas=2, rank=rank))
        for rank in (0, 1)
    ]
    assert [len(part) for part in two] == [2, 2]
    assert sorted(two[0][0] + two[1][0]) == sorted(one[0])
    ordered = [
        name
        for rank in (0, 1)
        for batch in names(StoreLoader(store, 2, num_replicas=2, rank=rank))
        for name in batch
    ]
    assert sorted(ordered) == [f"r{i}" for i in range(7)]


def test_a_loader_can_drop_recordings_without_a_pose_and_short_batches(
    graphs: list[SkeletonGraph],
) -> None:
    store = Store.from_graphs(graphs)
    assert names(StoreLoader(store, 7, drop_empty=True)) == [
        ["r0", "r1", "r2", "r3", "r5", "r6", "r7"]
    ]
    loader = StoreLoader(store, 3, drop_last=True, indices=[0, 2, 4, 6])
    assert len(loader) == 1
    assert names(loader) == [["r0", "r2", "r4"]]


def test_wrong_numbers_for_a_loader_are_refused(graphs: list[SkeletonGraph]) -> None:
    store = Store.from_graphs(graphs)
    for wrong, message in (
        ({"batch_size": 0}, "batch size >= 1"),
        ({"seed": -1}, "seed >= 0"),
        ({"rank": 1}, r"rank in 0\.\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            StoreLoader(store, **wrong)
