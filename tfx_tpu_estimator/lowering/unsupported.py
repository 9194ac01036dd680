"""Ops that no TPU can run: found before anything is compiled, and said with a way out."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.source_files import find_original
from tfx_tpu_estimator.lowering.tf_internals_outside import is_outside
from tfx_tpu_estimator.lowering.tf_internals_tracing import (
    find_differentiated,
    find_function_graph,
    list_device_ops,
)

_INPUT_FN = "Do it in input_fn, which runs on the host before the batch goes to the TPU"
_OUTPUT = "pass its tensors out through host_call or eval_metrics and do it there"
# The first pattern that matches an op's type decides.
_WAYS_OUT = (
    (r"[sS]tring|Substr|Regex|DecodeRaw|Base64|EncodeJpeg|EncodePng|Unicode",
     f"Strings exist only on the host. {_INPUT_FN}, or {_OUTPUT}."),
    (r"Lookup|HashTable|Table",
     f"Lookup tables exist only on the host. {_INPUT_FN}, and feed ids to the model."),
    (r"PyFunc|EagerPyFunc|NumpyFunction",
     f"Python code cannot run on a TPU. {_INPUT_FN}, or {_OUTPUT}."),
    (r"Parse|Decode|ReadFile|Iterator|Dataset|Reader",
     f"Reading and parsing data belongs to the host. {_INPUT_FN}."),
    (r"Summary|Print",
     f"Writing belongs to the host: {_OUTPUT}."),
    (r"CropAndResize",
     f"{_INPUT_FN}, or crop with tf.slice / tf.gather and resize with tf.image.resize, whose "
     "sizes are static."),
    (r"^(Sparse|DeserializeSparse|SerializeSparse|AddSparse)",
     f"A TPU has no sparse tensors. {_INPUT_FN} (tf.sparse.to_dense), or look embeddings up from "
     "dense ids."),
    (r"^ResourceSparse",
     "Apply the gradient through an optimizer of tf.compat.v1.train, which is updated densely."),
    (r"Random|Sampler|Poisson|Gamma",
     "Draw from tf.random.uniform or tf.random.normal and transform, or use tf.random.stateless_*; "
     f"or: {_INPUT_FN}."),
    (r"Variable|^Assign$",
     "Only resource variables can be on a TPU: make them with tf.compat.v1.get_variable."),
)  # fmt: skip
_DEFAULT_WAY_OUT = (
    f"{_INPUT_FN}, or {_OUTPUT}, or write it with ops of static shapes that a TPU has."
)
# Frames of these packages are not what a user wrote.
_LIBRARIES = ("tensorflow", "tf_keras", "keras", "tf_slim", "tfx_tpu_estimator")


def unsupported_op_error(op_type: str, name: str, line: str, reason: str = "") -> ValueError:
    """The error for an op that cannot be part of a TPU program.

    Args:
      op_type: Its type, such as `StringJoin`.
      name: Its name in the graph.
      line: Where the user's code made it, `file:line`.
      reason: A sentence that says why it cannot run on the host either, after a blank.
    """
    way_out = next((w for p, w in _WAYS_OUT if re.search(p, op_type)), _DEFAULT_WAY_OUT)
    return ValueError(
        f"Op `{name}` of type {op_type}, made at {line}, cannot run on a TPU.{reason} {way_out}"
    )


@functools.cache
def _library_folders() -> tuple[str, ...]:
    folders = [os.path.dirname(contextlib.__file__)]
    for name in _LIBRARIES:
        spec = importlib.util.find_spec(name)
        folders.extend((spec and spec.submodule_search_locations) or ())
    return tuple(os.path.join(folder, "") for folder in folders)


def is_library_file(path: str) -> bool:
    """Whether a source file belongs to a library that user code calls, rather than to a user."""
    for folder in _library_folders():
        # Python's own library contains the site-packages, where a user's package may be.
        if path.startswith(folder) and ("site-packages" not in path or "site-packages" in folder):
            return True
    return False


def describe_line(frames: Sequence[Any]) -> str:
    """Returns `file:line` of the innermost frame that a user wrote.

    Args:
      frames: Stack frames with `filename` and `lineno`, the innermost last.
    """
    for frame in reversed(list(frames)):
        if not is_library_file(frame.filename):
            return f"{find_original(frame.filename)}:{frame.lineno}"
    return "an unknown line"


def find_calling_line() -> str:
    """Returns `file:line` of the user's code that is running."""
    return describe_line(traceback.extract_stack())


