"""Old module files, with `trainer_fn`: what they import that TensorFlow no longer has."""

from __future__ import annotations

import ast
import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .module_source import ModuleSource

_TRAINER_FN, _RUN_FN = "trainer_fn", "run_fn"
_TFMA = "tensorflow_model_analysis"


def declares_trainer_fn(text: str) -> bool:
    """Returns whether a module's source defines or imports `trainer_fn`, and no `run_fn`.

    Args:
        text: The source; one that is no Python declares nothing.
    """
    try:
        names = _list_top_level_names(ast.parse(text))
    except SyntaxError:
        return False
    return _TRAINER_FN in names and _RUN_FN not in names


@contextlib.contextmanager
def legacy_imports(
    source: ModuleSource, folder: str | None = None
) -> Iterator[Callable[[str, str], types.CodeType]]:
    """Makes what an old module imports be there while it is loaded, and while it runs.

    `tf.estimator` and what belongs to it are this package's, and so is `tfma.export`. In modules
    written for TensorFlow 1, `import tensorflow` means `tensorflow.compat.v1`.

    Args:
        source: The module.
        folder: Where its files are while they are loaded.

    Yields:
        The function that compiles the module's text.
    """
    # Only here: it loads TensorFlow, which other modules may not want yet.
    compat = importlib.import_module("tfx_tpu_estimator.compat")
    tf1_source = importlib.import_module("tfx_tpu_estimator.compat.tf1_source")
    with compat.installed(contrib=True), _eval_export(source.files):
        is_tf1 = any(map(_uses_tf1, source.files.values()))
        if not is_tf1:
            yield lambda text, file: compile(text, file, "exec", dont_inherit=True)
            return
        finder = tf1_source.TF1Finder(lambda path: bool(folder) and path.startswith(str(folder)))
        finder.install()
        try:
            yield tf1_source.compile_as_tf1
        finally:
            finder.remove()


def _uses_tf1(text: str) -> bool:
    program = importlib.import_module("tfx_tpu_estimator.compat.program")
    try:
        return bool(program.read_text(text).tf1_names)
    except SyntaxError:
        return False  # reported by the import that follows, with its line


@contextlib.contextmanager
def _eval_export(files: Mapping[str, str]) -> Iterator[None]:
    """Gives `tfma.export` to modules that import TFMA; TFMA itself has it no more."""
    if not any(_TFMA in text for text in files.values()):
        yield
        return
    tfma: Any = importlib.import_module(_TFMA)
    if hasattr(tfma, "export"):
        yield
        return
    stand_in = importlib.import_module("tfx_tpu_estimator.components.eval_export")
    name = f"{_TFMA}.export"
    tfma.export = sys.modules[name] = stand_in
    try:
        yield
    finally:
        del tfma.export
        sys.modules.pop(name, None)


def _list_top_level_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names
