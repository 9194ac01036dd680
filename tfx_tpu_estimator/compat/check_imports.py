"""Which modules that a program imports are not found."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from tfx_tpu_estimator.compat.findings import Finding, Level
from tfx_tpu_estimator.compat.module_finder import ModuleFinder
from tfx_tpu_estimator.compat.program import SourceFile
from tfx_tpu_estimator.compat.source_scan import is_tensorflow

_ADVICE = "Not found, so neither read nor importable: install it, or add its folder to PYTHONPATH."


def check_imports(file: SourceFile, finder: ModuleFinder) -> list[Finding]:
    """Returns findings about modules that a file imports and that are not there.

    Those that it imports within `try` are left out: it can do without them. Names of TensorFlow
    are another check's.

    Args:
        file: The file.
        finder: Finds what it imports.
    """
    lines: dict[str, int] = {}
    for module, line in _list_imported(file.tree.body):
        if is_tensorflow(module) or any(f"{module}.".startswith(f"{name}.") for name in lines):
            continue
        if not finder.has_module(module, file.path):
            lines[module] = line
    return [
        Finding(str(file.path), line, Level.ATTENTION, f"import {module}", _ADVICE)
        for module, line in lines.items()
    ]


def _list_imported(body: Sequence[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yields modules and lines, without what is within `try`."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), node.lineno
        elif not isinstance(node, ast.Try):
            yield from _list_imported(list(ast.iter_child_nodes(node)))
