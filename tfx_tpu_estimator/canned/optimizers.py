"""What a canned model's `optimizer` may be, and how it makes a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals import count_shards, sums_over_shards
from tfx_tpu_estimator.wording import with_article

V1_NAMES = {
    "Adagrad": "AdagradOptimizer",
    "Adam": "AdamOptimizer",
    "Ftrl": "FtrlOptimizer",
    "RMSProp": "RMSPropOptimizer",
    "SGD": "GradientDescentOptimizer",
}
# The same names stand for Keras 2 optimizers in the classes of version 2.
KERAS_NAMES = {
    "Adagrad": "Adagrad",
    "Adam": "Adam",
    "Ftrl": "Ftrl",
    "RMSProp": "RMSprop",
    "SGD": "SGD",
}


def validate_optimizer(optimizer: Any, name: str = "optimizer") -> Any:
    """Checks a canned model's optimizer before anything is built.

    Args:
      optimizer: A name, an optimizer, or a function without arguments that returns one.
      name: Of the argument, for the message.

    Returns:
      The same, or the form of a Keras optimizer that works in graphs.

    Raises:
      ValueError: It is something else, an unknown name, or works nowhere but eagerly.
    """
    if isinstance(optimizer, str):
        if optimizer not in V1_NAMES:
            raise ValueError(
                f"Unsupported optimizer name: {optimizer}. Supported names are: "
                f"{tuple(sorted(V1_NAMES))}. `{name}` may also be a tf.compat.v1.train.Optimizer, "
                "a tf.keras.optimizers.legacy.Optimizer or a function that returns one of them."
            )
        return optimizer
    if is_optimizer(optimizer):
        return _to_legacy(optimizer, name)
    if not callable(optimizer):
        _check_type(optimizer, name)
    return optimizer


def resolve_optimizer(
    optimizer: Any, *, keras: bool, learning_rate: float | None, name: str = "optimizer"
) -> Any:
    """Returns the optimizer object for the graph that is being built.

    Args:
      optimizer: As for `validate_optimizer`; functions are called in the graph.
      keras: Whether names stand for Keras optimizers.
      learning_rate: For names; None for the class's own default.
      name: Of the argument, for messages.

    Raises:
      ValueError: The function returned no optimizer.
    """
    if isinstance(optimizer, str):
        rate = {} if learning_rate is None else {"learning_rate": learning_rate}
        if keras:
            return getattr(tf.keras.optimizers.legacy, KERAS_NAMES[optimizer])(**rate)
        return getattr(tf.compat.v1.train, V1_NAMES[optimizer])(**rate)
    if not is_optimizer(optimizer):
        optimizer = optimizer()
        _check_type(optimizer, name)
        if _is_eager_only(optimizer):
            got = with_article(type(optimizer).__name__)
            raise ValueError(
                f"The function given as `{name}` returned {got} that does "
                "not work in graphs, where it was called. Please return an instance of "
                f"tf.keras.optimizers.legacy.{type(optimizer).__name__}, or an optimizer of "
                "tf.compat.v1.train."
            )
        return optimizer
    if is_keras_optimizer(optimizer):
        # The variables of a Keras optimizer belong to one graph.
        return type(optimizer).from_config(optimizer.get_config())
    return optimizer


def is_optimizer(value: Any) -> bool:
    """Tells whether a value is an optimizer of TensorFlow 1 or Keras 2."""
    return isinstance(value, tf.compat.v1.train.Optimizer) or is_keras_optimizer(value)


def is_keras_optimizer(value: Any) -> bool:
    """Tells whether a value is an optimizer of Keras 2, without importing Keras."""
    return any(
        base.__module__.split(".")[0] in ("tf_keras", "keras") and base.__name__ == "Optimizer"
        for base in type(value).__mro__
    ) or any(base.__name__ == "OptimizerV2" for base in type(value).__mro__)


def minimize(
    optimizer: Any,
    loss: tf.Tensor,
    *,
    variables: Sequence[Any] | None,
    global_step: Any,
    on_devices: bool,
    scope: str | None = None,
) -> Any:
    """Makes the operation of one training step.

    Args:
      optimizer: What `resolve_optimizer` returned.
      loss: float32 scalar of this replica.
      variables: What to train; None for all trainable variables.
      global_step: Is increased by one; None to leave it alone.
      on_devices: Whether several replicas train together: gradients are averaged over them.
      scope: What `reserve_training_scope` returned, where optimizers share one.

    Returns:
      The operation.
    """
    if is_keras_optimizer(optimizer):
        chosen = tf.compat.v1.trainable_variables() if variables is None else variables
        # Its variables have the scope in their names, wherever in a model it is used.
        with tf.compat.v1.get_default_graph().name_scope(scope or reserve_training_scope()):
            return _minimize_keras(optimizer, loss, list(chosen), global_step, on_devices)
    if on_devices and not isinstance(optimizer, tf.compat.v1.tpu.CrossShardOptimizer):
        optimizer = tf.compat.v1.tpu.CrossShardOptimizer(optimizer)
    if sums_over_shards(optimizer):
        # The mean over replicas is the loss of the batch, whatever its reduction.
        loss = loss / count_shards()
    return optimizer.minimize(loss, global_step=global_step, var_list=variables)


def reserve_training_scope() -> str:
    """Returns a name scope for Keras optimizers: `training/`, and another one at every call.

    The names of their variables in checkpoints begin with it.
    """
    graph = tf.compat.v1.get_default_graph()
    with graph.name_scope(None), graph.name_scope("training") as scope:
        return scope


def _minimize_keras(
    optimizer: Any, loss: tf.Tensor, variables: list, global_step: Any, on_devices: bool
) -> Any:
    if global_step is not None:
        # The optimizer counts its steps in it, so that a checkpoint holds no second counter.
        optimizer.iterations = global_step
    replicas = count_shards() if on_devices else 1
    gradients = optimizer.get_gradients(loss / replicas if replicas > 1 else loss, variables)
    if on_devices:
        gradients = [tf.compat.v1.tpu.cross_replica_sum(g) for g in gradients]
    return optimizer.apply_gradients(list(zip(gradients, variables, strict=True)))


def _is_eager_only(optimizer: Any) -> bool:
    return is_keras_optimizer(optimizer) and not isinstance(
        optimizer, tf.keras.optimizers.legacy.Optimizer
    )


def _to_legacy(optimizer: Any, name: str) -> Any:
    """Returns the form of a Keras optimizer that works in a graph."""
    if not _is_eager_only(optimizer):
        return optimizer
    kind = type(optimizer).__name__
    legacy = getattr(tf.keras.optimizers.legacy, kind, None)
    if legacy is None:
        raise ValueError(
            f"`{name}` {kind} does not work in graphs. Use one of tf.keras.optimizers.legacy or of "
            "tf.compat.v1.train."
        )
    config = optimizer.get_config()
    return legacy(**{key: config[key] for key in legacy().get_config() if key in config})


def _check_type(optimizer: Any, name: str) -> None:
    if not is_optimizer(optimizer):
        raise ValueError(
            f"The given object is not an Optimizer instance. Given: {optimizer!r} for `{name}`, "
            f"which may be one of {tuple(sorted(V1_NAMES))}, a tf.compat.v1.train.Optimizer, a "
            "tf.keras.optimizers.legacy.Optimizer or a function that returns one of them."
        )
