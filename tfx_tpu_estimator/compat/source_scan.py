"""Reads which names of TensorFlow a source file uses, without running it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping

_ROOTS = ("tensorflow", "tensorflow_estimator")


@dataclasses.dataclass(frozen=True)
class NameUse:
    """One use of a name.

    Attributes:
        name: The name as its import says: `tensorflow.estimator.tpu.TPUEstimator`,
            `tensorflow.compat.v1.placeholder`.
        line: Line of the use, counted from 1.
        imported: Whether an import statement names it, rather than an expression.
    """

    name: str
    line: int
    imported: bool


@dataclasses.dataclass(frozen=True)
class SourceNames:
    """What one file uses.

    Attributes:
        uses: Names below `tensorflow` and `tensorflow_estimator`, in order of lines.
        modules: Absolute names of all modules that are imported; `.name` where relative.
        bound: What each name that an import binds stands for, as absolute or relative names.
        top_level: Whether `tensorflow` itself is imported, as TensorFlow 1 programs do.
    """

    uses: tuple[NameUse, ...]
    modules: tuple[str, ...]
    bound: Mapping[str, str]
    top_level: bool


def scan_source(tree: ast.AST) -> SourceNames:
    """Returns the names that a parsed file uses.

    Args:
        tree: What `ast.parse` returned.

    Example:
        >>> names = scan_source(ast.parse("import tensorflow as tf; tf.app.run()"))
        >>> [use.name for use in names.uses]
        ['tensorflow', 'tensorflow.app.run']
    """
    bindings: dict[str, str] = {}
    uses: list[NameUse] = []
    modules: list[str] = []
    for node in ast.walk(tree):
        for module, name, bound in _list_bindings(node):
            modules.append(module)
            full = _join(module, name)
            if name:
                modules.append(full)
            bindings[bound] = full if name or bound != module.split(".")[0] else bound
            if is_tensorflow(full):
                uses.append(NameUse(full, node.lineno, imported=True))  # pyright: ignore
    aliases = {bound: full for bound, full in bindings.items() if is_tensorflow(full)}
    aliases.update(_list_assigned(tree, aliases))
    uses.extend(_list_expressions(tree, aliases))
    unique = {(use.name, use.line): use for use in reversed(uses)}
    ordered = sorted(unique.values(), key=lambda use: (use.line, use.name))
    return SourceNames(
        uses=tuple(ordered),
        modules=tuple(dict.fromkeys(modules)),
        bound=bindings,
        top_level=any(use.imported and use.name == "tensorflow" for use in ordered)
        or any(use.imported and use.name.count(".") == 1 for use in ordered),
    )


def is_tensorflow(name: str) -> bool:
    """Returns whether a dotted name is TensorFlow's or the old estimator's."""
    return name.split(".")[0] in _ROOTS


def split_attributes(node: ast.AST) -> tuple[ast.AST, list[str]]:
    """Returns the part `x` and the names ['a', 'b'] of an expression `x.a.b`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return node, names[::-1]


def _join(module: str, name: str) -> str:
    """Returns a name from a module: `a.b`, `.a` of `from . import a`, or the module's own."""
    return f"{module}{'' if module.endswith('.') else '.'}{name}" if name else module


def _list_bindings(node: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yields (module, name imported from it or '', name it is bound to)."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, "", alias.asname or alias.name.split(".")[0]
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            yield module, alias.name, alias.asname or alias.name


def _list_assigned(tree: ast.AST, aliases: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yields what `slim = tf.contrib.slim` at the top of a file binds."""
    for node in getattr(tree, "body", ()):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target = node.targets[0]
        name = _resolve(node.value, aliases)
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Attribute) and name:
            yield target.id, name


def _resolve(node: ast.AST, aliases: dict[str, str]) -> str | None:
    """Returns the whole name of `alias.a.b`, or None of another expression."""
    start, attributes = split_attributes(node)
    if not isinstance(start, ast.Name) or start.id not in aliases:
        return None
    return ".".join([aliases[start.id], *attributes])


def _list_expressions(tree: ast.AST, aliases: dict[str, str]) -> Iterator[NameUse]:
    """Yields every longest chain `alias.a.b.c`."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        value: ast.AST = node
        while isinstance(value, ast.Attribute):
            inner.add(id(value))
            value = value.value
        name = _resolve(node, aliases)
        if name is not None:
            yield NameUse(name, node.lineno, imported=False)
