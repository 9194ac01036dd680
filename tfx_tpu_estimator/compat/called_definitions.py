"""Which functions and classes of a program a function calls, as far as its source shows."""

from __future__ import annotations

import ast
import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence

from tfx_tpu_estimator.compat.program import SourceFile, find_module_file
from tfx_tpu_estimator.compat.source_scan import is_tensorflow


@dataclasses.dataclass(frozen=True)
class Definition:
    """A function or class of a program.

    Attributes:
        path: Its file.
        node: The function or class.
    """

    path: pathlib.Path
    node: ast.FunctionDef | ast.ClassDef


class CalledDefinitions:
    """Finds what is called in the files of a program."""

    def __init__(self, files: Sequence[SourceFile], search: Sequence[str]):
        """Keeps the files of a program.

        Args:
            files: What `read_program` returned.
            search: Directories where imports are looked up, as in `sys.path`.
        """
        self._files = {file.path: file for file in files}
        self._find_file = functools.cache(functools.partial(find_module_file, search=search))

    def list_called(self, caller: Definition) -> list[Definition]:
        """Returns the functions and classes that a function calls, directly or not.

        A function that is handed on, as those of a host_call are, is none.
        """
        found: list[Definition] = []
        waiting = [caller]
        while waiting:
            for called in self._list_called_directly(waiting.pop()):
                if called != caller and called not in found:
                    found.append(called)
                    waiting.append(called)
        return found

    def _list_called_directly(self, caller: Definition) -> Iterator[Definition]:
        file = self._files[caller.path]
        for call in list_calls(caller.node):
            chain = list_parts(call.func)
            if len(chain) == 2 and chain[0] == "self":
                yield from _find_in(_list_siblings(caller.node, file.tree), chain[1], file)
            elif chain:
                yield from self._find(chain, file, set())

    def _find(self, chain: list[str], file: SourceFile, seen: set) -> list[Definition]:
        """Returns what `chain` names at the top of a file; itself, or imported there."""
        if len(chain) == 1 and (own := _find_in(file.tree.body, chain[0], file)):
            return own
        bound = file.names.bound.get(chain[0])
        if bound is None or is_tensorflow(bound) or (chain[0], file.path) in seen:
            return []
        seen.add((chain[0], file.path))
        name = ".".join([bound, *chain[1:]])
        path, rest = self._find_file(name, file.path)
        if path not in self._files or not rest:
            return []
        return self._find(rest, self._files[path], seen)


def list_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yields all calls within a part of a source."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def list_parts(node: ast.AST) -> list[str]:
    """Returns ['tf', 'summary', 'scalar'] of `tf.summary.scalar`; the end only of `f().g`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return parts[::-1]


def _find_in(body: Sequence[ast.stmt], name: str, file: SourceFile) -> list[Definition]:
    return [
        Definition(file.path, node)
        for node in body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    ]


def _list_siblings(function: ast.AST, tree: ast.Module) -> Sequence[ast.stmt]:
    """Returns the body of the class that a method belongs to."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return next((node.body for node in classes if function in node.body), [])
