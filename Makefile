# Everything installs by itself into .venv, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: bench test test-all check benchmarks kernels install

bench: install
	$(BIN)/bench run bench.toml

test: install
	$(BIN)/pytest -m "not slow"

test-all: install
	$(BIN)/pytest

benchmarks: install
	$(BIN)/pytest tests/benchmarks --benchmark-only

kernels: install
	$(BIN)/bench kernels

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	touch $@
