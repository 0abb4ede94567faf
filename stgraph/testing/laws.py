"""The laws that encoders and backends obey."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph
from stgraph.testing.closeness import (
    BACKWARD_TOLERANCE,
    assert_close,
    evaluating,
)
from stgraph.testing.recordings import to_dtype


def assert_batch_consistent(
    encoder: nn.Module, graphs: Sequence[SkeletonGraph], tolerance: float | None = None
) -> None:
    """Law 1: in eval mode a recording's output does not depend on which others share its batch.

    Every recording alone, all together, and all in reverse order give the same; and no gradient
    runs from a recording's output to another's coordinates.

    Args:
        encoder: Obeys the contract of the module's docstring.
        graphs: At least two recordings.
        tolerance: See :func:`assert_close`.
    """
    graphs = list(graphs)
    with evaluating(encoder):
        with torch.no_grad():
            together = encoder(Batch.from_data_list(graphs))
            backwards = encoder(Batch.from_data_list(graphs[::-1])).flip(0)
            alone = torch.cat([encoder(Batch.from_data_list([graph])) for graph in graphs])
        assert_close(together, alone, tolerance, "outputs in company and alone")
        assert_close(backwards, alone, tolerance, "outputs in another order and alone")
        batch = _with_gradient(Batch.from_data_list(graphs))
        out = encoder(batch)
        owner = batch.batch
        for i in range(len(graphs)):
            if not out.requires_grad or not bool((owner == i).any()):
                continue
            (grad,) = torch.autograd.grad(out[i].sum(), batch.pos, retain_graph=True)
            leak = grad[owner != i].abs().sum()
            if float(leak) != 0.0:
                raise AssertionError(f"the output of recording {i} depends on others of its batch")


def assert_people_invariant(
    encoder: Any,
    graph: SkeletonGraph,
    tolerance: float | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Law 2: the order of tracks does not matter; a person who is not there changes nothing.

    Args:
        encoder: Obeys the contract of the module's docstring.
        graph: A recording with at least one track.
        tolerance: See :func:`assert_close`.
        generator: Draws the order.
    """
    order = torch.randperm(graph.num_tracks, generator=generator)
    if graph.num_tracks > 1 and torch.equal(order, torch.arange(graph.num_tracks)):
        order = order.flip(0)
    poses = torch.arange(graph.num_poses).split(graph.track_length.tolist())
    index = torch.cat([poses[i] for i in order.tolist()])
    shuffled = graph.take_poses(index, graph.track_length[order], order)
    renamed = copy.copy(graph)
    renamed.person = graph.person * 3 + 7
    with evaluating(encoder), torch.no_grad():
        expected = encoder(Batch.from_data_list([graph]))
        for other, what in ((shuffled, "another order of tracks"), (renamed, "other numbers")):
            out = encoder(Batch.from_data_list([other]))
            assert_close(out, expected, tolerance, f"outputs with {what} and without")
        dense = graph.to_dense()
        absent = torch.cat([dense, torch.zeros_like(dense[:2])])
        frames = torch.cat([absent, torch.zeros_like(absent[:, :3])], dim=1)
        made = [
            to_dtype(SkeletonGraph.from_dense(pos, graph.layout), graph.pos.dtype)
            for pos in (dense, frames)
        ]
        with_x = "x" in graph
        if not with_x:
            without, absent_too = (encoder(Batch.from_data_list([g])) for g in made)
            assert_close(absent_too, without, tolerance, "outputs with absent persons")
        before = encoder.nodes(Batch.from_data_list([graph]))
        after = encoder.nodes(Batch.from_data_list([shuffled]))
        at = {int(pose): i for i, pose in enumerate(before.pose)}
        rows = torch.tensor([at[int(index[pose])] for pose in after.pose], dtype=torch.long)
        assert_close(after.x, before.x[rows], tolerance, "node embeddings in another order")


