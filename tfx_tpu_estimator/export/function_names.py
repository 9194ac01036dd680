"""Names of the functions in an export: equal for equal models, whatever the process did before.

TensorFlow ends the name of each function (the branch of a `cond`, the body of a `while`, what a
`tf.function` traced) with a number that counts everything the process has made. A model that was
trained again in another process would be another one by these numbers alone.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator, Mapping
from typing import Any

_NUMBER = re.compile(r"_\d+(?=_|$)")
# Names a gradient that only the process that wrote it has.
_GRADIENT_ATTRIBUTE = "_gradient_op_type"


def number_functions(saved_model: Any) -> bool:
    """Numbers the functions of a SavedModel in the order in which its graphs call them.

    Args:
        saved_model: A SavedModel proto; is changed.

    Returns:
        Whether anything was changed.
    """
    results = [_number(meta_graph.graph_def) for meta_graph in saved_model.meta_graphs]
    return any(results)


def _number(graph: Any) -> bool:
    functions = {function.signature.name: function for function in graph.library.function}
    names = _choose_names(graph, functions)
    if all(old == new for old, new in names.items()):
        return False
    for nodes in (graph.node, *(function.node_def for function in functions.values())):
        for node in nodes:
            node.op = names.get(node.op, node.op)
            _rename_values(node.attr, names)
            node.attr.pop(_GRADIENT_ATTRIBUTE, None)
    for old, function in functions.items():
        function.signature.name = names[old]
        _rename_values(function.attr, names)
        _rename_arguments(function, old.lower(), names[old].lower())
    for gradient in graph.library.gradient:
        gradient.function_name = names.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = names.get(gradient.gradient_func, gradient.gradient_func)
    ordered = sorted(functions.values(), key=lambda function: function.signature.name)
    copies = [type(function).FromString(function.SerializeToString()) for function in ordered]
    del graph.library.function[:]
    graph.library.function.extend(copies)
    return True


def _choose_names(graph: Any, functions: Mapping[str, Any]) -> dict[str, str]:
    """Returns the new name of each function, in the order of their calls."""
    names: dict[str, str] = {}
    counts: collections.Counter[str] = collections.Counter()
    # Those that nothing calls come last.
    for name in (*_walk(graph.node, functions, set()), *sorted(functions)):
        if name in names:
            continue
        stem = _NUMBER.sub("", name)
        if stem == name:
            names[name] = name
            continue
        names[name] = f"{stem}_{counts[stem]}"
        counts[stem] += 1
    return names


def _walk(nodes: Any, functions: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    """Yields the functions that nodes call, each before those that it calls itself."""
    for node in nodes:
        for name in _list_calls(node):
            if name in functions and name not in seen:
                seen.add(name)
                yield name
                yield from _walk(functions[name].node_def, functions, seen)


def _list_calls(node: Any) -> Iterator[str]:
    yield node.op
    for key in sorted(node.attr):
        value = node.attr[key]
        yield from (function.name for function in (value.func, *value.list.func))


def _rename_arguments(function: Any, old: str, new: str) -> None:
    """Renames arguments that are called after the function, as those that a loop does not use."""
    arguments = {
        argument.name: new + argument.name.removeprefix(old)
        for argument in function.signature.input_arg
        if argument.name.startswith(f"{old}_")
    }
    if not arguments:
        return
    for argument in function.signature.input_arg:
        argument.name = arguments.get(argument.name, argument.name)
    for node in function.node_def:
        node.input[:] = [arguments.get(name, name) for name in node.input]
    for name, source in list(function.ret.items()):
        function.ret[name] = arguments.get(source, source)


def _rename_values(attributes: Any, names: Mapping[str, str]) -> None:
    for value in attributes.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            value.func.name = names.get(value.func.name, value.func.name)
        elif kind == "list":
            for function in value.list.func:
                function.name = names.get(function.name, function.name)
        elif kind == "s":
            # Of a function: the name of the one that computes its gradient.
            text = value.s.decode("utf-8", "replace")
            if text in names:
                value.s = names[text].encode()
