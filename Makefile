# The verbs of this repository; CI uses the same ones. `make` alone lists them.
SHELL := /bin/bash -o pipefail
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := out
VARIANT ?= cpu
# Files of tests run side by side, a process per processor; four are enough for one disk.
SIDE_BY_SIDE := -n auto --maxprocesses=4 --dist loadfile
# The service's locks and the programs' locks are made for the Python of the images.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url

# Imports take three times as long without bytecode.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help:  ## list the verbs
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

build: env system  ## make the image of VARIANT (cpu) and show what was made
	@$(BIN)/wheelhouse call artifacts --variant=$(VARIANT) -o $(OUT)
	@cat $(OUT)/$(VARIANT).txt

test: env system  ## every test, the engine's and the image's too
	@sh .ci/packages strace
	@$(BIN)/pytest -q $(SIDE_BY_SIDE)

check: lint  ## lint, types, unit tests: seconds
	@$(BIN)/pytest -q $(SIDE_BY_SIDE) -m "not engine and not slow and not integration"

lint: env  ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: env system  ## overhead of the embedded engine, as ratios in one run
	@$(BIN)/python engine/tests/bench.py

test-dagger: env  ## ask the Dagger engine that answers what the tests ask the embedded one
	@$(BIN)/pytest -q -rs --engine=dagger engine/tests/conformance tests/e2e/test_commits.py tests/e2e/test_readme.py

stress: env system  ## kill -9 parts of the embedded engine 30 times and count what survives
	@$(BIN)/python engine/tests/stress.py

corpus: env system  ## prune the packages that services use most, import and call all of them: N of M
	@$(BIN)/python -m tests.corpus

fix: env  ## fix what the linter can fix
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock: env  ## refresh the hash-pinned requirement files
	@$(COMPILE) --python-version 3.11 --group dev pyproject.toml engine/pyproject.toml requirements/build.in -o requirements/dev.txt
	@for variant in cpu gpu api; do \
	  (cd app && ../$(COMPILE) --python-version 3.13 --extra $$variant pyproject.toml -o requirements/$$variant.txt) || exit 1; done
	@cd app && ../$(COMPILE) --python-version 3.13 --group test -c requirements/cpu.txt pyproject.toml -o requirements/test.txt

doctor: env  ## what this machine has for the embedded engine
	@$(BIN)/wheelhouse doctor

clean:  ## remove what the verbs above made here
	@rm -rf $(OUT) $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

# --- what the verbs need ------------------------------------------------------------

env: $(VENV)/.ready

$(VENV)/.ready: requirements/dev.txt pyproject.toml engine/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh .ci/packages python3-venv
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . -e engine
	@$(BIN)/python -m compileall -q pipeline engine/src
	@touch $@

system:
	@sh .ci/packages buildah skopeo runc mmdebstrap tini iproute2 git docker-registry

.PHONY: help build test test-dagger check lint bench stress corpus fix lock doctor clean env system
