"""The source files of a program, and which of them are written for TensorFlow 1."""

from __future__ import annotations

import ast
import dataclasses
import importlib.machinery
import importlib.util
import pathlib
import sys
import sysconfig
import types
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compat.source_scan import SourceNames, scan_source

_PACKAGE_DIR = str(pathlib.Path(__file__).resolve().parent.parent)
_LIBRARY_PARTS = ("site-packages", "dist-packages")


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


def read_program(path: pathlib.Path, search: Sequence[str]) -> list[SourceFile]:
    """Returns a file and those of its own that it imports, as far as imports can be read.

    Args:
        path: The main file.
        search: Directories where imports are looked up, as in `sys.path`.

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
            waiting.extend(_find_module(module, current, search)[0])
    return list(found.values())


def find_module_file(
    name: str, importer: pathlib.Path, search: Sequence[str]
) -> tuple[pathlib.Path | None, list[str]]:
    """Returns the program's own file that defines a name, and the name's parts within it.

    Args:
        name: As `SourceNames.bound` has it: `package.module.function`, `.module.function`.
        importer: The file that imports it.
        search: Directories where imports are looked up, as in `sys.path`.
    """
    files, rest = _find_module(name, importer, search)
    return (files[-1] if files else None), rest


def has_module(module: str, importer: pathlib.Path, search: Sequence[str]) -> bool:
    """Returns whether a module is found; only its top level, if it is not the program's own.

    Args:
        module: As an import names it: `package.module`, `.module`.
        importer: The file that imports it.
        search: Directories where imports are looked up, as in `sys.path`.
    """
    files, rest = _find_module(module, importer, search)
    if not rest or files or module.startswith("."):
        return not rest
    top = module.partition(".")[0]
    # A library's, built in, or found by other means than a path, as what is installed for editing.
    found = len(rest) <= module.count(".") or top in sys.modules
    return found or importlib.util.find_spec(top) is not None


def is_own_file(path: str) -> bool:
    """Returns whether a file is the program's, not Python's, a library's or this package's."""
    parts = pathlib.Path(path).parts
    if any(part in parts for part in _LIBRARY_PARTS) or path.startswith(_PACKAGE_DIR):
        return False
    return not path.startswith(sysconfig.get_paths()["stdlib"])


def _scan(path: pathlib.Path, text: str | bytes) -> SourceFile:
    tree = ast.parse(text, filename=str(path))
    return SourceFile(path, tree, scan_source(tree))


def _find_module(
    module: str, importer: pathlib.Path, search: Sequence[str]
) -> tuple[list[pathlib.Path], list[str]]:
    """Returns the files of the program that an import reads, and what of the name is no module."""
    level = len(module) - len(module.lstrip("."))
    where = list(search)
    if level:
        where = [str(importer.parents[level - 1])]
    files: list[pathlib.Path] = []
    parts = [part for part in module.lstrip(".").split(".") if part]
    while parts:
        spec = importlib.machinery.PathFinder.find_spec(parts[0], where)
        if spec is None:
            break
        del parts[0]
        if spec.origin and spec.origin.endswith(".py") and is_own_file(spec.origin):
            files.append(pathlib.Path(spec.origin))
        where = list(spec.submodule_search_locations or ())
        if not any(is_own_file(location) for location in where):
            break
    return files, parts


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
