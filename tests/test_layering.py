"""Data flows one way: a module imports only from its own layer and from those before it."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = "tfx_tpu_estimator"

# Later layers may import earlier ones, never the other way round.
LAYERS = [
    {"version", "errors", "modes", "specs", "estimator_spec", "spec_validation", "tpu_spec",
     "host_call", "keras_metrics", "export_output", "config", "html_page",
     "suggestions", "lazy_exports", "whole_files", "tensorflow_messages", "installed",
     "wording"},
    {"inputs"},
    {"lowering"},
    {"execution"},
    {"checkpoints", "summaries"},
    {"export"},
    {"runs"},
    {"compile_check", "skew_check"},
    {"estimator", "tpu_estimator"},
    {"training", "canned"},
    {"compat"},
    {"compile_api"},
    {"components"},
    {"module_program"},
    {"pipelines"},
    {"examples", "doctor"},
    {"cli"},
]  # fmt: skip
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
# Only these may touch private TensorFlow names.
PRIVATE_TENSORFLOW = {
    "tfx_tpu_estimator/lowering/tf_internals.py",
    "tfx_tpu_estimator/lowering/tf_internals_embedding.py",
    "tfx_tpu_estimator/lowering/tf_internals_functions.py",
    "tfx_tpu_estimator/lowering/tf_internals_hooks.py",
    "tfx_tpu_estimator/lowering/tf_internals_legacy.py",
    "tfx_tpu_estimator/lowering/tf_internals_outside.py",
    "tfx_tpu_estimator/lowering/tf_internals_tracing.py",
}


def list_sources():
    folders = [PACKAGE, "components", "pipelines", "examples"]
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def list_imports(path):
    """Yields the absolute name of every module that the file imports, at any depth."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = [p for p in (PACKAGE, *parts) if p] if parts[0] != PACKAGE else list(parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else []
            yield ".".join([*base, *((node.module or "").split("."))]).strip(".")


def layer_of(module):
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else None


@pytest.mark.parametrize("path", list_sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = parts[1] if parts[0] == PACKAGE else parts[0]
    if own == "__init__":
        return  # the public door re-exports from everywhere
    assert own in RANK, f"{own} is in no layer: add it to LAYERS"
    for module in list_imports(path):
        other = layer_of(module)
        if other is None:
            continue
        assert other in RANK, f"{path}: imports {module}, which is in no layer"
        assert RANK[other] <= RANK[own], f"{path}: {own} must not import {module}"


@pytest.mark.parametrize("path", list_sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_private_tensorflow_names_stay_in_one_module(path):
    if str(path.relative_to(ROOT)) in PRIVATE_TENSORFLOW:
        return
    private = [m for m in list_imports(path) if m.startswith("tensorflow.python")]
    assert not private, f"{path} imports {private}; go through lowering/tf_internals.py"


@pytest.mark.parametrize("path", list_sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= 500
