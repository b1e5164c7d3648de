# Everything runs from .venv; `make PYTHON=python3.12 test` picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
FLOOR := .venv/floor
# what meets Dagster, MLflow, scikit-learn and stored files, in three minutes
FLOOR_TESTS = tests/models tests/records/test_plots.py tests/tracking/test_parquet_objects.py \
  tests/tracking/test_life_cycle.py tests/orchestration/test_definitions_snapshot.py \
  tests/orchestration/test_partitions.py tests/orchestration/test_rolling_assets.py \
  tests/orchestration/online/test_sensors.py
# recorders end as they should, but Python's exit code after Ctrl-C is 1 with the older libraries
CTRL_C = tests/tracking/test_life_cycle.py::test_the_end_of_the_process_ends_what_was_left_open
# the packages of Qlib's model families beside LightGBM; without one its tests are skipped
PEER_MODELS = catboost torch xgboost
PYTEST = $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
export WF_HOME ?= $(CURDIR)/.wf
export DAGSTER_HOME ?= $(WF_HOME)/dagster
export DAGSTER_DISABLE_TELEMETRY ?= yes

.PHONY: help demo ui test test-all test-peer peer-models test-floor bench dist constraints clean

help:            ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/: *.*##/\t/'

.venv/bin/python:
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 10) <= v < (3, 14) else f"Python {v[0]}.{v[1]} is not supported: use 3.10 to 3.13, for example make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# uv installs in seconds what takes pip minutes; where uv cannot be had, pip does it.
define install
	@uv=uv; uv --version >/dev/null 2>&1 || { uv=$(BIN)/uv; test -x $$uv || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check uv >/dev/null 2>&1 || true; }; \
	$$uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(1)]' 2>/dev/null || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'
endef

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(call install,demo)
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(call install,test)
	@touch $@ .venv/.demo

demo: .venv/.demo    ## train both sample strategies through Dagster, then let five sessions pass
	$(BIN)/python -m assets.demo

ui: .venv/.demo      ## open Dagster (port 3000) and MLflow (port 5000) on the same state
	$(BIN)/wf-dagster ui

test: .venv/.test    ## lint, check types and imports, run the quick tests: a quarter of an hour on two cores
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow"

test-all: test       ## the same, then the long stories: browser, kills, outages, both sides of benchmarks
	$(PYTEST) -m slow --ignore tests/peer

test-peer: .venv/.test  ## run Qlib's kinds of scripts here and under plain Qlib, and compare: a quarter of an hour
	$(PYTEST) tests/peer

peer-models: .venv/.test  ## install what further model families of Qlib need, for test-peer: PyTorch is large
	$(BIN)/uv pip install --python $(BIN)/python $(PEER_MODELS)

# the oldest versions have no wheels for Python 3.13
.venv/.floor: pyproject.toml constraints-floor.txt | .venv/.test
	$(BIN)/uv venv --quiet --clear --no-python-downloads --python '>=3.10,<3.13' $(FLOOR)
	$(BIN)/uv pip install --quiet --python $(FLOOR)/bin/python -c constraints-floor.txt -e '.[demo]'
	$(BIN)/uv pip install --quiet --python $(FLOOR)/bin/python hypothesis pytest pytest-timeout pytest-xdist
	@touch $@

test-floor: .venv/.floor  ## run a choice of the tests with the oldest versions that are allowed
	$(FLOOR)/bin/python -m pytest -n 3 --dist loadfile -m "not slow" $(FLOOR_TESTS) \
	  --deselect $(CTRL_C)

bench: .venv/.test   ## measure this project beside Qlib, half an hour, and write docs/benchmarks.md
	$(BIN)/python -m benchmarks --write docs/benchmarks.md

dist: .venv/.test    ## build the sdist, from it the wheel, and check both as an index would
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.10 --no-header --no-annotate --no-emit-index-url --upgrade
constraints:     ## pin the newest and the oldest allowed versions, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --extra dev -o constraints.txt
	$(COMPILE) --extra demo --resolution lowest-direct -o constraints-floor.txt

clean:           ## remove the environment and all local state
	rm -rf .venv .wf build dist
