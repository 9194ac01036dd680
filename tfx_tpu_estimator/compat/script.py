"""Runs a program that was written for the old estimator, as Python would run it."""

from __future__ import annotations

import importlib.util
import logging
import os
import pathlib
import sys
import types
from collections.abc import Sequence

import tensorflow as tf

from tfx_tpu_estimator.compat.installation import install
from tfx_tpu_estimator.compat.module_finder import ModuleFinder, is_own_file
from tfx_tpu_estimator.compat.program import SourceFile, read_program
from tfx_tpu_estimator.compat.tf1_source import TF1Finder, compile_as_tf1

_logger = logging.getLogger(__name__)


def run_script(
    script: str, arguments: Sequence[str], *, as_module: bool = False, tf1: bool | None = None
) -> int:
    """Runs a program in this process with `compat.install(contrib=True)`.

    It replaces `sys.argv`, `sys.path[0]` and the module `__main__`, as Python does.

    Args:
        script: Path of a file; the dotted name of a module if `as_module`.
        arguments: The program's own arguments, untouched.
        as_module: Find `script` as `python -m` does.
        tf1: Whether `import tensorflow` means TensorFlow 1 in the program's own files; None: if
            one of them uses a name that only TensorFlow 1 had.

    Returns:
        The exit code: 1 after an uncaught exception, whose traceback was printed. `SystemExit`
        is not caught.

    Raises:
        FileNotFoundError: If there is no such file or module.
    """
    package, path = _find_module(script) if as_module else (None, _find_file(script))
    sys.argv = [str(path), *arguments]
    sys.path[0] = os.getcwd() if as_module else str(path.parent)
    _show_log()
    install(contrib=True)
    try:
        code = _compile_program(path, tf1)
    except SyntaxError as error:
        sys.excepthook(type(error), error.with_traceback(None), None)
        return 1
    module = _make_main(path, package)
    try:
        exec(code, vars(module))
    except Exception as error:
        _print_error(error)
        return 1
    return 0


def _show_log() -> None:
    """Shows what this package says: steps, losses, metrics, as the old estimator's log did."""
    logger = logging.getLogger("tfx_tpu_estimator")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("tfx-tpu-estimator: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # a program that sets up logging would show every line twice


def _find_file(script: str) -> pathlib.Path:
    path = pathlib.Path(script)
    if path.is_dir():
        path = path / "__main__.py"
    if not path.is_file():
        raise FileNotFoundError(f"`SCRIPT`: there is no file {str(path)!r}.")
    return path.resolve()


def _find_module(name: str) -> tuple[str, pathlib.Path]:
    """Returns the package of a module and its file."""
    sys.path.insert(1, os.getcwd())
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        raise FileNotFoundError(f"`-m {name}`: {error}.") from error
    finally:
        del sys.path[1]
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise FileNotFoundError(f"`-m {name}`: there is no module of that name, or it is no file.")
    return spec.parent or "", pathlib.Path(spec.origin).resolve()


def _compile_program(path: pathlib.Path, tf1: bool | None) -> types.CodeType:
    """Compiles the main file and arranges how the others are loaded."""
    files = read_program(path, ModuleFinder(sys.path))
    if tf1 is None:
        tf1 = _says_tf1(files)
    if not tf1:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    kept = {str(file.path) for file in files if file.reads_as_tf2}
    TF1Finder(lambda origin: is_own_file(origin) and origin not in kept).install()
    tf.compat.v1.disable_v2_behavior()
    if str(path) in kept:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    return compile_as_tf1(path.read_bytes(), str(path))


def _says_tf1(files: Sequence[SourceFile]) -> bool:
    for file in files:
        names = file.tf1_names
        if names:
            _logger.info(
                "%s uses tf.%s: `import tensorflow` is TensorFlow 1 in this program's own files "
                "(--tf2 prevents it).",
                file.path.name,
                names[0],
            )
            return True
    return False


def _make_main(path: pathlib.Path, package: str | None) -> types.ModuleType:
    module = types.ModuleType("__main__")
    module.__file__ = str(path)
    module.__package__ = package
    vars(module)["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    return module


def _print_error(error: Exception) -> None:
    """Prints a traceback that starts in the program, not in this package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") != "__main__":
        trace = trace.tb_next
    sys.stdout.flush()
    trace = trace or error.__traceback__
    sys.excepthook(type(error), error.with_traceback(trace), trace)
