# The template's own commands. `make demo` and `make test` are all a newcomer needs.
#
# Settings: PYTHON, the interpreter that makes the environments (3.11 to 3.13).
# Two environments, both made here: .venv renders and tests the template; build/venv is the generated
# project's, installed once and shared by every render.

PYTHON ?= python3
CACHE := $(CURDIR)/build/cache

# Caches never land in the template's folder: cookiecutter would copy them into people's projects.
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

.DEFAULT_GOAL := help
.PHONY: help demo test fast check fix lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed.txt ## render, install, train, release, serve, predict, monitor: the whole loop once
	@.venv/bin/python demo.py

test: .venv/installed.txt ## all of the template's tests (it installs what they need)
	@.venv/bin/python demo.py --only install
	@.venv/bin/python -m pytest -n 2 --dist loadfile --durations 20

fast: .venv/installed.txt ## the tests that need no project environment
	@.venv/bin/python -m pytest -n 2 --dist loadfile -m "not slow"

check: .venv/installed.txt ## look, change nothing: the template and, in place, the unrendered project
	@.venv/bin/python demo.py --only install
	@build/venv/bin/ruff check
	@build/venv/bin/ruff format --check
	@build/venv/bin/mypy --python-executable .venv/bin/python
	@PYTHONPYCACHEPREFIX="$(CACHE)/python" \
	  $(MAKE) --no-print-directory -C '{{cookiecutter.project_slug}}' check VENV=../build/venv

fix: .venv/installed.txt ## mend what ruff can mend, in the template and in place
	@.venv/bin/python demo.py --only install
	@build/venv/bin/ruff check --fix
	@build/venv/bin/ruff format
	@$(MAKE) --no-print-directory -C '{{cookiecutter.project_slug}}' fix VENV=../build/venv

lock: .venv/installed.txt ## renew requirements/template.txt
	@.venv/bin/python demo.py --only install
	@build/venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate requirements/template.in --output-file requirements/template.txt

.venv/installed.txt: requirements/template.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "error: Python 3.11, 3.12 or 3.13 is needed; \`$(PYTHON)\` is `"$(PYTHON)" --version 2>&1`" >&2; \
	  echo "next: make demo PYTHON=python3.12" >&2; exit 2; }
	@echo "making .venv (a minute the first time)"
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/template.txt
	@cp requirements/template.txt $@
