"""Checks the family `preprocessing`; an operation is recognised by its key, in any variant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stgraph.transforms import published

TOLERANCE = 1e-5
TOLERANCE_3D = 1e-4
STREAMS = {"j": "joint", "b": "bone", "jm": "joint_motion", "bm": "bone_motion"}
SCORED = ("openpose", "coco")

Arrays = Mapping[str, np.ndarray]
Check = Callable[[str, Arrays, Mapping[str, Any]], tuple[Tensor | float, Tensor]]


def number(name: str, key: str, default: float | None = None) -> float:
    """The number that follows `key` in a variant's name, such as 255 in `len5_seed255`."""
    found = re.search(rf"(?:^|[_/]|(?<=\d)){re.escape(key)}(-?\d+(?:\.\d+)?)", name)
    if found:
        return float(found.group(1))
    if default is None:
        raise KeyError(f"no {key!r} in {name!r}")
    return default


def interval(name: str) -> tuple[float, float] | None:
    """The two numbers of `p0.5_1` in a variant's name."""
    found = re.search(r"_p(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)(?=[_/]|$)", name)
    return (float(found.group(1)), float(found.group(2))) if found else None


def tensor(arrays: Arrays, key: str) -> Tensor:
    return torch.from_numpy(np.asarray(arrays[key]))


def source(arrays: Arrays, name: str, *names: str) -> Tensor:
    """The array of one of these names beside the case, or beside one of its parents."""
    parts = name.split("/")
    for depth in range(len(parts), 0, -1):
        for candidate in names:
            key = "/".join([*parts[:depth], candidate])
            if key in arrays:
                return tensor(arrays, key)
    raise KeyError(f"no {' or '.join(names)} for {name!r}")


