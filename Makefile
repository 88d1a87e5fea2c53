# Every target makes .venv itself; all it needs is make and Python 3.11 or newer (uv is used when it is there).
.DEFAULT_GOAL := help
BIN := .venv/bin
READY := .venv/.ready
COMPILED := build/compiled/.ready
# One more than there are processors: a worker often waits for a server, a browser or a disk.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
ARGS ?=
KILLS ?= 50
TESTS = $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow and not compiled"

.PHONY: help demo test coverage slow compiled compiled-test lint types fmt docs docs-gen bench kill soak ci lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Run the server with live agents, until Ctrl-C
	@$(BIN)/neurorail demo $(ARGS)

test: $(READY) ## Run the tests in parallel
	@$(TESTS) $(ARGS)

coverage: $(READY) ## Run them and measure the branch coverage, which takes longer; hold it against its gates
	@$(TESTS) --cov --cov-report= $(ARGS) && $(BIN)/python scripts/coverage_gate.py

slow: $(READY) ## Run the tests that `make test` leaves out
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 -m slow $(ARGS)

compiled: $(COMPILED) ## Build the wheel with the compiled engine, and an environment that has it (needs a C compiler)

compiled-test: $(COMPILED) ## Run the engine's tests with the compiled engine
	@build/compiled/venv/bin/python -m pytest -n $(WORKERS) --maxprocesses 4 -m "not slow and not interpreted" -o pythonpath=. \
		tests/packaging/test_compiled.py tests/rules tests/simulation tests/collector/decode tests/collector/engine $(ARGS)

lint: $(READY) ## Check style, formatting and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: $(READY) ## Check types, strictly, of code and tests
	@$(BIN)/mypy

fmt: $(READY) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

docs: $(READY) ## Build the documentation into site/
	@$(BIN)/python scripts/generate_docs.py && $(BIN)/zensical build --clean --strict -f mkdocs.yml

bench: $(READY) ## Measure throughput, latency and memory (ARGS="--help" lists the runs)
	@$(BIN)/python -m bench $(ARGS)

kill: $(READY) ## Kill the server under load, KILLS times, and look for loss
	@$(BIN)/python -m bench.kill --times $(KILLS) $(ARGS)

soak: $(READY) ## Millions of spans; memory must stay flat
	@$(BIN)/python -m bench.memory $(ARGS)

ci: ## Everything that has to hold before a change lands
	@.ci/run

lock: ## Pin the dependencies anew (needs uv)
	@scripts/lock

clean: ## Remove .venv and everything that was built
	@rm -rf .venv site build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage .coverage.*

$(COMPILED): $(READY) hatch_build.py scripts/compiled $(shell find */neurorail -type f -not -name '*.pyc')
	@scripts/compiled

$(READY): requirements.lock pyproject.toml scripts/install
	@scripts/install
