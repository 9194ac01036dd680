"""Makes `import tensorflow` mean TensorFlow 1 in a program's own files, and nowhere else.

The import statements are replaced while a file is compiled; the file is not changed, and lines in
tracebacks are its own. Libraries keep TensorFlow 2.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence

_V1 = "tensorflow.compat.v1"
# TensorFlow 1 had these where TensorFlow 2 has others or none.
_MOVED = {"tensorflow": _V1, "tensorflow.estimator": f"{_V1}.estimator"}


class _ImportRewriter(ast.NodeTransformer):
    """Replaces imports of `tensorflow` with imports of `tensorflow.compat.v1`."""

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            if alias.name in _MOVED and (alias.asname or "." not in alias.name):
                alias.asname = alias.asname or alias.name
                alias.name = _MOVED[alias.name]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module in _MOVED:
            # `compat` and `python` are packages of TensorFlow itself.
            if any(alias.name in ("compat", "python") for alias in node.names):
                return node
            node.module = _MOVED[node.module]
        return node


def compile_as_tf1(source: bytes | str, filename: str) -> types.CodeType:
    """Compiles a file with TensorFlow 1 behind `import tensorflow`.

    Args:
        source: The file's content.
        filename: Its path, for tracebacks.

    Raises:
        SyntaxError: If it is no Python.
    """
    tree = _ImportRewriter().visit(ast.parse(source, filename=filename))
    return compile(tree, filename, "exec", dont_inherit=True)


class _TF1Loader(importlib.machinery.SourceFileLoader):
    """Loads a file of the program with its imports replaced."""

    def get_code(self, fullname: str) -> types.CodeType | None:
        """Compiles anew each time: Python's cache holds the file as it is written."""
        path = self.get_filename(fullname)
        return compile_as_tf1(self.get_data(path), path)


class TF1Finder(importlib.abc.MetaPathFinder):
    """Finds the program's own modules and has them loaded with their imports replaced.

    Args:
        wants: Whether the file at a path is to be loaded so.
    """

    def __init__(self, wants: Callable[[str], bool]):
        self._wants = wants

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the spec Python finds, with another loader, or None."""
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None
        if spec.origin is None or not self._wants(spec.origin):
            return None
        spec.loader = _TF1Loader(fullname, spec.origin)
        return spec

    def install(self) -> None:
        """Puts this finder before Python's own."""
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Takes this finder away."""
        sys.meta_path.remove(self)
