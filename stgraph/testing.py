"""Helpers for tests: random recordings, and the laws that every encoder obeys.

A new encoder gets its law tests in five lines::

    encoder = MyEncoder(3, layout="coco_17")
    graphs = [random_skeleton_graph("coco_17", lengths) for lengths in ([5, 3], [1], [8])]
    assert_batch_consistent(encoder, graphs)
    assert_people_invariant(encoder, graphs[0])
    assert_track_ends_hard(encoder, graphs[0])

An encoder here is a module that obeys the contract: ``encoder(batch)`` [B, D],
``encoder.nodes(batch)`` with ``x`` [P', V, D], ``pose`` and ``pose_batch``; for compilation and
export also ``encoder.unpack(batch)`` and ``encoder.pooled(x, plan)``. Differences are relative to
the largest entry of what is expected.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout

FORWARD_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-11}
BACKWARD_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}

SHARE_OF_PAIRS = 0.18


# --- recordings ---------------------------------------------------------------------------------
def random_layout(num_joints: int = 5, generator: torch.Generator | None = None) -> SkeletonLayout:
    """A layout whose bones are a random tree, with a centre and, from three joints on, a pair.

    Args:
        num_joints: Number V of joints.
        generator: Source of randomness.
    """
    bones = [
        (int(torch.randint(joint, (1,), generator=generator)), joint)
        for joint in range(1, num_joints)
    ]
    return SkeletonLayout(
        name=f"random_{num_joints}",
        joints=[f"joint_{i}" for i in range(num_joints)],
        bones=bones,
        centre=int(torch.randint(num_joints, (1,), generator=generator)),
        left_right=[(num_joints - 2, num_joints - 1)] if num_joints > 2 else [],
    )


def random_skeleton_graph(
    layout: SkeletonLayout | str = "kinect_v2_25",
    track_length: Sequence[int] = (5,),
    num_dims: int = 3,
    *,
    missing: float = 0.0,
    dtype: torch.dtype = torch.float32,
    generator: torch.Generator | None = None,
    **kwargs: Any,
) -> SkeletonGraph:
    """A recording with normally distributed coordinates.

    Args:
        layout: The joints.
        track_length: Number of poses of each track; none for an empty recording.
        num_dims: Number D of coordinates.
        missing: Share of joints without a position (coordinates 0, score 0).
        dtype: Of coordinates and scores. A graph is built in float32; float64 is for tests.
        generator: Source of randomness.
        **kwargs: Further arguments of :class:`SkeletonGraph`.
    """
    joints = resolve_layout(layout)
    nodes = sum(track_length) * joints.num_joints
    pos = torch.randn(nodes, num_dims, generator=generator)
    if missing:
        found = torch.rand(nodes, generator=generator) >= missing
        pos = pos * found[:, None]
        kwargs.setdefault("score", found.float())
    graph = SkeletonGraph(pos, layout=joints, track_length=list(track_length), **kwargs)
    return to_dtype(graph, dtype)


def random_batch(
    lengths: Sequence[Sequence[int]],
    layout: SkeletonLayout | str | Sequence[SkeletonLayout | str] = "kinect_v2_25",
    num_classes: int | None = None,
    *,
    generator: torch.Generator | None = None,
    **kwargs: Any,
) -> Batch:
    """A batch of random recordings.

    Args:
        lengths: Number of poses of each track of each recording.
        layout: One for all recordings, or one each.
        num_classes: Draw a label ``y`` for each recording.
        generator: Source of randomness.
        **kwargs: Further arguments of :func:`random_skeleton_graph`.
    """
    single = isinstance(layout, str | SkeletonLayout)
    layouts: list[Any] = [layout] * len(lengths) if single else list(layout)  # type: ignore[arg-type]
    graphs = []
    for own, tracks in zip(layouts, lengths, strict=True):
        extra = dict(kwargs)
        if num_classes is not None:
            extra["y"] = int(torch.randint(num_classes, (1,), generator=generator))
        graphs.append(random_skeleton_graph(own, tracks, generator=generator, **extra))
    return Batch.from_data_list(graphs)


def to_dtype(graph: SkeletonGraph, dtype: torch.dtype) -> SkeletonGraph:
    """The graph or batch with its floating-point attributes in another precision."""
    return graph.apply(lambda t: t.to(dtype) if t.is_floating_point() else t)


def ntu_like_lengths(
    num_recordings: int, generator: torch.Generator | None = None, quantiles: bool = False
) -> list[list[int]]:
    """Track lengths of the reference workload "NTU-like".

    One person in 82 % of the recordings and two in 18 %; a track has 100 frames with probability
    0.25, else uniformly 35...99.

    Args:
        num_recordings: B.
        generator: Source of randomness.
        quantiles: The lengths at evenly spaced quantiles instead of a draw; ``generator`` then
            only shuffles them.
    """

    def length(u: float) -> int:
        return 100 if u >= 0.75 else 35 + int(u / 0.75 * 65)

    return _lengths(num_recordings, length, generator, quantiles)


def natural_lengths(
    num_recordings: int, generator: torch.Generator | None = None, quantiles: bool = False
) -> list[list[int]]:
    """Track lengths of the reference workload "natural".

    Log-normal with median 70 and sigma 0.5, clipped to 20...300; persons as in
    :func:`ntu_like_lengths`.

    Args:
        num_recordings: B.
        generator: Source of randomness.
        quantiles: See :func:`ntu_like_lengths`.
    """
    normal = torch.distributions.Normal(0.0, 1.0)

    def length(u: float) -> int:
        z = float(normal.icdf(torch.tensor(min(max(u, 1e-6), 1 - 1e-6))))
        return min(max(round(70 * math.exp(0.5 * z)), 20), 300)

    return _lengths(num_recordings, length, generator, quantiles)


def _lengths(
    num_recordings: int,
    length: Callable[[float], int],
    generator: torch.Generator | None,
    quantiles: bool,
) -> list[list[int]]:
    if quantiles:
        pairs = round(num_recordings * SHARE_OF_PAIRS)
        two = [i < pairs for i in range(num_recordings)]
        n = num_recordings + pairs
        order = torch.randperm(n, generator=generator).tolist()
        draws = [(i + 0.5) / n for i in order]
    else:
        two = (torch.rand(num_recordings, generator=generator) < SHARE_OF_PAIRS).tolist()
        draws = torch.rand(num_recordings + sum(two), generator=generator).tolist()
    rest = iter(draws)
    return [[length(next(rest)) for _ in range(1 + pair)] for pair in two]


# --- closeness ----------------------------------------------------------------------------------
def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest entry of ``expected``."""
    if actual.shape != expected.shape:
        raise AssertionError(f"shapes differ: {list(actual.shape)}, {list(expected.shape)}")
    if expected.numel() == 0:
        return 0.0
    actual, expected = actual.detach(), expected.detach()
    scale = float(expected.abs().max())
    difference = float((actual - expected).abs().max())
    return difference / scale if scale else difference