def find_op(graph: tf.Graph, name: str) -> tf.Operation | None:
    """Returns the op `name` of `graph`, or None."""
    try:
        return graph.get_operation_by_name(name)
    except (KeyError, ValueError):
        return None


def list_functions(node: Any) -> list[str]:
    """Returns the names of the functions that a node calls."""
    names = []
    for attribute in node.attr.values():
        if attribute.HasField("func"):
            names.append(attribute.func.name)
        names.extend(function.name for function in attribute.list.func)
    return names


def walk_nodes(
    graph: tf.Graph, graph_def: tf.compat.v1.GraphDef
) -> Iterator[tuple[Any, tf.Graph | None]]:
    """Yields each node that runs, those of called functions too, with the graph that made it."""
    library = {function.signature.name: function for function in graph_def.library.function}
    seen: set[str] = set()
    waiting: list[tuple[Any, tf.Graph | None]] = [(graph_def.node, graph)]
    while waiting:
        nodes, owner = waiting.pop()
        for node in nodes:
            yield node, owner
            for name in list_functions(node):
                if name in library and name not in seen:
                    seen.add(name)
                    waiting.append((library[name].node_def, find_function_graph(graph, name)))


def find_line(owner: tf.Graph | None, name: str) -> str:
    """Returns `file:line` of the user's code that made the op `name` of `owner`."""
    op = find_op(owner, name) if owner is not None else None
    return describe_line([]) if op is None else describe_origin(op)


def describe_origin(op: tf.Operation) -> str:
    """Returns `file:line` of the user's code that made an op; of a gradient, also of what.

    Where gradients are asked for is rarely where something is to be changed.
    """
    line = describe_line(op.traceback)
    original = find_differentiated(op)
    if original is None:
        return line
    return f"{line} for the gradient of `{original.name}` ({describe_line(original.traceback)})"


def check_ops(graph: tf.Graph, graph_def: tf.compat.v1.GraphDef, fed: set[str]) -> None:
    """Checks that a TPU program can be made of every op.

    Args:
      graph: The traced graph.
      graph_def: What will be lowered of it.
      fed: Names of the nodes that become parameters of the program.

    Raises:
      ValueError: One cannot; names it, the line that made it, and the way out.
    """
    known = list_device_ops()
    known |= {function.signature.name for function in graph_def.library.function}
    # An op that works on strings says more than the constant that it reads.
    tests = (
        ("", lambda node: node.op not in known),
        (" (string)", needs_strings),
    )
    for suffix, is_impossible in tests:
        for node, owner in walk_nodes(graph, graph_def):
            if is_impossible(node) and not (node.name in fed and owner is graph):
                line = find_line(owner, node.name)
                raise unsupported_op_error(
                    node.op + suffix, node.name, line, describe_outside(node)
                )


def describe_outside(node: Any) -> str:
    """Returns a sentence, after a blank, if a node was built in `tpu.outside_compilation`."""
    if not is_outside(node):
        return ""
    return (
        " What tpu.outside_compilation builds can use results of the TPU only in exports; "
        "training, evaluation and prediction run as one program."
    )


def needs_strings(node: Any) -> bool:
    """Whether a node reads or makes strings."""
    return tf.string.as_datatype_enum in _types_of(node)


def _types_of(node: Any) -> set[int]:
    types = set()
    for attribute in node.attr.values():
        types.add(attribute.type)
        types.update(attribute.list.type)
    return types
