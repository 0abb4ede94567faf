"""Finds the command, runs it, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import difflib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from stgraph.cli.parsing import UsageError, make_parser

COMMANDS = {
    "fit": "train a recogniser or a detector from a recipe",
    "test": "measure what was trained on labelled recordings",
    "predict": "recognise what happens in files",
    "pretrain": "learn an encoder without labels",
    "evaluate": "measure what a pre-trained encoder knows",
    "detect": "find actions in untrimmed recordings",
    "forecast": "predict how people go on moving",
    "sparsify": "train a recogniser that loses weights, channels or edges",
}

OVERVIEW = """usage: stgraph COMMAND [options]

Graph learning on skeleton sequences.

commands:
{commands}

examples:
  stgraph fit                                     on the embedded synthetic set
  stgraph fit --config nw_ucla --data.path PATH   by a recipe, on real recordings
  stgraph test --model runs/NAME/model
  stgraph predict a.json b.json --model runs/NAME/model
  stgraph pretrain                                without labels
  stgraph evaluate --model runs/NAME/model
  stgraph detect long.txt --model runs/NAME/model --pictures pictures/
  stgraph forecast clip.mat --model runs/NAME/model --pictures pictures/
  stgraph sparsify --model runs/NAME/model --sparsity 0.9

'stgraph COMMAND --help' shows the options of a command and more examples."""

#: Commands whose files may be skipped.
READERS = ("predict", "detect", "forecast")
OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Its arguments; by default those of the process.

    Returns:
        The exit code: 0, 1 for a failure, 2 for arguments that are wrong, 130 for an interrupt.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    name = arguments[0] if arguments else ""
    try:
        if name in ("", "-h", "--help"):
            print(overview())
            return OK if name else USAGE
        if name == "--version":
            import stgraph

            print(f"stgraph {stgraph.__version__}")
            return OK
        if name not in COMMANDS:
            raise UsageError("", unknown_command(name))
        command = import_module(f"stgraph.cli.{name}")
        with warnings.catch_warnings():
            if not debug:
                warnings.showwarning = show_warning
            return run(command, name, arguments[1:])
    except UsageError as error:
        return complain(str(error), USAGE, debug, error.command)
    except KeyboardInterrupt as error:
        return complain(str(error) or "interrupted", INTERRUPTED, debug, name)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - Python flushes it when it ends
        return FAILURE
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        return complain(one_line(str(error)) or type(error).__name__, FAILURE, debug, name)
    except Exception as error:
        text = f"{type(error).__name__}: {one_line(str(error))} (--debug shows where)"
        return complain(text, FAILURE, debug, name)


def run(command: ModuleType, name: str, arguments: list[str]) -> int:
    """Parses the arguments of one command and runs it."""
    parser = make_parser(name, COMMANDS[name], command.DESCRIPTION, command.EXAMPLES)
    command.add_arguments(parser)
    try:
        config: Any = parser.parse(arguments)
    except SystemExit as end:  # --help and --print_config
        return int(end.code or 0)
    return int(command.run(config) or 0)


def overview() -> str:
    """The first help screen."""
    width = max(map(len, COMMANDS)) + 3
    lines = [f"  {name:{width}}{summary}" for name, summary in COMMANDS.items()]
    return OVERVIEW.format(commands="\n".join(lines))


def unknown_command(name: str) -> str:
    """What to say about a command that there is not."""
    if name.startswith("-"):
        return f"expected a command first, one of {', '.join(COMMANDS)} (got {name!r})"
    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown command {name!r}; known are {', '.join(COMMANDS)}{hint}"


def one_line(text: str, longest: int = 600) -> str:
    """A message without line breaks, cut where it gets too long to read."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 4] + " ..."


def complain(text: str, code: int, debug: bool, command: str) -> int:
    """Prints one line, or with ``--debug`` where it happened, and returns the exit code."""
    if debug and code != USAGE:
        traceback.print_exc()
    skip = "--skip_bad true" if command in READERS else "--data.args.skip_bad true"
    text = text.replace("skip_bad=True", skip).replace("resume=False", "--resume false")
    text = text.replace("labels=None", "no --labels")
    name = f"stgraph {command}" if command in COMMANDS else "stgraph"
    end = f" ({name} --help shows the options)" if code == USAGE else ""
    print(f"{name}: {text}{end}", file=sys.stderr)
    return code


def show_warning(message: Any, category: Any, *args: Any, **kwargs: Any) -> None:
    """A warning for users: what, not where; those for developers stay away."""
    if not issubclass(category, DeprecationWarning | FutureWarning | ImportWarning):
        print(f"warning: {message}", file=sys.stderr)
