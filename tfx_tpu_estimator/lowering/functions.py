"""Functions that nodes of a graph call, when nodes move to another graph."""

from __future__ import annotations

import tensorflow as tf

from tfx_tpu_estimator.lowering.unsupported import list_functions


def rename_functions(graph_def: tf.compat.v1.GraphDef, suffix: str) -> None:
    """Gives every function a new name, in place: under the old one TensorFlow knows another."""
    renamed = {f.signature.name: f"{f.signature.name}{suffix}" for f in graph_def.library.function}
    nodes = [graph_def.node, *(f.node_def for f in graph_def.library.function)]
    for node in (node for group in nodes for node in group):
        node.op = renamed.get(node.op, node.op)
        for attribute in node.attr.values():
            called = list(attribute.list.func)
            if attribute.HasField("func"):
                called.append(attribute.func)
            for function in called:
                function.name = renamed.get(function.name, function.name)
    for function in graph_def.library.function:
        function.signature.name = renamed[function.signature.name]


def copy_library(
    source: tf.compat.v1.GraphDef, target: tf.compat.v1.GraphDef, *, gradients: bool = False
) -> None:
    """Copies the functions that the nodes of `target` call, directly or not, from `source`.

    Args:
      source: Has the functions.
      target: Has the nodes; gets the functions.
      gradients: Whether the functions' gradients, which are functions, are copied too.
    """
    library = {f.signature.name: f for f in source.library.function}
    known = {g.function_name: g for g in source.library.gradient} if gradients else {}
    waiting = [name for node in target.node for name in [node.op, *list_functions(node)]]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in library:
            continue
        seen.add(name)
        target.library.function.append(library[name])
        for node in library[name].node_def:
            waiting += [node.op, *list_functions(node)]
        if name in known:
            target.library.gradient.append(known[name])
            waiting.append(known[name].gradient_func)
