"""What a model exported for training or evaluation receives: features and labels."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.export.receivers import (
    describe_tensors,
    make_placeholder,
    validate_named,
    validate_receiver_tensors,
)
from tfx_tpu_estimator.inputs.input_fn import build_batch
from tfx_tpu_estimator.modes import ModeKeys

_FEATURE = "input"
_LABEL = "label"

_Base = collections.namedtuple(
    "SupervisedInputReceiver", ["features", "labels", "receiver_tensors"]
)


class SupervisedInputReceiver(_Base):
    """What the receiver function of an export for training or evaluation returns.

    Args:
      features: A Tensor, SparseTensor or RaggedTensor, or {name: such}, as the model_fn gets them.
      labels: The same of the labels.
      receiver_tensors: {name: placeholder} that a call fills. A single one becomes
        {"input": placeholder}.

    Raises:
      ValueError: A part is missing or of the wrong type.

    Example:
      >>> with tf.Graph().as_default():
      ...     x = tf.compat.v1.placeholder(tf.float32, [None, 4])
      ...     y = tf.compat.v1.placeholder(tf.float32, [None])
      ...     receiver = SupervisedInputReceiver({"x": x}, y, {"x": x, "y": y})
      >>> sorted(receiver.receiver_tensors)
      ['x', 'y']
    """

    def __new__(cls, features, labels, receiver_tensors):
        validate_named(features, "feature")
        validate_named(labels, "label")
        return super().__new__(cls, features, labels, validate_receiver_tensors(receiver_tensors))


def build_raw_supervised_input_receiver_fn(
    features: Any, labels: Any, default_batch_size: int | None = None
) -> Callable[[], SupervisedInputReceiver]:
    """Returns a receiver function that is fed the features and labels themselves.

    Args:
      features: A tensor or {name: tensor}; dtypes and all dimensions but the first are taken over.
        A single tensor is fed as `input`.
      labels: The same; a single tensor is fed as `label`.
      default_batch_size: Size of the first dimension, or None for any.

    Returns:
      A function without arguments that returns a `SupervisedInputReceiver`.

    Raises:
      ValueError: A feature and a label have the same name.

    Example:
      >>> features = {"x": tf.zeros([1, 4])}
      >>> receiver_fn = build_raw_supervised_input_receiver_fn(features, tf.zeros([1]))
      >>> with tf.Graph().as_default():
      ...     print(sorted(receiver_fn().receiver_tensors))
      ['label', 'x']
    """
    feature_specs = _to_specs(features, _FEATURE)
    label_specs = _to_specs(labels, _LABEL)
    overlapping = sorted(set(feature_specs) & set(label_specs))
    if overlapping:
        raise ValueError(
            f"Features and labels must have distinct keys. Found overlapping keys: {overlapping}. "
            "Rename one of each."
        )

    def supervised_input_receiver_fn() -> SupervisedInputReceiver:
        fed_features = _make_placeholders(feature_specs, default_batch_size)
        fed_labels = _make_placeholders(label_specs, default_batch_size)
        return SupervisedInputReceiver(
            fed_features if isinstance(features, dict) else fed_features[_FEATURE],
            fed_labels if isinstance(labels, dict) else fed_labels[_LABEL],
            {**fed_features, **fed_labels},
        )

    return supervised_input_receiver_fn


def build_supervised_input_receiver_fn_from_input_fn(
    input_fn: Callable[..., Any], **input_fn_args: Any
) -> Callable[[], SupervisedInputReceiver]:
    """Returns a receiver function that is fed what `input_fn` would give.

    `input_fn` is called once, in a graph of its own, to see what it gives.

    Args:
      input_fn: Returns a tf.data.Dataset of (features, labels), or such a pair.
      **input_fn_args: What to call it with.

    Returns:
      A function without arguments that returns a `SupervisedInputReceiver`.

    Raises:
      ValueError: There are no labels, or a feature and a label have the same name.
    """
    with tf.Graph().as_default():
        batch = build_batch(input_fn(**input_fn_args), ModeKeys.TRAIN)
        if batch.labels is None:
            raise ValueError(
                "labels must be defined. `input_fn` returned features alone; return a pair "
                "(features, labels)."
            )
        return build_raw_supervised_input_receiver_fn(batch.features, batch.labels)


def _to_specs(tensors: Any, name: str) -> dict[str, tf.TensorSpec]:
    named = tensors if isinstance(tensors, dict) else {name: tensors}
    return describe_tensors(named)


def _make_placeholders(
    specs: dict[str, tf.TensorSpec], batch_size: int | None
) -> dict[str, tf.Tensor]:
    return {name: make_placeholder(spec, batch_size) for name, spec in specs.items()}
