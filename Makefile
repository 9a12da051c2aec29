# Two commands do everything on a machine with Python >= 3.11 (venv) and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-releases release-table lint format bench compat faults kills search docs walk drawings deploy-test image-test replicas-test terraform-table release lock clean

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

$(VENV)/.installed: requirements/dev.txt requirements/docs.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)"; exit 1; }
	@echo "Installing what is needed into $(VENV), which takes a minute or two …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python tools/install.py $(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements/dev.txt -r requirements/docs.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(VENV)/.installed  ## start the embedded CloudStack and the bridge, play the tour, serve; writes demo.env
	@$(BIN)/ec2bridge demo --env-file demo.env $(ARGS)

test: $(VENV)/.installed  ## the whole suite but for clients as processes, which `make compat` plays
	$(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/compat/test_clients.py --ignore=tests/deploy $(ARGS)

RELEASES ?= 4.18 4.20 4.22

test-releases: $(VENV)/.installed  ## what drives the bridge, against older releases of CloudStack as played
	@for release in $(RELEASES); do echo "CloudStack $$release"; \
	  $(BIN)/pytest -n 2 --dist loadgroup --ignore=tests/compat --ignore=tests/deploy --release $$release $(ARGS) || exit 1; done

release-table: $(VENV)/.installed  ## which action works on which release, seen in runs: docs/releases.md
	rm -rf build/releases
	@for release in $(RELEASES) 4.23; do \
	  $(BIN)/pytest -q -n 2 --dist loadgroup --ignore=tests/compat --ignore=tests/deploy --release=$$release --record=build/releases; done; true
	$(BIN)/python -m tests.release_runs build/releases

lint: $(VENV)/.installed  ## what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed  ## have ruff write the code as it should look
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## the ratios that the speed claims rest on
	$(BIN)/python -m bench $(ARGS)

compat: $(VENV)/.installed  ## every client that is installed, against a bridge of its own
	$(BIN)/python -m tests.compat $(ARGS)

faults: $(VENV)/.installed  ## every action with every native call going wrong in every way; writes docs/faults.md
	$(BIN)/python -m tests.faults $(ARGS)

kills: $(VENV)/.installed  ## bridges that die at random moments, on SQLite and PostgreSQL, and two asked at once (Debian: postgresql)
	$(BIN)/python -m tests.faults.kills $(ARGS)

search: $(VENV)/.installed  ## random stories of several clients and bridges, with faults and deaths, held to what must always be so
	$(BIN)/python -m tests.faults.search $(ARGS)

docs: $(VENV)/.installed  ## write the generated pages again, and build all of them as a site into build/site
	$(BIN)/python -m tests.test_docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html; to search in it, too: $(BIN)/python -m http.server -d build/site"

walk: $(VENV)/.installed  ## type every command of every page, in a fresh clone and with a wheel (needs package registries)
	$(BIN)/python -m tests.walk $(ARGS)

drawings:  ## draw the documentation's pictures from their text again (needs Graphviz)
	$(BIN)/python -m tests.drawings

# Tools in Go that no other registry has; helm takes some minutes to build, once.
$(BIN)/helm: | $(VENV)/.installed
	GOBIN=$(abspath $(BIN)) go install helm.sh/helm/v3/cmd/helm@v3.19.5
$(BIN)/compose-check: | $(VENV)/.installed
	GOBIN=$(abspath $(BIN))/go go install github.com/compose-spec/compose-go/v2/cmd@v2.9.0
	mv $(BIN)/go/cmd $@ && rmdir $(BIN)/go

deploy-test: $(VENV)/.installed $(BIN)/helm $(BIN)/compose-check  ## what is in deploy/, by its own linters (Debian: prometheus, haproxy, systemd; Go)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest tests/deploy $(ARGS)

image-test:  ## build the container image and run it, without an engine (root on Debian; four minutes)
	tests/deploy/image $(ARGS)

replicas-test: $(VENV)/.installed  ## two bridges on one PostgreSQL behind haproxy, one of them killed under load (Debian: postgresql, haproxy)
	$(BIN)/python -m tests.deploy.replicas $(ARGS)

terraform-table: $(VENV)/.installed  ## what becomes of each resource of Terraform's: docs/terraform.md (TF_PROVIDER_AWS names the provider)
	$(BIN)/python -m tests.terraform
	$(BIN)/python -m tests.test_docs

release: $(VENV)/.installed  ## build sdist, wheel and chart into dist/ and check them
	rm -rf dist
	$(BIN)/pytest -q tests/test_packaging.py tests/test_docs.py
	@v=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ec2bridge/__init__.py); \
	  grep -q "^## $$v" CHANGELOG.md || { echo "CHANGELOG.md has no section '## $$v'"; exit 1; }
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation
	$(BIN)/python -m zipfile -t dist/*.whl
	tar -C deploy/helm -czf dist/ec2bridge-chart-$$(sed -n 's/^version: //p' deploy/helm/ec2bridge/Chart.yaml).tgz ec2bridge
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

PIN := pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock:  ## pin the dependencies again, with hashes and without hosts (needs pip-tools)
	$(PIN) --extra dev --extra demo --extra postgres --extra otel -o requirements/dev.txt pyproject.toml
	$(PIN) --extra docs -c requirements/dev.txt -o requirements/docs.txt pyproject.toml
	$(PIN) --extra demo --extra postgres --extra otel -c requirements/dev.txt -o requirements/run.txt pyproject.toml
	$(PIN) --only-build-deps --build-deps-for wheel -c requirements/dev.txt -o requirements/build.txt pyproject.toml

clean:  ## remove what make has made
	rm -rf $(VENV) .mypy_cache .ruff_cache build dist
