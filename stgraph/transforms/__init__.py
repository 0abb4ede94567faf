"""Transforms of recordings: on one :class:`~stgraph.skeleton.SkeletonGraph` and on a batch alike.

Each is a pure function of tensors with a thin class on top; none loops over recordings, tracks or
frames, and none changes what it is given. Missing joints (score 0) enter no statistic and stay
missing. Chain them with :class:`torch_geometric.transforms.Compose`, in this order: people and
gaps, sampling in time, normalisation, augmentation, and :class:`Stream` last.

Random transforms draw for each recording by itself from the ``generator`` they were given, or from
torch's own. Give none to a transform that runs in the workers of a loader: torch seeds each worker,
but every worker would have the same copy of a generator.

:mod:`stgraph.transforms.published` has the dense originals.
"""

from stgraph.transforms.base import SkeletonTransform
from stgraph.transforms.body_units import BodyUnits
from stgraph.transforms.bridge_gaps import BridgeGaps
from stgraph.transforms.center_joint import CenterJoint
from stgraph.transforms.crop_resize import CropResize
from stgraph.transforms.drop_joints import DropJoints
from stgraph.transforms.face_forward import FaceForward
from stgraph.transforms.fill_missing import FillMissing
from stgraph.transforms.flip import Flip
from stgraph.transforms.hitrs_augmentation import HiTRSAugmentation
from stgraph.transforms.jitter import Jitter
from stgraph.transforms.joint_noise import JointNoise
from stgraph.transforms.normalise_range import NormaliseRange
from stgraph.transforms.normalise_scale import NormaliseScale
from stgraph.transforms.pre_normalise_2d import PreNormalise2D
from stgraph.transforms.pre_normalise_3d import PreNormalise3D
from stgraph.transforms.random_rotate import RandomRotate
from stgraph.transforms.random_scale import RandomScale
from stgraph.transforms.random_shear import RandomShear
from stgraph.transforms.random_speed import RandomSpeed
from stgraph.transforms.random_translate import RandomTranslate
from stgraph.transforms.report_augmentation import ReportAugmentation
from stgraph.transforms.resample_time import ResampleTime
from stgraph.transforms.select_persons import SelectPersons
from stgraph.transforms.standardise import Standardise
from stgraph.transforms.stream import Stream
from stgraph.transforms.time_crop import RandomTimeCrop, TimeCrop
from stgraph.transforms.time_interpolation import TimeInterpolation
from stgraph.transforms.uniform_sample import UniformSample

__all__ = [
    # streams
    "Stream",
    # people and gaps
    "SelectPersons",
    "BridgeGaps",
    "FillMissing",
    # sampling in time
    "ResampleTime",
    "CropResize",
    "UniformSample",
    "TimeCrop",
    "RandomTimeCrop",
    "RandomSpeed",
    # normalisation
    "CenterJoint",
    "NormaliseScale",
    "NormaliseRange",
    "Standardise",
    "BodyUnits",
    "FaceForward",
    "PreNormalise2D",
    "PreNormalise3D",
    # augmentation
    "ReportAugmentation",
    "Flip",
    "RandomRotate",
    "RandomScale",
    "RandomTranslate",
    "RandomShear",
    "Jitter",
    "JointNoise",
    "TimeInterpolation",
    "HiTRSAugmentation",
    "DropJoints",
    # extension
    "SkeletonTransform",
]
