"""TensorFlow's private names that its feature columns for TPUs need.

Each function says what it needs from inside TensorFlow and why no public name does it.
Seen working with TensorFlow 2.16 and 2.21.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.feature_column import feature_column_v2 as _columns
from tensorflow.python.feature_column import utils as _column_utils
from tensorflow.python.tpu import feature_column as _tpu_columns_v1
from tensorflow.python.tpu import feature_column_v2 as _tpu_columns

_local = threading.local()
_patch_lock = threading.Lock()
_patched = False


@contextlib.contextmanager
def columns_on_host(on_host: bool) -> Iterator[None]:
    """Makes TPU embedding columns used inside the block ordinary embedding columns.

    They take themselves to be on a TPU wherever a number of shards is known, which it is on the
    host as well, for CrossShardOptimizer. Affects the current thread only.

    Args:
      on_host: False to end that inside the block, for a graph that is built meanwhile.
    """
    _install()
    before = getattr(_local, "on_host", False)
    _local.on_host = on_host
    try:
        yield
    finally:
        _local.on_host = before


def _install() -> None:
    global _patched
    with _patch_lock:
        if _patched:
            return
        asks = _tpu_columns_v1._is_running_on_cpu

        @functools.wraps(asks)
        def is_on_host() -> bool:
            return getattr(_local, "on_host", False) or asks()

        # The second module has imported the name from the first.
        _tpu_columns_v1._is_running_on_cpu = is_on_host
        _tpu_columns._is_running_on_cpu = is_on_host
        _patched = True


def read_column(
    column: Any, features: dict[str, Any]
) -> tuple[tf.SparseTensor, tf.SparseTensor | None]:
    """Returns the ids and weights that a categorical column makes of features.

    No public function applies a categorical column without looking anything up.

    Args:
      column: A categorical column, also a weighted one or one for sequences.
      features: {name: tensor} that it reads.
    """
    cache = _columns.FeatureTransformationCache(features)
    pair = column.get_sparse_tensors(cache, state_manager=None)
    return pair.id_tensor, pair.weight_tensor


def find_column_scopes(graph: tf.Graph) -> dict[str, tuple[str, str]]:
    """Returns {a table's name: (variable scope, variable name)} as TPU columns noted it.

    They do so when a model_fn uses them; the key of the collection is private.
    """
    collection = graph.get_collection(_tpu_columns_v1._TPU_FC_TO_SCOPE)
    return dict(collection[0]) if collection else {}


def mask_key(key: str) -> str:
    """Returns under which name columns look for the mask of ids that are looked up on the core."""
    return key + _tpu_columns._TENSOR_CORE_MASK_KEY_SUFFIX


def pass_on_sequence_lengths(passed: Callable[[tf.Tensor], tf.Tensor]) -> None:
    """Has the lengths that sequence columns compute from sparse tensors go through a function.

    The columns call a private function for them, which no dispatch of TensorFlow reaches.

    Args:
      passed: Gets [batch]; what it returns is used instead.
    """
    computes = _column_utils.sequence_length_from_sparse_tensor

    @functools.wraps(computes)
    def compute(*positional: Any, **keywords: Any) -> tf.Tensor:
        return passed(computes(*positional, **keywords))

    _column_utils.sequence_length_from_sparse_tensor = compute
