# Two commands do everything on a machine with Python >= 3.11 (venv) and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: demo test lint format bench compat docs drawings lock clean

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

faults: $(VENV)/.installed  ## every action with every native call going wrong in every way; writes docs/faults.md
	$(BIN)/python -m tests.faults $(ARGS)

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
