# Everything runs from .venv; `make PYTHON=python3.12 test` picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
export WF_HOME ?= $(CURDIR)/.wf
export DAGSTER_HOME ?= $(WF_HOME)/dagster
export DAGSTER_DISABLE_TELEMETRY ?= yes

.PHONY: help demo ui test bench constraints clean

help:            ## list the targets
	@grep -E '^[a-z]+: .*##|^[a-z]+:  +##' $(MAKEFILE_LIST) | sed 's/: *.*##/\t/'

.venv/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 10) <= v < (3, 14) else f"Python {v[0]}.{v[1]} is not supported: use 3.10 to 3.13, for example make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ .venv/.demo

demo: .venv/.demo    ## train both sample strategies through Dagster, then let five sessions pass
	$(BIN)/python -m assets.demo

ui: .venv/.demo      ## open Dagster (port 3000) and MLflow (port 5000) on the same state
	$(BIN)/wf-dagster ui

test: .venv/.test    ## lint, type check and run every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

bench: .venv/.test   ## measure this project beside Qlib, half an hour, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks --write docs/benchmarks.md

constraints:     ## pin the newest allowed versions of everything, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --no-header --no-annotate --no-emit-index-url --upgrade -o constraints.txt

clean:           ## remove the environment and all local state
	rm -rf .venv .wf build dist
