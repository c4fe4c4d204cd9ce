# Borderline: `make demo` shows the main job, `make test` proves it. Both set everything up themselves.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed
export PYTHONUNBUFFERED := 1

.PHONY: help setup demo test lint lock bench browser clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## virtual environment and locked, hash-checked install

$(STAMP): requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(VENV)
	@touch $@

demo: $(STAMP)  ## a digits project, trained and ranked; ends with the labeling page open
	@$(VENV)/bin/borderline demo $(ARGS)

browser: $(STAMP)
	@scripts/test_parts.sh $(VENV)

test: $(STAMP) browser lint  ## the whole suite: SQLite, PostgreSQL, a real browser, a real Prefect server
	@$(PYTHON) -m pytest $(ARGS)

lint: $(STAMP)  ## ruff, mypy --strict, the import contract
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet . || { echo "some files are not formatted; do: .venv/bin/ruff format ."; exit 1; }
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: $(STAMP)  ## every benchmark, quick; see benchmarks/ for the full ones
	@set -e; for file in benchmarks/[a-z]*.py; do name=$$(basename $$file .py); [ $$name = common ] && continue; $(PYTHON) -m benchmarks.$$name --quick; done

lock: $(STAMP)  ## resolve the dependencies anew and write requirements.lock with hashes
	@$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade -o requirements.lock -q

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
