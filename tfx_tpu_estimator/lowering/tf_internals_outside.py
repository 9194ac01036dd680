"""TensorFlow's private names that following `tpu.outside_compilation` needs.

Each function says what it needs from inside TensorFlow and why no public name does it.
Seen working with TensorFlow 2.16 and 2.21.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2 as _attr_value_pb2
from tensorflow.python.tpu import tpu_replication as _tpu_replication

# What the TPU runtime looks for. While a model is traced ops get a mark of our own in its place,
# as XLA would act on this one wherever it sees it.
_ATTRIBUTE = "_xla_outside_compilation"
_MARK = "_model_outside_compilation"

_local = threading.local()
_patch_lock = threading.Lock()
_patched = False


@contextlib.contextmanager
def marked_outside_compilation() -> Iterator[None]:
    """Marks what `tpu.outside_compilation` builds inside the block.

    It marks ops by itself only within `tpu.rewrite` and the like, which need a function of their
    own, and no public hook tells that it was called. Affects the current thread only.
    """
    _install()
    before = getattr(_local, "counter", None)
    _local.counter = itertools.count()
    try:
        yield
    finally:
        _local.counter = before


def _install() -> None:
    global _patched
    with _patch_lock:
        if _patched:
            return
        build = _tpu_replication.outside_compilation_impl

        @functools.wraps(build)
        def build_marked(is_map: bool, computation: Any, *args: Any, **kwargs: Any) -> Any:
            counter = getattr(_local, "counter", None)
            if counter is None:
                return build(is_map, computation, *args, **kwargs)
            with _marks(str(next(counter)).encode()):
                return computation(*args, **kwargs)

        _tpu_replication.outside_compilation_impl = build_marked
        _patched = True


@contextlib.contextmanager
def _marks(value: bytes) -> Iterator[None]:
    marks = {_MARK: _attr_value_pb2.AttrValue(s=value)}
    with tf.compat.v1.get_default_graph()._attr_scope(marks):
        yield


def is_outside(node: Any) -> bool:
    """Whether a NodeDef was built inside `tpu.outside_compilation`."""
    return _MARK in node.attr or _ATTRIBUTE in node.attr


def identity_beside(tensor: tf.Tensor) -> tf.Tensor:
    """Returns what passes a tensor on, outside of the compilation if the tensor is made there."""
    node = tensor.op.node_def
    if _MARK not in node.attr:
        return tf.identity(tensor)
    with _marks(node.attr[_MARK].s):
        return tf.identity(tensor)


def mark_for_runtime(graph_def: tf.compat.v1.GraphDef) -> None:
    """Turns our marks into those that the TPU runtime looks for, in place."""
    functions = [node for f in graph_def.library.function for node in f.node_def]
    for node in itertools.chain(graph_def.node, functions):
        if _MARK in node.attr:
            node.attr[_ATTRIBUTE].CopyFrom(node.attr.pop(_MARK))
