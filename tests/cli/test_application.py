"""Help that helps, errors of one line, and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stgraph as package
from stgraph.cli import application
from stgraph.cli.application import COMMANDS, one_line

Run = Callable[..., Any]


def test_without_a_command_it_shows_what_there_is(stgraph: Run) -> None:
    result = stgraph()
    assert result.code == 2
    assert all(f"  {name} " in result.out for name in COMMANDS)
    assert stgraph("--help") == (0, result.out, "")
    assert stgraph("--version").out == f"stgraph {package.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_that_fit_a_terminal(
    stgraph: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = stgraph(command, "--help")
    assert result.code == 0
    assert result.out.startswith(f"usage: stgraph {command} ")
    assert f"examples:\n  stgraph {command} " in result.out
    assert "==SUPPRESS==" not in result.out
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fitt"], "stgraph: unknown command 'fitt'; known are .*; did you mean 'fit'?"),
        (["--model", "x"], "stgraph: expected a command first"),
        (["fit", "--widht", "3"], "stgraph fit: unknown option --widht; did you mean --width?"),
        (["fit", "--width", "wide"], r"--width: expected int \(got wide\)"),
        (["fit", "--optimizer", "lion"], r"--optimizer: expected sgd, adam, adamw \(got lion\)"),
        (["fit", "--config", "no.yaml"], r"no file 'no\.yaml', nor a recipe \(known: kth, "),
        (
            ["fit", "--partition", "foo", "--data.name", "kth", "--data.path", "x"],
            "partition 'foo'",
        ),
        (["fit", "--network", "foo", "--data.name", "kth", "--data.path", "x"], "network 'foo'"),
        (["fit", "--stream", "foo", "--data.name", "kth", "--data.path", "x"], "knows joint, bone"),
        (["fit", "--transform", "[Foo]", "--data.name", "kth", "--data.path", "x"], "'Foo'"),
        (
            ["fit", "--select", "test/top1", "--data.name", "kth", "--data.path", "x"],
            "never choose",
        ),
        (["fit", "--data.name", "foo"], "unknown data set 'foo'; known are kth, "),
        (["fit", "--data.name", "nw_ucla"], "nw_ucla needs --data.path: .*where to get it"),
        (["fit", "--data.name", "store"], "needs --data.path: the file"),
        (["test"], "arguments are required: model"),
        (["predict", "--model", "x"], "arguments are required: files"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    stgraph: Run, arguments: list[str], message: str
) -> None:
    result = stgraph(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.count("\n") == 1
    assert re.search(message, result.err), result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "--data.name", "kth", "--data.path", "/none"], "there is no such file or folder"),
        (["test", "--model", "/none"], r"'/none' holds no trained task \(there is no task.json\)"),
        (["predict", "a.json", "--model", "/none"], "holds no trained task"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    stgraph: Run, arguments: list[str], message: str
) -> None:
    result = stgraph(*arguments)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert result.err.startswith(f"stgraph {arguments[0]}: ")
    assert re.search(message, result.err), result.err
    assert "Traceback" in stgraph(*arguments, "--debug").err


def test_a_recipe_with_a_slip_says_which(stgraph: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "slip.yaml"
    recipe.write_text("widht: 3\n")
    assert "unknown option --widht; did you mean --width?" in stgraph("fit", "--config", recipe).err
    recipe.write_text("width: [\n")
    result = stgraph("fit", f"--config={recipe}")
    assert result.code == 2
    assert "the recipe is no YAML" in result.err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt("stopped after epoch 3"), 130, "stgraph fit: stopped after epoch 3\n"),
        (KeyboardInterrupt(), 130, "stgraph fit: interrupted\n"),
        (RuntimeError("a\n  b"), 1, "stgraph fit: a b\n"),
        (LookupError("x"), 1, "stgraph fit: LookupError: x (--debug shows where)\n"),
        (
            ValueError("use skip_bad=True or resume=False"),
            1,
            "stgraph fit: use --data.args.skip_bad true or --resume false\n",
        ),
    ],
)
def test_whatever_goes_wrong_is_one_line(
    stgraph: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    text: str,
) -> None:
    def fail(*args: Any) -> int:
        raise error

    monkeypatch.setattr(application, "run", fail)
    assert stgraph("fit") == (code, "", text)


def test_a_very_long_message_is_cut() -> None:
    assert len(one_line("word " * 1000)) == 600


@pytest.mark.slow
def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stgraph", "fit", "--no"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("stgraph fit: unknown option --no")
    assert done.stderr.count("\n") == 1
