# Every target prepares its own environment (.venv) on a machine with Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
FOR ?=
ARGS ?=

.PHONY: help env run test check format lint types contract docs bench clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock scripts/env.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/env.sh

env: $(STAMP)  ## Prepare .venv (and nothing else)

run: env  ## Paper-trade the built-in synthetic market (make run FOR=30s stops by itself)
	@$(BIN)/bot4 run $(if $(FOR),--for $(FOR)) $(ARGS)

test: env  ## Run all tests, compiled and plain, with coverage
	@sh scripts/test.sh $(ARGS)

check: env format-check lint types contract test docs  ## Everything that must be green

.PHONY: format-check
format-check:
	@$(BIN)/ruff format --check src tests benchmarks

format: env  ## Format the code
	@$(BIN)/ruff format src tests benchmarks
	@$(BIN)/ruff check --fix src tests benchmarks

lint: env
	@$(BIN)/ruff check src tests benchmarks

types: env
	@$(BIN)/mypy

contract: env
	@$(BIN)/lint-imports

docs: env  ## Build the documentation into site/
	@$(BIN)/zensical build --strict

bench: env  ## Run the benchmarks (see benchmarks/README.md for the peers)
	@sh benchmarks/run_all.sh

clean:  ## Remove what the targets made, except .venv
	rm -rf site .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage*
