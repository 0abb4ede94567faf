"""Bars of what is left of each layer."""

from __future__ import annotations

from typing import Any

import pytest

from stgraph.viz import draw_densities, save_figure

LAYERS = {
    "blocks.0.spatial.conv.weight": (50, 100),
    "blocks.0.temporal.weight": (0, 400),
    "blocks.1.temporal.weight": (5, 500),
}


def bars(figure: Any) -> list[float]:
    """Lengths of the bars, those behind them first."""
    return [patch.get_width() for patch in figure.axes[0].patches]


def words(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_bar_is_the_share_that_is_kept() -> None:
    figure = draw_densities(LAYERS)
    assert bars(figure) == [1.0, 1.0, 1.0, 0.5, 0.0, 0.01]
    assert words(figure) == ["all: 5.5 %", "50 % of 100", "0 % of 400", "1.0 % of 500"]


def test_layers_stand_in_their_order_under_names_without_what_all_share() -> None:
    ax = draw_densities(LAYERS).axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["0.spatial.conv", "0.temporal", "1.temporal"]
    low, high = ax.get_ylim()
    assert low > high  # the first is above
    ax = draw_densities({"edges": (3, 4)}).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["edges"]


def test_it_is_taller_with_more_layers_and_marked_where_asked(tmp_path: Any) -> None:
    many = {f"blocks.{i}.weight": (i, 40) for i in range(40)}
    figure = draw_densities(many, label="weights kept", title="A network", synthetic=True)
    assert figure.get_figheight() > 2 * draw_densities(LAYERS).get_figheight()
    shown = [text.get_text() for text in figure.texts]
    assert "SYNTHETIC DATA" in shown
    assert figure.axes[0].get_xlabel() == "weights kept"
    assert save_figure(figure, tmp_path / "a" / "density.png").stat().st_size > 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["density.png"]


@pytest.mark.parametrize("entry", [(5, 4), (-1, 4), (0, 0)])
def test_a_layer_that_cannot_be_is_refused(entry: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a part of the entries of 'a'"):
        draw_densities({"a": entry})
    with pytest.raises(ValueError, match="at least one layer"):
        draw_densities({})
