"""Law 10: work grows with the tracks and poses that exist, not with the longest or the most.

Work is counted, not timed: floating-point operations of products and convolutions, and the
entries that all operations write.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from stgraph.skeleton import SkeletonGraph
from stgraph.testing import random_batch, random_skeleton_graph
from tests.laws.encoders import ATTENDING, BODY, ENCODERS, FOLDING, WHOLE_TRACKS, encoder


@pytest.fixture(autouse=True)
def _exact_sizes(monkeypatch):
    """Counts what the poses cost, without the rounding of shapes, which has a test of its own."""
    monkeypatch.setattr("stgraph.ops.temporal.bucket_size", lambda size: size)


class EntriesWritten(TorchDispatchMode):
    """Counts the entries of all results that are not views."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        results = out if isinstance(out, tuple | list) else [out]
        given = {t.untyped_storage().data_ptr() for t in args if isinstance(t, torch.Tensor)}
        for result in results:
            if (
                isinstance(result, torch.Tensor)
                and result.untyped_storage().data_ptr() not in given
            ):
                self.total += result.numel()
        return out


def work(name: str, batch: SkeletonGraph, train: bool = False) -> tuple[int, int]:
    """Floating-point operations and entries written, of a forward (and backward) pass."""
    model = encoder(name, torch.float32).train(train)
    flops, entries = FlopCounterMode(display=False), EntriesWritten()
    with torch.set_grad_enabled(train), entries, flops:
        out = model(batch)
        if train:
            out.sum().backward()
    return flops.get_total_flops(), entries.total


@pytest.mark.parametrize("train", [False, True], ids=["infer", "train"])
@pytest.mark.parametrize("name", ENCODERS)
def test_twice_the_recordings_are_twice_the_work(name, train):
    lengths = [[16, 8], [4], [20]]
    one, two, three = (work(name, random_batch(lengths * n, BODY), train) for n in (2, 3, 4))
    # equal steps: what does not grow is the same each time (parameters, adjacency)
    assert two[0] - one[0] == three[0] - two[0] > 0
    assert three[1] - two[1] == pytest.approx(two[1] - one[1], rel=0.02)


# attention grows with the square of a track's length: its work is linear in tracks alone
@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in ATTENDING])
def test_the_longest_recording_does_not_matter(name):
    equal, skewed = [[16], [16], [16], [16]], [[4], [4], [4], [52]]
    even, uneven = work(name, random_batch(equal, BODY)), work(name, random_batch(skewed, BODY))
    if name in WHOLE_TRACKS:
        # its tracks lie in chunks of one length; what a chunk holds beyond its track is bounded
        assert uneven[0] < 2 * even[0]
        assert uneven[1] < 2 * even[1]
    else:
        assert even[0] == uneven[0]
        assert uneven[1] == pytest.approx(even[1], rel=0.02)


@pytest.mark.parametrize("name", [*FOLDING, *ATTENDING])
def test_the_most_people_do_not_matter(name):
    spread, crowded = [[8], [8], [8], [8]], [[8, 8, 8, 8], [], [], []]
    one, other = work(name, random_batch(spread, BODY)), work(name, random_batch(crowded, BODY))
    assert one[0] == other[0]
    assert other[1] == pytest.approx(one[1], rel=0.02)


@pytest.mark.parametrize("name", ["stgcn", "ST-GCN++"])
def test_work_is_linear_in_the_poses_of_a_track(name):
    lengths = [16, 32, 64, 128]
    flops = [work(name, random_batch([[n]], BODY))[0] for n in lengths]
    per_pose = [(b - a) / (m - n) for a, b, n, m in
                zip(flops, flops[1:], lengths, lengths[1:], strict=False)]  # fmt: skip
    assert per_pose[0] == per_pose[1] == per_pose[2]


def test_absent_persons_and_frames_cost_nothing(generator):
    present = random_skeleton_graph(BODY, [12], generator=generator).to_dense()
    padded = torch.zeros(4, 100, 6, 3)
    padded[:1, :12] = present
    graphs = [SkeletonGraph.from_dense(pos, BODY) for pos in (present, padded)]
    assert work("stgcn", graphs[0]) == work("stgcn", graphs[1])
