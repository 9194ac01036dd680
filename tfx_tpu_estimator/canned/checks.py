"""Checks of what a head is given: logits, labels and weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf


def validate_label_vocabulary(label_vocabulary: Any, n_classes: int | None) -> None:
    """Checks the names of classes.

    Args:
      label_vocabulary: A list or tuple of strings, or None.
      n_classes: How many there must be; None for any number.

    Raises:
      ValueError: It is of another type or length.
    """
    if label_vocabulary is None:
        return
    if not isinstance(label_vocabulary, list | tuple):
        raise ValueError(
            f"`label_vocabulary` should be a list or a tuple. Given type: {type(label_vocabulary)}."
        )
    if n_classes is not None and len(label_vocabulary) != n_classes:
        raise ValueError(
            "`label_vocabulary` does not have `n_classes` items. "
            f"len(label_vocabulary)={len(label_vocabulary)}, n_classes={n_classes}, "
            f"label_vocabulary={label_vocabulary}."
        )


def validate_thresholds(thresholds: Sequence[float] | None) -> tuple[float, ...]:
    """Returns the thresholds of extra metrics, all between 0 and 1.

    Raises:
      ValueError: One is not.
    """
    values = tuple(thresholds or ())
    if any(not 0.0 < value < 1.0 for value in values):
        raise ValueError(f"`thresholds` not in (0, 1): {values}.")
    return values


def validate_loss_fn(loss_fn: Callable | None) -> None:
    """Checks the signature of a loss of the user's.

    Args:
      loss_fn: `loss_fn(labels, logits[, features][, loss_reduction])` or None.

    Raises:
      ValueError: It lacks an argument, or has another one.
    """
    if loss_fn is None:
        return
    arguments = list(inspect.signature(loss_fn).parameters)
    for required in ("labels", "logits"):
        if required not in arguments:
            raise ValueError(
                f"loss_fn must contain argument: {required}. Given arguments: {arguments}"
            )
    unknown = sorted(set(arguments) - {"labels", "logits", "features", "loss_reduction"})
    if unknown:
        raise ValueError(
            f"loss_fn has unexpected args: {unknown}. Allowed are labels, logits, features and "
            "loss_reduction."
        )


def validate_weight_column(weight_column: Any) -> None:
    """Checks what names the examples' weights.

    Raises:
      TypeError: It is neither None, a string nor a numeric column.
    """
    if weight_column is None or isinstance(weight_column, str) or _is_numeric(weight_column):
        return
    raise TypeError(
        "Weight column must be either a string or a NumericColumn. "
        f"Given type: {type(weight_column)} for `weight_column`."
    )


def check_logits(logits: Any, dimension: int) -> tf.Tensor:
    """Returns float32 logits whose last dimension is known to be `dimension`.

    Raises:
      ValueError: It is another one, or there is one dimension only.
    """
    logits = tf.cast(logits, tf.float32)
    shape = logits.shape
    expected = f"logits shape must be [D0, D1, ... DN, logits_dimension={dimension}]"
    if shape.rank is not None and (
        shape.rank < 2 or not shape[-1:].is_compatible_with([dimension])
    ):
        raise ValueError(f"{expected}, got {shape}.")
    if shape.rank is None or shape[-1] is None:
        check = tf.compat.v1.debugging.assert_equal(
            tf.shape(logits)[-1:], [dimension], message=expected
        )
        with tf.control_dependencies([check]):
            return tf.identity(logits)
    return logits


def check_labels(labels: Any, logits: tf.Tensor, dimension: int) -> tf.Tensor:
    """Returns dense labels [batch, dimension] that go with the logits.

    Args:
      labels: A tensor [batch] or [batch, dimension].
      logits: What `check_logits` returned.
      dimension: Of the labels.

    Raises:
      ValueError: There are none, they are sparse, or of another shape.
    """
    if labels is None:
        raise ValueError(
            "You must provide a labels Tensor. Given: None. Check that your data contains the "
            "label feature and that your input_fn returns (features, labels)."
        )
    if isinstance(labels, Mapping | list | tuple):
        raise ValueError(
            "You must provide a labels Tensor. Given: a structure of tensors "
            f"({type(labels).__name__}). Return the one tensor that this head is to learn."
        )
    if isinstance(labels, tf.SparseTensor):
        raise ValueError(
            "SparseTensor labels are not supported. Labels must be a Tensor of shape "
            f"[D0, D1, ..., DN, {dimension}], e.g. [batch_size, {dimension}]. In your input_fn, "
            "use tf.sparse.to_dense to turn labels into a Tensor."
        )
    labels = tf.convert_to_tensor(labels)
    if labels.shape.rank is not None and labels.shape.rank == (logits.shape.rank or 0) - 1:
        labels = tf.expand_dims(labels, -1)
    _check_labels_shape(labels, logits, dimension)
    expected = tf.concat([tf.shape(logits)[:-1], [dimension]], axis=0)
    static = tf.TensorShape(logits.shape[:-1]).concatenate([dimension])
    return _assert_shape(labels, static, expected, _labels_message(dimension))


def check_range(
    labels: tf.Tensor, n_classes: int, *, on_devices: bool, message: str | None = None
) -> tf.Tensor:
    """Returns labels of which it is certain that they are from 0 to n_classes - 1.

    On devices nothing can be asserted; see `poison_out_of_range`.

    Args:
      labels: Numbers [batch, n].
      n_classes: How many classes.
      on_devices: Whether the labels are on devices.
      message: Instead of the usual one.
    """
    if on_devices:
        return labels
    hint = f"n_classes is {n_classes}; labels that are not in a label_vocabulary count as -1"
    above = tf.compat.v1.debugging.assert_less_equal(
        labels,
        tf.cast(n_classes - 1, labels.dtype),
        message=message or f"Labels must be <= n_classes - 1 ({hint}).",
    )
    below = tf.compat.v1.debugging.assert_non_negative(
        labels, message=message or f"Labels must be >= 0 ({hint})."
    )
    with tf.control_dependencies([above, below]):
        return tf.identity(labels)


def poison_out_of_range(
    losses: tf.Tensor, labels: tf.Tensor, n_classes: int, *, on_devices: bool
) -> tf.Tensor:
    """Makes the losses NaN of examples whose label is out of range, on devices.

    XLA drops assertions. A loss of NaN ends a training with an error, where a wrong label would
    else be trained on in silence.

    Args:
      losses: float32 [batch, n].
      labels: Numbers [batch, m].
      n_classes: How many classes.
      on_devices: Whether to do it.
    """
    if not on_devices:
        return losses
    wrong = tf.logical_or(labels < 0, labels > tf.cast(n_classes - 1, labels.dtype))
    wrong = tf.reduce_any(wrong, axis=-1, keepdims=True)
    return tf.where(wrong, tf.fill(tf.shape(losses), float("nan")), losses)


def read_weights(
    features: Mapping[str, Any] | None,
    weight_column: Any,
    logits: tf.Tensor,
    *,
    per_logit: bool = False,
) -> tf.Tensor | None:
    """Returns the weights of the examples.

    Args:
      features: Of the batch.
      weight_column: Key of the feature, a numeric column, or None.
      logits: [batch, n].
      per_logit: Whether there may be one weight per logit.

    Returns:
      float32 [batch, 1], or [batch, n] with `per_logit`; None without a weight column.

    Raises:
      ValueError: There is no such feature, or it has another type or shape.
    """
    if weight_column is None:
        return None
    key = weight_column if isinstance(weight_column, str) else weight_column.key
    if not isinstance(features, Mapping) or key not in features:
        known = sorted(map(str, features)) if isinstance(features, Mapping) else type(features)
        raise ValueError(
            f"Feature {key} is not in features dictionary. `weight_column` names it; the input_fn "
            f"returned {known}."
        )
    weights = _cast_weights(features[key], key, getattr(weight_column, "normalizer_fn", None))
    if weights.shape.rank is not None and weights.shape.rank == (logits.shape.rank or 0) - 1:
        weights = tf.expand_dims(weights, -1)
    return _match_weights(weights, logits, key, per_logit)


def _cast_weights(weights: Any, key: str, normalizer_fn: Callable | None) -> tf.Tensor:
    if isinstance(weights, tf.SparseTensor | tf.RaggedTensor):
        raise ValueError(
            f"Feature {key}, which `weight_column` names, must be a dense tensor; got {weights}."
        )
    weights = tf.convert_to_tensor(weights)
    if not (weights.dtype.is_floating or weights.dtype.is_integer):
        raise ValueError(
            f"Weight column should be castable to float. Given dtype: {weights.dtype.name} of "
            f"feature {key}."
        )
    if normalizer_fn is not None:
        weights = normalizer_fn(weights)
    return tf.cast(weights, tf.float32)


def _match_weights(weights: tf.Tensor, logits: tf.Tensor, key: str, per_logit: bool) -> tf.Tensor:
    last = " or [D0, D1, ... DN, logits_dimension]" if per_logit else ""
    message = (
        f"weights shape must be [D0, D1, ... DN] or [D0, D1, ... DN, 1]{last} (feature {key}), "
        f"logits shape is {logits.shape}"
    )
    if per_logit and weights.shape.rank is not None and weights.shape[-1] == logits.shape[-1]:
        return _assert_shape(weights, logits.shape, tf.shape(logits), message)
    static = tf.TensorShape(logits.shape[:-1]).concatenate([1])
    return _assert_shape(weights, static, tf.concat([tf.shape(logits)[:-1], [1]], axis=0), message)


def _assert_shape(
    tensor: tf.Tensor, static: tf.TensorShape, dynamic: tf.Tensor, message: str
) -> tf.Tensor:
    """Returns `tensor`, checked now where shapes are known and when it runs where they are not."""
    if not tensor.shape.is_compatible_with(static):
        raise ValueError(f"{message}; got shape {tensor.shape}.")
    if tensor.shape.is_fully_defined() and static.is_fully_defined():
        return tensor
    check = tf.compat.v1.debugging.assert_equal(tf.shape(tensor), dynamic, message=message)
    with tf.control_dependencies([check]):
        return tf.ensure_shape(tensor, static)


def _check_labels_shape(labels: tf.Tensor, logits: tf.Tensor, dimension: int) -> None:
    shape = labels.shape
    if shape.rank is None:
        return
    if shape.rank < 2:
        raise ValueError(f"{_labels_message(dimension)}; got shape {shape}.")
    if not shape[-1:].is_compatible_with([dimension]):
        raise ValueError(
            f"Mismatched label shape. Expected labels dimension={dimension}. "
            f"Received {shape[-1]} (labels {shape}, logits {logits.shape}). Check `n_classes` or "
            "`label_dimension`, and the shape of your labels; class numbers are expected, not "
            "one-hot vectors."
        )


def _labels_message(dimension: int) -> str:
    return (
        f"labels shape must be [D0, D1, ... DN, {dimension}], with the batch size of the logits. "
        "Check `n_classes` or `label_dimension`, and the shape of your labels"
    )


def _is_numeric(column: Any) -> bool:
    return all(hasattr(column, name) for name in ("key", "shape", "normalizer_fn"))
