# The only list of commands a person needs: `make help`.
SHELL := /bin/bash
PYTHON ?= python3
PIP_OPTIONS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*?## ' $(MAKEFILE_LIST) | awk -F':.*?## ' '{printf "%-28s %s\n", $$1, $$2}'

$(BIN)/rlsel: pyproject.toml
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q $(PIP_OPTIONS) -e . 1>&2
	@touch $@

.venv/.dev: $(BIN)/rlsel
	@$(BIN)/python -m pip install -q $(PIP_OPTIONS) -e '.[dev]' 1>&2
	@touch $@ $(BIN)/rlsel

run: $(BIN)/rlsel ## install, then `rlsel select ratio=0.7` on the built-in digits; the last line is the run folder
	@$(BIN)/rlsel select ratio=0.7

test: check ## install with development tools, lint, types, tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

check: .venv/.dev ## lint, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(BIN)/rlsel ## time the parts that a run spends its time in
	@$(BIN)/python scripts/benchmark.py

clean: ## remove what the other targets made, outputs excepted
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
