# Everything installs by itself into .venv, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: bench test test-all check benchmarks kernels gpu docs install

bench: install
	$(BIN)/bench run bench.toml

# In the order they are collected: the long ones, whole runs, first.
PARALLEL := -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

test: install
	$(BIN)/pytest $(PARALLEL) -m "not slow"

test-all: install
	$(BIN)/pytest $(PARALLEL)

benchmarks: install
	$(BIN)/pytest tests/benchmarks --benchmark-only

kernels: install
	$(BIN)/bench kernels

# Installs nothing. The interpreter that is named (PYTHON or PYTHON_GPU), else that of .venv where there is one.
PYTHON_GPU ?= $(or $(if $(filter file,$(origin PYTHON)),$(wildcard $(BIN)/python)),$(PYTHON))
DEVICE ?= cuda
OUT ?= runs/gpu
gpu:
	$(PYTHON_GPU) -m bench.gpu --device $(DEVICE) --out $(OUT)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors; the pages are in docs/_build.
docs: install
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	touch $@
