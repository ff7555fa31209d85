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
.PHONY: help demo test fast check fix lock renew propose audit

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

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

renew: lock ## the newest dependencies in every lock, the project's too; what moved is build/locks.patch
	@$(MAKE) --no-print-directory -C '{{cookiecutter.project_slug}}' lock VENV=../build/venv
	@git diff -- '*requirements/*.txt' > build/locks.patch

# Applied to the commit in an index of its own, and only where locks are all that it touches. A token's own push starts no
# workflow, so `ci` is started by name.
propose: ## build/locks.patch as a branch and a pull request (needs gh)
	@test -s build/locks.patch || { echo "no lock can move"; exit 0; }; \
	  export GIT_INDEX_FILE=build/locks.index; branch=locks/`git hash-object build/locks.patch | cut -c1-12`; \
	  helper='credential.helper=!gh auth git-credential'; \
	  if git apply --numstat build/locks.patch | grep -v 'requirements/[a-z]*\.txt"\{0,1\}$$'; then \
	    echo "error: build/locks.patch: touches more than locks" >&2; echo "next: make renew" >&2; exit 2; fi; \
	  git -c "$$helper" ls-remote --exit-code --heads origin "$$branch" >/dev/null && { echo "$$branch: proposed already"; exit 0; }; \
	  git read-tree HEAD && git apply --cached build/locks.patch && \
	  commit=`git -c user.name=nightly -c user.email=nightly@users.noreply.invalid \
	    commit-tree \`git write-tree\` -p HEAD -m "Move the locks: all tests pass with the newest dependencies"` && \
	  git -c "$$helper" push --quiet origin "$$commit:refs/heads/$$branch" && \
	  gh pr create --base main --head "$$branch" --title "Move the locks" --body "All tests pass with the newest dependencies." && \
	  gh workflow run ci.yml --ref "$$branch"

audit: .venv/installed.txt ## known vulnerabilities in the locks, and licences (needs the network)
	@.venv/bin/python demo.py --only install
	@$(MAKE) --no-print-directory -C '{{cookiecutter.project_slug}}' audit licences VENV=../build/venv

.venv/installed.txt: requirements/template.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "error: Python 3.11, 3.12 or 3.13 is needed; \`$(PYTHON)\` is `"$(PYTHON)" --version 2>&1`" >&2; \
	  echo "next: make demo PYTHON=python3.12" >&2; exit 2; }
	@echo "making .venv (a minute the first time)"
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/template.txt
	@cp requirements/template.txt $@
