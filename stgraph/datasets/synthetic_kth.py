"""A generated stand-in for the KTH actions, so that a fresh machine needs no download."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from stgraph.datasets._kth_body import body_positions
from stgraph.datasets._kth_detector import Clutter, body_height, detect, project
from stgraph.datasets._kth_motion import (
    arm_action_angles,
    bounce_height,
    gait_angles,
    gait_duty,
)
from stgraph.datasets._kth_styles import ACTIONS, Cast, Difficulty, draw_lengths, draw_styles
from stgraph.datasets.base import SkeletonDataset
from stgraph.datasets.kth import KTH, PROTOCOLS, kth_parts
from stgraph.io import Store
from stgraph.skeleton import SkeletonGraph, resolve_layout

__all__ = ["Difficulty", "SimulatedVideos", "SyntheticKTH", "simulate_kth"]

_WIDTH, _HEIGHT = 160, 120
_VIDEO_FPS = 25.0
_LAYOUT = "openpose_body_25"
_DEGREE = math.pi / 180

# One entry a scenario: d1 outdoors, d2 scale variation, d3 other clothes, d4 indoors.
_SIZE = (66.0, 62.0, 66.0, 84.0)  # height of a person, pixels
_SIZE_SPREAD = (0.04, 0.22, 0.04, 0.04)  # of its logarithm, between ranges
_ZOOM = (0.04, 0.5, 0.04, 0.04)  # change of the logarithm within a range, at most half of it
_DIAGONAL = (12.0, 32.0, 12.0, 14.0)  # degrees off the picture plane when crossing it
_JITTER = (0.019, 0.021, 0.024, 0.019)  # of the person's height
_LOST_JOINT = (0.03, 0.035, 0.055, 0.03)
_LOST_LIMBS = (0.01, 0.01, 0.035, 0.01)
_LOST_PERSON = (0.012, 0.015, 0.015, 0.008)
_SWAP = (0.01, 0.015, 0.015, 0.01)
_STRAY = 0.075  # median over ranges


@dataclass(frozen=True)
class SimulatedVideos:
    """Sampled frames of all ranges, also those without anybody.

    Attributes:
        pos: Positions in pixels, x right, y down, float32 [T, V, 2]; 0 where not found.
        score: Confidence of the detector, float32 [T, V]; 0 where not found.
        true: Positions before the detector, float32 [T, V, 2].
        range: Range of each frame, int64 [T].
        place: Number of each frame in its range, int64 [T].
        cast: Subject, action, scenario and repetition of each range.
    """

    pos: Tensor
    score: Tensor
    true: Tensor
    range: Tensor
    place: Tensor
    cast: Cast


def _by_scenario(values: tuple[float, ...], cast: Cast) -> Tensor:
    return torch.tensor(values)[cast.scenario]


class _Clock:
    """The sampled frames of ranges of different lengths, one after the other."""

    def __init__(self, seconds: Tensor, frame_step: int, generator: torch.Generator) -> None:
        length = (seconds * _VIDEO_FPS / frame_step).ceil().long()
        self.range = torch.repeat_interleave(torch.arange(len(length)), length)
        start = length.cumsum(0) - length
        self.place = torch.arange(len(self.range)) - start[self.range]
        self.time = self.place * (frame_step / _VIDEO_FPS)
        self.share = self.time / seconds[self.range]
        self.num_ranges, self.generator = len(length), generator

    def wander(self, size: float, frequency: float) -> Tensor:
        """A slow random function of time of about the given deviation, one a range, [T]."""
        chances = torch.rand((2, self.num_ranges, 3), generator=self.generator)[:, self.range]
        turns = (0.5 + chances[0]) * frequency * self.time[:, None] + chances[1]
        return size * math.sqrt(2 / 3) * torch.sin(2 * math.pi * turns).sum(1)


@dataclass(frozen=True)
class _Path:
    """Where a range's person goes in the picture; per range [R]."""

    moves: Tensor
    seconds: Tensor
    speed: Tensor  # picture half-crossings per second
    lead: Tensor  # half-crossings before the person appears
    half: Tensor  # half the way from outside to outside, pixels
    direction: Tensor  # 1 to the right, -1 to the left
    stand: Tensor  # where those who stay stand, pixels


