# Every target sets up what it needs: a virtual environment with pinned versions in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/critical-temperature

.PHONY: install demo figures screenshots docs axe test test-all test-haswell test-lowest test-newest lint verify chaos bench bench-designs bench-sweep bench-report wheel clean

install: $(VENV)/installed

$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sgd-thermometer needs Python 3.11 or later; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/pip pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/python -c "from trainers import compile_kernels; compile_kernels()"
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,cluster]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench,cluster]'
	@touch $@

# From nothing to a critical-temperature scaling report on real images.
demo: $(VENV)/installed
	$(BIN)/thermometer run critical-temperature --out $(DEMO)

# The README's figure, from the demo's table.
figures: demo
	$(BIN)/python docs/make_figures.py

# Pictures of the report and of MLflow's pages for the documentation; needs Chromium.
screenshots: demo $(VENV)/installed-dev
	$(BIN)/thermometer run phase-diagram --preset quick --out runs/phase-diagram
	$(BIN)/python docs/make_screenshots.py $(DEMO) runs/phase-diagram

# The documentation as a site in build/site; any warning is an error.
docs: $(VENV)/installed-docs
	$(BIN)/python -m mkdocs build --quiet

# axe-core, with which the tests look for barriers on the pages; needs npm.
axe: $(VENV)/node_modules/axe-core/axe.min.js

$(VENV)/node_modules/axe-core/axe.min.js: $(VENV)/pip
	npm install --silent --no-save --no-package-lock --prefix $(VENV) axe-core@4.14.1
	@touch $@

# Processes that test at the same time, by default one per core.
JOBS ?= logical
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder
EXAMPLES := --doctest-modules --ignore=studies/__main__.py search_spaces analysis trainers studies
SECOND := cluster or outage or docs or browser or postgres
BY_HAND := verify or chaos

# The tests that a change is made with, and the examples in the docstrings: five minutes on two
# cores.
test: $(VENV)/installed-dev
	$(PYTEST) -m 'not ($(SECOND) or $(BY_HAND))' tests $(EXAMPLES)

# All tests: also clusters, outages, the documentation's commands, browsers and PostgreSQL. Without
# Chromium or axe-core, the tests of pages skip; with THERMOMETER_BROWSER_TESTS=required they fail.
test-all: $(VENV)/installed-dev
	$(PYTEST) --durations=40 tests $(EXAMPLES)

# The tests that train, compiled for a processor without AVX-512: no result may hang on the last
# bits of the processor that is here.
HASWELL := 64bit avx avx2 bmi bmi2 cmov crc32 cx16 cx8 f16c fma fsgsbase fxsr invpcid lzcnt mmx \
	movbe pclmul popcnt rdrnd sahf sse sse2 sse3 sse4.1 sse4.2 ssse3 xsave xsaveopt
EMPTY :=
COMMA := ,
test-haswell: export NUMBA_CPU_NAME := haswell
test-haswell: export NUMBA_CPU_FEATURES := $(subst $(EMPTY) $(EMPTY),$(COMMA),$(HASWELL:%=+%))
test-haswell: export OPENBLAS_CORETYPE := Haswell
test-haswell: export NUMBA_CACHE_DIR := $(CURDIR)/$(VENV)/haswell
test-haswell: $(VENV)/installed-dev
	$(PYTEST) -m 'not ($(SECOND) or $(BY_HAND))' tests/trainers tests/studies/plans \
		tests/studies/kinds tests/studies/experiments

# A short suite with the lowest versions that pyproject.toml allows, and with the newest there are.
# Under the lowest numpy the error of one undetermined fit differs between two processes in its
# seventh digit, which the test left out compares exactly.
SHORT := tests/test_dependencies.py tests/search_spaces tests/analysis/test_table.py \
	tests/analysis/fits/test_power_law.py tests/trainers/kernels/test_kernels.py \
	tests/studies/plans/test_samplers.py tests/studies/commands/test_cli.py tests/studies/test_run.py \
	--deselect tests/studies/test_run.py::test_same_table_whatever_runs_it
SHORT_RUN := -m pytest -n $(JOBS) --dist loadgroup -W default -m 'not ($(BY_HAND))' $(SHORT)

$(VENV)/lowest/installed: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv $(VENV)/lowest
	$(PYTHON) .ci/lowest.py > $(VENV)/lowest/constraints.txt
	$(VENV)/lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(VENV)/lowest/constraints.txt -e '.[test]'
	@touch $@

test-lowest: $(VENV)/pip $(VENV)/lowest/installed
	$(VENV)/lowest/bin/python $(SHORT_RUN)

test-newest: $(VENV)/pip
	$(PYTHON) -m venv --clear $(VENV)/newest
	$(VENV)/newest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	$(VENV)/newest/bin/python -m pip freeze --exclude-editable > $(VENV)/newest/versions.txt
	$(VENV)/newest/bin/python $(SHORT_RUN)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Slow physics and calibration; rewrites docs/verification.
verify: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m verify --timeout 3000

# At least 100 random accidents to studies on a Ray cluster, on a journal and on PostgreSQL; rewrites
# docs/verification/chaos.md. EVENTS=30 for a shorter one.
chaos: $(VENV)/installed-dev
	EVENTS=$(or $(EVENTS),100) $(BIN)/python -m pytest -m chaos --timeout 7200 tests/studies/execution/test_chaos.py

# Speed against PyTorch and JAX, some minutes; rewrites docs/benchmarks.md. OPTIONS=--quick
# prints a shorter page instead.
bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.trainers $(OPTIONS)

# The adaptive design against the grid, three minutes; rewrites a section of docs/benchmarks.md.
bench-designs: $(VENV)/installed
	$(BIN)/python -m benchmarks.designs $(OPTIONS)

# Speed of whole sweeps, against Ray Tune and study.optimize, about ten minutes; rewrites
# docs/benchmarks-sweep.md. OPTIONS=--quick prints a shorter page instead.
bench-sweep: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks.sweep $(OPTIONS)

# Weight and load time of the demo's report, in Chromium; rewrites a section of docs/benchmarks.md.
bench-report: demo $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.report $(DEMO)

# The wheel, in an empty environment, from another folder.
wheel: $(VENV)/installed-dev
	rm -rf build dist
	$(BIN)/python -m build --wheel --quiet
	bash .ci/wheel

clean:
	rm -rf $(VENV) build dist *.egg-info
