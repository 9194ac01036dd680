"""A hash of the program that training ran, from the graph beside its checkpoints."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2
from tfx.dsl.io import fileio

GRAPH_FILE = "graph.pbtxt"
# Where an op was placed and which line of Python made it say nothing about what it computes.
_NO_PART = ("_class", "_xla_compile_id")


def hash_program(checkpoint_dir: str) -> str | None:
    """Returns a hash of the training graph: equal for equal ops, attributes and connections.

    Functions count by what they do: TensorFlow numbers their names anew in each process.

    Args:
        checkpoint_dir: A directory with checkpoints.

    Returns:
        64 hexadecimal digits; None where there is no graph.
    """
    path = os.path.join(checkpoint_dir, GRAPH_FILE)
    if not fileio.exists(path):
        return None
    with fileio.open(path, "r") as file:
        graph = text_format.Parse(file.read(), graph_pb2.GraphDef())
    return hash_graph(graph)


def hash_graph(graph: graph_pb2.GraphDef) -> str:
    """Returns a hash of a graph; see `hash_program`."""
    functions = {function.signature.name: function for function in graph.library.function}
    return _hash_nodes(graph.node, functions, {})


def _hash_nodes(nodes: Any, functions: Mapping[str, Any], known: dict[str, str]) -> str:
    lines = sorted(_describe(node, functions, known) for node in nodes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _describe(node: Any, functions: Mapping[str, Any], known: dict[str, str]) -> str:
    op = _hash_function(node.op, functions, known) if node.op in functions else node.op
    attributes = [
        f"{name}={_describe_value(value, functions, known)}"
        for name, value in sorted(node.attr.items())
        if name not in _NO_PART
    ]
    return "\0".join([node.name, op, *node.input, *attributes])


def _describe_value(value: Any, functions: Mapping[str, Any], known: dict[str, str]) -> str:
    called = [f for f in (value.func, *value.list.func) if f.name in functions]
    if called:
        return ",".join(_hash_function(f.name, functions, known) for f in called)
    return value.SerializeToString(deterministic=True).hex()


def _hash_function(name: str, functions: Mapping[str, Any], known: dict[str, str]) -> str:
    if name not in known:
        known[name] = "recursion"
        known[name] = _hash_nodes(functions[name].node_def, functions, known)
    return known[name]
