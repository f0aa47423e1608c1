# Two commands do everything on a fresh machine: `make results` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORES ?= all
SUITE ?=
SEEDS ?=
RUN := PATH="$(abspath $(BIN)):$$PATH"
CONFIG := $(if $(SUITE),suite=$(SUITE)) $(if $(SEEDS),'seeds=$(SEEDS)')

.PHONY: results test test-slow cluster-test lint format benchmark schema docs lock clean help

help:            ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

results: $(VENV)/.runtime   ## build the suite of params.yaml, or SUITE=NAME, its own number of seeds or SEEDS=3
	$(RUN) snakemake --cores $(CORES) $(if $(SUITE)$(SEEDS),--config $(CONFIG))

test: $(VENV)/.dev   ## linters, types, and the whole test suite (10 minutes on 2 cores)
	$(MAKE) lint
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadfile -m "not slow and not cluster"

test-slow: $(VENV)/.dev   ## the tests that take minutes each
	$(RUN) pytest -m slow

cluster-test: $(VENV)/.cluster   ## quickstart through a real one-node Slurm (root and apt-get; 10 minutes)
	OMP_NUM_THREADS=1 $(RUN) tests/cluster/slurm.sh pytest -m cluster tests/cluster

lint: $(VENV)/.dev   ## ruff, mypy, snakefmt, snakemake --lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) mypy
	$(RUN) snakemake --lint

format: $(VENV)/.dev   ## rewrite the code in the project's format
	$(RUN) ruff check --fix .
	$(RUN) ruff format .
	$(RUN) snakefmt Snakefile workflow

benchmark: $(VENV)/.dev   ## speed and memory against named peers, as ratios in one run
	$(RUN) python -m benchmarks

schema: $(VENV)/.runtime   ## write params.schema.json
	$(RUN) neglink params schema > params.schema.json

docs: $(VENV)/.runtime   ## write docs/reference from docstrings and settings
	$(RUN) neglink reference

lock:            ## pin the newest allowed packages
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/pip install .
	echo '# Every package of `make results`, pinned; written by `make lock`.' > requirements/lock.txt
	.lock/bin/pip freeze --exclude neglink | sed 's/+cpu//' >> requirements/lock.txt
	.lock/bin/pip install '.[dev]'
	echo '# What `make test` adds to lock.txt; written by `make lock`.' > requirements/lock-dev.txt
	.lock/bin/pip freeze --exclude neglink | sed 's/+cpu//' | grep -vxFf requirements/lock.txt >> requirements/lock-dev.txt
	echo '# What a cluster adds to lock.txt (profiles/slurm, profiles/generic); written by `make lock`.' > requirements/lock-cluster.txt
	.lock/bin/pip freeze --exclude neglink | grep '^snakemake-executor-plugin-cluster-generic=' >> requirements/lock-cluster.txt
	.lock/bin/pip freeze --exclude neglink > .lock/before && .lock/bin/pip install '.[slurm]'
	.lock/bin/pip freeze --exclude neglink | grep -vxFf .lock/before >> requirements/lock-cluster.txt
	rm -rf .lock

clean:           ## remove the environment and logs; data and results stay
	rm -rf $(VENV) logs build .pytest_cache .mypy_cache .ruff_cache

# torch comes first and pinned, so that no other package pulls in another build of it
$(VENV)/.runtime: requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "neglink needs Python 3.11 or newer; name one with make PYTHON=python3.11 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements/lock.txt)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/lock-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/lock-dev.txt
	touch $@

$(VENV)/.cluster: $(VENV)/.dev requirements/lock-cluster.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/lock-cluster.txt
	touch $@
