#!/usr/bin/env bash
# Resolves requirements/*.in into hashed lock files that hold no address of an index.
set -euo pipefail
cd "$(dirname "$0")/.."
# Arguments: the interpreter to resolve for, then those of uv.
compile() {
  local python=$1
  shift
  .venv/bin/uv pip compile --quiet --python "$python" --no-python-downloads --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@"
}
compile .venv/bin/python requirements/uv.in -o requirements/uv.txt
compile .venv/bin/python requirements/py310.in --no-emit-package tfx-tpu-estimator \
  -o requirements/py310.txt
compile .venv-py311/bin/python requirements/py311.in --no-emit-package tfx-tpu-estimator \
  -o requirements/py311.txt
