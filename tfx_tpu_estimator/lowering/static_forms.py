"""Forms of dynamic operations that XLA can lower, built in their place while a model is traced."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals_tracing import OpHandler, optimization_barrier

_HIDDEN = "hidden_from_folding"


def static_form_handlers() -> dict[str, OpHandler]:
    """Returns what builds selection by a mask without reshapes, for `replace_ops`.

    `tf.boolean_mask` gathers at squeezed indices of which only the largest possible number is
    known. Older converters to StableHLO take such tensors, but not their reshapes.
    """
    return {"Squeeze": _squeeze_indices, "GatherV2": _gather_selected, "Tile": _tile}


def _squeeze_indices(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor | None:
    """Sums the indices of a tf.where over their only column."""
    del op_type
    x = arguments["input"]
    if not (tf.is_tensor(x) and x.op.type == "Where" and x.shape[1:].as_list() == [1]):
        return None
    return tf.reduce_sum(x, axis=1, name=name)


def _gather_selected(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor | None:
    """Gathers rows at the indices of a tf.where; the gradient is then a scatter."""
    del op_type
    indices, axis = arguments["indices"], arguments["axis"]
    if not (
        tf.is_tensor(indices) and indices.op.type == "Sum" and arguments.get("batch_dims", 0) == 0
    ):
        return None
    where = indices.op.inputs[0]
    if where.op.type != "Where" or where.shape[1:].as_list() != [1]:
        return None
    if tf.get_static_value(axis) != 0:
        return None
    return tf.gather_nd(arguments["params"], where, name=name)


def _tile(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor | None:
    """Hides a tensor that is repeated a dynamic number of times, as in the gradient of a mean.

    The converter would make of a constant one of dynamic shape, which it then refuses.
    """
    del op_type
    multiples, x = arguments["multiples"], arguments["input"]
    if tf.get_static_value(multiples) is not None or not tf.is_tensor(x):
        return None
    if _HIDDEN in x.op.name:
        return None
    hidden = tf.identity(optimization_barrier(x), name=_HIDDEN)
    return tf.tile(hidden, multiples, name=name)


@tf.custom_gradient
def _concat_densely(*parts: tf.Tensor) -> Any:
    """Concatenates tables; their gradient is made dense before it is cut again.

    TensorFlow's own would select the rows of each part from a sparse one, whose number is not
    static.
    """
    sizes: list[Any] = [part.shape[0] for part in parts]

    def gradient(upstream: Any) -> list[tf.Tensor]:
        return tf.split(tf.convert_to_tensor(upstream), sizes)

    return tf.concat(parts, axis=0), gradient


def join_tables(params: Any, ids: Any, strategy: str) -> tuple[Any, Any]:
    """Joins the parts of a partitioned embedding table.

    Args:
      params: One table, a list of parts, or a partitioned variable.
      ids: Which rows.
      strategy: `div`, parts of consecutive rows, or `mod`, where part `i` holds the rows whose
        number leaves the remainder `i`.

    Returns:
      One table, and the ids of the same rows in it.
    """
    parts = list(params) if not tf.is_tensor(params) and hasattr(params, "__iter__") else [params]
    if len(parts) == 1:
        return params, ids
    table = _concat_densely(*(tf.convert_to_tensor(part) for part in parts))
    if strategy == "div":
        return table, ids
    ids = tf.convert_to_tensor(ids)
    starts = [sum(part.shape[0] for part in parts[:i]) for i in range(len(parts))]
    first = tf.gather(tf.constant(starts, ids.dtype), ids % len(parts))
    return table, first + ids // len(parts)
