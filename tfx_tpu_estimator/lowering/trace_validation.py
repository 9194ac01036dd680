"""What must hold of a model_fn's inputs and spec before anything is lowered."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.collectives import has_collectives
from tfx_tpu_estimator.lowering.unsupported import describe_line, find_calling_line
from tfx_tpu_estimator.specs import (
    EstimatorSpec,
    ModeKeys,
    TPUEstimatorSpec,
    refuse_chief_hooks,
)


def validate_input_specs(specs: Any, role: str) -> None:
    """Checks what one replica is fed.

    Args:
      specs: Nested specs of dense, sparse and ragged tensors, or None.
      role: `features` or `labels`.

    Raises:
      ValueError: A shape is not static, or a tensor is of a kind that no model can take.
      TypeError: Something is not a tensor.
    """
    for spec in [] if specs is None else tf.nest.flatten(specs):
        if not isinstance(spec, tf.TensorSpec | tf.SparseTensorSpec | tf.RaggedTensorSpec):
            raise TypeError(
                f"The {role} to the model returned by input_fn must be dense, sparse or ragged "
                f"tensors; got {spec}."
            )
        if not _has_static_shape(spec):
            raise ValueError(
                f"The {role} to the model returned by input_fn must have static shape. Tensor: "
                f"{spec}. Batch with drop_remainder=True, and pad what varies in length."
            )
        if spec.dtype in (tf.resource, tf.variant):
            raise ValueError(
                f"The {role} to the model returned by input_fn hold a tensor of {spec.dtype.name}, "
                f"which no model can take. Tensor: {spec}. Drop it in input_fn."
            )


def _has_static_shape(spec: tf.TypeSpec) -> bool:
    """Whether all sizes are known; of a sparse or ragged tensor, that of the batch."""
    if isinstance(spec, tf.TensorSpec):
        return spec.shape.is_fully_defined()
    return bool(spec.shape.rank) and spec.shape[0] is not None


def validate_spec(spec: EstimatorSpec | TPUEstimatorSpec, mode: str) -> None:
    """Checks what model_fn returned.

    Raises:
      RuntimeError: It is an EstimatorSpec, and the mode needs a TPUEstimatorSpec.
      ValueError: It is of another mode, lacks what the mode needs, or has chief hooks.
    """
    if spec.mode != mode:
        raise ValueError(
            f"model_fn was called with mode {mode!r} and returned a spec of mode {spec.mode!r}."
        )
    if isinstance(spec, EstimatorSpec):
        if mode != ModeKeys.TRAIN:
            what = "evaluation" if mode == ModeKeys.EVAL else "prediction"
            raise RuntimeError(f"TPU {what} must have type`TPUEstimatorSpec`. Got {type(spec)}")
        refuse_chief_hooks(spec)
    _validate_fields(spec, mode)


def _validate_fields(spec: EstimatorSpec | TPUEstimatorSpec, mode: str) -> None:
    if mode != ModeKeys.PREDICT:
        if spec.loss is None:
            raise ValueError("Missing loss.")
        if tf.convert_to_tensor(spec.loss).shape.num_elements() != 1:
            raise ValueError(f"Loss must be scalar, given: {spec.loss}")
    if mode == ModeKeys.TRAIN and spec.train_op is None:
        raise ValueError("Missing train_op.")
    if mode == ModeKeys.TRAIN and not (
        isinstance(spec.train_op, tf.Operation) or tf.is_tensor(spec.train_op)
    ):
        raise TypeError(f"train_op must be Operation or Tensor, given: {spec.train_op}")
    if mode == ModeKeys.PREDICT and spec.predictions is None:
        raise ValueError("Missing predictions.")


def validate_initial_value(value: tf.Tensor, name: str | None) -> None:
    """Checks that a variable's initial value can be computed before there is a batch.

    Raises:
      ValueError: It depends on one.
    """
    seen: set[str] = set()
    waiting = [value.op]
    while waiting:
        op = waiting.pop()
        if op.type == "Placeholder":
            raise ValueError(
                f"The initial value of variable `{name or 'Variable'}`, made at "
                f"{find_calling_line()}, depends on the batch (op `{op.name}`). Variables are "
                "initialised before there is one: use an initializer, or assign in the train_op."
            )
        if op.name not in seen:
            seen.add(op.name)
            waiting.extend(tensor.op for tensor in op.inputs)


def validate_wrapped_optimizer(graph: tf.Graph, mode: str, num_replicas: int) -> None:
    """Checks that replicas train together.

    Raises:
      ValueError: Nothing is summed over replicas, so that each would train alone.
    """
    if mode != ModeKeys.TRAIN or num_replicas == 1:
        return
    if not has_collectives(graph.as_graph_def()):
        raise ValueError(
            "CrossShardOptimizer must be used for model training on TPUs. Wrap the optimizer: "
            "tf.compat.v1.tpu.CrossShardOptimizer(optimizer)."
        )


@contextlib.contextmanager
def forbid_captures(graph: tf.Graph, device_ops: Collection[str], where: str) -> Iterator[None]:
    """Checks that the ops made inside the block read no tensor of the TPU computation.

    Args:
      graph: The default graph.
      device_ops: Names of the ops of the computation.
      where: What the block does, for the message.

    Raises:
      ValueError: One does; names both.
    """
    before = len(graph.get_operations())
    yield
    for op in graph.get_operations()[before:]:
        for tensor in op.inputs:
            if tensor.op.name in device_ops:
                raise ValueError(
                    f"{where}: Op {op.name}, made at {describe_line(op.traceback)}, depends on TPU "
                    f"computation {tensor.op.name}, which is not allowed. Pass the tensor through "
                    "host_call, or compute it from variables."
                )
