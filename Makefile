# The two commands of the README are `make conformance` and `make test`; both set up what they need first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-strip-extras
STAMP := $(VENV)/.installed-from-lock
LEAN_LOCK := requirements/run.txt
LEAN_STAMP := $(VENV)/.installed-lean
# What may share the machine with another test; what may too, in one process for each folder
# (at most three labs at a time: the kernel's inotify instances do for no more); and what measures,
# or looks at all that a machine has.
SIDE_BY_SIDE := tests/unit tests/api tests/disk tests/browser tests/deploy tests/monitoring tests/fuzz
LOOKS_AT_THE_MACHINE := tests/lab/test_life.py
LABS_SIDE_BY_SIDE := tests/lab tests/faults --ignore $(LOOKS_AT_THE_MACHINE)
BY_ITSELF := $(LOOKS_AT_THE_MACHINE) tests/wire
QUICK := -m "not full and not kind" --timeout 600 --durations 40 --cov=clusters --cov=reports

.PHONY: help venv image setup conformance test lint unit fuzz faults drills kill-test kind pods way-in docs lock clean

help: ## Show what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

venv: $(LEAN_STAMP) ## Install only what a run against a cluster needs: without root, without the lab

$(LEAN_STAMP): $(LEAN_LOCK)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found. Install one, or run make PYTHON=/path/to/python3" >&2; exit 4; }
	@echo "venv: dependencies from $(LEAN_LOCK) into $(VENV) ($$($(PYTHON) --version))"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LEAN_LOCK)
	@cp $(LEAN_LOCK) $@

setup: $(STAMP) ## Install the dependencies and build the lab's parts (cached outside the checkout)
	@$(BIN)/python -m clusters.lab.parts.system
	@$(BIN)/python -m clusters.lab.parts

$(STAMP): $(LOCK)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found. Install one, or run make PYTHON=/path/to/python3" >&2; exit 4; }
	@echo "setup: dependencies from $(LOCK) into $(VENV) ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	@cp $(LOCK) $@

conformance: setup ## Boot the embedded lab, run every suite its level allows, write the report
	@$(BIN)/pytest suites --cluster lab --allow disrupt $(ARGS)

test: setup lint ## Pass the project's own tests
	@$(BIN)/python -m clusters.lab.parts.system --tests
	@$(BIN)/python -m clusters.lab.parts helm
	@failed=0; \
	$(BIN)/pytest $(SIDE_BY_SIDE) $(QUICK) -n 2 --dist loadfile --cov-report= || failed=1; \
	$(BIN)/pytest $(LABS_SIDE_BY_SIDE) $(QUICK) -n 2 -p tests.by_folder --cov-append --cov-report= || failed=1; \
	$(BIN)/pytest $(BY_ITSELF) $(QUICK) --cov-append --cov-fail-under=90 || failed=1; \
	exit $$failed

lint: $(STAMP) ## Formatting, lint, types and layers
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/python -m suites.docs --check
	@$(BIN)/mypy
	@$(BIN)/mypy --config-file tests/mypy.ini --cache-dir .mypy_cache/tests
	@$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache

unit: $(STAMP) ## Only the tests that need neither root nor a cluster
	@$(BIN)/pytest tests/unit

fuzz: $(STAMP) ## Spoil what others write (observations, profiles, kubeconfigs, overlays, results) at random, 5,000 times a test
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(BIN)/pytest tests/fuzz $(ARGS)

faults: setup ## Make every fault of the catalogue, judge what the checks say, write docs/faults.md
	@$(BIN)/python -m tests.faults.report

kind: setup ## Run the suites and a sample of the faults on real kind, on a Docker of their own, and compare with the lab
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/kind.txt
	@$(BIN)/pytest tests/kind -m kind $(ARGS)

kill-test: setup ## Kill runs at fifty random moments, end and trouble twenty others, sweep, and compare the whole cluster (an hour)
	@$(BIN)/pytest tests/lab/test_killed_runs.py tests/lab/test_troubled_runs.py -m full -s

pods: setup ## Run the suite as pods of a lab, whole and in parts, from an image built without a registry
	@$(BIN)/python -m clusters.lab.parts.system --images
	@$(BIN)/pytest tests/deploy -m full

image: setup ## Build the container image with buildah, without Docker and without a registry (image.tar; root)
	@$(BIN)/python -m clusters.lab.parts.system --images
	@$(BIN)/python -m tests.deploy.image

way-in: setup ## Install the wheel on machines with Python alone (3.11, 3.13, 3.14), and begin there against a lab
	@$(BIN)/python -m clusters.lab.parts.system --images
	@$(BIN)/pytest tests/deploy/test_empty_root.py -m full

drills: setup ## Make the faults of create and disrupt checks, drills and upgrades: each is seen to fail, and to be undone
	@$(BIN)/pytest tests/faults/test_create_and_disrupt.py tests/faults/test_drills.py \
	  tests/faults/test_drills_reconciled.py tests/faults/test_upgrade.py $(ARGS)

full: setup ## Everything that make test leaves out for its length (the fault catalogue, kills, pods, drills, roles), real kind aside
	@$(BIN)/python -m clusters.lab.parts.system --tests
	@$(BIN)/python -m clusters.lab.parts.system --images
	@$(BIN)/python -m clusters.lab.parts --extra traefik
	@$(BIN)/pytest tests -m "full and not kind" $(ARGS)

docs: $(STAMP) ## Write docs/checks.md, docs/checks, docs/causes.md and deploy/rbac from the checks themselves
	@$(BIN)/python -m suites.docs
	@$(BIN)/python -m suites.rbac

lock: ## Pin the dependencies again, with hashes
	@$(BIN)/uv pip compile $(COMPILE) --upgrade --group dev --extra lab --extra notify pyproject.toml -o $(LOCK)
	@$(BIN)/uv pip compile $(COMPILE) --constraint $(LOCK) pyproject.toml -o requirements/run.txt
	@for extra in kind lab notify; do \
	  $(BIN)/uv pip compile $(COMPILE) --constraint $(LOCK) --extra $$extra pyproject.toml -o requirements/$$extra.txt; done

clean: ## Remove what the checkout built (the cache outside it stays)
	rm -rf $(VENV) .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis reports/out
