# Everything happens in .venv, made from PYTHON with the versions of constraints.txt. A second run installs nothing.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test lint bench fuzz audit sbom clean
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## clone a real 1.5-million-row database in an embedded PostgreSQL (ARGS=--full: 22 million)
	@$(BIN)/dbclone demo $(ARGS)

test: $(VENV)/.test  ## run the tests; they bring their own PostgreSQL (ARGS="-k name": some of them)
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev  ## check style, types and the floors that modules import across
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.test  ## measure learning, generating, loading, fidelity and memory (ARGS=--smoke: a minute)
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(VENV)/.fuzz  ## fuzz what reads other people's data (ARGS="model|members|checks --seconds 60")
	@$(BIN)/python -m tests.fuzz $(or $(ARGS),members)

audit: $(VENV)/.supply  ## look every pinned version up among the known vulnerabilities
	@$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

sbom: $(VENV)/.supply  ## write sbom.json, the CycloneDX bill of materials of the pinned versions
	@$(BIN)/cyclonedx-py requirements constraints.txt --output-reproducible --output-file sbom.json

clean:  ## remove the environment and what tools left behind
	rm -rf $(VENV) dist build sbom.json .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch on its own, first: SDV needs it, and it is by far the largest download, so a failure shows what it is about.
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "dbclone needs Python 3.10 or later, and $(PYTHON) is not: try make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) torch
	@touch $@

$(addprefix $(VENV)/., demo test dev fuzz supply): $(VENV)/.%: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing dbclone[$*] into $(VENV)"
	@$(INSTALL) --editable '.[$*]'
	@touch $@
