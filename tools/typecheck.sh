#!/usr/bin/env bash
# Checks types over the package as it is when installed: components/ and pipelines/ stand below
# tfx_tpu_estimator, which the checker cannot see in an editable install.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=build/typecheck/tfx_tpu_estimator
rm -rf build/typecheck
mkdir -p build/typecheck
cp -r tfx_tpu_estimator "$tree"
cp -r components pipelines "$tree"
cp tools/pyrightconfig.json build/typecheck/pyrightconfig.json
.venv/bin/basedpyright --project build/typecheck
