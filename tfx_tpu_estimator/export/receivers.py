"""What a served model receives: placeholders, and the features made from them."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_FEATURE_TYPES = (tf.Tensor, tf.SparseTensor, tf.RaggedTensor)

_Base = collections.namedtuple(
    "ServingInputReceiver", ["features", "receiver_tensors", "receiver_tensors_alternatives"]
)


def _check_feature(name: Any, feature: Any) -> None:
    if not isinstance(name, str | int):
        raise ValueError(f"feature keys must be strings or ints: {name!r}.")
    if not isinstance(feature, _FEATURE_TYPES):
        raise ValueError(
            f"feature {name} must be a Tensor, SparseTensor, or RaggedTensor. Got {feature!r}."
        )


def _check_receivers(tensors: Any) -> dict[str, tf.Tensor]:
    if tensors is None:
        raise ValueError("receiver_tensors must be defined.")
    if not isinstance(tensors, dict):
        tensors = {"input": tensors}
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise ValueError(f"receiver_tensor keys must be strings: {name!r}.")
        if not isinstance(tensor, tf.Tensor):
            raise ValueError(f"receiver_tensor {name} must be a Tensor. Got {tensor!r}.")
    return tensors


def _check_alternatives(alternatives: Any) -> dict | None:
    if alternatives is None:
        return None
    if not isinstance(alternatives, dict):
        raise ValueError(
            f"receiver_tensors_alternatives must be a dict {{name: tensors}}, got {alternatives!r}."
        )
    return {name: _check_receivers(tensors) for name, tensors in alternatives.items()}


class ServingInputReceiver(_Base):
    """What a serving_input_receiver_fn returns.

    Args:
      features: {name: Tensor, SparseTensor or RaggedTensor}, as the model_fn gets them. A single
        tensor becomes {"feature": tensor}.
      receiver_tensors: {name: placeholder} that a request fills. A single one becomes
        {"input": placeholder}.
      receiver_tensors_alternatives: {name: such a dict} of further ways to feed the model; each
        makes signatures called "<name>:<output>".

    Raises:
      ValueError: A part is missing or of the wrong type.

    Example:
      >>> with tf.Graph().as_default():
      ...     x = tf.compat.v1.placeholder(tf.float32, [None, 4])
      ...     receiver = ServingInputReceiver({"x": x}, {"x": x})
      >>> sorted(receiver.features)
      ['x']
    """

    def __new__(cls, features, receiver_tensors, receiver_tensors_alternatives=None):
        if features is None:
            raise ValueError("features must be defined.")
        if not isinstance(features, dict):
            features = {"feature": features}
        for name, feature in features.items():
            _check_feature(name, feature)
        return super().__new__(
            cls,
            features,
            _check_receivers(receiver_tensors),
            _check_alternatives(receiver_tensors_alternatives),
        )


class TensorServingInputReceiver(_Base):
    """A receiver for a model_fn whose `features` is one tensor rather than a dict.

    Args:
      features: The tensor that the model_fn gets.
      receiver_tensors: As for `ServingInputReceiver`.
      receiver_tensors_alternatives: As for `ServingInputReceiver`.

    Raises:
      ValueError: `features` is not a single tensor, or a receiver is of the wrong type.

    Example:
      >>> with tf.Graph().as_default():
      ...     x = tf.compat.v1.placeholder(tf.float32, [None, 4])
      ...     receiver = TensorServingInputReceiver(x, x)
      >>> list(receiver.receiver_tensors)
      ['input']
    """

    def __new__(cls, features, receiver_tensors, receiver_tensors_alternatives=None):
        if features is None:
            raise ValueError("features must be defined.")
        if not isinstance(features, _FEATURE_TYPES):
            raise ValueError(f"feature must be a Tensor. Got {features!r}.")
        return super().__new__(
            cls,
            features,
            _check_receivers(receiver_tensors),
            _check_alternatives(receiver_tensors_alternatives),
        )


def build_parsing_serving_input_receiver_fn(
    feature_spec: dict, default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a receiver function for serialized tf.Examples, fed as `examples`.

    Args:
      feature_spec: {name: FixedLenFeature, VarLenFeature, ...}, as `tf.io.parse_example` takes it.
      default_batch_size: Requests per batch, or None for any number.

    Returns:
      A function without arguments that returns a `ServingInputReceiver`.

    Example:
      >>> receiver_fn = build_parsing_serving_input_receiver_fn(
      ...     {"x": tf.io.FixedLenFeature([4], tf.float32)})
      >>> with tf.Graph().as_default():
      ...     print(receiver_fn().features["x"].shape)
      (None, 4)
    """

    def serving_input_receiver_fn() -> ServingInputReceiver:
        serialized = _examples_placeholder(default_batch_size)
        features = tf.io.parse_example(serialized, feature_spec)
        return ServingInputReceiver(features, {"examples": serialized})

    return serving_input_receiver_fn


def build_schema_serving_input_receiver_fn(
    schema: Any, label_key: str | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a receiver function for serialized tf.Examples that follow a schema.

    Args:
      schema: A `schema_pb2.Schema`.
      label_key: The feature that is the label; a request need not have it.

    Returns:
      A function without arguments that returns a `ServingInputReceiver`. Its features are dense:
      [batch, n] or [batch, *shape], as the schema says.

    Raises:
      ValueError: The schema has no feature called `label_key`.

    Example:
      >>> from tensorflow_metadata.proto.v0 import schema_pb2
      >>> schema = schema_pb2.Schema()
      >>> feature = schema.feature.add(name="x", type=schema_pb2.FLOAT)
      >>> receiver_fn = build_schema_serving_input_receiver_fn(schema)
      >>> with tf.Graph().as_default():
      ...     print(receiver_fn().features["x"].shape)
      (None, 1)
    """
    names = [feature.name for feature in schema.feature]
    if label_key and label_key not in names:
        raise ValueError(
            f"`label_key` {label_key!r} is not a feature of the schema, which has {names}."
        )

    def serving_input_receiver_fn() -> ServingInputReceiver:
        from tfx_tpu_estimator.inputs.example_parsing import ExampleParser

        exclude = (label_key,) if label_key else ()
        parser = ExampleParser.from_schema(schema, exclude=exclude)
        serialized = _examples_placeholder(None)
        return ServingInputReceiver(parser.parse(serialized), {"examples": serialized})

    return serving_input_receiver_fn


def build_raw_serving_input_receiver_fn(
    features: dict[str, tf.Tensor], default_batch_size: int | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a receiver function that is fed the features themselves.

    Args:
      features: {name: tensor}; their dtypes and all dimensions but the first are taken over.
      default_batch_size: Size of the first dimension, or None for any.

    Returns:
      A function without arguments that returns a `ServingInputReceiver`.

    Example:
      >>> receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1, 4])})
      >>> with tf.Graph().as_default():
      ...     print(receiver_fn().receiver_tensors["x"].shape)
      (None, 4)
    """
    specs = {
        name: (tensor.dtype, [default_batch_size, *tensor.shape.as_list()[1:]])
        for name, tensor in features.items()
    }

    def serving_input_receiver_fn() -> ServingInputReceiver:
        placeholders = {
            name: tf.compat.v1.placeholder(dtype, shape, name=name)
            for name, (dtype, shape) in specs.items()
        }
        return ServingInputReceiver(placeholders, placeholders)

    return serving_input_receiver_fn


def _examples_placeholder(batch_size: int | None) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.string, [batch_size], name="input_example_tensor")
