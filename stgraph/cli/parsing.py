"""Arguments from dataclasses, help screens to read, and errors of one line."""

from __future__ import annotations

import difflib
import re
import shutil
import textwrap
from argparse import SUPPRESS, Action
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter, Namespace


class UsageError(Exception):
    """Arguments that are wrong; the message is one line."""

    def __init__(self, command: str, message: str) -> None:
        super().__init__(message)
        self.command = command


METAVARS = {
    "path": "PATH",
    "out": "PATH",
    "model": "DIR",
    "encoder": "DIR",
    "pictures": "DIR",
    "cache": "DIR",
    "config": "RECIPE",
}


@contextmanager
def choosing(command: str) -> Iterator[None]:
    """What is wrong with a choice by name is wrong with the arguments."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise UsageError(command, " ".join(str(error).split())) from error


class HelpFormatter(DefaultHelpFormatter):
    """What an option is for and its default; types only where there is a choice."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        width = min(shutil.get_terminal_size().columns - 2, 96)
        super().__init__(prog, **{**kwargs, "max_help_position": 28, "width": width})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)

    def _get_help_string(self, action: Action) -> str:
        text = (action.help or "").replace("%", "%%")
        default = action.default
        if not action.option_strings or default in (None, SUPPRESS) or action.nargs == 0:
            return text
        if isinstance(default, bool):
            default = str(default).lower()
        if isinstance(default, list | dict):
            return text
        return f"{text} [{default}]"

    def _format_action_invocation(self, action: Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = [name for name in action.option_strings if not name.endswith("+")]
        value = metavar_of(action)
        if value.startswith("."):
            return ", ".join(f"{name}{value}" for name in names)
        return ", ".join(names) + (f" {value}" if value else "")

    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        return f"usage: {usage}\n\n"


def metavar_of(action: Action) -> str:
    """What stands for an option's value in its help."""
    if action.nargs == 0 or "--print_config" in action.option_strings:
        return ""
    kind = str(getattr(action, "_typehint", ""))
    name = action.dest.rpartition(".")[2]
    if name in METAVARS:
        return METAVARS[name]
    if "Literal" in kind or "bool" in kind:
        choices = ["true", "false"] if "bool" in kind else re.findall(r"'([\w-]+)'", kind)
        return "{" + ",".join(choices) + "}"
    if kind.startswith("dict"):
        return ".KEY VALUE"
    if kind.startswith("list"):
        return "YAML"
    return "N" if "int" in kind else "X" if "float" in kind else "NAME"


class Parser(ArgumentParser):
    """An argument parser whose errors are :class:`UsageError`."""

    command = ""
    #: Command whose recipes it takes.
    recipes = ""
    #: Whether ``parse`` also says which options were given (``given``), of a recipe or by hand.
    says_given = False

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises."""
        raise UsageError(self.command, self.explained(message))

    def explained(self, message: str) -> str:
        """A message of the parser in one line and in words."""
        message = " ".join(message.split())
        found = re.match(r"[Uu]nrecognized arguments: (--?[\w.]+)", message) or re.search(
            r"[Oo]ption '([\w.]+)' is not accepted", message
        )
        if found:
            name = found[1].lstrip("-")
            known = [o[2:] for a in self._actions for o in a.option_strings if o[:2] == "--"]
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean --{near[0]}?" if near else ""
            return f"unknown option --{name}{hint}"
        message = message.replace("Problems parsing config:", "the recipe is no YAML:")
        message = re.sub(r'^Parser key "([\w.]+)": ?', r"--\1: ", message)
        message = re.sub(r"Expected an? <class '(\w+)'>\.", r"expected \1", message)
        message = re.sub(
            r"Expected an? typing\.Literal\[(.*?)\]\.",
            lambda m: "expected " + m[1].replace("'", ""),
            message,
        )
        message = re.sub(
            r"Does not validate against any of the Union subtypes Subtypes: \[(.*)\] Errors: .*"
            r"Given value: (.*)$",
            lambda m: f"expected {choices_of(m[1])} (got {m[2]})",
            message,
        )
        return re.sub(r" ?Got value: (.*)$", r" (got \1)", message)

    def add_options(self, options: type, key: str | None = None) -> None:
        """Adds the fields of a dataclass as options, in a section of their own."""
        self.add_class_arguments(options, key)
        for action in self._actions:
            if key is not None and action.dest == key:
                action.help = SUPPRESS

    def parse(self, arguments: list[str]) -> Namespace:
        """The values of the options; ``--config`` also takes the name of a recipe of ours."""
        for i, argument in enumerate(arguments):
            if argument == "--config" and i + 1 < len(arguments):
                arguments[i + 1] = str(self.find_recipe(arguments[i + 1]))
            elif argument.startswith("--config="):
                arguments[i] = f"--config={self.find_recipe(argument.partition('=')[2])}"
        values = self.parse_args(arguments)
        if self.says_given:
            values["given"] = sorted(self.parse_args(arguments, defaults=False).keys())
        return values

    def find_recipe(self, name: str) -> Path:
        """The file of a recipe, see :func:`find_recipe`."""
        try:
            return find_recipe(name, self.recipes or self.command)
        except UsageError as error:
            raise UsageError(self.command, str(error)) from None


def choices_of(subtypes: str) -> str:
    """What may be given, of types as the parser lists them; nothing is said of None."""
    some = re.sub(r",? ?<class 'NoneType'>", "", subtypes)
    if re.fullmatch(r"list\[[^\]]*\]", some):
        return "a list in YAML such as '[0.5]'"
    named = re.findall(r"'([\w.-]+)'|(list|dict)\[", some)
    return ", ".join(word or kind for word, kind in named)


def make_parser(name: str, summary: str, description: str, examples: str) -> Parser:
    """The parser of one command.

    Args:
        name: The command.
        summary: What it does, in a few words.
        description: What its user should know.
        examples: Lines to paste.
    """
    parser = Parser(
        prog=f"stgraph {name}",
        usage=f"stgraph {name} [options]",
        description=f"{summary[0].upper()}{summary[1:]}. {description}".strip(),
        epilog=f"examples:\n{examples.rstrip()}\n\n--debug shows where an error came from.",
        formatter_class=HelpFormatter,
    )
    parser.command = name
    return parser


def add_recipe(parser: Parser, of: str | None = None) -> None:
    """Adds ``--config`` and gives ``--print_config`` a help of one line.

    Args:
        parser: Of a command.
        of: The command whose recipes it takes; its own by default.
    """
    parser.recipes = of or parser.command
    parser.add_argument(
        "--config",
        action=ActionConfigFile,
        metavar="RECIPE",
        help=f"a YAML file, or one of {', '.join(recipe_names(parser.recipes))}; later options "
        "change it",
    )
    for action in parser._actions:
        if "--print_config" in action.option_strings:
            action.help = "show all settings as YAML, a recipe to edit, and end"


def recipe_folder(command: str) -> Any:
    """Where the recipes of a command lie."""
    return resources.files("stgraph.cli") / "recipes" / command


def recipe_names(command: str) -> list[str]:
    """Names of the recipes of a command that come with the package."""
    folder = recipe_folder(command)
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name[-5:] == ".yaml")


def find_recipe(name: str, command: str) -> Path:
    """The file of a recipe: a path, or the name of one of ours.

    Raises:
        UsageError: if there is neither.
    """
    if Path(name).is_file():
        return Path(name)
    if name in recipe_names(command):
        return Path(str(recipe_folder(command) / f"{name}.yaml"))
    known = ", ".join(recipe_names(command))
    raise UsageError(command, f"--config: there is no file {name!r}, nor a recipe (known: {known})")
