# make demo and make test work from a clean clone; everything else is for contributors.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VERSIONS ?= all
# test processes at once: each of them waits for its server most of the time
JOBS ?= 2
# tests and benchmarks start Python a thousand times, which must not compile everything anew each time
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint types docs clean bench

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile

# backtesting is installed without what it needs: only the demo reads it, and of it only the CSV files
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	$(BIN)/python -m pip install --quiet --no-deps "backtesting>=0.6"
	touch $(STAMP)

demo: $(STAMP)  ## a real TimescaleDB, the trading schema, seeds and market data
	$(BIN)/python docs/demo.py

test: $(STAMP)  ## all tests, on both versions of TimescaleDB
	$(BIN)/python -m pytest --timescaledb=$(VERSIONS) --numprocesses=$(JOBS) --dist=loadfile

lint: $(STAMP)  ## style and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)  ## mypy, strictly
	$(BIN)/mypy

bench: $(STAMP)  ## all benchmarks, in their small form
	$(BIN)/python benchmarks/revisions.py
	$(BIN)/python benchmarks/autogenerate.py
	$(BIN)/python benchmarks/lock_stall.py --reader 4 --runs 1
	$(BIN)/python benchmarks/hypertable_index.py
	$(BIN)/python benchmarks/auto_abort.py --minutes 1
	$(BIN)/python benchmarks/load.py --rows 2000000 --rounds 1
	$(BIN)/python benchmarks/transfer.py --rows 1000000 --kills 3
	$(BIN)/python benchmarks/repartition.py --rows 2000000
	$(BIN)/python benchmarks/repartition_faults.py --rows 1000000 --kills 4 --stops 1
	$(BIN)/python benchmarks/fleet.py

clean:  ## remove the venv and what tools have cached
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

docs: $(STAMP)  ## write the pages that list what the code has, and run the examples
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest tests/unit/test_documentation.py
