"""Sphinx configuration: `make docs` builds the pages and runs their snippets."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ.setdefault("MPLBACKEND", "Agg")

with (HERE.parent / "pyproject.toml").open("rb") as file:
    _project = tomllib.load(file)["project"]

project = "stgraph"
author = "The stgraph authors"
project_copyright = "2026, The stgraph authors"
release = version = _project["version"]

extensions = [
    "myst_parser",
    "result_pages",
    "room_pages",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "README.md"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
# In docstrings a single pair of backticks is code, as readers of Markdown expect.
default_role = "code"

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = False  # one page a room, made by room_pages
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # those of other libraries need their pages
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shapes", "Units", "Source", "Differs from the source"]

# Snippets in pages and docstrings alike import what they use, so that they run where they are
# pasted; only the seed is set for them.
doctest_global_setup = "__import__('torch').manual_seed(0)\n_ = None"
doctest_test_doctest_blocks = "default"

html_theme = "furo"
html_title = f"stgraph {version}"
html_static_path = ["_static"] if any((HERE / "_static").glob("[!.]*")) else []
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
