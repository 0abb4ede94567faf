"""What an attribute of a recording has one entry for: a node, a pose, a track, or the recording."""

from __future__ import annotations

from typing import Any

from torch import Tensor

#: Attributes that :class:`~stgraph.skeleton.SkeletonGraph` knows.
KNOWN = {
    "pos": "node",
    "x": "node",
    "score": "node",
    "frame": "pose",
    "track_length": "track",
    "person": "track",
}
#: Attributes that a user declares by their name.
PREFIXES = {"node_": "node", "pose_": "pose", "track_": "track"}


def level_of(name: str, value: Any) -> str:
    """``"node"``, ``"pose"``, ``"track"`` or ``"recording"``.

    Only the name decides, never the length: three numbers of a camera are no numbers of three
    tracks.
    """
    if not isinstance(value, Tensor) or value.dim() == 0 or name.endswith("_ptr"):
        return "recording"
    if name in KNOWN:
        return KNOWN[name]
    return next((level for start, level in PREFIXES.items() if name.startswith(start)), "recording")