def _draw_path(
    cast: Cast, style: dict[str, Tensor], leg: Tensor, scale: Tensor, yaw: Tensor
) -> _Path:
    """Passes through the picture at the speed the stride asks for, in turns from both sides."""
    moves = cast.action >= 3
    # A foot stays where it is while it stands, so the stride is the legs' reach over the duty.
    reach = leg * (0.875 + 0.0375 * style["gait"]) * style["hip_size"] * style["reach"]
    speed = reach / gait_duty(style["gait"]) * style["rate"] * torch.cos(yaw) * scale
    half = _WIDTH / 2 + 0.12 * scale * 1.75
    once = cast.uniform() < 0.75
    passes = torch.where(once, 0.85 + 0.35 * cast.uniform(), 1.4 + 0.8 * cast.uniform())
    stays = 2.0 + 2.6 * cast.uniform()
    first = torch.where(cast.uniform("video") < 0.5, 0, 1)
    return _Path(
        moves=moves,
        seconds=torch.where(moves, passes * 2 * half / speed, stays).clamp(1.3, 9.0),
        speed=speed / (2 * half),
        lead=torch.where(once, 0.06, 0.02),
        half=half,
        direction=1.0 - 2.0 * ((first + cast.repetition) % 2),
        stand=_WIDTH / 2 + 16 * cast.normal(),
    )


def _bodies(
    cast: Cast, clock: _Clock, style: dict[str, Tensor], lengths: dict[str, Tensor]
) -> Tensor:
    """The performed actions in body axes, metres, [T, V, 3]."""
    action = cast.action[clock.range]
    phase = cast.uniform()[clock.range] + style["rate"][clock.range] * clock.time
    phase = phase + clock.wander(0.03, 0.4)
    habits = {name: value[clock.range] for name, value in style.items()}
    for name, degrees in (("raise", 3), ("elbow", 4), ("out", 2), ("head_turn", 6), ("lean", 1.2)):
        habits[name] = habits[name] + clock.wander(degrees * _DEGREE, 0.5)
    segments = {name: value[clock.range] for name, value in lengths.items()}

    bodies = torch.zeros(len(action), 25, 3)
    for number, name in enumerate(ACTIONS):
        rows = (action == number).nonzero()[:, 0]
        own = {key: value[rows] for key, value in habits.items()}
        if number < 3:
            angles = arm_action_angles(name, phase[rows], own)
        else:
            angles = gait_angles(phase[rows], own)
        body = body_positions(angles, {key: value[rows] for key, value in segments.items()})
        if number >= 3:
            body[..., 2] += bounce_height(phase[rows], own["gait"], own["bounce"])[:, None]
        bodies[rows] = body
    return bodies


