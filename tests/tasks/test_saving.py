"""A trained recogniser in a folder gives the same logits, and transforms are data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.transforms import Compose

from stgraph.tasks import (
    Recognition,
    build_transform,
    describe_transform,
    load_recognition,
    predict_logits,
    save_recognition,
)
from stgraph.transforms import BridgeGaps, CropResize, Standardise, Stream


@pytest.mark.parametrize("ema", [None, 0.9])
def test_saved_and_loaded_it_gives_equal_logits(
    tmp_path: Path, task: Any, graphs: Any, ema: float | None
) -> None:
    transform = Compose([Standardise(False), Stream("bone")])
    made = task(transform=transform, class_names=["a", "b", "c"], ema_decay=ema)
    save_recognition(made, tmp_path, {"data": {"name": "mine"}})
    loaded = load_recognition(tmp_path)
    recordings = graphs(5)
    assert torch.equal(
        predict_logits(made, recordings).logits, predict_logits(loaded, recordings).logits
    )
    assert loaded.class_names == ("a", "b", "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "task.json",
    ]


TRANSFORMS = [
    None,
    Stream("bone", score=True),
    Compose([BridgeGaps(), CropResize(16, part=(0.5, 1.0)), Standardise(per_coordinate=False)]),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=str)
def test_a_transform_survives_as_json(transform: Any) -> None:
    spec = json.loads(json.dumps(describe_transform(transform)))
    assert repr(build_transform(spec)) == repr(transform)


def test_a_stranger_among_transforms_is_noted_and_asked_for(tmp_path: Path, task: Any) -> None:
    def own(batch: Any) -> Any:
        return batch

    assert describe_transform(own) == [{"unsaved": repr(own)}]
    save_recognition(task(transform=own), tmp_path)
    with pytest.raises(ValueError, match="could not be written down; build it in Python"):
        load_recognition(tmp_path)
    assert load_recognition(tmp_path, transform=own).transform is own


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["Standardize"], "unknown transform 'Standardize'; known are BodyUnits"),
        (["SkeletonTransform"], "unknown transform"),
        ([{"Stream": {"flow": 1}}], "the transform Stream: .*'flow'"),
        ([{"Stream": {}, "Flip": {}}], "a name or {name: arguments}"),
        ([3], "a name or {name: arguments}"),
    ],
)
def test_an_unknown_transform_lists_the_known(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_transform(spec)


def test_a_folder_that_holds_no_task_says_what_is_missing(tmp_path: Path, task: Any) -> None:
    with pytest.raises(ValueError, match=r"no trained task \(there is no task\.json\)"):
        load_recognition(tmp_path)
    save_recognition(task(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model": "os.system"}))
    with pytest.raises(ValueError, match=r"describes a 'os\.system'; known are .*STGCN"):
        load_recognition(tmp_path)
    for text in ("{}", "[]", "{", '"x"'):
        (tmp_path / "task.json").write_text(text)
        with pytest.raises(ValueError, match="does not describe a recognition task"):
            load_recognition(tmp_path)


@pytest.mark.parametrize("key", ["num_classes", "class_names", "transform", "facts"])
def test_a_description_that_lacks_something_says_what(tmp_path: Path, task: Any, key: str) -> None:
    save_recognition(task(), tmp_path)
    file = tmp_path / "task.json"
    description = json.loads(file.read_text())
    file.write_text(json.dumps({**description, key: "x"}))
    with pytest.raises(ValueError, match=rf"task\.json' has a wrong '{key}'; the file is damaged"):
        load_recognition(tmp_path)
    del description[key]
    file.write_text(json.dumps(description))
    with pytest.raises(ValueError, match=rf"task\.json' has no '{key}'; the file is damaged"):
        load_recognition(tmp_path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, task: Any) -> None:
    made = task()
    with torch.no_grad():
        list(made.model.parameters())[-1].fill_(float("nan"))
    save_recognition(made, tmp_path)
    with pytest.raises(ValueError, match=r"has weights that are no numbers .*: train it anew"):
        load_recognition(tmp_path)


def test_a_network_of_the_users_own_cannot_be_saved_to_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a Identity has no 'save_pretrained'"):
        save_recognition(Recognition(nn.Identity(), 2), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_statistics_that_are_no_numbers_are_refused(
    tmp_path: Path, task: Any, value: float
) -> None:
    made = task()
    for name, buffer in made.network.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(value)
    save_recognition(made, tmp_path)
    with pytest.raises(ValueError, match=r"running_var.*damaged or its training failed"):
        load_recognition(tmp_path)


def test_a_deep_file_and_arguments_without_names_are_one_error(tmp_path: Path, task: Any) -> None:
    with pytest.raises(ValueError, match=r"expected the arguments of Stream by name"):
        build_transform([{"Stream": [1]}])  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="put them in quotes"):
        build_transform([{"CenterJoint": {False: "first"}}])  # type: ignore[dict-item]
    save_recognition(task(), tmp_path)
    (tmp_path / "task.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="does not describe a recognition task"):
        load_recognition(tmp_path)
