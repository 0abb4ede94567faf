"""``stgraph pretrain`` and ``stgraph evaluate``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from stgraph.cli import pretrain, sets
from stgraph.cli.parsing import find_recipe, recipe_names
from stgraph.io import Store
from tests.cli.conftest import Result, make_graphs

Run = Callable[..., Result]
TINY = ["--epochs", 2, "--width", 8, "--depth", 2, "--heads", 2, "--patch_size", 2]
TINY += ["--batch_size", 8, "--transform", "[BodyUnits]"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Path:
    """The folder of a run of ``stgraph pretrain``."""
    from stgraph.cli import main

    out = tmp_path_factory.mktemp("pretrained") / "a"
    data = ["--data.name", "store", "--data.path", store]
    assert main([str(a) for a in ["pretrain", *data, "--out", out, *TINY]]) == 0
    return out / "model"


def test_an_encoder_is_learned_and_measured(
    stgraph: Run, store: Path, tmp_path: Path, encoder: Path
) -> None:
    result = stgraph(
        "evaluate",
        *("--model", encoder, "--protocols", "knn, linear,fewshot", "--novel", "[0, 2]"),
        *("--draws", 2, "--out", tmp_path / "f.csv", "--cache", tmp_path / "cache"),
    )
    assert result.code == 0, result.err
    assert "knn " in result.out
    rows = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    settings = [(row["setting"], row["metric"], row["n"]) for row in rows]
    assert ("knn mamp", "knn1", "6") in settings
    assert ("linear mamp", "linear", "6") in settings
    assert settings.count(("fewshot 1-shot mamp", "top1", "4")) == 2
    assert len(list((tmp_path / "cache").glob("features-*.safetensors"))) == 2


def test_fine_tuning_stands_beside_training_from_scratch(
    stgraph: Run, tmp_path: Path, encoder: Path
) -> None:
    options = ["--protocols", "[finetune, semi]", "--epochs", 1, "--share", 0.5]
    result = stgraph("evaluate", "--model", encoder, *options, "--out", tmp_path / "f.csv")
    assert result.code == 0, result.err
    rows = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    assert {row["setting"] for row in rows} == {
        "finetune 50% from-scratch mamp",
        "finetune 50% mamp",
        "finetune mamp",
    }


def test_pictures_are_drawn(stgraph: Run, tmp_path: Path, encoder: Path) -> None:
    result = stgraph("evaluate", "--model", encoder, "--pictures", tmp_path / "pictures")
    assert result.code == 0, result.err
    found = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert found == [
        "class_differences.png",
        "class_frequencies.png",
        "confusion.png",
        "pca_2d.png",
        "pca_3d.png",
        "reconstruction.gif",
        "reconstruction.png",
        "tsne_2d.png",
    ]


def test_stars_tunes_the_upper_half_of_the_encoder_of_another_run(
    stgraph: Run, store: Path, tmp_path: Path, encoder: Path
) -> None:
    out = tmp_path / "stars"
    data = ["--data.name", "store", "--data.path", store, "--encoder", encoder, "--out", out]
    result = stgraph(
        *("pretrain", "--system", "stars", *data, "--epochs", 1, "--queue_size", 16),
        *("--tuned_layers", 2, "--layer_decay", 0.5, "--transform", "[BodyUnits]"),
        *("--system_args.predictor_width", 8),
    )
    assert result.code == 0, result.err
    before, after = (load_file(f / "model.safetensors") for f in (encoder, out / "model"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(("stack.blocks.1", "stack.norm")) for name in moved)


@pytest.mark.parametrize("backbone", ["stgcn", "gin", "transformer"])
def test_skeletonclr_contrasts_two_views(
    stgraph: Run, store: Path, tmp_path: Path, backbone: str
) -> None:
    result = stgraph(
        *("pretrain", "--system", "skeletonclr", "--backbone", backbone, "--queue_size", 16),
        *("--data.name", "store", "--data.path", store, "--out", tmp_path / "run", *TINY),
    )
    assert result.code == 0, result.err
    assert "system  skeletonclr" in result.out
    evaluated = stgraph(
        "evaluate", "--model", tmp_path / "run" / "model", "--protocols", "[knn, linear]"
    )
    assert evaluated.code == 0, evaluated.err


def test_crossclr_saves_the_encoder_of_every_stream(
    stgraph: Run, store: Path, tmp_path: Path
) -> None:
    model = tmp_path / "run" / "model"
    result = stgraph(
        *("pretrain", "--config", "crossclr", "--queue_size", 16, "--system_args.mine_from", 1),
        *("--data.name", "store", "--data.path", store, "--out", model.parent, *TINY),
    )
    assert result.code == 0, result.err
    names = sorted(folder.name for folder in (model / "streams").iterdir())
    assert names == ["bone", "joint", "joint_motion"]
    weights = [load_file(model / "streams" / name / "model.safetensors") for name in names]
    main = load_file(model / "model.safetensors")
    assert all(torch.equal(main[key], weights[1][key]) for key in main)
    assert any(not torch.equal(main[key], weights[0][key]) for key in main)
    for folder in (model, model / "streams" / "bone"):
        evaluated = stgraph("evaluate", "--model", folder, "--protocols", "[knn]")
        assert evaluated.code == 0, evaluated.err


def test_classes_are_left_out_for_few_shot_protocols(
    stgraph: Run, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    data = ["--data.name", "store", "--data.path", store, "--data.leave_out", "novel"]
    result = stgraph("pretrain", *data, "--out", out, *TINY)
    assert result.code == 0, result.err
    assert "without the classes [" in result.out
    facts = json.loads((out / "model" / "task.json").read_text())["facts"]
    left_out = facts["data"][0]["leave_out"]
    assert len(left_out) == 1
    shown = stgraph("evaluate", "--model", out / "model", "--protocols", "[fewshot]")
    assert shown.code == 0, shown.err
    assert f"few-shot: classes {left_out}\n" in shown.out
    other = [label for label in range(3) if label not in left_out]
    shown = stgraph(
        "evaluate", "--model", out / "model", "--protocols", "[fewshot]", "--novel", str(other)
    )
    assert f"pre-training has seen {other}" in shown.out


def test_skeletonmae_learns_an_encoder_of_poses(stgraph: Run, tmp_path: Path) -> None:
    layout_store = tmp_path / "poses.safetensors"
    Store.write(layout_store, make_graphs(12))
    result = stgraph(
        *("pretrain", "--config", "skeletonmae", "--data.name", "store"),
        *("--data.path", layout_store, "--out", tmp_path / "run", "--epochs", 1),
        *("--width", 8, "--batch_size", 8),
    )
    assert result.code == 0, result.err
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["model"] == "SkeletonGIN"


def test_what_prepares_recordings_stands_before_hiding(
    stgraph: Run, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    prepare = "[FaceForward, {ResampleTime: {num_frames: 6}}]"
    data = ["--data.name", "store", "--data.path", store, "--prepare", prepare]
    result = stgraph("pretrain", *data, "--out", out, *TINY)
    assert result.code == 0, result.err
    described = json.loads((out / "model" / "task.json").read_text())
    assert described["transform"] == [
        "FaceForward",
        {"ResampleTime": {"num_frames": 6}},
        "BodyUnits",
    ]
    assert described["reconstruction"]["transform"] == ["BodyUnits"]
    drawn = stgraph(
        *("evaluate", "--model", out / "model", "--protocols", "[knn]"),
        *("--pictures", tmp_path / "pictures", "--recording", 3),
    )
    assert drawn.code == 0, drawn.err
    refused = stgraph(
        *("evaluate", "--model", out / "model", "--protocols", "[knn]"),
        *("--pictures", tmp_path / "pictures", "--recording", 6),
    )
    assert "--recording expected 0 to 5 (got 6)" in refused.err


def test_several_sets_train_one_encoder(stgraph: Run, store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    Store.write(other, make_graphs(12, seed=1))
    more = yaml.safe_dump([{"name": "store", "path": str(other)}], default_flow_style=True)
    data = ["--data.name", "store", "--data.path", store, "--more", more]
    result = stgraph("pretrain", *data, "--out", tmp_path / "run", *TINY)
    assert result.code == 0, result.err
    assert "18 recordings without labels" in result.out
    facts = json.loads((tmp_path / "run" / "model" / "task.json").read_text())["facts"]
    assert [Path(entry["path"]).name for entry in facts["data"]] == [
        "mine.safetensors",
        "other.safetensors",
    ]


def test_only_the_part_to_train_on_is_opened(
    stgraph: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_part(name: str, path: str, part: str, *args: Any) -> Any:
        opened.append(part)
        return sets.open_part(name, path, part, *args)

    monkeypatch.setattr(pretrain, "open_part", open_part)
    data = ["--data.name", "store", "--data.path", store, "--out", tmp_path / "run"]
    assert stgraph("pretrain", *data, *TINY).code == 0
    assert opened == ["train"]


@pytest.mark.parametrize("recipe", recipe_names("pretrain"))
def test_every_recipe_is_one_that_the_parser_takes(stgraph: Run, recipe: str) -> None:
    shown = stgraph("pretrain", "--config", recipe, "--print_config")
    assert shown.code == 0
    written = yaml.safe_load(find_recipe(recipe, "pretrain").read_text())
    assert yaml.safe_load(shown.out).items() >= written.items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--system", "stars"], "stars tunes an encoder: give --encoder"),
        (["--system", "skeletonclr", "--masking", "parts"], "skeletonclr has no choice of masking"),
        (["--system", "skeletonclr", "--target", "bones"], "skeletonclr fills in nothing"),
        (["--views", "[Flip]"], "mamp contrasts no views: leave out --views"),
        (["--backbone", "stgcn"], "the backbone of mamp is transformer (got stgcn)"),
        (["--system", "crossclr", "--encoder", "x"], "crossclr begins with new encoders"),
        (["--masking", "stencil"], "unknown masking 'stencil'; known are motion, tokens"),
        (["--target", "moon"], "unknown target 'moon'; known are motion, coordinates, bones"),
        (["--more", "[{nam: x}]"], "--more expected sets as {name, path"),
        (["--more", "[{name: nw_ucla}]"], "the data set nw_ucla needs --data.path"),
        (["--data.train", "test"], "--data.train test holds test recordings"),
        (["--transform", "[Shuffle]"], "unknown transform 'Shuffle'"),
        (["--lr", "-1"], "expected --lr >= 0 (got -1.0)"),
    ],
)
def test_wrong_arguments_are_one_line(
    stgraph: Run, arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = stgraph("pretrain", "--out", tmp_path / "run", *arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_is_no_pretrained_encoder_is_said(
    stgraph: Run, trained: Path, encoder: Path, tmp_path: Path
) -> None:
    for arguments, message in (
        (["--model", trained / "model"], "holds a recognition task, not a pre-trained encoder"),
        (["--model", encoder.parent], "holds no encoder (there is no task.json); is it"),
        (["--model", tmp_path], "holds no encoder"),
        (["--model", encoder, "--part", "moon"], "the store has no part 'moon'"),
    ):
        result = stgraph("evaluate", *arguments)
        assert result.code == 1
        assert message in result.err
    for arguments, message in (
        (["--protocols", "[luck]"], "unknown protocol 'luck'; known are knn, linear"),
        (["--protocols", "[]"], "unknown protocol 'nothing'"),
        (["--out", tmp_path], "is a folder"),
    ):
        result = stgraph("evaluate", "--model", encoder, *arguments)
        assert result.code == 2
        assert message in result.err


def test_test_recordings_neither_pretrain_nor_teach(
    stgraph: Run, store: Path, tmp_path: Path, encoder: Path
) -> None:
    data = ["--data.name", "store", "--data.path", store, "--out", tmp_path / "run", *TINY]
    result = stgraph("pretrain", *data, "--data.train", "all")
    assert "--data.train all holds the part 'test' of the store" in result.err
    more = yaml.safe_dump(
        [{"name": "store", "path": str(store), "train": "all"}], default_flow_style=True
    )
    assert "holds the part 'test'" in stgraph("pretrain", *data, "--more", more).err
    result = stgraph("evaluate", "--model", encoder, "--data.train", "test")
    assert "--data.train test holds test recordings" in result.err
    result = stgraph("evaluate", "--model", encoder, "--data.train", "val", "--part", "val")
    assert "share 6 recordings: what is asked must not teach" in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--k", "-1"], "expected --k >= 1 (got -1)"),
        (["--seeds", "0"], "expected --seeds >= 1 (got 0)"),
        (["--shots", "0"], "expected --shots >= 1 (got 0)"),
        (["--draws", "0"], "expected --draws >= 1 (got 0)"),
        (["--protocols", "[fewshot]", "--novel", "[7]"], "--novel expected classes 0 to 2 (got 7)"),
    ],
)
def test_figures_of_nothing_are_refused(
    stgraph: Run, encoder: Path, arguments: list[str], message: str
) -> None:
    assert message in stgraph("evaluate", "--model", encoder, *arguments).err


def test_figures_of_two_encoders_stand_side_by_side(
    stgraph: Run, store: Path, tmp_path: Path, encoder: Path
) -> None:
    other = tmp_path / "b"
    data = ["--data.name", "store", "--data.path", store, "--seed", 1]
    assert stgraph("pretrain", *data, "--out", other, *TINY).code == 0
    for model in (encoder, other / "model", encoder):
        options = ["--protocols", "[knn]", "--out", tmp_path / "f.csv"]
        assert stgraph("evaluate", "--model", model, *options).code == 0
    rows = list(csv.DictReader((tmp_path / "f.csv").read_text().splitlines()))
    assert [row["model"] for row in rows] == [
        "skeletontransformer-w8 a",
        "skeletontransformer-w8 b",
    ]


def test_an_encoder_has_no_classifier_and_fits_its_system(
    stgraph: Run, store: Path, tmp_path: Path, trained: Path, encoder: Path
) -> None:
    data = ["--data.name", "store", "--data.path", store, "--out", tmp_path / "run", *TINY]
    for system in ("mamp", "stars", "skeletonclr"):
        result = stgraph("pretrain", *data, "--system", system, "--encoder", trained / "model")
        assert "holds a classifier; pre-training needs an encoder without one" in result.err
    result = stgraph("test", "--model", encoder)
    assert "holds a pre-trained encoder, not a recogniser; measure it with" in result.err


@pytest.mark.parametrize("backbone", ["gcn", "gat", "stgcn"])
def test_skeletonmae_takes_its_other_backbones(
    stgraph: Run, store: Path, tmp_path: Path, backbone: str
) -> None:
    data = ["--data.name", "store", "--data.path", store, "--out", tmp_path / "run", *TINY]
    options = ["--system", "skeletonmae", "--backbone", backbone]
    result = stgraph("pretrain", *data, *options)
    assert result.code == 0, result.err
    drawn = stgraph(
        *("evaluate", "--model", tmp_path / "run" / "model", "--protocols", "[knn]"),
        *("--pictures", tmp_path / "pictures"),
    )
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "pictures" / "reconstruction.gif").is_file()
