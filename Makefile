# Two commands do everything on a machine with Python >= 3.11 (venv) and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: demo test test-releases release-table lint format bench compat docs drawings lock clean

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)"; exit 1; }
	@echo "Installing what is needed into $(VENV), which takes a minute or two …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(VENV)/.installed  ## start the embedded CloudStack and the bridge, play the tour, serve
	@$(BIN)/ec2bridge demo $(ARGS)

test: $(VENV)/.installed  ## the whole suite but for clients as processes, which `make compat` plays
	$(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/compat/test_clients.py $(ARGS)

RELEASES ?= 4.18 4.20 4.22

test-releases: $(VENV)/.installed  ## what drives the bridge, against older releases of CloudStack as played
	@for release in $(RELEASES); do echo "CloudStack $$release"; \
	  $(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/compat --release $$release $(ARGS) || exit 1; done

release-table: $(VENV)/.installed  ## which action works on which release, seen in runs: docs/releases.md
	rm -rf build/releases
	@for release in $(RELEASES) 4.23; do \
	  $(BIN)/pytest -q -n 2 --dist loadgroup --ignore=tests/compat --release $$release --record build/releases; done; true
	$(BIN)/python -m tests.release_runs build/releases

lint: $(VENV)/.installed  ## what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## the ratios that the speed claims rest on
	$(BIN)/python -m bench $(ARGS)

compat: $(VENV)/.installed  ## every client that is installed, against a bridge of its own
	$(BIN)/python -m tests.compat $(ARGS)

docs: $(VENV)/.installed  ## write the generated pages again
	$(BIN)/python -m tests.test_docs

drawings:  ## draw the documentation's pictures from their text again (needs Graphviz)
	$(BIN)/python -m tests.drawings

PIN := pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock:  ## pin the dependencies again, with hashes and without hosts (needs pip-tools)
	$(PIN) --extra dev --extra demo --extra postgres -o requirements/dev.txt pyproject.toml
	$(PIN) --extra postgres -c requirements/dev.txt -o requirements/run.txt pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache build dist
