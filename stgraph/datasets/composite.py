"""Recordings of several actions, put together from recordings of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph, SkeletonLayout

__all__ = ["composite_recordings"]

TRANSITIONS = ("smooth", "linear")


def composite_recordings(
    source: Any,
    num_actions: tuple[int, int] = (4, 8),
    gap_seconds: tuple[float, float] = (0.5, 1.5),
    seed: int = 0,
    transition: str = "smooth",
    *,
    by: str = "subject",
    fps: float | None = None,
) -> list[SkeletonGraph]:
    r"""Untrimmed recordings made of trimmed ones: the same person does one thing after another.

    The recordings of one subject, in a random order, are dealt into sequences; each is used once,
    and the last sequence of a subject takes what is left. Between two actions lies a transition
    from the last pose of one to the first pose of the next, which is background. **Nobody was
    filmed doing this**: every result carries ``composite = 1`` and a name that begins with
    ``COMPOSITE``, and a figure measured on them says so.

    Each recording is moved so that its first pose stands where the one before ended: by the
    centre of the layout, in 3-D along all axes but the second, as the floor stays where it is.
    Sizes and directions are left alone. A transition of :math:`n` poses takes joint positions
    :math:`(1 - s) \, a + s \, b` at :math:`\tau = 1/(n+1), \ldots, n/(n+1)`, with
    :math:`s = 10\tau^3 - 15\tau^4 + 6\tau^5` (the minimum of jerk: no speed and no acceleration
    at its ends) or :math:`s = \tau`. A joint that either end lacks is missing in it.

    Args:
        source: One part of a data set, a store, or recordings: with ``y``, the column `by`, and
            one rate. Training and test are two calls; recordings with a column `split` are joined
            within their part only.
        num_actions: Fewest and most actions of a sequence.
        gap_seconds: Shortest and longest transition.
        seed: Decides order, lengths and transitions.
        transition: ``"smooth"`` or ``"linear"``.
        by: Column that names the person.
        fps: Frames a second of recordings that do not say it.

    Of several persons, the one with the most poses is taken (of equals the first). Frames in
    which that person is not seen stay empty, recordings without a pose are passed over.

    Returns:
        Recordings with ``segments`` (class from 1, first and last frame), `subject` (or what `by`
        is called), `parts` (the names of what they were made of, if they have any, joined by
        blanks), `score`, and no ``y``.

    Raises:
        ValueError: if an argument makes no sense, the source shows training and test at once
            (``split="all"``), or a recording lacks class, person or rate or has another rate.
    """
    _check(source, num_actions, gap_seconds, transition, fps)
    people: dict[tuple[str, ...], list[SkeletonGraph]] = {}
    for number, graph in enumerate(_recordings(source)):
        if not graph.num_poses:
            continue
        person = _person(graph, number, by)
        people.setdefault((str(getattr(graph, "split", "")), person), []).append(graph)
    generator = torch.Generator().manual_seed(seed)
    composites = []
    for key in sorted(people):
        graphs = people[key]
        order = torch.randperm(len(graphs), generator=generator).tolist()
        number = 0
        while order:
            size = int(_uniform(generator, num_actions[0], num_actions[1] + 1))
            chosen, order = [graphs[i] for i in order[:size]], order[size:]
            made = _join(chosen, gap_seconds, transition, fps, generator)
            made[by] = chosen[0][by]
            if key[0]:
                made.split = key[0]
            number += 1
            label = "_".join(part for part in key if part)
            made.name = f"COMPOSITE_{label}_{number:02d}"
            composites.append(made)
    return composites


def _recordings(source: Any) -> Sequence[SkeletonGraph]:
    store = getattr(source, "store", None)
    if store is not None:  # as read: a transform of the data set comes later
        return [store[i] for i in source.indices()]
    return [source[i] for i in range(len(source))]


def _check(
    source: Any,
    num_actions: tuple[int, int],
    gap_seconds: tuple[float, float],
    transition: str,
    fps: float | None,
) -> None:
    if getattr(source, "split", None) == "all":
        raise ValueError(
            "'composite_recordings' expected one part such as split='train' (got split='all', "
            "which would join recordings for training and for test)"
        )
    if not 1 <= num_actions[0] <= num_actions[1]:
        raise ValueError(
            "'composite_recordings' expected num_actions=(fewest, most), at least 1 "
            f"(got {num_actions})"
        )
    if not 0 <= gap_seconds[0] <= gap_seconds[1] < 3600:
        raise ValueError(
            "'composite_recordings' expected gap_seconds=(shortest, longest), 0 up to an hour "
            f"(got {gap_seconds})"
        )
    if transition not in TRANSITIONS:
        raise ValueError(
            f"'composite_recordings' does not know the transition {transition!r}; it knows "
            f"{', '.join(TRANSITIONS)}"
        )
    if fps is not None and not 0 < fps < float("inf"):
        raise ValueError(f"'composite_recordings' expected a rate above 0 (got {fps})")


def _person(graph: SkeletonGraph, number: int, by: str) -> str:
    """Who it is, once class and person are known to be there."""
    what = f"recording {number}" + (f" ({graph.name})" if getattr(graph, "name", "") else "")
    if by not in graph:
        raise ValueError(
            f"{what} has no {by!r}, and different people are never joined; name the column that "
            "says who it is with by=..."
        )
    y = getattr(graph, "y", None)
    if y is None or int(y) < 0:
        raise ValueError(f"{what} has no class 'y'; take recordings of one action each")
    return f"{graph[by]:02d}" if isinstance(graph[by], int) else str(graph[by])


def _rate(graphs: Sequence[SkeletonGraph], fps: float | None) -> float:
    said = [getattr(graph, "fps", None) for graph in graphs]
    rates = sorted({float(rate) for rate in said if rate is not None})
    if any(rate is None for rate in said):
        rates = sorted({*rates, fps or 0.0})
    if len(rates) > 1 or not rates[0]:
        got = ", ".join(f"{rate:g}" if rate else "none" for rate in rates)
        raise ValueError(
            f"recordings that are joined have one rate (got {got}); resample them, or name the "
            "rate of those that say none with fps=..."
        )
    return rates[0]


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(1, generator=generator, dtype=torch.float64))


def _join(
    graphs: Sequence[SkeletonGraph],
    gap_seconds: tuple[float, float],
    transition: str,
    fps: float | None,
    generator: torch.Generator,
) -> SkeletonGraph:
    """One sequence: frames count from 0, a track ends where the person is not seen."""
    rate, layout = _rate(graphs, fps), graphs[0].layouts[0]
    poses: list[Tensor] = []
    scores: list[Tensor] = []
    frames: list[Tensor] = []
    segments: list[list[int]] = []
    start = 0
    for graph in graphs:
        if graph.layouts[0] != layout:
            raise ValueError("recordings that are joined have one layout")
        pos, score, frame = _one_person(graph)
        if poses:
            a, seen = poses[-1][-1], scores[-1][-1]
            pos = pos + _step(a, seen, pos[0], score[0], layout)
            pos = torch.where(score[..., None] > 0, pos, 0.0)
            gap = round(_uniform(generator, *gap_seconds) * rate)
            poses.append(_between(a, pos[0], seen, score[0], gap, transition))
            scores.append(torch.minimum(seen, score[0]).repeat(gap, 1))
            frames.append(start + torch.arange(gap))
            start += gap
        segments.append([int(graph.y) + 1, start, start + int(frame[-1])])
        poses.append(pos)
        scores.append(score)
        frames.append(start + frame)
        start += int(frame[-1]) + 1
    pos, score, frame = torch.cat(poses), torch.cat(scores), torch.cat(frames)
    kept = (score > 0).any(dim=1)  # in a transition without a common joint nobody is seen
    pos, score, frame = pos[kept], score[kept], frame[kept]
    first = torch.ones_like(frame, dtype=torch.bool)
    first[1:] = frame.diff() != 1
    length = torch.bincount(first.long().cumsum(0) - 1)
    names = [str(graph.name) for graph in graphs if "name" in graph]
    return SkeletonGraph(
        pos.flatten(0, 1),
        layout=layout,
        score=score.flatten(),
        frame=frame,
        fps=rate,
        track_length=length,
        person=torch.zeros_like(length),
        segments=torch.tensor(segments, dtype=torch.float32),
        parts=" ".join(names),
        composite=1,
    )


def _one_person(graph: SkeletonGraph) -> tuple[Tensor, Tensor, Tensor]:
    """Positions, scores and frames (from 0, in order) of the person with the most poses."""
    owner = graph.person[graph.track]
    people, counts = owner.unique(return_counts=True)
    index = (owner == people[counts.argmax()]).nonzero().flatten()
    index = index[graph.frame[index].argsort()]
    frame = graph.frame[index]
    return graph.folded()[index], graph.folded_score()[index], frame - frame[0]


def _root(pos: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Mean of the joints of the centre that are seen, else of all that are."""
    seen = score > 0
    centre = torch.zeros_like(seen)
    centre[list(layout.centre)] = True
    chosen = centre & seen if bool((centre & seen).any()) else seen
    return pos[chosen].mean(dim=0)


def _step(a: Tensor, seen: Tensor, b: Tensor, there: Tensor, layout: SkeletonLayout) -> Tensor:
    """How far to move what begins with pose b so that it stands where pose a does."""
    both = torch.minimum(seen, there)
    if bool((both > 0).any()):  # the same joints of both
        step = _root(a, both, layout) - _root(b, both, layout)
    else:
        step = _root(a, seen, layout) - _root(b, there, layout)
    if step.numel() == 3:
        step[1] = 0
    return step


def _between(
    a: Tensor, b: Tensor, seen: Tensor, there: Tensor, length: int, transition: str
) -> Tensor:
    tau = torch.arange(1, length + 1, dtype=a.dtype)[:, None, None] / (length + 1)
    share = tau**3 * (10 - 15 * tau + 6 * tau**2) if transition == "smooth" else tau
    both = (torch.minimum(seen, there) > 0)[:, None]
    return torch.where(both, (1 - share) * a + share * b, 0.0)
