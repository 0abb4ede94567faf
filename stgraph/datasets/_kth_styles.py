"""Who does what and how in the generated KTH: subjects, their habits, and what varies by chance."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from stgraph.datasets._kth_body import SEGMENTS

__all__ = ["ACTIONS", "Cast", "Difficulty", "draw_lengths", "draw_styles"]

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
_SUBJECTS, _SCENARIOS = 25, 4
_DEGREE = math.pi / 180


@dataclass(frozen=True)
class Difficulty:
    """How hard the generated set is: each knob makes it harder when turned up.

    Attributes:
        overlap: How far the classes' means of posture, amplitude and tempo are drawn together,
            0..1. At 1 only the phase relations of limbs and the form of the gait differ.
        amplitude: Standard deviation of the logarithm of the size of arm movements.
        tempo: Standard deviation of the logarithm of the tempo, so that speed says little.
        style: Factor of the differences between people, videos and repetitions.
        view: Factor of the spread of the direction from which people are seen.
        jitter: Factor of the detector's errors.
        missing: Factor of the chances of lost joints, limbs, persons, and swapped sides.
        stray: Factor of the chance that a joint is taken to be somewhere else near the person. A
            few strays spoil deviations and maxima over a recording, and hardly what is averaged
            after a nonlinearity.

    Raises:
        ValueError: If a value is negative or `overlap` is above 1.
    """

    overlap: float = 1.0
    amplitude: float = 0.35
    tempo: float = 0.3
    style: float = 1.0
    view: float = 1.0
    jitter: float = 1.0
    missing: float = 1.0
    stray: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value < math.inf or (field.name == "overlap" and value > 1):
                most = "between 0 and 1" if field.name == "overlap" else ">= 0"
                raise ValueError(f"'Difficulty' expected {field.name} {most} (got {value}).")


@dataclass(frozen=True)
class _Trait:
    """Mean of each action, standard deviation, and whether `overlap` joins the means."""

    mean: tuple[float, ...]
    deviation: float
    joined: bool = True
    unit: float = 1.0


# Means for boxing, handclapping, handwaving, jogging, running, walking. What is not joined tells
# the classes apart by relations, not by size: phases between limbs (`lag`, `arm_lag`, `pump_lag`),
# the gait, and trunk and arms that lean forwards or backwards. People face both sides, so a mean
# position does not see which, and `arm_bend` keeps the wrists equally high. The other sizes are
# set so that the feet of all gaits are about equally fast.
_TRAITS = {
    "rate": _Trait((1.0, 1.1, 0.8, 1.25, 1.4, 1.0), 0.1),
    "raise": _Trait((45, 55, 35, 0, 0, 0), 22, unit=_DEGREE),
    "raise_size": _Trait((45, 35, 40, 0, 0, 0), 13, unit=_DEGREE),
    "arm_bend": _Trait((0, 0, 0, 32, 80, 32), 14, joined=False, unit=_DEGREE),
    "elbow": _Trait((105, 60, 50, 0, 0, 0), 27, unit=_DEGREE),
    "elbow_size": _Trait((85, 40, 40, 0, 0, 0), 18, unit=_DEGREE),
    "out": _Trait((18, 15, 35, 0, 0, 0), 12, unit=_DEGREE),
    "out_size": _Trait((50, 60, 75, 0, 0, 0), 18, unit=_DEGREE),
    "sharp": _Trait((1.3, 1.1, 1.0, 1, 1, 1), 0.22),
    "lag": _Trait((0.5, 0, 0, 0, 0, 0), 0.055, joined=False),
    "lean": _Trait((15, -15, 15, 15, 15, -15), 5.5, joined=False, unit=_DEGREE),
    "legs": _Trait((8, 3, 3, 0, 0, 0), 6, unit=_DEGREE),
    "leg_rate": _Trait((0.5, 0.5, 0.5, 0, 0, 0), 0.22),
    "knee": _Trait((14, 8, 7, 0, 0, 0), 7.5, unit=_DEGREE),
    "stance": _Trait((9, 7, 7, 0, 0, 0), 4.5, unit=_DEGREE),
    "stagger": _Trait((10, 3, 2, 0, 0, 0), 10, unit=_DEGREE),
    "gait": _Trait((0, 0, 0, 1, 2, 0), 0.17, joined=False),
    "hip_size": _Trait((1, 1, 1, 1, 0.8, 1.1), 0.18, joined=False),
    "knee_size": _Trait((1, 1, 1, 1, 0.8, 1.15), 0.18, joined=False),
    "reach": _Trait((1, 1, 1, 1, 0.82, 1.28), 0.15, joined=False),
    "bounce": _Trait((0, 0, 0, 0.055, 0.03, 0.09), 0.018, joined=False),
    "pump": _Trait((0, 0, 0, 36, 36, 8), 6, joined=False, unit=_DEGREE),
    "pump_lag": _Trait((0, 0, 0, -0.25, 0.25, 0), 0.055, joined=False),
    "arm_lag": _Trait((0, 0, 0, -0.12, 0.12, 0), 0.045, joined=False),
    "arm_swing": _Trait((0, 0, 0, 26, 32, 22), 9, unit=_DEGREE),
    "arm_base": _Trait((0, 0, 0, 24, -24, 24), 10, joined=False, unit=_DEGREE),
    "arm_out": _Trait((8,) * 6, 4.5, unit=_DEGREE),
    "limp": _Trait((0,) * 6, 0.07),
    "head_turn": _Trait((0,) * 6, 22, unit=_DEGREE),
}
_ARM_SIZES = ("raise_size", "elbow_size", "out_size", "arm_swing", "pump")


@dataclass(frozen=True)
class Cast:
    """All ranges of the set in the order subject, action, scenario, repetition, and their chances.

    Every draw is one tensor for all ranges, [R], in which ranges of the same subject or video share
    what they should share.
    """

    ranges_per_video: int
    generator: torch.Generator

    @property
    def num_ranges(self) -> int:
        """Number R of ranges."""
        return self.num_videos * self.ranges_per_video

    @property
    def num_videos(self) -> int:
        """Number of videos."""
        return _SUBJECTS * len(ACTIONS) * _SCENARIOS

    @cached_property
    def video(self) -> Tensor:
        """Video of each range, from 0."""
        return torch.arange(self.num_ranges) // self.ranges_per_video

    @cached_property
    def repetition(self) -> Tensor:
        """Number of each range in its video, from 0."""
        return torch.arange(self.num_ranges) % self.ranges_per_video

    @cached_property
    def scenario(self) -> Tensor:
        """Scenario of each range, from 0."""
        return self.video % _SCENARIOS

    @cached_property
    def action(self) -> Tensor:
        """Class number of each range."""
        return self.video // _SCENARIOS % len(ACTIONS)

    @cached_property
    def subject(self) -> Tensor:
        """Subject of each range, from 0."""
        return self.video // (_SCENARIOS * len(ACTIONS))

    def normal(self, level: str = "range") -> Tensor:
        """Standard normal, cut at 2.2, one draw per "subject", "habit", "video" or "range".

        A habit is how a subject does an action.
        """
        place = self._place(level)
        size = int(place[-1]) + 1
        return torch.randn(size, generator=self.generator).clamp(-2.2, 2.2)[place]

    def uniform(self, level: str = "range") -> Tensor:
        """Uniform in 0..1, one draw per "subject", "habit", "video" or "range"."""
        place = self._place(level)
        return torch.rand(int(place[-1]) + 1, generator=self.generator)[place]

    def _place(self, level: str) -> Tensor:
        return {
            "subject": self.subject,
            "habit": self.video // _SCENARIOS,
            "video": self.video,
            "range": torch.arange(self.num_ranges),
        }[level]

    def mixed(self) -> Tensor:
        """Unit-variance normal: a quarter each of subject and habit, the rest video and range."""
        parts = (("subject", 0.5), ("habit", 0.5), ("video", 0.45), ("range", 0.54))
        return torch.stack([share * self.normal(level) for level, share in parts]).sum(0)


def draw_styles(cast: Cast, difficulty: Difficulty) -> dict[str, Tensor]:
    """How each range is performed.

    Args:
        cast: The ranges.
        difficulty: Its `overlap`, `amplitude`, `tempo` and `style` matter here.

    Returns:
        The arguments `style` of :mod:`stgraph.datasets._kth_motion`, angles in radians, `rate` in
        periods per second, `bounce` in metres; each [R].
    """
    style: dict[str, Tensor] = {}
    for name, trait in _TRAITS.items():
        mean = torch.tensor(trait.mean, dtype=torch.float32)
        if trait.joined:
            # Standing and moving actions are joined among themselves.
            common = mean.view(2, 3).mean(1).repeat_interleave(3)
            mean = mean + difficulty.overlap * (common - mean)
        drawn = mean[cast.action] + difficulty.style * trait.deviation * cast.mixed()
        style[name] = drawn * trait.unit
    vigour = torch.exp(difficulty.amplitude * cast.mixed())
    for name in _ARM_SIZES:
        style[name] = style[name] * vigour
    style["rate"] = style["rate"] * torch.exp(difficulty.tempo * cast.mixed())
    left_handed = cast.uniform("subject") < 0.2
    style["leader"] = torch.where(left_handed, 1.0, -1.0)
    one_armed = cast.uniform("video") < 0.15
    chance = cast.uniform()
    style["one_arm"] = torch.where(one_armed, 0.15 * chance, 1 - 0.3 * chance)
    return style


def draw_lengths(cast: Cast) -> dict[str, Tensor]:
    """Segment lengths in metres of the subject of each range, each [R]."""
    stature = 1 + 0.05 * cast.normal("subject")
    return {
        name: length * stature * (1 + 0.05 * cast.normal("subject"))
        for name, length in SEGMENTS.items()
    }
