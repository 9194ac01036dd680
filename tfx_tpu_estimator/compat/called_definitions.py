"""Which functions and classes of a program a function calls, as far as its source shows."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from tfx_tpu_estimator.compat.module_finder import ModuleFinder
from tfx_tpu_estimator.compat.program import SourceFile
from tfx_tpu_estimator.compat.source_scan import is_tensorflow, split_attributes


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

    def __init__(self, files: Sequence[SourceFile], finder: ModuleFinder):
        """Keeps the files of a program.

        Args:
            files: What `read_program` returned.
            finder: Finds what they import.
        """
        self._files = {file.path: file for file in files}
        self._finder = finder
        classes = (
            node for file in files for node in ast.walk(file.tree) if isinstance(node, ast.ClassDef)
        )
        self._siblings = {method: each.body for each in classes for method in each.body}

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
        siblings = self._siblings.get(caller.node, ())
        for call in list_calls(caller.node):
            chain = list_parts(call.func)
            if len(chain) == 2 and chain[0] == "self":
                yield from _find_in(siblings, chain[1], file)
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
        files, rest = self._finder.find(".".join([bound, *chain[1:]]), file.path)
        if not rest or not files or files[-1] not in self._files:
            return []
        return self._find(rest, self._files[files[-1]], seen)


def list_calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Yields all calls within a part of a source."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def list_parts(node: ast.AST) -> list[str]:
    """Returns ['tf', 'summary', 'scalar'] of `tf.summary.scalar`; the end only of `f().g`."""
    start, attributes = split_attributes(node)
    return [start.id, *attributes] if isinstance(start, ast.Name) else attributes


def _find_in(body: Sequence[ast.stmt], name: str, file: SourceFile) -> list[Definition]:
    return [
        Definition(file.path, node)
        for node in body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
    ]