def simulate_kth(
    seed: int = 0,
    ranges_per_video: int = 4,
    frame_step: int = 3,
    difficulty: Difficulty | None = None,
) -> SimulatedVideos:
    """Simulate 600 videos of six actions as a pose detector would report them.

    Args:
        seed: Decides everything that is drawn.
        ranges_per_video: Number of repetitions of each video.
        frame_step: Frames of the 25 Hz video from one sampled frame to the next.
        difficulty: How hard it is; by default :class:`Difficulty`'s defaults.

    Returns:
        All frames; the same arguments give the same frames.

    Raises:
        ValueError: If there are no ranges or the step is below 1.
    """
    for name, value in (("ranges_per_video", ranges_per_video), ("frame_step", frame_step)):
        if value < 1:
            raise ValueError(f"'simulate_kth' expected {name} >= 1 (got {value}).")
    difficulty = difficulty or Difficulty()
    generator = torch.Generator().manual_seed(seed)
    cast = Cast(ranges_per_video, generator)
    style, lengths = draw_styles(cast, difficulty), draw_lengths(cast)

    tall = 0.08 * cast.normal("video") + _by_scenario(_SIZE_SPREAD, cast) * cast.normal()
    size = _by_scenario(_SIZE, cast) * torch.exp(tall)
    scale = size / body_height(lengths)
    zoom = _by_scenario(_ZOOM, cast) * (cast.uniform() - 0.5)
    diagonal = _by_scenario(_DIAGONAL, cast) * _DEGREE * difficulty.view * cast.normal()
    diagonal = diagonal.clamp(-70 * _DEGREE, 70 * _DEGREE)
    path = _draw_path(cast, style, lengths["thigh"] + lengths["shank"], scale, diagonal)
    clock = _Clock(path.seconds, frame_step, generator)
    at = clock.range
    bodies = _bodies(cast, clock, style, lengths)

    # Passes go to and fro: a triangle wave whose corners lie outside the picture.
    way = path.speed[at] * clock.time - path.lead[at]
    returns = path.moves[at] & (way.clamp(min=0).floor() % 2 == 1)
    across = torch.where(way < 0, way, 1 - (1 - way % 2).abs())
    x = _WIDTH / 2 + path.direction[at] * (2 * across - 1) * path.half[at]
    x = torch.where(path.moves[at], x, path.stand[at] + clock.wander(1.2, 0.15))
    ground = _HEIGHT / 2 + 0.5 * size + 3 * cast.normal()
    y = ground[at] + clock.wander(0.5, 0.3)

    # Neither from the front nor from the side: there, reaching forwards and sideways both show.
    aside = torch.where(cast.uniform("video") < 0.5, 1.0, -1.0) * (38 + 12 * cast.normal("video"))
    aside = aside + 8 * cast.normal()
    faces = math.pi / 2 + difficulty.view * _DEGREE * aside
    heads = diagonal + torch.where(path.direction > 0, 0.0, math.pi)
    yaw = torch.where(
        path.moves[at],
        heads[at] + math.pi * returns,
        faces[at] + clock.wander(4 * _DEGREE, 0.2),
    )
    tilt = (2 + 6 * cast.uniform("video")) * _DEGREE
    plane, near = project(bodies, yaw, tilt[at])
    zoomed = scale[at] * torch.exp(zoom[at] * (clock.share - 0.5))
    right, down = (plane * zoomed[:, None, None]).unbind(-1)
    roll = (2 * _DEGREE * cast.normal())[at, None]
    true = torch.stack([x[:, None] + right - roll * down, y[:, None] + down + roll * right], -1)

    now = zoomed * body_height({name: value[at] for name, value in lengths.items()})
    jitter = _by_scenario(_JITTER, cast) * difficulty.jitter * torch.exp(0.2 * cast.normal())
    bad = difficulty.missing * torch.exp(0.5 * cast.normal())
    clutter = Clutter(
        jitter=jitter[at] * now,
        lost_joint=(bad * _by_scenario(_LOST_JOINT, cast))[at],
        lost_limbs=(bad * _by_scenario(_LOST_LIMBS, cast))[at],
        lost_person=(bad * _by_scenario(_LOST_PERSON, cast))[at],
        swap=(bad * _by_scenario(_SWAP, cast))[at],
        stray=(difficulty.stray * _STRAY * torch.exp(cast.normal()))[at],
    )
    mirror = resolve_layout(_LAYOUT).mirror
    picture = (_WIDTH, _HEIGHT)
    pos, score = detect(true, near, now, clock.place, clutter, mirror, picture, 0.5, generator)
    return SimulatedVideos(pos, score, true, clock.range, clock.place, cast)


def _graphs(videos: SimulatedVideos, frame_step: int) -> list[SkeletonGraph]:
    """One recording a range; a frame without anybody does not exist and ends a track."""
    cast, layout = videos.cast, resolve_layout(_LAYOUT)
    length = torch.bincount(videos.range, minlength=cast.num_ranges)
    # Some frames of a video lie between its ranges.
    offset = (length + 4).cumsum(0) - (length + 4)
    offset = offset - offset[:: cast.ranges_per_video][cast.video]
    posed = videos.score.gt(0).any(1)
    pos, score, frame = videos.pos[posed], videos.score[posed], videos.place[posed]
    at = videos.range[posed]
    starts = torch.ones_like(at, dtype=torch.bool)
    starts[1:] = (at[1:] != at[:-1]) | (frame[1:] != frame[:-1] + 1)
    frame = frame + offset[at]
    first = starts.nonzero()[:, 0]
    tracks = torch.diff(first, append=torch.tensor([len(at)]))
    poses_of = torch.bincount(at, minlength=cast.num_ranges).tolist()
    tracks_of = torch.bincount(at[first], minlength=cast.num_ranges).tolist()
    parts = zip(
        pos.split(poses_of), score.split(poses_of), frame.split(poses_of), tracks.split(tracks_of),
        strict=True,
    )  # fmt: skip
    out = []
    for i, (own_pos, own_score, own_frame, own_tracks) in enumerate(parts):
        action, subject = int(cast.action[i]), int(cast.subject[i]) + 1
        scenario, repetition = int(cast.scenario[i]) + 1, int(cast.repetition[i]) + 1
        video = f"person{subject:02d}_{ACTIONS[action]}_d{scenario}"
        out.append(
            SkeletonGraph(
                own_pos.flatten(0, 1),
                layout=layout,
                score=own_score.flatten(),
                frame=own_frame,
                fps=_VIDEO_FPS / frame_step,
                track_length=own_tracks,
                person=torch.zeros_like(own_tracks),
                y=torch.tensor([action]),
                name=f"{video}_r{repetition}",
                video=video,
                subject=subject,
                scenario=scenario,
                repetition=repetition,
                clip_start=int(offset[i]),
                clip_length=int(length[i]),
                frame_step=frame_step,
            )
        )
    return out


