"""Controls and pictures of the experiments on self-supervision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _selfsup as common
from torch_geometric.transforms import Compose

from stgraph.evaluation import nearest_neighbour_pose, read_results
from stgraph.tasks.data import source_labels
from stgraph.transforms import CenterJoint, FaceForward
from stgraph.viz import draw_learning_curves, draw_scores, save_figure


def raw_rows(named: common.Named) -> list[Any]:
    """The nearest neighbour of raw poses, which a representation has to beat."""
    train = named.part("trainval")
    centred = CenterJoint(of="first")
    ways: dict[str, Any] = {
        "": CenterJoint(),
        " from-first-frame": centred,
        " facing-forward": Compose([centred, FaceForward()]),
    }
    figures = {}
    for part in ("test", *common.MORE_PARTS.get(named.key, ())):
        test = named.part(part)
        y = source_labels(test)
        for word, transform in ways.items():
            known, asked = (
                transform(source.store.batch(source.indices())) for source in (train, test)
            )
            predicted = nearest_neighbour_pose(known, asked, centre=())
            right = float((predicted == y).double().mean())
            figures[f"knn raw-poses{word}", "knn1", part] = right, len(y)
    protocol = getattr(named.part("test"), "protocol", "official")
    return common.as_rows(figures, named, protocol, "raw-poses", "", 0)


def draw(table: Path, sets: Sequence[common.Named]) -> None:
    """For each set bars of the frozen protocols, and the curve over masked pre-training.

    Args:
        table: Results; pictures lie beside it.
        sets: The sets.
    """
    everything = read_results(table)
    for named in sets:
        part = (*common.MORE_PARTS.get(named.key, ()), "test")[0]
        rows = [row for row in everything if row.dataset == named.key and row.split == part]
        bars: dict[str, dict[str, list[float]]] = {}
        curves: dict[str, dict[str, list[list[float]]]] = {}
        at: list[int] = []
        for title, first in (("nearest neighbour", "knn "), ("linear probe", "linear ")):
            mine = [row for row in rows if row.setting.startswith(first)]
            final = bars.setdefault(title, {})
            on_the_way: dict[int, dict[int, float]] = {}
            for row in mine:
                name, _, done = row.setting.removeprefix(first).partition(" pass ")
                if not done:
                    final.setdefault(name, []).append(row.value)
                elif name == "mamp own":
                    on_the_way.setdefault(row.seed, {})[int(done)] = row.value
            at = sorted({done for found in on_the_way.values() for done in found})
            curves[title] = {
                "masked pre-training": [
                    [found[done] for done in at if done in found] for found in on_the_way.values()
                ],
                **{
                    name: [[sum(values) / len(values)] * len(at)]
                    for name, values in final.items()
                    if name in ("raw-poses", "untrained")
                },
            }
        looks: Any = {"synthetic": named.path is None}
        where = f"{named.key}, {part}"
        if any(bars.values()):
            controls = [n for n in bars["nearest neighbour"] if n.startswith(("raw", "untrained"))]
            figure = draw_scores(
                bars, controls=controls, title=f"Frozen encoders: {where}", **looks
            )
            save_figure(figure, table.parent / f"frozen_{named.key}.png")
        if len(at) > 1:
            figure = draw_learning_curves(
                curves,
                controls=("raw-poses", "untrained"),
                at=at,
                label="passes of masked pre-training",
                title=f"While pre-training: {where}",
                **looks,
            )
            save_figure(figure, table.parent / f"curve_{named.key}.png")
