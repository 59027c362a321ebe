# Short names for what a developer does often; `make` lists them.
VENV := $(or $(CTCNV_VENV),.venv)
PY := $(VENV)/bin/python
LAID_OVER := --directory tests/config --configfile config/config.yaml tests/config/config.yaml

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: develop
develop:
	@./ctcnv develop

.PHONY: check
check: develop  ## style, types, workflow lint; what .ci/run asks for besides the tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(PY) -m snakemake --lint $(LAID_OVER)
	@! grep -n '://' requirements.lock requirements-dev.lock || { echo 'a lock names a host'; exit 1; }
	@! command -v shellcheck >/dev/null || shellcheck ctcnv .ci/run tests/slurm/install \
		tests/slurm/install-sge profiles/slurm/bin/sacct profiles/cluster-generic/status profiles/cluster-generic/cancel

.PHONY: format
format: develop  ## write the code as `make check` wants it
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(VENV)/bin/snakefmt Snakefile workflow

.PHONY: docs
docs: develop  ## docs/files.md from the tables, and the pictures of the manual
	PYTHONPATH=src $(PY) docs/make_files.py
	PYTHONPATH=src $(PY) docs/make_figures.py

.PHONY: test
test:  ## all tests
	./ctcnv test

.PHONY: quick
quick:  ## the tests that take seconds
	./ctcnv test -m 'not slow'

.PHONY: test-slurm
test-slurm: develop  ## the workflow on a real Slurm with what happens there (root, Debian; half an hour)
	tests/slurm/install
	CTCNV_SLURM=all ./ctcnv test tests/slurm

.PHONY: test-sge
test-sge: develop  ## the workflow on a real Grid Engine (root, Debian; ten minutes)
	tests/slurm/install-sge
	CTCNV_SGE=all ./ctcnv test tests/slurm/test_sge.py

.PHONY: scale
scale: develop  ## docs/cluster.md: what planning costs for 100, 1,000 and 10,000 samples
	PYTHONPATH=src:. $(PY) -m benchmarks.scale --work bench

.PHONY: golden
golden: develop  ## the golden tables of tests/fixtures/golden anew; say why in CHANGELOG "Numbers"
	PYTHONPATH=src:. $(PY) -m tests.golden

.PHONY: demo
demo:  ## a simulated cohort through the whole workflow
	./ctcnv demo

.PHONY: real
real:  ## real serial plasma against real healthy plasma (../shared/data)
	./ctcnv real ../shared/data

.PHONY: validate
validate:  ## docs/validation.md: simulated truth, real plasma (hours; parts are kept in validated/)
	./ctcnv real ../shared/data --output real
	PYTHONPATH=src:. $(PY) -m validation --results real/results --data ../shared/data --work validated

.PHONY: bench
bench: develop  ## docs/performance.md: counting against other programs, regions, a whole sample
	PYTHONPATH=src:. $(PY) -m benchmarks.counting --work bench
	PYTHONPATH=src:. $(PY) -m benchmarks.regions --work bench
	PYTHONPATH=src:. $(PY) -m benchmarks.sample --work bench || echo 'a limit is passed'
	PYTHONPATH=src:. $(PY) -m benchmarks.page --work bench

.PHONY: audit
audit:  ## known vulnerabilities of what the locks name, and bandit over the source (needs the network)
	python3 -m venv .audit && .audit/bin/pip install -q bandit pip-audit
	.audit/bin/bandit -q -c pyproject.toml -r src docs
	.audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	.audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.lock

.PHONY: lock
lock:  ## the lock files anew, without hosts (needs uv)
	uv pip compile requirements.in $(LOCK) -o requirements.lock
	uv pip compile requirements-dev.in $(LOCK) -o requirements-dev.lock
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
