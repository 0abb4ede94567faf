"""The poses of a forecast, ready to be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.viz.recording import _extent
from stgraph.viz.skeleton import SIDES, draw_skeleton, frame_limits, looks_down, to_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRUTH = "#A9B0B5"
_GREY = {"left": TRUTH, "right": TRUTH, "middle": TRUTH}
#: A prediction that is lost may widen the view of the truth by this factor.
_WIDEST = 1.6


class ForecastPoses:
    """Drawing coordinates and scores of what was seen, what came and what was predicted.

    Raises:
        ValueError: if one of them is not one track, layouts or dimensions differ, the last observed
            pose is empty, truth and prediction differ in length, or no speed is known.
    """

    def __init__(
        self,
        observed: SkeletonGraph,
        future: SkeletonGraph | None,
        prediction: SkeletonGraph,
        turn: float,
        y_down: bool | None,
    ) -> None:
        parts = {"observed": observed, "prediction": prediction, "future": future}
        given = {name: part for name, part in parts.items() if part is not None}
        for name, part in given.items():
            if part.num_recordings != 1 or part.num_tracks != 1:
                raise ValueError(
                    f"a forecast expected one recording of one track as {name!r} (got "
                    f"{part.num_recordings} of {part.num_tracks})"
                )
            if part.layouts != observed.layouts or part.num_dims != observed.num_dims:
                raise ValueError(
                    f"a forecast expected {name!r} in {observed.num_dims}-D of layout "
                    f"{observed.layouts[0].name!r} (got {part.num_dims}-D of "
                    f"{part.layouts[0].name!r})"
                )
        if future is not None and future.num_poses != prediction.num_poses:
            raise ValueError(
                f"a forecast expected as many true poses as predicted ones, "
                f"{prediction.num_poses} (got {future.num_poses})"
            )
        speeds = [part.fps for part in given.values() if getattr(part, "fps", None) is not None]
        if not speeds:
            raise ValueError("a forecast expected recordings with frames per second (got no 'fps')")
        self.fps = float(speeds[0])
        self.layout = observed.layouts[0]
        self.length = prediction.num_poses
        y_down = looks_down(observed, y_down)
        self.planes = {n: to_plane(p.folded("pos"), turn, y_down) for n, p in given.items()}
        self.scores = {n: p.folded_score() for n, p in given.items()}
        if not (self.scores["observed"][-1] > 0).any():
            raise ValueError("a forecast expected a last observed pose with a joint (got none)")

    def points(self, name: str, pose: int | slice) -> Tensor:
        """Joints that are seen, [n, 2]."""
        return self.planes[name][pose][self.scores[name][pose] > 0]

    def draw(self, ax: Axes, name: str, pose: int, size: float) -> None:
        """One pose; the truth is softer."""
        soft = name == "future"
        draw_skeleton(
            self.layout,
            self.planes[name][pose],
            self.scores[name][pose],
            ax=ax,
            size=size * (0.9 if soft else 1.0),
            y_down=True,
            colours=_GREY if soft else SIDES,
        )

    def view(self, pose: int | slice) -> dict[str, Any]:
        """Limits of the truth, widened by the prediction as far as it is near."""
        own = "future" if "future" in self.planes else "prediction"
        truth, guess = self.points(own, pose), self.points("prediction", pose)
        if not len(truth):
            truth = guess if len(guess) else self.points("observed", -1)
        view = frame_limits(truth)
        if not len(guess):
            return view
        width, height = _extent(view)
        spare = (_WIDEST - 1) * max(width, height)
        wide = frame_limits(torch.cat([truth, guess]))
        (left, right), (low, high) = view["xlim"], view["ylim"]
        return {
            "xlim": (max(wide["xlim"][0], left - spare), min(wide["xlim"][1], right + spare)),
            "ylim": (min(wide["ylim"][0], low + spare), max(wide["ylim"][1], high - spare)),
        }
