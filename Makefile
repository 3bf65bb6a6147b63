# Every target is one line; continuous integration calls the same targets and nothing else. `make` prints them.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup run check unit test e2e bench bench-peers bench-cluster generate golden lock clean

help: ## print the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(BIN)/.dev ## virtual environment, locked dependencies, git hook
	@$(BIN)/pre-commit install

run: $(BIN)/.run ## the sidecar on examples/components, without a cluster and without Redis
	@$(BIN)/parley run --components examples/components

check: $(BIN)/.dev ## format, lint, types, imports, generated files
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache && $(BIN)/python -m parley_crds.generate --check && $(BIN)/python -m parley_sidecar.providers --check && $(BIN)/python -m parley_sidecar.rpc --check

unit: $(BIN)/.dev ## the quick loop: no cluster
	@$(BIN)/pytest -q -m "not control_plane and not kubelet"

test: $(BIN)/.dev ## everything that proves the product
	@BIN=$(BIN) MAKE=$(MAKE) sh tests/everything.sh

e2e: $(BIN)/.dev ## the whole story on a cluster that runs containers
	@$(BIN)/pytest -m kubelet e2e

bench: $(BIN)/.dev ## latency, throughput, streams, gRPC, memory and start, as ratios within one run
	@$(BIN)/python -m bench

bench-peers: $(BIN)/.dev ## daprd, LiteLLM, Ferro and Portkey beside the sidecar, in one run
	@$(BIN)/python -m bench.peers

bench-cluster: $(BIN)/.dev ## loads and faults at scale on real clusters: some twelve minutes
	@$(BIN)/python -m bench.cluster

generate: $(BIN)/.dev ## the CRD, the providers' settings and Dapr's messages, from their sources
	@$(BIN)/python -m parley_sidecar.providers && $(BIN)/python -m parley_crds.generate && $(BIN)/python -m parley_sidecar.rpc

golden: $(BIN)/.dev ## write the expected patches and renders anew
	@PARLEY_GOLDEN=1 $(BIN)/pytest -q tests/injector tests/chart -k golden

lock: $(BIN)/.dev ## the requirements files, from pyproject.toml
	@for set in "dev --extra sidecar --extra operator --group dev" "sidecar --extra sidecar -c requirements/dev.txt" "operator --extra operator -c requirements/dev.txt"; do set -- $$set; name=$$1; shift; $(BIN)/uv pip compile -q pyproject.toml "$$@" --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header -o requirements/$$name.txt || exit 1; done

clean: ## the virtual environment and what tools left
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(BIN)/.uv: requirements/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv and ensurepip is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv && $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt && touch $@

$(BIN)/.run: $(BIN)/.uv requirements/sidecar.txt
	@echo "setting up .venv (once)" && $(BIN)/uv pip install -q --require-hashes -r requirements/sidecar.txt && $(BIN)/uv pip install -q --no-deps --no-build-isolation -e . && touch $@

$(BIN)/.dev: $(BIN)/.run requirements/dev.txt
	@$(BIN)/uv pip install -q --require-hashes -r requirements/dev.txt && touch $@