def beside(
    name: str, arrays: Arrays, found: Tensor, drawn: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """A result and what was drawn for it, next to what the file has of both."""
    expected = tensor(arrays, f"{name}/expected")
    known = [key for key in drawn if f"{name}/{key}" in arrays]
    if found.shape != expected.shape or not known:
        return found, expected
    ours = [found, *(drawn[key] for key in known)]
    theirs = [expected, *(tensor(arrays, f"{name}/{key}") for key in known)]
    return (
        torch.cat([value.flatten().double() for value in ours]),
        torch.cat([value.flatten().double() for value in theirs]),
    )


def prenormalize3d(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    clip, centre = published.pre_normalise_3d(
        source(arrays, name, "input"), align_spine="center_only" not in name
    )
    expected = tensor(arrays, f"{name}/expected")
    if clip.shape != expected.shape:
        return clip, expected
    found, wanted = [clip.flatten()], [expected.flatten()]
    if f"{name}/body_center" in arrays:
        found.append(centre)
        wanted.append(tensor(arrays, f"{name}/body_center"))
    if f"{name}/total_frames" in arrays:
        found.append(torch.tensor([float(clip.shape[1])]))
        wanted.append(tensor(arrays, f"{name}/total_frames").float().reshape(1))
    return torch.cat(found), torch.cat(wanted)


def prenormalize2d(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    variant = name.split("/")[-1]
    own = f"{name}/input" in arrays
    keypoint = source(arrays, name, "input", "keypoint")
    expected = tensor(arrays, f"{name}/expected")
    scored = expected.shape[-1] == keypoint.shape[-1] + 1
    score = source(arrays, name, "keypoint_score") if scored and not own else None
    if own and f"{name}/keypoint_score" in arrays:
        score = tensor(arrays, f"{name}/keypoint_score")
    size = re.search(r"(\d+)x(\d+)", variant)
    found = published.pre_normalise_2d(
        keypoint,
        score,
        mode=variant.split("_")[0],
        threshold=number(variant, "thr", 0.01),
        image_size=(int(size.group(1)), int(size.group(2))) if size else (1080, 1920),
    )
    return found, expected


def joint_to_bone(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    clip = tensor(arrays, f"{name}/input")
    score = name.split("/")[1] in SCORED and clip.shape[-1] == 3
    pairs = tensor(arrays, f"{name}/pairs")
    return published.joint_to_bone(clip, pairs, score), tensor(arrays, f"{name}/expected")


def beside_bones(arrays: Arrays, name: str, what: str) -> Tensor:
    layout = name.split("/")[1].removesuffix("_with_score")
    return source(arrays, f"joint_to_bone/{layout}", what)


def to_motion(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    own = f"{name}/input" in arrays
    clip = tensor(arrays, f"{name}/input") if own else beside_bones(arrays, name, "input")
    score = name.split("/")[1] in SCORED and clip.shape[-1] == 3
    return published.to_motion(clip, score), tensor(arrays, f"{name}/expected")


def gen_ske_feat(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    (key,) = [key for key in arrays if key.startswith(f"{name}/expected_")]
    streams = [STREAMS[letter] for letter in key.rsplit("/expected_", 1)[1].split("_")]
    layout = name.split("/")[1].removesuffix("_with_score")
    if f"{name}/keypoint" in arrays:
        clip = tensor(arrays, f"{name}/keypoint")
        if f"{name}/keypoint_score" in arrays:
            clip = torch.cat([clip, tensor(arrays, f"{name}/keypoint_score")[..., None]], dim=-1)
    elif f"{name}/input" in arrays:
        clip = tensor(arrays, f"{name}/input")
    else:
        clip = beside_bones(arrays, name, "input")
    score = layout in SCORED and clip.shape[-1] == 3
    pairs = beside_bones(arrays, name, "pairs")
    return published.skeleton_features(clip, pairs, streams, score), tensor(arrays, key)


def uniform_sample(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    frames = int(number(name, "len"))
    clip, clips = int(number(name, "clip")), int(number(name, "n"))
    part = interval(name) or 1.0
    if "/test" in name:
        seed = int(number(name, "seed", 255))
        found = published.uniform_test_frames(frames, clip, clips, part, seed)
    else:
        random = np.random.RandomState(int(number(name, "npseed")))
        found = published.uniform_train_frames(frames, clip, clips, part, random)
    return found, tensor(arrays, name)


def format_gcn_input(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    expected = tensor(arrays, f"{name}/expected")
    clip = source(arrays, name, "input")
    found = published.format_gcn_input(clip, expected.shape[1], expected.shape[0])
    return found, expected


def pad_to(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    try:
        clip = source(arrays, name, "input")
    except KeyError:
        clip = source(arrays, "format_gcn_input", "input")
    expected = tensor(arrays, f"{name}/expected")
    mode = "zero" if "zero" in name else "loop"
    return published.pad_to(clip, expected.shape[1], mode), expected


def random_rot_pyskl(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    clip = source(arrays, name, "input")
    theta = number(name, "theta", 0.3)
    found, angles = published.random_rotate(clip, theta, int(number(name, "npseed")))
    drawn = {"theta": angles, "matrix": published.rotation_matrix(angles)}
    return beside(name, arrays, found, drawn)


def random_scale_pyskl(
    name: str, arrays: Arrays, config: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    try:
        clip = source(arrays, name, "input")
    except KeyError:
        clip = source(arrays, "random_rot_pyskl", "input")
    scale = number(name, "scale", 0.2)
    found = published.random_scale(clip, scale, int(number(name, "npseed")))
    return found, tensor(arrays, f"{name}/expected")


def crop_resize(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    variant = name.split("/")[-1]
    short = re.match(r"short(\d+)", variant)
    names = ["short_input_CTVM", "input_CTVM"] if short else ["input_CTVM"]
    clip = source(arrays, name, *names)
    valid = int(short.group(1)) if short else int(config.get("crop_resize_valid_frames", 0))
    valid = valid or int(clip.ne(0).any(dim=3).any(dim=2).any(dim=0).sum())
    expected = tensor(arrays, f"{name}/expected")
    window = expected.shape[1]
    if "random" in variant:
        found, (start, length) = published.random_crop_resize(
            clip, valid, interval(variant) or (0.5, 1.0), window, int(number(variant, "npseed"))
        )
        if f"{name}/crop_start_length" in arrays:
            drawn = torch.tensor([start, length]).float()
            wanted = tensor(arrays, f"{name}/crop_start_length").float()
            return torch.cat([found.flatten(), drawn]), torch.cat([expected.flatten(), wanted])
        return found, expected
    found_p = re.search(r"center_?p?(\d+(?:\.\d+)?)", variant)
    if found_p is None:
        raise KeyError(f"no part in {name!r}")
    return published.crop_resize(clip, valid, float(found_p.group(1)), window), expected


def rotation(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    if f"{name}/expected_matrices" in arrays:
        found = published.rotation_matrix(tensor(arrays, f"{name}/angles_xyz"))
        return found, tensor(arrays, f"{name}/expected_matrices")
    generator = torch.Generator().manual_seed(int(number(name, "torchseed")))
    clip = source(arrays, name, "random_rot_input_CTVM", "input_CTVM", "input")
    found, angles = published.random_rotation(clip, number(name, "theta", 0.3), generator)
    expected = tensor(arrays, f"{name}/expected")
    if f"{name}/angles" in arrays:
        drawn = tensor(arrays, f"{name}/angles")
        return torch.cat([found.flatten(), angles]), torch.cat([expected.flatten(), drawn])
    return found, expected


def ucla(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    if "/test_index/" in name:
        expected = tensor(arrays, name)
        return published.even_frames(int(number(name, "len")), len(expected)), expected
    given = config[f"ucla_{name.split('/')[1]}"]
    clip = published.ucla_centre(source(arrays, name, "input_TVC"))
    view = published.view_transform(clip, given["agx"], given["agy"], given["scale"])
    found: list[Tensor] = []
    wanted: list[Tensor] = []
    for key, value in (("expected_view", view), ("expected_scaled", published.min_max(view))):
        if f"{name}/{key}" in arrays:
            found.append(value.flatten())
            wanted.append(tensor(arrays, f"{name}/{key}").flatten())
    return torch.cat(found), torch.cat(wanted)


def crossclr_shear(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    clip = source(arrays, name, "input_CTVM")
    found, draws = published.shear(clip, number(name, "r", 0.5), int(number(name, "pyseed")))
    expected = tensor(arrays, f"{name}/expected")
    if f"{name}/uniform_draws" in arrays:
        drawn = tensor(arrays, f"{name}/uniform_draws")
        return torch.cat([found.flatten(), draws]), torch.cat([expected.flatten(), drawn])
    return found, expected


def crossclr_temporal_crop(
    name: str, arrays: Arrays, config: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    clip = source(arrays, name, "input_CTVM")
    ratio, seed = int(number(name, "ratio", 6)), int(number(name, "npseed"))
    found, start = published.temporal_crop(clip, ratio, seed)
    return beside(name, arrays, found, {"start": torch.tensor(start)})


def stgcn_openpose_match(
    name: str, arrays: Arrays, config: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    clip = source(arrays, name, "input_CTVM")
    return published.openpose_match(clip), tensor(arrays, f"{name}/expected")


def stgcn_random_move(
    name: str, arrays: Arrays, config: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    clip = source(arrays, name, "input_CTVM")
    found = published.random_move(
        clip, random=int(number(name, "npseed")), choice=int(number(name, "pyseed", 0))
    )
    return found, tensor(arrays, f"{name}/expected")


def kth_loop_pad(name: str, arrays: Arrays, config: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    expected = tensor(arrays, f"{name}/expected")
    clip = source(arrays, name, "input_NTVC", "input")
    return published.loop_pad(clip, expected.shape[1]), expected


CHECKS: dict[str, Check] = {
    function.__name__: function
    for function in (
        prenormalize3d,
        prenormalize2d,
        joint_to_bone,
        to_motion,
        gen_ske_feat,
        uniform_sample,
        format_gcn_input,
        pad_to,
        random_rot_pyskl,
        random_scale_pyskl,
        crop_resize,
        rotation,
        ucla,
        crossclr_shear,
        crossclr_temporal_crop,
        stgcn_openpose_match,
        stgcn_random_move,
        kth_loop_pad,
    )
}
# Operations whose table is the array itself, without a key "expected" below it.
TABLES = ("uniform_sample/", "ucla/test_index/")


def case_names(case_arrays: Arrays) -> Iterator[str]:
    """The cases of a file: what has an expected array below it, and the tables."""
    names = dict.fromkeys(
        key if key.startswith(TABLES) else key.rsplit("/", 1)[0]
        for key in case_arrays
        if key.startswith(TABLES) or "/expected" in key
    )
    yield from names


def error_of(found: Tensor | float, expected: Tensor) -> float:
    """Largest difference; infinite where the shapes or the missing values differ."""
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        return float("inf")
    if found.numel() == 0:
        return 0.0
    difference = (found.double() - expected.double()).abs()
    return float(difference.max()) if bool(difference.isfinite().all()) else float("inf")


def check(case_arrays: Arrays, config: Mapping[str, Any]) -> Iterable[tuple[str, float, float]]:
    """Every case with its largest absolute error and what is allowed; integer tables are exact."""
    for name in case_names(case_arrays):
        operation = name.split("/")[0]
        if operation not in CHECKS:
            yield name, float("inf"), TOLERANCE
            continue
        try:
            found, expected = CHECKS[operation](name, case_arrays, config)
        except (KeyError, IndexError, ValueError, RuntimeError) as error:
            yield f"{name} ({error})", float("inf"), TOLERANCE
            continue
        tolerance = TOLERANCE_3D if operation == "prenormalize3d" else TOLERANCE
        exact = not expected.is_floating_point()
        yield name, error_of(found, expected), 0.0 if exact else tolerance
