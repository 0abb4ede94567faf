"""Makes the small recordings of this folder, one a format: ``python datasets/make_samples.py``.

Everything here is drawn by these lines: a figure at rest that waves or marches, with joints and
people that go missing. Nobody was filmed, and no data set was copied.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stgraph.files import replacing, write_atomically
from stgraph.io import Store, graphs_from_array
from stgraph.skeleton import SkeletonLayout, resolve_layout
from stgraph.viz import rest_pose

Array = NDArray[np.float64]
HERE = Path(__file__).resolve().parent
#: What the figures of the store do.
ACTIONS = ("wave", "march")


def figure(layout: str | SkeletonLayout, action: str, frames: int = 16, turn: float = 0.0) -> Array:
    """Somebody who waves the right hand or marches on the spot.

    Args:
        layout: The joints.
        action: ``"wave"`` or ``"march"``.
        frames: Number of frames.
        turn: Where in the movement it begins, in radians.

    Returns:
        [T, V, 3] in body heights: x right as the viewer sees it, y down, z away from the viewer.
    """
    layout = resolve_layout(layout)
    rest = rest_pose(layout).double().numpy()
    pos = np.zeros((frames, layout.num_joints, 3))
    pos[:, :, :2] = rest
    swing = np.sin(np.linspace(0, 4 * np.pi, frames, endpoint=False) + turn)
    for joint, name in enumerate(layout.canonical):
        side, _, part = name.partition("_")
        if action == "wave" and side == "right" and part in ("elbow", "wrist", "hand"):
            lift = {"elbow": 0.14, "wrist": 0.42, "hand": 0.5}[part]
            reach = {"elbow": 0.02, "wrist": 0.07, "hand": 0.09}[part]
            pos[:, joint, 0] += reach * swing - 0.03
            pos[:, joint, 1] -= lift
        if action == "march" and side in ("left", "right"):
            step = np.clip(swing if side == "left" else -swing, 0, None)
            if part in ("knee", "ankle", "foot", "heel", "big_toe", "small_toe"):
                pos[:, joint, 1] -= (0.1 if part == "knee" else 0.14) * step
                pos[:, joint, 2] -= (0.14 if part == "knee" else 0.08) * step
            if part in ("wrist", "hand"):
                pos[:, joint, 2] += 0.1 * (swing if side == "left" else -swing)
    return pos


def in_pixels(pos: Array, x: float = 80.0, height: float = 90.0) -> Array:
    """Coordinates in a picture of 160 x 120 pixels, x right, y down, in hundredths of a pixel."""
    return (pos[..., :2] * height + (x, 15.0)).round(2)


def in_metres(pos: Array, distance: float = 3.0) -> Array:
    """As a Kinect has it: x to the right of a person who faces it, y up, z away from it."""
    metres = pos * (-1.7, -1.7, 1.7) + (0.0, 0.9, distance)
    return metres.round(4)


# --- one function a format ------------------------------------------------------------------------
def openpose(out: Path) -> None:
    """A folder of a JSON file a frame: two people, one leaves; frame 8 shows nobody."""
    one, two = (in_pixels(figure("openpose_body_25", a, 12), x) for a, x in zip(ACTIONS, (55, 115)))
    for frame in range(12):
        people = []
        for who, pos in enumerate((one[frame], two[frame])):
            if frame == 8 or (who == 1 and frame > 5):
                continue
            confidence = np.full((25, 1), 0.9)
            confidence[frame % 25] = 0  # a joint that was not found lies at (0, 0)
            found = np.where(confidence > 0, pos, 0.0)
            row = np.concatenate([found, confidence], axis=1).round(2).flatten().tolist()
            people.append({"person_id": [-1], "pose_keypoints_2d": row})
        name = f"wave_{frame:012d}_keypoints.json"
        write_atomically(
            out / name, (json.dumps({"version": 1.3, "people": people}) + "\n").encode()
        )


def kth_poses(out: Path) -> None:
    """Poses of one KTH video; the first pose lacks its face, frame 5 shows nobody."""
    pos = in_pixels(figure("openpose_coco_18", "wave")).astype(np.float32)
    pos[0, [0, 14, 15, 16, 17]] = 0
    pos[5] = 0
    with replacing(out / "person01_handwaving_d1.npz") as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            poses=pos,
            timestamps=np.arange(len(pos)) * 3 / 25,
            meta=np.array(json.dumps({"video_id": "person01_handwaving_d1"})),
        )


def nw_ucla(out: Path) -> None:
    """A JSON file a recording."""
    table = in_metres(figure("kinect_v1_20", "march"))
    fields = {"file_name": "a04_s01_e00_v01", "skeletons": table.tolist(), "label": 4}
    write_atomically(out / "a04_s01_e00_v01.json", (json.dumps(fields) + "\n").encode())


def penn_action(out: Path) -> None:
    """A MATLAB file a recording; the head is hidden in the first frames, its place a filler."""
    # the columns that the data set calls left hold the right side, as in its own files
    pos = in_pixels(figure("penn_13", "wave"))
    visible = np.ones(pos.shape[:2])
    visible[:3, 0] = 0
    pos[:3, 0] = 1
    variables = {
        "action": "jumping_jacks",
        "pose": "front",
        "x": pos[..., 0],
        "y": pos[..., 1],
        "visibility": visible,
        "train": 1.0,
    }
    _savemat(out / "0001.mat", variables)


def utd_mhad(out: Path) -> None:
    """A MATLAB file a recording: joints, coordinates, frames."""
    pos = in_metres(figure("utd_mhad_20", "wave"))
    _savemat(out / "a3_s1_t1_skeleton.mat", {"d_skel": pos.transpose(1, 2, 0)})


def sbu(out: Path) -> None:
    """A text file a recording: two people on every line, axes of three scales."""
    people = []
    for action, side in zip(ACTIONS, (-0.4, 0.4)):
        metres = in_metres(figure("sbu_15", action)) + np.array([side, 0.0, 0.0])
        people.append((metres - (1.28, 0.96, 0.0)) / (-2.56, -1.92, 1.28))
    table = np.stack(people, axis=1).reshape(len(people[0]), -1)
    lines = [
        ",".join([str(4 + n), *(f"{value:.6f}" for value in row)]) for n, row in enumerate(table)
    ]
    place = out / "s01s02" / "05" / "001"  # pair, class and number are in the path
    write_atomically(place / "skeleton_pos.txt", ("\n".join(lines) + "\n").encode())


def msr_action3d(out: Path) -> None:
    """A text file a recording: a line a joint, with confidence."""
    pos = in_metres(figure("msr_action3d_20", "wave"))
    lines = [" ".join([*(f"{v:.4f}" for v in joint), "0.9"]) for frame in pos for joint in frame]
    write_atomically(out / "a01_s01_e01_skeleton3D.txt", ("\n".join(lines) + "\n").encode())


def utkinect(out: Path) -> None:
    """A text file a recording of two actions, and the list of what happens when."""
    rest = figure("kinect_v1_20", "wave")[:1].repeat(8, axis=0)
    wave, march = (figure("kinect_v1_20", action) for action in ACTIONS)
    pos = in_metres(np.concatenate([wave, rest, march]))
    number = 100 + np.cumsum(np.tile([0, 4, 2, 6], 10))  # unequal steps, and numbers that repeat
    lines = [
        "   ".join([str(n), *(f"{v:.4f}" for v in frame.flatten())])
        for n, frame in zip(number, pos)
    ]
    write_atomically(out / "joints_s01_e01.txt", ("\n".join(lines) + "\n").encode())
    labels = [f"waveHands: {number[0]} {number[15]}", f"walk: {number[24]} {number[39]}"]
    labels = ["s01_e01", *labels, "carry: NaN NaN"]
    write_atomically(out / "actionLabel_modified.txt", ("\n".join(labels) + "\n").encode())


def pku_mmd(out: Path) -> None:
    """A folder of three recordings, their labels and who trains; somebody joins the first."""
    for take in (1, 2, 3):
        acting = np.concatenate([figure("kinect_v2_25", action, 8) for action in ACTIONS])
        table = np.zeros((16, 2, 25, 3))
        table[:, 0] = in_metres(acting, distance=2.5 + 0.2 * take)
        if take == 1:
            table[8:, 1] = in_metres(figure("kinect_v2_25", "wave", 8)) + np.array([0.9, 0.0, 0.0])
        rows = [" ".join(f"{v:.4f}" if v else "0" for v in row) for row in table.reshape(16, -1)]
        name = f"{take:04d}-M.txt"
        write_atomically(out / "skeleton" / name, ("\n".join(rows) + "\n").encode())
        write_atomically(out / "label" / name, b"13,0,7,2\n19,9,15,1\n")
    lists = "Training videos:\n0001-M, 0002-M\nValidation videos:\n0003-M\n"
    write_atomically(out / "split" / "cross-subject.txt", lists.encode())


def numpy(out: Path) -> None:
    """Arrays: two people before a Kinect v2 [M, T, V, C], and a dog with a layout of its own."""
    two = np.stack([in_metres(figure("kinect_v2_25", action)) for action in ACTIONS])
    two[:, :, :, 0] += np.array([-0.5, 0.5])[:, None, None]
    _save(out / "two_people.npy", two.astype(np.float32))
    trot = np.array([[x, y] for x, y in DOG.values()])[None] * 60 + (40, 30)
    swing = np.sin(np.linspace(0, 4 * np.pi, 20, endpoint=False))
    trot = trot.repeat(20, axis=0)
    for joint, name in enumerate(DOG):
        if name.endswith(("paw", "knee", "elbow")):
            forward = name.startswith(("left_front", "right_hind"))
            trot[:, joint, 0] += (6 if name.endswith("paw") else 3) * (1 if forward else -1) * swing
    _save(out / "dog.npy", trot.round(2).astype(np.float32))


#: Joints of a dog in profile: x and y in body lengths.
DOG = {
    "nose": (1.25, 0.0),
    "head": (1.1, -0.1),
    "withers": (0.85, 0.1),
    "back": (0.45, 0.12),
    "croup": (0.05, 0.1),
    "tail": (-0.2, -0.1),
    "left_front_elbow": (0.85, 0.45),
    "left_front_paw": (0.87, 0.8),
    "right_front_elbow": (0.8, 0.43),
    "right_front_paw": (0.8, 0.78),
    "left_hind_knee": (0.05, 0.45),
    "left_hind_paw": (0.0, 0.8),
    "right_hind_knee": (0.0, 0.43),
    "right_hind_paw": (-0.07, 0.78),
}


def layouts(out: Path) -> None:
    """A layout of one's own: the dog's."""
    names = list(DOG)
    bones = [("nose", "head"), ("head", "withers"), ("withers", "back"), ("back", "croup")]
    bones += [("croup", "tail")]
    for side in ("left", "right"):
        bones += [("withers", f"{side}_front_elbow"), ("croup", f"{side}_hind_knee")]
        bones += [(f"{side}_front_elbow", f"{side}_front_paw")]
        bones += [(f"{side}_hind_knee", f"{side}_hind_paw")]
    left = [name for name in names if name.startswith("left")]
    fields = {
        "name": "dog_14",
        "joints": names,
        "bones": bones,
        "centre": ["back"],
        "left_right": [[name, name.replace("left", "right")] for name in left],
    }
    SkeletonLayout.from_dict(fields)  # raises where it is no layout
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items()]
    write_atomically(out / "dog_14.json", ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def store(out: Path) -> None:
    """Recordings of two classes with a column ``split``, as ``stgraph fit`` takes them."""
    rng = np.random.default_rng(0)
    graphs = []
    for number in range(48):
        action = number % 2
        pos = figure("openpose_body_25", ACTIONS[action], 12, turn=rng.uniform(0, 2 * np.pi))
        pos = in_pixels(pos, rng.uniform(50, 110), rng.uniform(60, 100))
        pos += rng.normal(scale=0.5, size=pos.shape)
        graph = graphs_from_array(pos.round(2).astype(np.float32), "openpose_body_25", axes="TVC")
        graph.y = action
        graph.fps = 25.0
        graph.name = f"{ACTIONS[action]}_{number:02d}"
        graph.split = "train" if number < 24 else "val" if number < 36 else "test"
        graphs.append(graph)
    Store.from_graphs(graphs, class_names=ACTIONS).save(out / "wave_or_march.safetensors")


def _savemat(path: Path, variables: dict[str, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        savemat(file, variables, do_compression=True)


def _save(path: Path, array: NDArray[Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)


FORMATS: tuple[Callable[[Path], None], ...] = (
    openpose,
    kth_poses,
    nw_ucla,
    penn_action,
    utd_mhad,
    sbu,
    msr_action3d,
    utkinect,
    pku_mmd,
    numpy,
    layouts,
    store,
)


def make(out: Path) -> None:
    """Writes all samples, a folder a format."""
    for write in FORMATS:
        write(out / write.__name__)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "samples", help="default: %(default)s")
    make(parser.parse_args().out)
