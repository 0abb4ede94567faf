"""Where to draw joints when there is no recording: a person or a hand at rest."""

from __future__ import annotations

import networkx as nx
import torch
from torch import Tensor

from stgraph.skeleton import SkeletonLayout, resolve_layout

# A person facing the reader, y down, about one unit tall: the person's left is on the right.
_MIDDLE = {
    "head_top": (0.0, 0.00),
    "head": (0.0, 0.06),
    "nose": (0.0, 0.085),
    "upper_neck": (0.0, 0.13),
    "neck": (0.0, 0.18),
    "spine": (0.0, 0.33),
    "pelvis": (0.0, 0.50),
}
_LEFT = {
    "eye": (0.030, 0.060),
    "eye_inner": (0.017, 0.056),
    "eye_outer": (0.045, 0.058),
    "ear": (0.068, 0.075),
    "mouth": (0.022, 0.118),
    "shoulder": (0.115, 0.195),
    "elbow": (0.190, 0.345),
    "wrist": (0.245, 0.475),
    "hand": (0.262, 0.525),
    "hand_tip": (0.278, 0.580),
    "thumb": (0.215, 0.540),
    "index": (0.262, 0.560),
    "pinky": (0.305, 0.545),
    "hip": (0.075, 0.515),
    "knee": (0.095, 0.730),
    "ankle": (0.105, 0.930),
    "heel": (0.092, 0.972),
    "foot": (0.150, 0.975),
    "foot_index": (0.160, 0.975),
    "big_toe": (0.150, 0.985),
    "small_toe": (0.190, 0.965),
}
# A right hand, palm to the reader; fingers from the thumb on, each with four joints.
_FINGERS = {
    "thumb": ((-0.16, -0.10), (-0.30, -0.20), (-0.40, -0.30), (-0.48, -0.39)),
    "index": ((-0.13, -0.46), (-0.16, -0.66), (-0.18, -0.79), (-0.19, -0.90)),
    "middle": ((-0.01, -0.48), (-0.01, -0.71), (-0.01, -0.86), (-0.01, -0.98)),
    "ring": ((0.10, -0.45), (0.13, -0.66), (0.15, -0.79), (0.16, -0.90)),
    "pinky": ((0.20, -0.38), (0.26, -0.54), (0.30, -0.64), (0.33, -0.73)),
}
_HAND = {"wrist": (0.0, 0.0), "palm": (0.0, -0.22)} | {
    f"{finger}_{joint}": place
    for finger, places in _FINGERS.items()
    for joint, place in zip(("base", "first", "second", "tip"), places, strict=True)
}


def rest_pose(layout: SkeletonLayout | str) -> Tensor:
    """A drawing of a layout's joints, from their canonical names.

    Joints whose names are unknown are placed between those that are known; a layout without any
    known joint is drawn as a graph.

    Args:
        layout: The layout or its name.

    Returns:
        float32 [V, 2], x right, y down, about one unit tall.
    """
    layout = resolve_layout(layout)
    known = {
        joint: place
        for joint, name in enumerate(layout.canonical)
        if (place := _place(name, "palm" in layout.canonical or "thumb_tip" in layout.canonical))
    }
    graph = nx.Graph(list(layout.bones))
    graph.add_nodes_from(range(layout.num_joints))
    if len(known) < 3:
        drawn = nx.kamada_kawai_layout(graph)
        return torch.tensor([list(drawn[j]) for j in range(layout.num_joints)]).float()
    places = dict.fromkeys(range(layout.num_joints), (0.0, 0.5)) | known
    free = [joint for joint in places if joint not in known]
    for _ in range(50 if free else 0):  # the mean of the neighbours, until that settles
        for joint in free:
            around = [places[other] for other in graph[joint]] or [places[joint]]
            x, y = zip(*around, strict=True)
            places[joint] = (sum(x) / len(x), sum(y) / len(y))
    taken: set[tuple[float, float]] = set()
    for joint in range(layout.num_joints):  # two joints in one place would hide each other
        while (round(places[joint][0], 3), round(places[joint][1], 3)) in taken:
            places[joint] = (places[joint][0] + 0.02, places[joint][1] + 0.03)
        taken.add((round(places[joint][0], 3), round(places[joint][1], 3)))
    return torch.tensor([places[joint] for joint in range(layout.num_joints)])


def _place(name: str | None, hand: bool) -> tuple[float, float] | None:
    if name is None:
        return None
    if hand:
        return _HAND.get(name)
    for side, sign in (("left_", 1.0), ("right_", -1.0)):
        if name.startswith(side) and name.removeprefix(side) in _LEFT:
            x, y = _LEFT[name.removeprefix(side)]
            return sign * x, y
    return _MIDDLE.get(name)
