"""Small tools for nodes of a saved graph: references, reachability, copies under new names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.functions import copy_library
from tfx_tpu_estimator.lowering.node_references import producer


def set_inputs(node: Any, references: Iterable[str]) -> None:
    """Replaces a node's inputs; control edges come last and each once, as TensorFlow wants."""
    listed = list(references)
    data = [r for r in listed if not r.startswith("^")]
    control = dict.fromkeys(r for r in listed if r.startswith("^"))
    del node.input[:]
    node.input.extend([*data, *control])


def find_reachable(nodes: dict[str, Any], wanted: Iterable[str]) -> set[str]:
    """Returns the names of the nodes that `wanted` ones need, these included."""
    reached: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in reached and name in nodes:
            reached.add(name)
            waiting.extend(producer(i) for i in nodes[name].input)
    return reached


def copy_node(node: Any) -> Any:
    """Returns a copy that belongs to nobody and is on no device."""
    copied = type(node)()
    copied.CopyFrom(node)
    copied.device = ""
    copied.attr.pop("_class", None)
    return copied


def rename_inputs(node: Any, rename: Callable[[str], list[str]]) -> None:
    """Replaces each of a node's inputs by what `rename` makes of it."""
    set_inputs(node, [new for old in node.input for new in rename(old)])


def make_graph_def(nodes: Iterable[Any], source: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """Returns a graph of `nodes` with those functions of `source` that they call."""
    made = tf.compat.v1.GraphDef()
    made.versions.CopyFrom(source.versions)
    made.node.extend(nodes)
    copy_library(source, made)
    return made
