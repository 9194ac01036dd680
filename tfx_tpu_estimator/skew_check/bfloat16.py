"""Which tensors of a graph are computed in bfloat16, whatever type they have in the end."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer
from tfx_tpu_estimator.lowering.unsupported import list_functions
from tfx_tpu_estimator.skew_check.flatten import REPLICATE, FlatGraph


class Bfloat16Nodes:
    """The nodes of TPU computations that have to do with bfloat16.

    Args:
      flat: The graph; is only looked at now.
    """

    def __init__(self, flat: FlatGraph):
        self._library = {f.signature.name: f for f in flat.source.library.function}
        self._functions: dict[str, bool] = {}
        self._sources = {
            name: [producer(i) for i in node.input if not i.startswith("^")]
            for name, node in flat.nodes.items()
        }
        self._found = {
            name for name, node in flat.nodes.items() if REPLICATE in node.attr and self._uses(node)
        }

    def is_before(self, tensor: str) -> bool:
        """Whether `tensor` is computed from one of them."""
        waiting, seen = [producer(tensor)], set()
        while waiting:
            name = waiting.pop()
            if name in self._found:
                return True
            if name not in seen:
                seen.add(name)
                waiting.extend(self._sources.get(name, ()))
        return False

    def _uses(self, node: Any) -> bool:
        wanted = tf.bfloat16.as_datatype_enum
        if any(a.type == wanted or wanted in a.list.type for a in node.attr.values()):
            return True
        return any(self._function_uses(name) for name in [node.op, *list_functions(node)])

    def _function_uses(self, name: str) -> bool:
        if name not in self._library:
            return False
        if name not in self._functions:
            self._functions[name] = False  # a function that calls itself adds nothing
            self._functions[name] = any(map(self._uses, self._library[name].node_def))
        return self._functions[name]
