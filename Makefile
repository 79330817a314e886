# Each target does its own set-up: it finds a Python 3.12 to 3.14, makes .venv and installs, once.
# ARGS is passed on: make demo ARGS="--json out.json", make test ARGS="-k book".

ARGS =
PY = .venv/bin/python

# Also where Python is kept from it, it may write what it compiles: each of many processes would else
# compile every module anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test kernels bench lint setup clean

help:
	@echo "make demo    a synthetic market, a backtest over it, a summary"
	@echo "make test    lint, types and every test"
	@echo "make bench   every figure beside its floor"
	@echo "make lint    ruff and mypy alone"
	@echo "make kernels the kernels' tests alone, without the compiler"
	@echo "make clean   remove .venv and every cache"

setup:
	@.ci/setup

demo: setup
	@$(PY) -m of_nautilus demo $(ARGS)

lint: setup
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

# The kernels' tests with Numba's compiler off; 5 is pytest's word for that ARGS selected none.
kernels: setup
	NUMBA_DISABLE_JIT=1 $(PY) -m pytest -q -n 2 --dist worksteal -m nojit $(ARGS) || [ $$? -eq 5 ]

# First what is quick, at once; then every test, as all is used.
# Two of its processes run live nodes, which mostly wait; there are two more for two cores.
# Live nodes and browsers keep to the clock: what failed beside all the rest is tried again, alone.
test: setup
	@$(MAKE) --no-print-directory -j 2 lint kernels
	rm -rf .pytest_cache/v
	$(PY) -m pytest -q -p tests.plugin -n 4 $(ARGS) || $(PY) -m tests.again

bench: setup
	@$(PY) -m benchmarks $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	find of_nautilus benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
