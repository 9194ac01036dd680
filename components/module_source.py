"""Source of a user module together with the neighbouring files it imports."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import os
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from tfx_tpu_estimator.errors import UserModuleError

from .digest import compute_text_digest, list_files_below


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModuleSource:
    """The text of a module and of the files beside it that it needs.

    Attributes:
        label: How the user named the module: a file path or a dotted name.
        main: File name of the module itself, a key of `files`.
        files: File names relative to the module's folder, and their text.
    """

    label: str
    main: str
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the names and texts of all files."""
        return compute_text_digest(self.files)

    @property
    def text(self) -> str:
        """The text of the module itself."""
        return self.files[self.main]


def read_module_file(path: str) -> ModuleSource:
    """Reads a module file and every file beside it that it imports, directly or not.

    Args:
        path: A Python file on any file system TFX reads.

    Raises:
        UserModuleError: If there is no such file.
    """
    if not fileio.exists(path) or fileio.isdir(path):
        raise UserModuleError(
            f"`module_file` {path!r} is not a file; give the path of a Python file."
        )
    folder, main = os.path.split(path)
    files = {main: _read_text(path)}
    waiting = [main]
    while waiting:
        for name in _list_local_imports(files[waiting.pop()], folder):
            if name not in files:
                files[name] = _read_text(os.path.join(folder, name))
                waiting.append(name)
    return ModuleSource(label=path, main=main, files=files)


def read_module_path(dotted: str) -> ModuleSource:
    """Reads the source of an installed module without importing the module itself.

    Args:
        dotted: A name such as `my_package.taxi_model`.

    Raises:
        UserModuleError: If it cannot be found or has no source.
    """
    try:
        spec = importlib.util.find_spec(dotted)
    except (ImportError, ValueError) as error:
        raise UserModuleError(
            f"`module_path` {dotted!r} cannot be found: {error}. It must be importable where the "
            "component runs."
        ) from error
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise UserModuleError(
            f"`module_path` {dotted!r} cannot be found as Python source. It must be importable "
            "where the component runs."
        )
    main = os.path.basename(spec.origin)
    return ModuleSource(label=dotted, main=main, files={main: _read_text(spec.origin)})


def compute_module_digest(module_file: Any, dotted: Any) -> str | None:
    """Returns a digest of a module's code, for TFX's cache.

    The cache looks at the contents of `module_file` only; this covers the files it imports from
    its own folder, and installed modules.

    Args:
        module_file: A path, or anything else if the module is not given by a file.
        dotted: A dotted name, or anything else if the module is not given by name.

    Returns:
        The digest; None where the code cannot be read here, which it need not be: it is needed
        where the component runs.
    """
    try:
        if isinstance(module_file, str):
            return read_module_file(module_file).digest
        if isinstance(dotted, str) and dotted:
            return read_module_path(dotted).digest
    except UserModuleError:
        return None
    return None


def _read_text(path: str) -> str:
    with fileio.open(path, "rb") as file:
        return file.read().decode("utf-8")


def _list_local_imports(source: str, folder: str) -> list[str]:
    """Names the files of `folder` that `source` imports; a package counts with all its files."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        # The import that follows reports it, with the line.
        return []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return [file for name in sorted(names) for file in _list_module_files(name, folder)]


def _list_module_files(name: str, folder: str) -> list[str]:
    package = os.path.join(folder, name)
    if fileio.exists(os.path.join(package, "__init__.py")):
        return [f"{name}/{file}" for file in list_files_below(package) if file.endswith(".py")]
    return [f"{name}.py"] if fileio.exists(f"{package}.py") else []
