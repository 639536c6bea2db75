# Everything a newcomer or a machine runs. Each target makes what it needs, once, in .venv:
# a stamp file says which extras are installed and goes stale with pyproject.toml.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test check test-long test-neighbours bench bench-peers docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "whence needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "making an environment in .venv ..."
	@$(PYTHON) -m venv .venv

# The demo needs Pillow and no more; the other targets add what they need to the same environment.
.venv/.demo .venv/.dev .venv/.docs: .venv/.%: pyproject.toml | .venv/bin/python
	@echo "installing whence[$*] into .venv ..."
	@$(PIP) --editable '.[$*]'
	@touch $@

demo: .venv/.demo ## real images, from files to a trained model, and the questions after
	@$(BIN)/whence demo --dir demo

# What tests write lies in memory where there is room for it: a test that needs the disk's own ways says so.
ROOMY := $(shell test -w /dev/shm && df -Pk /dev/shm | awk 'NR == 2 && $$4 > 6000000 { print "/dev/shm" }')
PYTEST := $(if $(ROOMY),PYTEST_DEBUG_TEMPROOT=$(ROOMY) )$(BIN)/python -m pytest

# Other people's verifiers judge the ledger. Where they can't be installed, the tests say so.
.venv/.judges: | .venv/bin/python
	@command -v go >/dev/null || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ] || { \
	  echo "installing Go, which judges the ledger (once) ..."; \
	  get() { DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq "$$@" >/dev/null 2>&1; }; \
	  want="install -y --no-install-recommends golang-go golang-golang-x-mod-dev"; \
	  get $$want || { get update && get $$want; } || echo "... which isn't possible here"; }
	@touch $@

test: .venv/.dev .venv/.judges ## the tests that take seconds, on all cores
	@$(PYTEST) -n auto --maxprocesses 8 --dist worksteal

check: .venv/.dev ## style, types, stairs and the rules of the house
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "not formatted; run: $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python tools/check_house.py

test-long: .venv/.dev ## the generated and oracle tests at length
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m long

NEIGHBOURS := $(notdir $(patsubst %/requirements.txt,%,$(wildcard tests/neighbours/*/requirements.txt)))

.neighbours/.%: tests/neighbours/%/requirements.txt pyproject.toml | .venv/bin/python
	@echo "installing $* into .neighbours/$* (once) ..."
	@$(BIN)/python -m venv .neighbours/$*
	@.neighbours/$*/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[workers]' pytest -r $<
	@touch $@

test-neighbours: $(NEIGHBOURS:%=.neighbours/.%) ## the tests beside other libraries, each in an environment of its own
	@for name in $(NEIGHBOURS); do echo "beside $$name:"; \
		WHENCE_KEYS=$$PWD/.neighbours/keys .neighbours/$$name/bin/python -m pytest --noconftest tests/neighbours/$$name || exit; done

bench: .venv/.dev ## what it costs, as ratios (a quarter of an hour)
	@for script in capture tabular text lineage chance foreign replay startup start record autolog merkle ledger verify datasets; do \
		echo "$$script:"; $(BIN)/python benchmarks/$$script.py || exit; done

bench-peers: .venv/.dev ## other tools beside whence, each in an environment of its own (GBs, once)
	@$(BIN)/python benchmarks/peers/compare.py

docs: .venv/.docs ## the pages, into site/, without network
	@$(BIN)/zensical build --clean --strict

clean: ## remove everything made here but the environment
	@rm -rf demo site dist build .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
