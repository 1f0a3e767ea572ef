# Everything runs inside .venv; `make setup` makes it once and again whenever pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS ?= test
DEMO_ARGS ?=
CLIP   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint benchmark accuracy clean

help:            ## list the targets
	@grep -E '^[a-z]+: .*##|^[a-z]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "posewatch needs Python 3.10 or newer: make PYTHON=/path/to/python3 ..."; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

setup: $(VENV)/.installed ## virtual environment, install, weights
	$(BIN)/posewatch models fetch

demo: setup      ## real footage as an RTSP camera, a broker, the daemon: about 40 seconds
	$(BIN)/posewatch demo $(DEMO_ARGS)

test: setup      ## all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: setup ## speed, stage times, start-up and memory on real footage
	$(BIN)/posewatch benchmark $(CLIP)

accuracy: setup  ## detection, tracking, pose and alert figures; needs the evaluation data
	$(BIN)/python -m pip install --quiet --disable-pip-version-check motmetrics torch==2.13.0 matplotlib
	$(BIN)/python tests/accuracy/run_all.py

clean:           ## remove what was built
	rm -rf $(VENV) out build *.egg-info
