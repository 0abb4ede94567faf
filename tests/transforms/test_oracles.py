"""The numbers of the published code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _oracles import preprocessing

from stgraph import transforms as T
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import published


def load(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return {k: v for k, v in arrays.items() if "/" in k}, json.loads(str(arrays["config_json"]))


def test_every_case_of_the_oracle_is_met(shared_path: Callable[..., Path]) -> None:
    arrays, config = load(shared_path("oracles", "preprocessing.npz"))
    results = list(preprocessing.check(arrays, config))
    assert len(results) >= 100
    assert [result for result in results if result[1] > result[2]] == []


def test_an_operation_that_nobody_knows_fails() -> None:
    ((name, error, _),) = preprocessing.check({"wavelet/a/expected": np.zeros(3)}, {})
    assert (name, error) == ("wavelet/a", float("inf"))


def test_variants_that_this_file_does_not_have_are_understood() -> None:
    rng = np.random.default_rng(0)
    clip = rng.normal(size=(3, 40, 5, 1)).astype(np.float32)
    short = clip[:, :12]
    length = published.random_crop_resize(torch.from_numpy(clip), 30, (0.2, 0.9), 16, 5)
    arrays = {
        "crop_resize/input_CTVM": clip,
        "crop_resize/random_npseed5_p0.2_0.9_window16/expected": length[0].numpy(),
        "crop_resize/random_npseed5_p0.2_0.9_window16/crop_start_length": np.array(length[1]),
        "crop_resize/short_input_CTVM": short,
        "crop_resize/short9_center0.8_window7/expected": published.crop_resize(
            torch.from_numpy(short), 9, 0.8, 7
        ).numpy(),
        "uniform_sample/test/clip4_n2_len30_seed9": published.uniform_test_frames(
            30, 4, 2, seed=9
        ).numpy(),
        "uniform_sample/train_npseed7_p0.3_0.6/clip16_n10_len41": published.uniform_train_frames(
            41, 16, 10, (0.3, 0.6), 7
        ).numpy(),
        "pad_to/zero50/input": clip.transpose(3, 1, 2, 0),
        "pad_to/zero50/expected": published.pad_to(
            torch.from_numpy(clip.transpose(3, 1, 2, 0)), 50, "zero"
        ).numpy(),
        "ucla/c/input_TVC": clip[..., 0].transpose(1, 2, 0),
        "ucla/c/expected_view": published.view_transform(
            published.ucla_centre(torch.from_numpy(clip[..., 0].transpose(1, 2, 0))), 10, -20, 1.1
        ).numpy(),
    }
    config = {"crop_resize_valid_frames": 30, "ucla_c": {"agx": 10, "agy": -20, "scale": 1.1}}
    results = list(preprocessing.check(arrays, config))
    assert len(results) == 6
    assert [result for result in results if result[1] > result[2]] == []


def test_a_case_that_cannot_be_run_fails_and_says_why() -> None:
    ((name, error, _),) = preprocessing.check({"kth_loop_pad/to9/expected": np.zeros(3)}, {})
    assert error == float("inf")
    assert "kth_loop_pad/to9" in name


def test_ragged_crop_resize_gives_the_published_numbers(shared_path: Callable[..., Path]) -> None:
    arrays, config = load(shared_path("oracles", "preprocessing.npz"))
    clip = torch.from_numpy(arrays["crop_resize/input_CTVM"]).permute(3, 1, 2, 0)
    valid = config["crop_resize_valid_frames"]
    for part in (0.95, 1.0, 0.5):
        for window in (64, 120):
            key = f"crop_resize/center_p{part}_window{window}/expected"
            expected = torch.from_numpy(arrays[key]).permute(3, 1, 2, 0)
            for person in range(len(clip)):
                own = clip[person : person + 1, :valid]
                if not own.ne(0).flatten(2).any(dim=-1).all():
                    continue
                data = SkeletonGraph.from_dense(own, "kinect_v2_25")
                found = T.CropResize(window, part=part)(data)
                torch.testing.assert_close(
                    found.to_dense(), expected[person : person + 1], rtol=0, atol=1e-5
                )


def test_ragged_pre_normalise_3d_gives_the_published_numbers(
    shared_path: Callable[..., Path],
) -> None:
    arrays, _ = load(shared_path("oracles", "preprocessing.npz"))
    names = {key.split("/")[1] for key in arrays if key.startswith("prenormalize3d/")}
    for name in sorted(names):
        data = SkeletonGraph.from_dense(arrays[f"prenormalize3d/{name}/input"], "kinect_v2_25")
        for variant, spine in (("default", ("pelvis", "spine")), ("center_only", None)):
            found = T.PreNormalise3D(spine=spine)(data)
            expected = torch.from_numpy(arrays[f"prenormalize3d/{name}/{variant}/expected"])
            people = list(range(len(expected)))
            if name == "second_person_longer":
                people = people[::-1]
            # frames that were dropped leave no trace in the published array
            place = found.frame.unique(return_inverse=True)[1]
            rebuilt = torch.zeros_like(expected)
            slot = torch.tensor(people)[found.person[found.track]]
            rebuilt[slot, place] = found.folded("pos")
            torch.testing.assert_close(rebuilt, expected, rtol=0, atol=1e-4)


def test_ragged_pre_normalise_2d_gives_the_published_numbers(
    shared_path: Callable[..., Path],
) -> None:
    arrays, _ = load(shared_path("oracles", "preprocessing.npz"))
    keypoint, score = (arrays[f"prenormalize2d/{key}"] for key in ("keypoint", "keypoint_score"))
    data = SkeletonGraph.from_dense(keypoint, "coco_17", score=np.maximum(score, 1e-6))
    for mode, size in (("fix", (1920, 1080)), ("auto", None)):
        for threshold in (0.01, 0.4):
            found = T.PreNormalise2D(size, threshold)(data)
            expected = arrays[f"prenormalize2d/{mode}_thr{threshold}/expected"][..., :2]
            torch.testing.assert_close(
                found.to_dense(), torch.from_numpy(expected), rtol=0, atol=1e-5
            )


def test_streams_give_the_published_numbers(shared_path: Callable[..., Path]) -> None:
    arrays, _ = load(shared_path("oracles", "preprocessing.npz"))
    clip = torch.from_numpy(arrays["joint_to_bone/nturgb+d/input"])
    pairs = arrays["joint_to_bone/nturgb+d/pairs"]
    parents = torch.empty(25, dtype=torch.long)
    parents[pairs[:, 0]] = torch.from_numpy(pairs[:, 1])
    persons, frames, joints, _ = clip.shape
    pos, score = clip.flatten(0, 1), torch.ones(persons * frames, joints)
    length = torch.full((persons,), frames)
    found = [
        T.stream.make_stream(name, pos, score, parents.tolist(), length)[0]
        for name in ("joint", "bone", "joint_motion", "bone_motion")
    ]
    expected = torch.from_numpy(arrays["gen_ske_feat/nturgb+d/expected_j_b_jm_bm"])
    torch.testing.assert_close(torch.cat(found, dim=-1).view_as(expected), expected)


def test_nw_ucla_chain_gives_the_published_numbers(shared_path: Callable[..., Path]) -> None:
    arrays, _ = load(shared_path("oracles", "preprocessing.npz"))
    clip = arrays["ucla/input_TVC"][None]
    data = SkeletonGraph.from_dense(clip, "kinect_v1_20", score=np.ones(clip.shape[:3]))
    found = T.NormaliseRange()(T.CenterJoint(1, of="first")(data))
    expected = torch.from_numpy(arrays["ucla/test/expected_scaled"])
    torch.testing.assert_close(found.folded("pos"), expected, rtol=0, atol=1e-5)
    sampled = T.UniformSample(52, how="even", short="fill")(found)
    index = torch.from_numpy(arrays["ucla/test_index/len37"])
    torch.testing.assert_close(sampled.folded("pos"), expected[index], rtol=0, atol=1e-5)
