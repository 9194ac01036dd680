"""Finds the files of the modules that a program imports, without importing them."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import pathlib
import sys
import sysconfig
from collections.abc import Sequence

_PACKAGE_DIR = str(pathlib.Path(__file__).resolve().parent.parent)
_LIBRARY_PARTS = ("site-packages", "dist-packages")


class ModuleFinder:
    """Looks modules of one program up, each once."""

    def __init__(self, search: Sequence[str]):
        """Keeps where to look.

        Args:
            search: Directories where imports are looked up, as in `sys.path`.
        """
        self._search = list(search)
        self._find_in_folder = functools.cache(self._find_parts)

    def find(self, name: str, importer: pathlib.Path) -> tuple[Sequence[pathlib.Path], list[str]]:
        """Returns the program's own files that an import reads, and the parts that are no module.

        Args:
            name: A module, or a name within one: `package.module.function`, `.module.function`.
            importer: The file that imports it.
        """
        level = len(name) - len(name.lstrip("."))
        parts = tuple(part for part in name.lstrip(".").split(".") if part)
        files, count = self._find_in_folder(
            str(importer.parents[level - 1]) if level else "", parts
        )
        return files, list(parts[count:])

    def has_module(self, module: str, importer: pathlib.Path) -> bool:
        """Returns whether a module is found; only its top level, if it is not the program's own.

        Args:
            module: As an import names it: `package.module`, `.module`.
            importer: The file that imports it.
        """
        files, rest = self.find(module, importer)
        if not rest or files or module.startswith("."):
            return not rest
        top = module.partition(".")[0]
        # A library's, built in, or found by other means than a path, as what is installed for
        # editing.
        found = len(rest) <= module.count(".") or top in sys.modules
        return found or importlib.util.find_spec(top) is not None

    def _find_parts(
        self, folder: str, parts: tuple[str, ...]
    ) -> tuple[tuple[pathlib.Path, ...], int]:
        """Returns the own files below a folder, or where imports start, and of how many parts."""
        where = [folder] if folder else self._search
        files: list[pathlib.Path] = []
        for count, part in enumerate(parts):
            spec = importlib.machinery.PathFinder.find_spec(part, where)
            if spec is None:
                return tuple(files), count
            if spec.origin and spec.origin.endswith(".py") and is_own_file(spec.origin):
                files.append(pathlib.Path(spec.origin))
            where = list(spec.submodule_search_locations or ())
            if not any(is_own_file(location) for location in where):
                return tuple(files), count + 1
        return tuple(files), len(parts)


def is_own_file(path: str) -> bool:
    """Returns whether a file is the program's, not Python's, a library's or this package's."""
    parts = pathlib.Path(path).parts
    if any(part in parts for part in _LIBRARY_PARTS) or path.startswith(_PACKAGE_DIR):
        return False
    return not path.startswith(sysconfig.get_paths()["stdlib"])
