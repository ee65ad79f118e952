# Two commands do everything on a bare Debian 12: make demo, make test.
# What they make lies in build/ and demo/; in your home only pip's cache grows.

QGIS_PYTHON := /usr/bin/python3
SYSTEM_PACKAGES := qgis python3-qgis python3-venv python3-pytest xvfb xauth strace
DEV := build/test-environment
TEST_PYTHON := $(DEV)/bin/python

export FAIRWEATHER_HOME ?= $(CURDIR)/build/fairweather-home

.PHONY: demo test test-fast test-slow lint system test-environment real-servers lock licences audit screenshots bench soak package clean

demo: system
	$(QGIS_PYTHON) scripts/demo.py

test: system test-environment real-servers lint test-fast test-slow

test-fast:
	$(QGIS_PYTHON) scripts/run_tests.py fast

test-slow:
	$(QGIS_PYTHON) scripts/run_tests.py slow

lint: test-environment
	@echo "== Checking format, lint and types"
	$(TEST_PYTHON) -m ruff format --check .
	$(TEST_PYTHON) -m ruff check .
	$(TEST_PYTHON) scripts/check_types.py

system:
	@sh scripts/install_system_packages.sh $(SYSTEM_PACKAGES)

test-environment:
	@$(QGIS_PYTHON) scripts/make_test_environment.py $(DEV)

real-servers:
	@sh scripts/install_system_packages.sh postgresql-postgis \
		&& $(QGIS_PYTHON) tests/helpers/real_servers.py prepare \
		|| echo "== The tests in tests/real_servers will be skipped"

lock: test-environment
	PATH="$(CURDIR)/$(DEV)/bin:$$PATH" $(TEST_PYTHON) scripts/make_lock.py

licences: test-environment
	$(TEST_PYTHON) scripts/list_licences.py

# Whether any package of the locks has a known vulnerability; says so where nobody can be asked.
audit:
	@$(QGIS_PYTHON) scripts/audit.py build/audit-environment

screenshots: system test-environment
	$(QGIS_PYTHON) scripts/take_screenshots.py

# BENCH_PYTHON: an interpreter of 3.12 or newer, where none is on PATH; without it lazycogs is left
# out. BENCH_FOLDER: where the tile lies (5 GB), outside the checkout.
bench: system test-environment
	@$(QGIS_PYTHON) benchmarks/make_environment.py build/bench-environment $(BENCH_PYTHON)
	build/bench-environment/bin/python benchmarks/bench.py $(if $(BENCH_FOLDER),--folder $(BENCH_FOLDER))

# Every promise of docs/reliability.md tried many times, under three hours; SOAK="--row NAME" for one.
soak: system test-environment
	$(TEST_PYTHON) tests/soak/soak.py $(SOAK)

package:
	$(QGIS_PYTHON) scripts/make_package.py build/fairweather.zip

clean:
	rm -rf build demo
