#!/usr/bin/env bash
# Resolves requirements/*.in into hashed lock files that hold no address of an index.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --python .venv/bin/python --no-python-downloads --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@"
}
compile requirements/uv.in -o requirements/uv.txt
compile requirements/py310.in --no-emit-package tfx-tpu-estimator -o requirements/py310.txt
