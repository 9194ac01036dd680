# Each target does everything on a fresh machine: it finds Python 3.10, makes .venv with the locked
# packages (once), and runs. `make test` does the same with Python 3.11, the newest TensorFlow and
# .venv-py311 for all tests that need no TFX; SKIP_PY311=1 leaves these out, and so does a machine
# without Python 3.11, unless it is CI.
SHELL := bash
PY := .venv/bin/python
PY311 := .venv-py311/bin/python
# There is no TFX for Python 3.11: these tests need it.
NEED_TFX := tests/components tests/pipelines tests/servers tests/examples tests/test_docs_examples.py
# How many processes run the tests; a file's tests stay in one.
WORKERS ?= 2
PYTEST := -m pytest -n $(WORKERS) --dist loadfile
# Tests marked slow run in CI, and with SLOW=1.
DEFAULT := $(if $(CI)$(SLOW),,-m "not slow")
export PYTHON PYTHON311
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-digits bench bench-evaluator test test-py310 test-runtime-py311 lint format docs lock setup \
  setup-py311 clean

demo: setup  ## the taxi pipeline on real data: import, train, evaluate, push
	@.venv/bin/tfx-tpu-estimator demo taxi

demo-digits: setup  ## the same with a small convolutional network on handwritten digits
	@.venv/bin/tfx-tpu-estimator demo digits

bench: setup  ## compares ways to train; BENCH="--force" on a busy machine, see docs/performance.md
	$(PY) benchmarks/run.py $(BENCH)

bench-evaluator: setup  ## both engines of the Evaluator; BENCH="--force" on a busy machine
	TF_USE_LEGACY_KERAS=1 $(PY) benchmarks/evaluator.py $(BENCH)

test: test-py310 $(if $(SKIP_PY311),,test-runtime-py311)  ## the tests, in both environments

test-py310: lint  ## the tests on Python 3.10, with TFX
	$(PY) $(PYTEST) $(DEFAULT)

test-runtime-py311:  ## the tests that need no TFX, on Python 3.11 and newest TensorFlow
	@tools/setup.sh py311; code=$$?; \
	if [ $$code = 3 ] && [ -z "$$CI" ]; then \
	  echo "Left out: the runtime's tests on Python 3.11, for want of that Python." >&2; exit 0; \
	elif [ $$code != 0 ]; then exit $$code; fi; \
	$(PY311) $(PYTEST) $(DEFAULT) $(addprefix --ignore=,$(NEED_TFX))

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	tools/typecheck.sh

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs: setup  ## API pages from the docstrings, into docs/api
	$(PY) tools/make_api_docs.py

lock: setup setup-py311  ## resolves requirements/*.in anew
	tools/lock.sh

setup:
	@tools/setup.sh

setup-py311:
	@tools/setup.sh py311

clean:
	rm -rf .venv .venv-py311 build demo_output
