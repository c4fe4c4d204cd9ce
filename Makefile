# Borderline: `make demo` shows the main job, `make test` proves it. Both set everything up themselves.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
PEERS := .venv-peers
STAMP := $(VENV)/.installed
SBOM := dist/borderline.cdx.json
export PYTHONUNBUFFERED := 1

.PHONY: help setup demo test lint lock audit sbom bench bench-peers browser clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## virtual environment and locked, hash-checked install

$(STAMP): requirements.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh $(VENV)
	@touch $@

demo: $(STAMP)  ## a digits project, trained and ranked; ends with the labeling page open
	@$(VENV)/bin/borderline demo $(ARGS)

browser: $(STAMP)
	@scripts/test_parts.sh $(VENV)

test: $(STAMP) browser lint  ## the whole suite: SQLite, PostgreSQL, a real browser, a real Prefect server; or ARGS='tests/db -k claims'
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile -m "not alone"
	@$(PYTHON) -m pytest -q -m alone
endif

lint: $(STAMP)  ## ruff, mypy --strict, the import contract
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check --quiet . || { echo "some files are not formatted; do: .venv/bin/ruff format ."; exit 1; }
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

bench: $(STAMP)  ## every benchmark, quick; see benchmarks/ for the full ones
	@set -e; for file in $$(grep -l __main__ benchmarks/*.py); do $(PYTHON) -m benchmarks.$$(basename $$file .py) --quick; done

$(PEERS)/.installed: benchmarks/peers.lock $(STAMP)
	@echo "Installing the packages to compare with into $(PEERS) ..."
	@$(VENV)/bin/uv venv --quiet --clear --python $(PYTHON) $(PEERS)
	@VIRTUAL_ENV="$(CURDIR)/$(PEERS)" $(VENV)/bin/uv pip install --quiet --no-deps --require-hashes -r benchmarks/peers.lock
	@touch $@

bench-peers: $(PEERS)/.installed  ## ranking against foolbox, adv-lib, torchattacks and ART; ARGS='--model vgg8' and others
	@$(PEERS)/bin/python -m benchmarks.query_speed --peers $(ARGS)

lock: $(STAMP)  ## resolve the dependencies anew and write every lock with hashes
	@$(VENV)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade -o requirements.lock -q
	@$(VENV)/bin/uv pip compile pyproject.toml --extra objects --extra cluster -c requirements.lock --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header -o deploy/runtime.lock -q
	@$(VENV)/bin/uv pip compile deploy/build.in --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade -o deploy/build.lock -q
	@$(VENV)/bin/uv pip compile benchmarks/peers.in --excludes <(echo visdom) --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade -o benchmarks/peers.lock -q  # visdom does not build

audit: $(STAMP)  ## known vulnerabilities in the locked packages; fails where the scanner sees nothing at all
	@scripts/audit.sh $(VENV)

sbom: $(STAMP)  ## bill of materials of the locked packages (CycloneDX 1.6) in dist/
	@mkdir -p $(dir $(SBOM))
	@PYTHONWARNINGS=ignore $(VENV)/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible --spec-version 1.6 --output-format JSON --validate --output-file $(SBOM)
	@echo "The bill of materials is in $(SBOM)"

clean:
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache
