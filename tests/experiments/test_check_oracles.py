from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import check_oracles
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stgraph import CTRGCN, STGCN, SkeletonLayout, STGCNPlusPlus
from stgraph.nn import to_published
from stgraph.testing import randomise_norms
from tests.nn.published import reference

BODY = SkeletonLayout("body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0)
STRIDES = [1, 2]


def trained(model: STGCN) -> dict[str, Tensor]:
    randomise_norms(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return {key: value.clone() for key, value in to_published(model).items()}


def write(path: Path, config: dict[str, Any], arrays: dict[str, Tensor]) -> None:
    values = {key: value.detach().numpy() for key, value in arrays.items()}
    np.savez(path, config_json=json.dumps(config), **values)


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = check_oracles.main([str(folder)])
    return code, capsys.readouterr().out.splitlines()


def case_of(state: dict[str, Tensor], x: Tensor, logits: Tensor) -> dict[str, Tensor]:
    arrays = {f"one/state/{key}": value for key, value in state.items()}
    return {**arrays, "one/input": x, "one/expected_logits": logits}


def original(frames: int, persons: int) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    state = trained(STGCN(3, 4, BODY, channels=[3, 6], strides=STRIDES))
    x = torch.randn(2, persons, frames, 4, 3)
    config = {"input_layout": "N C T V M", "layers": [3, 6], "strides": STRIDES}
    logits = reference.original(state, x, STRIDES)
    return "stgcn_original", config, case_of(state, x.permute(0, 4, 2, 3, 1), logits)


def pyskl(frames: int, persons: int) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    model = STGCN(
        3,
        4,
        BODY,
        channels=[4, 8],
        strides=STRIDES,
        block="stgcn++",
        edge_importance=False,
        adaptive="offset",
        data_norm="person_joint",
        num_persons=persons,
        as_published=True,
        block_kwargs={"spatial_residual": False, "branches": None},
        conv_kwargs={"aggregate_first": True},
    )
    state = trained(model)
    x = torch.randn(2, persons, frames, 4, 3)
    backbone = {
        "base_channels": 4,
        "num_stages": 2,
        "inflate_stages": [2],
        "down_stages": [2],
        "gcn_adaptive": "offset",
        "gcn_conv_pos": "post",
        "data_bn_type": "MVC",
        "num_person": persons,
    }
    logits = reference.pyskl(state, x, STRIDES, "offset", post=True)
    config = {"input_layout": "N M T V C", "backbone": backbone}
    return "pyskl_stgcn", config, case_of(state, x, logits)


def plus_plus(frames: int, persons: int) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    state = trained(STGCNPlusPlus(3, 4, BODY, channels=[7, 14], strides=STRIDES))
    x = torch.randn(2, persons, frames, 4, 3)
    backbone = {
        "base_channels": 7,
        "num_stages": 2,
        "inflate_stages": [2],
        "down_stages": [2],
        "gcn_adaptive": "init",
        "gcn_with_res": True,
        "tcn_type": "mstcn",
    }
    logits = reference.pyskl(state, x, STRIDES, "init", inner=True)
    config = {"input_layout": "N M T V C", "backbone": backbone}
    return "pyskl_stgcnpp", config, case_of(state, x, logits)


def ctrgcn(frames: int, persons: int) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    own = {"data_norm": "person_joint", "num_persons": persons, "as_published": True}
    state = trained(CTRGCN(3, 4, BODY, channels=[8, 16], strides=STRIDES, **own))
    x = torch.randn(2, persons, frames, 4, 3)
    logits = reference.ctrgcn(state, x, STRIDES, (1, 2))
    config: dict[str, Any] = {"strides": STRIDES, "tcn_dilations": [1, 2], "num_point": 4}
    if persons == 1:
        config["input_layout"] = "N T (V C)"
        return "ctrgcn", config, case_of(state, x[:, 0].flatten(2), logits)
    config["input_layout"] = "N C T V M"
    return "ctrgcn", config, case_of(state, x.permute(0, 4, 2, 3, 1), logits)


def kth(frames: int, persons: int) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    model = STGCN(
        2,
        6,
        BODY,
        channels=[4, 8],
        block="preactivation",
        edge_importance=False,
        adaptive="init",
        data_norm="none",
    )
    state = trained(model)
    x = torch.randn(3, 1, frames, 4, 2)
    config = {"input_layout": "N T V C", "normalisation": "intended (diagonal)"}
    return "kth_stgcn", config, case_of(state, x[:, 0], reference.kth(state, x, STRIDES))


FAMILIES: list[Callable[..., tuple[str, dict[str, Any], dict[str, Tensor]]]] = [
    original,
    pyskl,
    plus_plus,
    ctrgcn,
    kth,
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("frames", "persons"), [(1, 1), (3, 3), (14, 2)])
def test_files_never_seen_before_are_recognised_and_agree(
    family, frames, persons, tmp_path, capsys
):
    name, config, arrays = family(frames, persons)
    write(tmp_path / "strange_name.npz", {"one": config, "family": name}, arrays)
    code, lines = run(tmp_path, capsys)
    assert code == 0, lines
    assert len(lines) == 1
    assert lines[0].startswith("strange_name.npz/one  ")
    assert lines[0].endswith("  1e-04  ok")


def test_a_wrong_number_fails_and_names_what_differs(tmp_path, capsys):
    name, config, arrays = original(5, 2)
    arrays["one/expected_logits"] = arrays["one/expected_logits"] + 1e-3
    write(tmp_path / "a.npz", {"one": config, "family": name}, arrays)
    code, lines = run(tmp_path, capsys)
    assert code == 1
    assert lines == ["a.npz/one (expected_logits)  1.00e-03  1e-04  FAIL"]


def test_a_case_that_cannot_be_run_fails_alone(tmp_path, capsys):
    name, config, arrays = original(5, 2)
    more = {key.replace("one/", "two/"): value for key, value in arrays.items()}
    del arrays["one/state/A"]
    both = {"one": config, "two": config, "family": name}
    write(tmp_path / "a.npz", both, {**arrays, **more})
    code, lines = run(tmp_path, capsys)
    assert code == 1
    assert lines[0].startswith("a.npz/one: StateDictMismatch")
    assert lines[0].endswith("FAIL")
    assert lines[1].endswith("ok")


def test_a_case_without_anything_to_compare_fails(tmp_path, capsys):
    name, config, arrays = original(5, 2)
    del arrays["one/expected_logits"]
    write(tmp_path / "a.npz", {"one": config, "family": name}, arrays)
    assert run(tmp_path, capsys)[0] == 1


def test_an_expected_number_that_no_case_describes_fails(tmp_path, capsys):
    name, config, arrays = original(5, 2)
    more = {"two/expected_logits": torch.zeros(2, 4), "one/remark": torch.zeros(1)}
    write(tmp_path / "a.npz", {"one": config, "family": name}, {**arrays, **more})
    code, lines = run(tmp_path, capsys)
    assert code == 1
    assert lines[0].endswith("ok")
    assert "2 arrays were compared with nothing (two/expected_logits, one/remark)" in lines[1]
    write(tmp_path / "a.npz", {"one": config, "family": name}, {**arrays, "b": torch.zeros(1)})
    code, lines = run(tmp_path, capsys)
    assert code == 0
    assert lines[1].endswith("unknown")


def test_a_case_that_is_described_and_not_there_fails(tmp_path, capsys):
    name, config, arrays = original(5, 2)
    write(tmp_path / "a.npz", {"one": config, "two": config, "family": name}, arrays)
    code, lines = run(tmp_path, capsys)
    assert code == 1
    assert lines[0] == (
        "a.npz/two: config_json describes this case, and no array belongs to it  FAIL"
    )


def test_a_folder_without_a_file_is_said(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        check_oracles.main([str(tmp_path)])
    assert stopped.value.code == 2
    assert "holds no .npz file" in capsys.readouterr().err


def test_a_family_that_is_not_there_yet_is_unknown_and_no_failure(tmp_path, capsys):
    write(tmp_path / "a.npz", {"family": "telepathy"}, {"x": torch.zeros(1)})
    assert run(tmp_path, capsys) == (0, ["a.npz  family telepathy  unknown"])


def test_unreadable_files_fail_with_a_reason(tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"not an archive")
    np.savez(tmp_path / "b.npz", x=np.zeros(1))
    np.savez(tmp_path / "c.npz", config_json="{", x=np.zeros(1))
    np.savez(tmp_path / "d.npz", config_json=json.dumps({"x": 1}), x=np.zeros(1))
    np.savez(tmp_path / "e.npz", config_json=np.array(None, dtype=object))
    code, lines = run(tmp_path, capsys)
    assert code == 1
    assert [line.split()[0] for line in lines] == [f"{letter}.npz" for letter in "abcde"]
    assert all(line.endswith("FAIL") for line in lines)
    assert "has no config_json" in lines[1]
    assert "names no family" in lines[3]


@pytest.mark.parametrize(("frames", "persons"), [(1, 3), (9, 1), (24, 2)])
def test_a_step_of_training_agrees(frames, persons, tmp_path, capsys):
    sgd = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    state = trained(STGCN(3, 4, BODY, channels=[4, 4, 8], strides=[1, 1, 2]))
    arrays = {f"one/state/{key}": value.clone() for key, value in state.items()}
    x, labels = torch.randn(4, persons, frames, 4, 3), torch.tensor([0, 3, 1, 1])
    buffers = ("A", "running_mean", "running_var", "num_batches_tracked")
    parameters = {k: v for k, v in state.items() if not k.endswith(buffers)}
    for value in parameters.values():
        value.requires_grad_()
    logits = reference.original(state, x, [1, 1, 2], training=True)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    arrays.update({f"one/grad/{k}": v.grad for k, v in parameters.items()})
    arrays.update({f"one/state_after/{k}": v for k, v in state.items() if "running" in k})
    arrays = {key: value.detach().clone() for key, value in arrays.items()}
    torch.optim.SGD(list(parameters.values()), **sgd).step()
    arrays.update(
        {
            "one/input": x.permute(0, 4, 2, 3, 1),
            "one/labels": labels,
            "one/expected_logits_train": logits,
            "one/expected_loss": loss,
            "one/expected_logits_eval_after_sgd_step": reference.original(state, x, [1, 1, 2]),
        }
    )
    config = {"input_layout": "N C T V M", "strides": [1, 1, 2], "sgd": sgd, "dropout": 0}
    write(tmp_path / "a.npz", {"one": config, "family": "stgcn_train"}, arrays)
    code, lines = run(tmp_path, capsys)
    assert code == 0, lines


NETWORKS = ("stgcn_original", "stgcn_train", "pyskl_stgcn", "pyskl_stgcnpp", "hagrid_stgcnpp")
SELF_SUPERVISED = (
    "mamp_small",
    "skeletonclr",
    "crossclr",
    "stars_small",
    "stars_code",
    "knn",
)


@pytest.mark.parametrize("name", [*NETWORKS, *SELF_SUPERVISED, "ctrgcn", "kth_stgcn", "adjacency"])
def test_the_numbers_of_the_published_code_come_out(name, shared_path):
    path = shared_path("oracles", f"{name}.npz")
    verdicts = list(check_oracles.lines(path))
    assert verdicts
    assert all(verdict == "ok" for _, verdict in verdicts), verdicts
