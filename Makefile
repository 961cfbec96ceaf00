# Two commands matter: `make start` runs a node from a fresh clone, `make test` tests it.
# TORCH_INDEX_URL   the wheel index for torch, when the default one does not carry the build you want (CPU or CUDA)
# WORKERS           how many processes run the Python tests; more than cores, because many tests wait for a process or a disk
# PYTHON            a Python 3.11, 3.12 or 3.13; by default the first one in PATH

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 3
PINS := pyproject.toml constraints.txt scripts/install.py

.DEFAULT_GOAL := help
.PHONY: help start test test-full test-gpu check forge contracts gas coverage slither bench figures starter clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

start: .make/serve ## Install what a node needs and start it with an embedded chain, model and adapters
	@$(BIN)/python -m node start --dev

test: .make/test .make/npm .make/browser ## Everything a fresh clone must pass: style, types, contracts, tests
	@$(MAKE) --no-print-directory -j2 check forge
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not full"

test-full: .make/test .make/npm .make/browser ## The same with the large products of tests, and long runs of the contracts' fuzz and invariant tests
	@FOUNDRY_PROFILE=full $(MAKE) --no-print-directory -j2 check forge
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-gpu: .make/test ## On a machine with a CUDA GPU: serving there, with compiled kernels, graphs and copies
	@$(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { echo "This torch sees no CUDA GPU. Install a CUDA build of it (README.md: TORCH_INDEX_URL) on a machine that has one."; exit 1; }
	@TRITON_INTERPRET=0 $(BIN)/python -m pytest tests/serving tests/parity

check: .make/test .make/npm ## Style, docstrings, types, import directions, sizes, figures, spelling, the contracts' documentation
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >.make/imports.log 2>&1 || { cat .make/imports.log; exit 1; }
	@$(BIN)/python -m scripts.check_sizes
	@$(BIN)/python -m scripts.figures --check
	@npm --prefix contracts run --silent natspec
	@$(BIN)/codespell $$(git ls-files '*.py' '*.md' '*.sol' '*.toml' Makefile)

forge: .make/npm ## The contracts' own tests
	@npm --prefix contracts run --silent format && npm --prefix contracts --silent test

contracts: .make/npm ## Recompile the contracts into contracts/artifacts
	@npm --prefix contracts run --silent compile

gas: .make/npm ## Measure the contracts' gas into contracts/test/snapshots
	@npm --prefix contracts run --silent gas

coverage: .make/npm ## Measure which lines and branches of the contracts their tests reach; fails under 100 %
	@npm --prefix contracts run --silent coverage

slither: .make/test .make/npm ## Analyse the contracts; fails for a finding that contracts/slither.json does not answer
	@$(BIN)/python -m scripts.slither

bench: .make/test ## Measure what the README quotes, from a clean commit (about 40 minutes); writes benchmarks/results/*.json
	@$(BIN)/python -m benchmarks.run

figures: .make/test ## Write the measured figures into README.md
	@$(BIN)/python -m scripts.figures

starter: .make/test ## Train the starter pack again (about ten CPU minutes)
	@$(BIN)/python -m scripts.starter.train

.make/serve: $(PINS)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none is in PATH. Install one, or: make start PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) scripts/install.py --venv $(VENV) serve dev-chain
	@mkdir -p .make && touch $@

.make/test: $(PINS)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none is in PATH. Install one, or: make test PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) scripts/install.py --venv $(VENV) serve dev-chain postgres test
	@mkdir -p .make && touch $@ .make/serve

.make/npm: contracts/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { echo "Node.js 20 or newer is needed for the contracts' tests (Debian and Ubuntu: apt-get install nodejs npm)."; exit 1; }
	@npm --prefix contracts install --ignore-scripts --no-audit --no-fund --loglevel=error
	@mkdir -p .make && touch $@

.make/browser:
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
		echo "Chromium is needed for the tests of web pages (Debian and Ubuntu: apt-get install chromium)."; exit 1
	@mkdir -p .make && touch $@

clean: ## Remove what the build made (not your node's home)
	rm -rf $(VENV) .make contracts/node_modules contracts/out contracts/cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