def assert_track_ends_hard(
    encoder: Any,
    graph: SkeletonGraph,
    tolerance: float | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Law 2: nothing leaks from one track into another, by gradient and by substitution.

    Args:
        encoder: Obeys the contract of the module's docstring; node embeddings of a track must
            depend on that track alone.
        graph: A recording with at least two tracks.
        tolerance: See :func:`assert_close`.
        generator: Draws the substitutes.
    """
    with evaluating(encoder):
        batch = _with_gradient(Batch.from_data_list([graph]))
        nodes = encoder.nodes(batch)
        owner = batch.track[batch.pose]
        for track in range(graph.num_tracks):
            mine = batch.track[nodes.pose] == track
            (grad,) = torch.autograd.grad(nodes.x[mine].sum(), batch.pos, retain_graph=True)
            if float(grad[owner != track].abs().sum()) != 0.0:
                raise AssertionError(f"node embeddings of track {track} depend on another track")
            with torch.no_grad():
                other = copy.copy(graph)
                noise = torch.randn(graph.pos.shape, generator=generator).to(graph.pos) * 100
                other.pos = torch.where((owner == track)[:, None], graph.pos, noise)
                again = encoder.nodes(Batch.from_data_list([other])).x
            assert_close(
                again[mine],
                nodes.x[mine].detach(),
                tolerance,
                "node embeddings beside others",
            )


def assert_joint_permutation(
    encoder: Any,
    graph: SkeletonGraph,
    perm: Sequence[int] | None = None,
    tolerance: float | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Law 5: permuting joints permutes node outputs and leaves graph outputs alone.

    Args:
        encoder: Obeys the contract of the module's docstring, and has ``permute_joints``.
        graph: A recording.
        perm: New joint i is old ``perm[i]``; by default drawn.
        tolerance: See :func:`assert_close`.
        generator: Draws the permutation.
    """
    v = graph.num_joints
    order = torch.randperm(v, generator=generator) if perm is None else torch.as_tensor(perm)
    renamed = copy.copy(graph)
    renamed.layout = graph.layout.permute(order.tolist())
    for key in ("pos", "x", "score"):
        value = getattr(graph, key, None)
        if value is not None:
            renamed[key] = value.view(graph.num_poses, v, -1)[:, order].reshape(value.shape)
    twin = copy.deepcopy(encoder)
    twin.permute_joints(order.tolist())
    with evaluating(encoder, twin), torch.no_grad():
        before, after = Batch.from_data_list([graph]), Batch.from_data_list([renamed])
        assert_close(twin(after), encoder(before), tolerance, "outputs under other joint orders")
        nodes, columns = encoder.nodes(before), order
        kept = getattr(nodes, "joint", None)
        if kept is not None:
            columns = torch.searchsorted(kept, order[torch.isin(order, kept)])
        expected = nodes.x[:, columns]
        assert_close(twin.nodes(after).x, expected, tolerance, "node embeddings in joint order")


def assert_folded_equals_unrolled(
    encoder: nn.Module, batch: SkeletonGraph, tolerance: float | None = None
) -> None:
    """Law 4: the fast path equals message passing over explicit edges, forward and backward.

    Args:
        encoder: Obeys the contract of the module's docstring; what folds in it has an attribute
            ``fold``.
        batch: Recordings.
        tolerance: See :func:`assert_close`; ten times that for gradients.
    """
    slow = copy.deepcopy(encoder)
    folding = [m for m in slow.modules() if getattr(m, "fold", None) is True]
    if not folding:
        raise AssertionError(f"nothing in {type(encoder).__name__} folds")
    for m in folding:
        m.fold = False  # type: ignore[assignment]
    with evaluating(encoder, slow):
        fast_out, slow_out = encoder(batch), slow(batch)
    assert_close(fast_out, slow_out, tolerance, "folded and unrolled outputs")
    probe = torch.linspace(-1, 1, slow_out.numel()).to(slow_out).view_as(slow_out)
    (fast_out * probe).sum().backward()
    (slow_out * probe).sum().backward()
    limit = None if tolerance is None else 10 * tolerance
    limit = BACKWARD_TOLERANCE[slow_out.dtype] if limit is None else limit
    for (name, fast), (_, reference) in zip(
        encoder.named_parameters(), slow.named_parameters(), strict=True
    ):
        if fast.grad is None and reference.grad is None:
            continue
        if fast.grad is None or reference.grad is None:
            raise AssertionError(f"{name} has a gradient on one path alone")
        assert_close(fast.grad, reference.grad, limit, f"folded and unrolled gradients of {name}")
    encoder.zero_grad(set_to_none=True)


def assert_backends_agree(
    function: Callable[..., Tensor],
    backends: Sequence[str],
    *inputs: Any,
    tolerance: float | None = None,
    **kwargs: Any,
) -> None:
    """Law 3: backends agree with the first one, forward and backward.

    Args:
        function: Called as ``function(*inputs, backend=..., **kwargs)``.
        backends: Names, the reference first.
        *inputs: Floating-point tensors among them get gradients.
        tolerance: See :func:`assert_close`; ten times that for gradients.
        **kwargs: Passed on.
    """
    results = []
    for backend in backends:
        own = [
            value.detach().clone().requires_grad_(True)
            if isinstance(value, Tensor) and value.is_floating_point()
            else value
            for value in inputs
        ]
        leaves = [value for value in own if isinstance(value, Tensor) and value.requires_grad]
        out = function(*own, backend=backend, **kwargs)
        probe = torch.linspace(-1, 1, out.numel()).to(out).view_as(out)
        grads = torch.autograd.grad((out * probe).sum(), leaves, allow_unused=True)
        results.append((out.detach(), grads))
    expected, expected_grads = results[0]
    limit = BACKWARD_TOLERANCE[expected.dtype] if tolerance is None else 10 * tolerance
    for backend, (out, grads) in zip(backends[1:], results[1:], strict=True):
        assert_close(out, expected, tolerance, f"outputs of {backend!r} and {backends[0]!r}")
        for i, (grad, reference) in enumerate(zip(grads, expected_grads, strict=True)):
            if reference is None or grad is None:
                assert (reference is None) == (grad is None), f"gradient {i} of {backend!r}"
                continue
            assert_close(grad, reference, limit, f"gradient {i} of {backend!r}")


def _with_gradient(batch: Any) -> Any:
    key = "x" if getattr(batch, "x", None) is not None else "pos"
    if key == "x":
        # gradients are asked of what the encoder reads, whatever it is called
        batch.pos = batch.x
    batch.pos = batch.pos.detach().clone().requires_grad_(True)
    if key == "x":
        batch.x = batch.pos
    return batch
