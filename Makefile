# Everything runs inside .venv; `make setup` makes it once and again whenever pyproject.toml changes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS ?= test
DEMO_ARGS ?=
CLIP   ?=
NAIVE  := .venv-naive
# The other pipelines need Python 3.9 to 3.12; AGAINST= leaves them out.
NAIVE_PYTHON ?= $(PYTHON)
AGAINST ?= yes
BENCHMARK_ARGS ?= --full
BENCHMARK_OUT ?= out

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

$(NAIVE)/.installed: daemon/benchmarking/naive/requirements.txt
	$(NAIVE_PYTHON) -m venv $(NAIVE)
	$(NAIVE)/bin/python -m pip install --quiet --disable-pip-version-check -r $< || { \
		echo "ultralytics and mediapipe 0.10.21 cannot be had (Python 3.9 to 3.12? network?): NAIVE_PYTHON=..., or AGAINST= to leave them out"; exit 2; }
	@touch $@

benchmark: setup $(if $(AGAINST),$(NAIVE)/.installed) ## speed on real footage against other pipelines (AGAINST=: alone), flame graph
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS),bench]'
	@mkdir -p out $(BENCHMARK_OUT)
	$(BIN)/python tests/benchmarks/flame_graph.py $(CLIP) --svg $(BENCHMARK_OUT)/flame.svg --json out/flame.json
	$(BIN)/posewatch benchmark $(CLIP) $(BENCHMARK_ARGS) $(if $(AGAINST),--against $(NAIVE)/bin/python --fetch-weights) \
		--json $(BENCHMARK_OUT)/benchmark.json --plot $(BENCHMARK_OUT)/benchmark.png $(if $(wildcard docs/benchmark.json),--check docs/benchmark.json)

accuracy: setup  ## detection, tracking, pose and alert figures; needs the evaluation data
	$(BIN)/python -m pip install --quiet --disable-pip-version-check motmetrics torch==2.13.0 matplotlib
	$(BIN)/python tests/accuracy/run_all.py

clean:           ## remove what was built
	rm -rf $(VENV) $(NAIVE) out build *.egg-info
