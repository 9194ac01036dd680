"""The source files of a program, and which of them are written for TensorFlow 1."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import types
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compat.module_finder import ModuleFinder
from tfx_tpu_estimator.compat.source_scan import SourceNames, scan_source


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """One file of a program.

    Attributes:
        path: Where it is.
        tree: What `ast.parse` returned.
        names: What it uses.
    """

    path: pathlib.Path
    tree: ast.Module
    names: SourceNames

    @property
    def tf1_names(self) -> list[str]:
        """Names of `import tensorflow` that only TensorFlow 1 had."""
        return [n for n in self._top_level_names() if _is_tf1_only(n)]

    @property
    def tf2_names(self) -> list[str]:
        """Names of `import tensorflow` that only TensorFlow 2 has."""
        names = self._top_level_names()
        return [n for n in names if _has(tf, n) and not _has(tf.compat.v1, n)]

    @property
    def reads_as_tf2(self) -> bool:
        """Whether it is written for TensorFlow 2, so that `tf` has to be that there."""
        return bool(self.tf2_names) and not self.tf1_names

    def _top_level_names(self) -> list[str]:
        """Names as they follow `tf.`, without those under `tf.compat`, which say what they are."""
        names = (use.name.partition(".")[2] for use in self.names.uses if _is_below_tf(use.name))
        return [name for name in names if name and name.split(".")[0] not in ("compat", "python")]


def read_text(text: str) -> SourceFile:
    """Returns what a source uses that is no file.

    Raises:
        SyntaxError: If it is no Python.
    """
    return _scan(pathlib.Path("<source>"), text)


def read_program(path: pathlib.Path, finder: ModuleFinder) -> list[SourceFile]:
    """Returns a file and those of its own that it imports, as far as imports can be read.

    Args:
        path: The main file.
        finder: Finds what it imports.

    Raises:
        SyntaxError: If the main file is no Python.
    """
    found: dict[pathlib.Path, SourceFile] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        try:
            found[current] = _scan(current, current.read_bytes())
        except SyntaxError:
            if current == path:
                raise
            continue  # found when it is imported, by Python itself
        for module in found[current].names.modules:
            waiting.extend(finder.find(module, current)[0])
    return list(found.values())


def _scan(path: pathlib.Path, text: str | bytes) -> SourceFile:
    tree = ast.parse(text, filename=str(path))
    return SourceFile(path, tree, scan_source(tree))


def _is_below_tf(name: str) -> bool:
    return name.startswith("tensorflow.")


def _is_tf1_only(name: str) -> bool:
    return name.split(".")[0] == "contrib" or (_has(tf.compat.v1, name) and not _has(tf, name))


def _has(module: types.ModuleType, name: str) -> bool:
    value: Any = module
    for part in name.split("."):
        if not isinstance(value, types.ModuleType):
            # What follows a class or a constant is no matter of TensorFlow's version; to look for
            # it may do something: asked for a flag, FLAGS reads the command line.
            return True
        if not hasattr(value, part):
            return False
        value = getattr(value, part)
    return True