@lru_cache(maxsize=2)
def _store(seed: int, ranges_per_video: int, frame_step: int, difficulty: Difficulty) -> Store:
    videos = simulate_kth(seed, ranges_per_video, frame_step, difficulty)
    meta = {"set": SyntheticKTH.key, "synthetic": True, "seed": seed}
    return Store.from_graphs(_graphs(videos, frame_step), class_names=ACTIONS, meta=meta)


class SyntheticKTH(SkeletonDataset):
    r"""A **generated** stand-in for :class:`~stgraph.datasets.KTH`: nobody moved for it.

    Six actions as articulated periodic motion of a limb model by forward kinematics, 25 subjects
    with their own proportions, tempo, amplitude and handedness, four scenarios (outdoors; zoom,
    scale and diagonal paths; other clothes, that is more lost limbs; indoors and nearer). Joggers,
    runners and walkers cross the picture, leave it and come back. A simulated detector adds
    heavy-tailed errors, confidences that go with them, lost and stray joints, lost limbs and
    persons, and swapped sides. Pixels of a 160 x 120 picture, BODY_25, every third frame of 25 a
    second.

    By design posture, amplitude and speed overlap between classes, and the phase relations of limbs
    tell them apart; figures on it say nothing about real recordings.

    Recordings carry what those of :class:`~stgraph.datasets.KTH` carry, and the protocols are the
    same (see :func:`~stgraph.datasets.kth_parts`). The whole set is kept in memory; nothing is
    written.

    Args:
        split: ``train``, ``val``, ``trainval``, ``test`` or ``all``.
        protocol: ``official``, ``15-5-5``, ``scenario`` or ``stratified``.
        seed: Decides everything that is generated.
        split_seed: Decides the stratified split.
        ranges_per_video: Recordings of each of the 600 videos.
        frame_step: Frames of the 25 Hz video from one pose to the next.
        difficulty: How hard it is.
        transform: Applied to each recording when it is taken.

    Raises:
        ValueError: If split or protocol is unknown, or a number out of range.
    """

    key = "kth_synthetic"
    title = "KTH stand-in, generated"
    class_names = ACTIONS
    citation = "Generated by stgraph; after " + KTH.citation
    where = "generated on the spot, nothing to download"
    protocols: ClassVar[tuple[str, ...]] = PROTOCOLS

    def __init__(
        self,
        split: str = "train",
        *,
        protocol: str | None = None,
        seed: int = 0,
        split_seed: int = 0,
        ranges_per_video: int = 4,
        frame_step: int = 3,
        difficulty: Difficulty | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.data_seed, self.ranges_per_video = seed, ranges_per_video
        self.frame_step, self.difficulty = frame_step, difficulty or Difficulty()
        super().__init__(self.key, split, protocol=protocol, transform=transform, seed=split_seed)

    def _stored(self, **kwargs: Any) -> Store:
        return _store(self.data_seed, self.ranges_per_video, self.frame_step, self.difficulty)

    def _parse(self, skip_bad: bool) -> tuple[list[SkeletonGraph], list[str]]:
        return [self.store[i] for i in range(len(self.store))], []

    def _mask(self, split: str) -> Tensor:
        column = self.store.column
        part = kth_parts(
            column("subject"),
            column("scenario"),
            column("video"),
            self.store.y,
            self.protocol,
            self.seed,
        )
        wanted = {"train": [0], "val": [1], "trainval": [0, 1], "test": [2]}[split]
        return torch.isin(part, torch.tensor(wanted))

    def _test(self) -> Tensor:
        return self._mask("test")

    def _val(self, trainval: Tensor) -> Tensor:
        return self._mask("val")
