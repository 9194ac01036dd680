"""What one step of a model computes, by the role in which the host uses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

LOSS = "loss"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostFunction:
    """A (function, tensors) pair of a spec whose tensors come out of a program.

    Attributes:
      function: The user's function.
      structure: The tensors of one replica as the user nested them.
      names: For each flat tensor the name of the output that carries it.
    """

    function: Callable
    structure: Any
    names: tuple[str, ...]

    def pack(self, values: Mapping[str, Any]) -> Any:
        """Nests `values`, by output name, as the user nested the tensors."""
        return tf.nest.pack_sequence_as(self.structure, [values[name] for name in self.names])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outputs:
    """The tensors of one replica that leave the device.

    Attributes:
      tensors: Tensors by output name, in order: `loss`, `eval_metrics/<i>`, `host_call/<i>`,
        `predictions/<key>`.
      eval_metrics: The metric function, in EVAL.
      host_call: The host call, if there is one.
      prediction_keys: The keys of predictions, in PREDICT.
    """

    tensors: Mapping[str, tf.Tensor]
    eval_metrics: HostFunction | None
    host_call: HostFunction | None
    prediction_keys: tuple[str, ...]

    def add(self, tensors: Mapping[str, tf.Tensor]) -> Outputs:
        """Returns these outputs with more tensors behind them."""
        return dataclasses.replace(self, tensors={**self.tensors, **tensors})


def collect_outputs(spec: EstimatorSpec | TPUEstimatorSpec) -> Outputs:
    """Lists what the mode of a checked spec needs; called where the model was built.

    Raises:
      RuntimeError: A tensor for a host function is a scalar, which cannot be joined over replicas.
      TypeError: Predictions are not a dict of tensors.
      ValueError: A prediction has no static shape.
    """
    tensors: dict[str, tf.Tensor] = {}
    if spec.mode != ModeKeys.PREDICT:
        # Some models give it as [1].
        tensors[LOSS] = tf.reshape(tf.convert_to_tensor(spec.loss), [])
    eval_metrics = host_call = None
    if isinstance(spec, TPUEstimatorSpec):
        if spec.mode == ModeKeys.EVAL and spec.eval_metrics is not None:
            eval_metrics = _add_host_function(tensors, "eval_metrics", spec.eval_metrics)
        if spec.host_call is not None:
            host_call = _add_host_function(tensors, "host_call", spec.host_call)
    keys: tuple[str, ...] = ()
    if spec.mode == ModeKeys.PREDICT:
        keys = _add_predictions(tensors, spec.predictions)
    # An output that is an input as it came would leave nothing to lower.
    tensors = {name: tf.identity(tensor) for name, tensor in tensors.items()}
    return Outputs(
        tensors=tensors, eval_metrics=eval_metrics, host_call=host_call, prediction_keys=keys
    )


def _add_host_function(tensors: dict[str, tf.Tensor], role: str, pair: Any) -> HostFunction:
    function, structure = pair
    flat = [tf.convert_to_tensor(t) for t in tf.nest.flatten(structure)]
    names = tuple(f"{role}/{i}" for i in range(len(flat)))
    for tensor in flat:
        if tensor.shape.rank == 0:
            raise RuntimeError(
                f"Tensors of `{role}` must keep their batch dimension, because those of all "
                f"replicas are joined along it; got the scalar {tensor.name}. Reshape it to [1]."
            )
    tensors.update(zip(names, flat, strict=True))
    return HostFunction(function=function, structure=structure, names=names)


def _add_predictions(tensors: dict[str, tf.Tensor], predictions: Any) -> tuple[str, ...]:
    if not isinstance(predictions, Mapping):
        raise TypeError(
            "TPUEstimatorSpec.predictions must be a dict of Tensors; got "
            f"{type(predictions).__name__}."
        )
    for key, value in predictions.items():
        tensor = tf.convert_to_tensor(value)
        if not tensor.shape.is_fully_defined():
            raise ValueError(
                f"The tensor with key ({key}) in TPUEstimatorSpec.predictions has dynamic shape "
                f"(should be static). Tensor: {tensor}"
            )
        tensors[f"predictions/{key}"] = tensor
    return tuple(predictions)
