"""What a served model receives: placeholders, and the features made from them."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

_FEATURE_TYPES = (tf.Tensor, tf.SparseTensor, tf.RaggedTensor)
_SCOPE = "received"

_Base = collections.namedtuple(
    "ServingInputReceiver", ["features", "receiver_tensors", "receiver_tensors_alternatives"]
)


def validate_named(tensors: Any, kind: str) -> None:
    """Checks features or labels: one of them, or a dict of them.

    Args:
      tensors: A Tensor, SparseTensor or RaggedTensor, or {name: such}.
      kind: "feature" or "label", for the messages.

    Raises:
      ValueError: They are missing, a name is neither a string nor an int, or one is no tensor.
    """
    if tensors is None:
        raise ValueError(f"{kind}s must be defined.")
    named = tensors if isinstance(tensors, dict) else {kind: tensors}
    for name, tensor in named.items():
        if not isinstance(name, str | int):
            raise ValueError(f"{kind} keys must be strings or ints: {name!r}.")
        if not isinstance(tensor, _FEATURE_TYPES):
            raise ValueError(
                f"{kind} {name} must be a Tensor, SparseTensor, or RaggedTensor. Got {tensor!r}."
            )


def validate_receiver_tensors(tensors: Any) -> dict[str, Any]:
    """Checks what a request fills.

    Args:
      tensors: A Tensor, SparseTensor or RaggedTensor, or {name: such}.

    Returns:
      {name: tensor}; a single one is called "input".

    Raises:
      ValueError: They are missing, a name is no string, or one is no tensor.
    """
    if tensors is None:
        raise ValueError("receiver_tensors must be defined.")
    if not isinstance(tensors, dict):
        tensors = {"input": tensors}
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise ValueError(f"receiver_tensor keys must be strings: {name!r}.")
        if not isinstance(tensor, _FEATURE_TYPES):
            raise ValueError(
                f"receiver_tensor {name} must be a Tensor, SparseTensor, or RaggedTensor. Got "
                f"{tensor!r}."
            )
    return tensors


def describe_tensors(tensors: Mapping[str, Any]) -> dict[str, tf.TensorSpec]:
    """Returns the dtype, the shape and a name for the placeholder of each tensor.

    The name is that of the tensor's operation, as it always was. A tensor that has none, of eager
    execution, is called after its key, in a scope: a root variable of the key's name would
    otherwise be called something else than in its checkpoint.

    Args:
      tensors: {key: tensor}.
    """
    return {
        key: tf.TensorSpec(
            tensor.shape,
            tensor.dtype,
            tensor.op.name if tf.is_symbolic_tensor(tensor) else f"{_SCOPE}/{key}",
        )
        for key, tensor in tensors.items()
    }


def make_placeholder(spec: tf.TensorSpec, batch_size: int | None) -> tf.Tensor:
    """Makes what a request fills with one feature or label.

    Args:
      spec: Its dtype, shape and name, which the operation gets as far as operations' names allow.
      batch_size: Size of the first dimension, which replaces that of `spec`; None for any.

    Returns:
      The placeholder.
    """
    shape = tf.TensorShape([batch_size]).concatenate(spec.shape[1:])
    op_name = re.sub(r"[^A-Za-z0-9_.\-/]", "_", str(spec.name)).lstrip("_/-")
    return tf.compat.v1.placeholder(spec.dtype, shape, name=op_name)


def _check_alternatives(alternatives: Any) -> dict | None:
    if alternatives is None:
        return None
    if not isinstance(alternatives, dict):
        raise ValueError(
            f"receiver_tensors_alternatives must be a dict {{name: tensors}}, got {alternatives!r}."
        )
    return {name: validate_receiver_tensors(tensors) for name, tensors in alternatives.items()}


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
        validate_named(features, "feature")
        if not isinstance(features, dict):
            features = {"feature": features}
        return super().__new__(
            cls,
            features,
            validate_receiver_tensors(receiver_tensors),
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
            validate_receiver_tensors(receiver_tensors),
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
    # Only these outlive the graph that the tensors may be of.
    specs = describe_tensors(features)

    def serving_input_receiver_fn() -> ServingInputReceiver:
        placeholders = {
            name: make_placeholder(spec, default_batch_size) for name, spec in specs.items()
        }
        return ServingInputReceiver(placeholders, placeholders)

    return serving_input_receiver_fn


def _examples_placeholder(batch_size: int | None) -> tf.Tensor:
    return tf.compat.v1.placeholder(tf.string, [batch_size], name="input_example_tensor")
