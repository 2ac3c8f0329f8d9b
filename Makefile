# Every target sets up what it needs in .venv; a machine with make, Python 3.11 with its venv module,
# and a package index in reach will do.
# ARGS goes to the program a target runs: make certify ARGS="--adapter native:./libyours.so".

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The first interpreter that is new enough; PYTHON=… chooses another one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; \
	done)
UV ?= uv
ARGS ?=
KILLS ?= conformance/kmcl_conformance/kills.json

BIN := .venv/bin
READY := .venv/.ready
CODE := model adapters reports conformance tests

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(READY) ## Create .venv with the locked dependencies and this checkout
	@:

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || \
		{ echo "kmcl needs Python 3.11 or newer; install one or name it: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; name another: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: certify
certify: setup ## Certify the embedded reference
	$(BIN)/kmcl certify $(ARGS)

.PHONY: test
test: setup ## Run the tests
	$(BIN)/pytest -q -n 2 $(ARGS)

.PHONY: test-lab
test-lab: setup ## Run the tests that boot real guests, some minutes (kmcl lab build first)
	$(BIN)/pytest -q -m lab --real-guests tests/lab $(ARGS)

.PHONY: bench
bench: setup ## Measure speed: explorer, oracle, certification; hostile host; mutants killed, variants blamed
	$(BIN)/python -m kmcl_conformance.bench $(ARGS)

.PHONY: mutants
mutants: setup ## Show that the suite kills every mutant
	$(BIN)/kmcl mutants $(ARGS)

.PHONY: kills
kills: setup ## Record which mutants each requirement detects
	$(BIN)/kmcl mutants --quiet --out build/kills
	$(BIN)/kmcl mutants --quiet --profile linux-vmbus --out build/kills/linux-vmbus
	$(BIN)/python -m kmcl_conformance.kills $(KILLS) build/kills/mutants.json \
		build/kills/linux-vmbus/mutants.json

.PHONY: native
native: ## Build the example library in C
	@$(MAKE) -C adapters/native

.PHONY: lab
lab: setup ## Certify the endpoint over uio in a guest (Debian, as root: installs QEMU)
	$(BIN)/kmcl lab build --install
	$(BIN)/kmcl lab certify $(ARGS)

.PHONY: lint
lint: setup ## Check style, format, types and the direction of imports
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: schemas
schemas: setup ## Write the published JSON Schemas anew
	$(BIN)/python -m kmcl_model.schemas model/schemas
	$(BIN)/python -m kmcl_reports.schemas reports/schemas

# Besides what pyproject.toml names: the build backend, what it needs for an editable
# install, and pip, so that set-up itself is pinned.
.PHONY: lock
lock: ## Resolve the dependencies anew (needs uv)
	printf '%s\n' hatchling editables pip | $(UV) pip compile --quiet --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--group dev pyproject.toml - -o requirements.lock

.PHONY: clean
clean: ## Remove .venv and everything that was built
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -exec rm -rf {} +
