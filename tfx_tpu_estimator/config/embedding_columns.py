"""Feature columns told apart by what they offer: their classes are private to TensorFlow."""

from __future__ import annotations

from typing import Any

_TPU_METHODS = ("get_embedding_table_size", "get_feature_key_name", "get_embedding_var_name")
_TENSOR_CORE = "TPU_TENSOR_CORE"


def is_tpu_column(column: Any) -> bool:
    """Whether `column` was made with tf.compat.v1.tpu.experimental."""
    return all(callable(getattr(column, name, None)) for name in _TPU_METHODS)


def is_tensor_core_column(column: Any) -> bool:
    """Whether `column` is looked up as an ordinary variable of the model, on the core itself."""
    device = getattr(column, "_embedding_lookup_device", None)
    return is_tpu_column(column) and getattr(device, "name", None) == _TENSOR_CORE


def is_embedding_column(column: Any) -> bool:
    """Whether `column` is an embedding column of any kind."""
    fields = getattr(column, "_fields", ())
    return "categorical_column" in fields and (
        "dimension" in fields or "shared_embedding_column_creator" in fields
    )


def is_numeric_column(column: Any) -> bool:
    """Whether `column` is a numeric column."""
    return "normalizer_fn" in getattr(column, "_fields", ())
