# Each target does everything on a fresh machine: it finds Python 3.10, makes .venv with the locked
# packages (once), and runs.
SHELL := bash
PY := .venv/bin/python
export PYTHON
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-digits test test-fast lint format docs lock setup clean

demo: setup  ## the taxi pipeline on real data: import, train, evaluate, push
	@.venv/bin/tfx-tpu-estimator demo taxi

demo-digits: setup  ## the same with a small convolutional network on handwritten digits
	@.venv/bin/tfx-tpu-estimator demo digits

test: lint  ## all tests
	$(PY) -m pytest

test-fast: setup  ## without the tests marked slow
	$(PY) -m pytest -m "not slow"

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	tools/typecheck.sh

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs: setup  ## API pages from the docstrings, into docs/api
	$(PY) tools/make_api_docs.py

lock: setup  ## resolves requirements/*.in anew
	tools/lock.sh

setup:
	@tools/setup.sh

clean:
	rm -rf .venv build demo_output
