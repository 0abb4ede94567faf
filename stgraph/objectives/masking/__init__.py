"""Strategies that choose what to hide."""

from stgraph.objectives.masking.base import Masking, MaskingFunction, gumbel_noise, number_hidden
from stgraph.objectives.masking.motion import (
    MotionAware,
    log_masking_probability,
    motion_intensity,
)
from stgraph.objectives.masking.parts import BodyParts, skeletonmae_parts
from stgraph.objectives.masking.random import Frames, Persons, RandomJoints, RandomTokens, Tubes

__all__ = [
    "Masking",
    "MaskingFunction",
    "MotionAware",
    "RandomTokens",
    "RandomJoints",
    "BodyParts",
    "Tubes",
    "Frames",
    "Persons",
    "gumbel_noise",
    "log_masking_probability",
    "motion_intensity",
    "number_hidden",
    "skeletonmae_parts",
]
