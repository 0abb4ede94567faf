"""What README and documentation say is true: snippets run, links lead somewhere, commands exist."""

from __future__ import annotations

import ast
import csv
import importlib
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import stgraph.datasets
from stgraph.evaluation.tables import COLUMNS

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    REPOSITORY / "README.md",
    *sorted(p for p in (REPOSITORY / "docs").rglob("*.md") if "_build" not in p.parts),
]
LARGEST_FIGURE = 150_000  # bytes
#: Quoted from others: what logistic regression was known to reach on KTH.
KNOWN_BEFORE = {"0.884"}


def fences(path: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code."""
    for match in re.finditer(r"^```(.*?)\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S):
        yield match[1].strip(), match[2]


def shell_lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for language, text in fences(page):
            if language in ("", "bash", "console"):
                for line in re.sub(r"\\\n *", "", text).splitlines():
                    yield page.name, line.split("  #")[0].strip()


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# --- snippets ---
def test_the_example_of_the_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = [text for language, text in fences(PAGES[0]) if language == "python"]
    exec(compile(source, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102
    said = re.findall(r"print\(.*\)  # (.*)", source)
    assert capsys.readouterr().out.split("\n")[:-1] == said


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_every_name_that_a_snippet_imports_exists(page: Path) -> None:
    for language, text in fences(page):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stgraph"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module}.{alias.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_code_fits_the_width_of_a_page(page: Path) -> None:
    hidden = ("{testsetup}", "{testcleanup}", "{figure}", "{image}")
    for language, text in fences(page):
        if not language.startswith(hidden):
            long = [line for line in text.splitlines() if len(line) > 92]
            assert not long or page.name == "README.md", long


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_every_accuracy_that_is_quoted_stands_in_a_results_file(page: str) -> None:
    results = sorted((REPOSITORY / "experiments" / "results").glob("*.md"))
    measured = set(re.findall(r"\b[01]\.\d{3}\b", "".join(p.read_text("utf-8") for p in results)))
    quoted = set(re.findall(r"\b[01]\.\d{3}\b", (REPOSITORY / page).read_text("utf-8")))
    assert quoted
    assert quoted - KNOWN_BEFORE <= measured


# --- links and figures ---
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_relative_links_and_pictures_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    targets += re.findall(r"^```\{(?:figure|image)\} (\S+)$", text, re.M)
    for target in targets:
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_figures_are_small_shown_and_drawn_by_the_script() -> None:
    drawn = {*load_script("make_figures").DRAWINGS, "real_pose"}
    figures = {path.stem: path for path in (REPOSITORY / "docs" / "figures").iterdir()}
    text = "".join(page.read_text("utf-8") for page in PAGES)
    assert figures.keys() == drawn
    for name, path in figures.items():
        assert path.stat().st_size < LARGEST_FIGURE, name
        assert f"figures/{path.name}" in text, name


@pytest.mark.slow
def test_every_figure_can_be_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script("make_figures")
    monkeypatch.setattr(script, "FIGURES", tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_figures.py"])
    script.main()
    assert {path.stem for path in tmp_path.iterdir()} == set(script.DRAWINGS)


# --- commands ---
def test_scripts_that_are_named_exist() -> None:
    named = {
        match
        for page in PAGES
        for match in re.findall(r"\b((?:experiments|docs)/[\w/]+\.py)\b", page.read_text("utf-8"))
    }
    assert named
    assert not [name for name in sorted(named) if not (REPOSITORY / name).is_file()]


def test_make_targets_that_are_named_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for page in PAGES:
        for target in re.findall(r"`make ([\w-]+)|^make ([\w-]+)", page.read_text("utf-8"), re.M):
            assert re.search(rf"^{''.join(target)}:", makefile, re.M), target


COMMANDS = sorted({line for _, line in shell_lines() if line.startswith("stgraph ")})


def test_some_page_shows_each_command() -> None:
    shown = {line.split()[1] for line in COMMANDS}
    assert {"fit", "test", "predict"} <= shown


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_line_understands_what_pages_show(line: str) -> None:
    from stgraph.cli.application import COMMANDS as known
    from stgraph.cli.parsing import make_parser

    _, name, *arguments = shlex.split(line.split(" > ")[0])
    command = importlib.import_module(f"stgraph.cli.{name}")
    parser = make_parser(name, known[name], command.DESCRIPTION, command.EXAMPLES)
    command.add_arguments(parser)
    arguments = [argument for argument in arguments if argument != "--print_config"]
    if "--help" not in arguments:
        assert parser.parse(arguments) is not None


@pytest.mark.slow
def test_five_commands_lead_from_pose_files_to_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stgraph.cli import main

    page = REPOSITORY / "docs" / "guides" / "training.md"
    blocks = list(fences(page))
    (script, *_) = [text for language, text in blocks if language == "python"]
    (five,) = [text for _, text in blocks if "make_store.py" in text]
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for folder in (
        Path("clips") / name / f"{i:02d}" for name in ("kick", "wave") for i in range(4)
    ):
        folder.mkdir(parents=True)
        for frame in range(6):
            person = {"pose_keypoints_2d": draw.uniform(1, 100, 75).tolist()}
            text = json.dumps({"people": [person] if frame != 3 else []})
            (folder / f"video_{frame:012d}_keypoints.json").write_text(text)
    exec(compile(script, "make_store.py", "exec"), {"__name__": "make_store"})  # noqa: S102
    commands = [line.split()[1:] for line in five.splitlines() if line.startswith("stgraph")]
    assert len(five.splitlines()) == 5
    for arguments in commands:
        extra = ["--epochs", "1"] if arguments[0] == "fit" else []
        assert main([*arguments, *extra]) == 0
    assert re.search(r"^01 +(kick|wave) +0\.\d+$", capsys.readouterr().out, re.M)


# --- tables ---
def test_the_page_on_data_sets_names_every_set_and_protocol() -> None:
    text = (REPOSITORY / "docs" / "guides" / "datasets.md").read_text("utf-8")
    text = " ".join(text.split())
    for name in stgraph.datasets.__all__:
        found = getattr(stgraph.datasets, name)
        if getattr(found, "key", "").endswith("synthetic") or not hasattr(found, "citation"):
            continue
        assert f"~stgraph.datasets.{name}`" in text
        assert not [p for p in found.protocols if f"`{p}`" not in text], name
        assert found.citation.split(". ")[0] in text, name


def write_results(path: Path) -> None:
    fixed = {
        "dataset": "nw_ucla",
        "protocol": "official",
        "split": "test",
        "stream": "joint",
        "metric": "top1",
        "n": 464,
        "commit": "abc",
        "hardware": "none, 2 cores",
        "command": "python x.py",
    }
    figures = [
        ("STGCN-9", "supervised spatial best-val", 0, 0.9),
        ("STGCN-9", "supervised spatial best-val", 1, 0.8),
        ("STGCN-9", "supervised spatial last", 0, 0.1),
        ("STGCN-9", "supervised identity best-val", 0, 0.7),
        ("STGCN-12", "supervised spatial best-val", 0, 0.2),
        ("majority", "supervised no-graph", 0, 0.11),
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for model, setting, seed, value in figures:
            row = {**fixed, "model": model, "setting": setting, "seed": seed, "value": value}
            writer.writerow([row[column] for column in COLUMNS])


def test_result_files_fill_the_table_between_the_marks(tmp_path: Path) -> None:
    script = load_script("readme_table")
    write_results(tmp_path / "x.csv")
    (tmp_path / "bench.csv").write_text("workload,ratio\n", "utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n", "utf-8")
    for _ in range(2):  # filling again changes nothing
        script.fill_results(tmp_path, readme)
        text = readme.read_text("utf-8")
        assert text.startswith("before\n<!-- results -->\n| edges")
        assert text.endswith("controls.\n<!-- /results -->\nafter\n")
        table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
        assert [row for row in table if len(row) == 2 and "-" not in row[0]] == [
            ["edges", "NW-UCLA, official (n = 464)"],
            ["spatial configuration", "0.850 ± 0.071"],
            ["*no edges*", "0.700"],
            ["*majority class*", "0.110"],
        ]
    assert (REPOSITORY / "README.md").read_text("utf-8").count("results -->") == 2


def test_result_pages_show_tables_and_pictures_below_their_own_heading(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
    script = load_script("result_pages")
    results = tmp_path / "experiments" / "results" / "kth"
    results.mkdir(parents=True)
    (results / "table.md").write_text(
        "# KTH\n\n![bars](bars.png)\n![gone](gone.png)\n\n```\n# no heading\n```\n", "utf-8"
    )
    (results / "bars.png").write_bytes(b"png")
    write_results(results / "other.csv")
    (results.parent / "bench_quick.csv").write_text("workload,ratio\nntu_like,2\n", "utf-8")
    files = script.result_files(tmp_path)
    assert [path.name for path in files] == ["bench_quick.csv", "other.csv", "table.md"]
    assert [script.is_benchmark(path) for path in files] == [True, False, False]
    page = script.page_of(files[1:], tmp_path / "generated")
    assert page.startswith("## other\n\n### nw_ucla")
    assert "\n## KTH\n\n![bars](api/generated/pictures/kth-bars.png)\n" in page
    assert "gone" not in page
    assert "\n# no heading\n" in page
    assert (tmp_path / "generated" / "pictures" / "kth-bars.png").read_bytes() == b"png"
    assert "| ntu_like |" in script.page_of(files[:1], tmp_path / "generated")
    assert script.page_of([], tmp_path) == script.NOTHING


def test_every_picture_of_a_results_file_is_there() -> None:
    folder = REPOSITORY / "experiments" / "results"
    shown = {
        name
        for page in folder.glob("*.md")
        for name in re.findall(r"\]\(([\w.-]+\.png)\)", page.read_text("utf-8"))
    }
    assert shown
    assert not [name for name in shown if not (folder / name).is_file()]