def assert_close(
    actual: Tensor, expected: Tensor, tolerance: float | None = None, what: str = "values"
) -> None:
    """Two tensors agree up to a tolerance relative to the largest entry.

    Args:
        actual: What came out.
        expected: What should have.
        tolerance: By default 1e-5 in float32 and 1e-11 in float64.
        what: Named in the message.
    """
    tolerance = FORWARD_TOLERANCE[expected.dtype] if tolerance is None else tolerance
    difference = relative_difference(actual, expected)
    if not difference <= tolerance:
        raise AssertionError(f"{what} differ by {difference:.2e} of their size (> {tolerance:.0e})")


@contextmanager
def evaluating(*modules: nn.Module) -> Iterator[None]:
    """The modules in eval mode; afterwards each module and submodule is as it was."""
    before = [(m, m.training) for module in modules for m in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for m, training in before:
            m.training = training


def randomise_norms(module: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """Gives batch norms statistics and factors as after some training, in place.

    A fresh batch norm is the identity in eval mode, which hides mistakes.
    """
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
            assert m.running_var is not None
            with torch.no_grad():
                for tensor, low, high in (
                    (m.running_mean, -0.5, 0.5),
                    (m.running_var, 0.5, 2.0),
                    (m.weight, 0.5, 1.5),
                    (m.bias, -0.5, 0.5),
                ):
                    draw = torch.rand(tensor.shape, generator=generator).to(tensor)
                    tensor.copy_(low + (high - low) * draw)
    return module


# --- laws of an encoder ---------------------------------------------------------------------------
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
        expected = encoder.nodes(before).x[:, order]
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


# --- operations -----------------------------------------------------------------------------------
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


# --- compile and export ---------------------------------------------------------------------------
class _Core(nn.Module):
    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor, plan: Any) -> Tensor:
        return self.encoder.pooled(x, plan)


def assert_compiles(
    encoder: Any,
    batches: Sequence[SkeletonGraph],
    backend: str = "eager",
    tolerance: float | None = None,
) -> None:
    """The encoder's core compiles as one graph, once for all ragged batches.

    Args:
        encoder: Obeys the contract of the module's docstring.
        batches: At least two, of different sizes; the first with two or more recordings, tracks
            and poses, since torch takes 0 and 1 for constants. (It also takes sizes that happen to
            be equal in the first batch for equal always, which is switched off here.)
        backend: Of ``torch.compile``; ``"inductor"`` generates code, which takes a minute.
        tolerance: See :func:`assert_close`.
    """
    from torch._dynamo import lookup_backend
    from torch.fx.experimental import _config as symbolic

    compiler, count = lookup_backend(backend), 0

    def counting(graph: Any, inputs: Any) -> Any:
        nonlocal count
        count += 1
        return compiler(graph, inputs)

    torch.compiler.reset()
    core = _Core(encoder)
    compiled = torch.compile(core, backend=counting, fullgraph=True, dynamic=True)
    with evaluating(encoder), torch.no_grad(), symbolic.patch(use_duck_shape=False):  # type: ignore[attr-defined]
        for batch in batches:
            x, plan = encoder.unpack(batch)
            assert_close(compiled(x, plan), core(x, plan), tolerance, "compiled and eager outputs")
    if count != 1:
        raise AssertionError(
            f"{type(encoder).__name__} was compiled {count} times for "
            f"{len(batches)} batches (expected once)"
        )


def assert_exports(
    encoder: Any,
    batches: Sequence[SkeletonGraph],
    tolerance: float | None = None,
) -> torch.export.ExportedProgram:
    """The encoder's core exports with a dynamic number of poses.

    Args:
        encoder: Obeys the contract of the module's docstring.
        batches: The first is exported, all are run; sizes as for :func:`assert_compiles`.
        tolerance: See :func:`assert_close`.

    Returns:
        The exported program.
    """
    core = _Core(encoder)
    with evaluating(encoder), torch.no_grad():
        inputs = encoder.unpack(batches[0])
        dynamic = torch.utils._pytree.tree_map(_all_sizes, inputs)
        program = torch.export.export(core, inputs, dynamic_shapes=dynamic, strict=False)
        module = program.module()
        for batch in batches:
            x, plan = encoder.unpack(batch)
            assert_close(module(x, plan), core(x, plan), tolerance, "exported and eager outputs")
    return program


def _all_sizes(value: Any) -> dict[int, Any] | None:
    if not isinstance(value, Tensor):
        return None
    return dict.fromkeys(range(value.dim()), torch.export.Dim.AUTO)


def _with_gradient(batch: Any) -> Any:
    key = "x" if getattr(batch, "x", None) is not None else "pos"
    if key == "x":
        # gradients are asked of what the encoder reads, whatever it is called
        batch.pos = batch.x
    batch.pos = batch.pos.detach().clone().requires_grad_(True)
    if key == "x":
        batch.x = batch.pos
    return batch
