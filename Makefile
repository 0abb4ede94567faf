# `make help` lists what there is. Every target makes the environment that it needs.

VENV        ?= .venv
TORCH       ?= torch==2.13.0
TORCH_INDEX ?=
KTH_ARGS    ?=
PYTEST_ARGS ?=
# The first interpreter that runs, is new enough and can make environments.
PYTHON      ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)

PY     := $(VENV)/bin/python
PIP     = $(PY) -m pip --disable-pip-version-check install --quiet
STAMPS := $(VENV)/.stamps
# Two workers with a thread each fill two cores; more threads only wait for each other.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MPLBACKEND=Agg
PYTEST      = $(ONE_THREAD) $(PY) -m pytest -n 2 --durations=10 $(PYTEST_ARGS)

ENV_PYTHON := $(STAMPS)/python
# Another torch is another stamp: what was built against the last one is looked at again.
ENV_TORCH  := $(STAMPS)/$(subst /,-,$(subst <,lt,$(subst >,gt,$(subst =,,$(TORCH)))))
ENV_CORE   := $(STAMPS)/core
ENV_SPARSE := $(STAMPS)/sparse
ENV_DOCS   := $(STAMPS)/docs
ENV_ALL    := $(STAMPS)/all

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help kth test test-fast test-slow lint types docs bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
	@echo
	@echo "VENV=$(VENV)  PYTHON=$(PYTHON)  TORCH=$(TORCH)  TORCH_INDEX=$(TORCH_INDEX)"

kth: $(ENV_CORE)  ## the main job: partition strategies on KTH, into runs/kth_partitions (options: KTH_ARGS=…)
	$(PY) experiments/kth_partitions.py --out runs/kth_partitions $(KTH_ARGS)

test: lint types test-fast test-slow  ## everything checked, with every extra installed

test-fast: $(ENV_ALL)  ## the fast tests alone (options for pytest: PYTEST_ARGS=…)
	$(PYTEST)

# pytest's status 5 says that nothing was collected, which is no failure here.
test-slow: $(ENV_ALL)  ## the slow tests alone
	$(PYTEST) -m slow || [ $$? -eq 5 ]

lint: $(ENV_ALL)  ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(ENV_ALL)  ## mypy
	$(PY) -m mypy $(wildcard stgraph experiments)

docs: $(ENV_DOCS)  ## the documentation, into docs/_build/html, and its snippets run
	$(ONE_THREAD) $(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(ONE_THREAD) $(PY) -m sphinx -W --keep-going -q -b doctest docs docs/_build/doctest

bench: $(ENV_CORE)  ## the quick benchmark against the padded baseline, into runs/bench.csv
	@mkdir -p runs
	$(PY) experiments/benchmarks/run.py --quick --out runs/bench.csv

clean:  ## remove caches and build outputs; runs/ and the environment stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis docs/_build docs/api/generated
	find stgraph tests experiments docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(ENV_PYTHON):
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "stgraph needs Python >= 3.11 with venv (got: '$(PYTHON)'). Install one (on Debian also python3-venv)," \
	  "or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# torch alone comes from TORCH_INDEX; then what builds extensions against it.
$(ENV_TORCH): $(ENV_PYTHON)
	@echo "Installing $(TORCH) (some 200 MB for CPUs, more with CUDA) ..."
	$(PIP) "$(TORCH)" $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) ninja setuptools wheel
	@rm -f $(STAMPS)/torch* $(ENV_SPARSE) && touch "$@"

$(ENV_CORE): $(ENV_TORCH) pyproject.toml
	@echo "Installing stgraph and its core dependencies ..."
	$(PIP) --no-build-isolation -e .
	@touch $@

# pip's cache does not know which torch a wheel was built for, so the import is the judge.
SPARSE_IMPORTS := $(PY) -c 'import torch_scatter, torch_sparse'
$(ENV_SPARSE): $(ENV_TORCH)
	@$(SPARSE_IMPORTS) 2>/dev/null || { \
	  echo "Installing torch-scatter and torch-sparse: a source build, about 15 minutes on two cores, once" \
	       "(pip keeps the wheels) ..."; \
	  command -v $${CXX:-c++} >/dev/null || { \
	    echo "The extra 'sparse' needs a C++ compiler (none found as '$${CXX:-c++}'). Install one or set CXX." >&2; \
	    exit 1; }; \
	  $(PY) -c 'import os, sys, sysconfig; \
	    sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { \
	    echo "The extra 'sparse' needs the headers of $(PYTHON) (Python.h is not there). On Debian:" \
	         "python3-dev." >&2; exit 1; }; \
	  $(PIP) --no-build-isolation torch-scatter torch-sparse; }
	@$(SPARSE_IMPORTS) 2>/dev/null || { \
	  echo "The wheels that pip kept were built for another torch: building them again ..."; \
	  $(PIP) --no-build-isolation --no-cache-dir --force-reinstall --no-deps torch-scatter torch-sparse; \
	  $(SPARSE_IMPORTS); }
	@touch $@

$(ENV_DOCS): $(ENV_TORCH) pyproject.toml
	@echo "Installing stgraph with what its documentation needs ..."
	$(PIP) --no-build-isolation -e ".[docs]"
	@touch $@

$(ENV_ALL): $(ENV_SPARSE) pyproject.toml
	@echo "Installing stgraph with every extra ..."
	$(PIP) --no-build-isolation -e ".[all]"
	@touch $@ $(ENV_CORE) $(ENV_DOCS)
