"""The export output of an evaluation: loss, predictions and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.export.supervised_signature import (
    build_signature,
    name_metrics,
    name_outputs,
)
from tfx_tpu_estimator.export_output import ExportOutput
from tfx_tpu_estimator.modes import ModeKeys


class EvalOutput(ExportOutput):
    """Loss, predictions and metrics, for the signature of an evaluation.

    Exports in mode EVAL make that signature by themselves, from what the model_fn returns.

    Example:
        >>> with tf.Graph().as_default():
        ...     output = EvalOutput(tf.constant(0.5), {"p": tf.constant([1.0])})
        >>> sorted({**output.loss, **output.predictions})
        ['loss', 'predictions/p']
    """

    # Parts of names in the signature, for programs that put such names together.
    LOSS_NAME = "loss"
    PREDICTIONS_NAME = "predictions"
    METRICS_NAME = "metrics"
    METRIC_VALUE_SUFFIX = "value"
    METRIC_UPDATE_SUFFIX = "update_op"

    def __init__(
        self,
        loss: tf.Tensor | Mapping[str, tf.Tensor] | None = None,
        predictions: tf.Tensor | Mapping[str, tf.Tensor] | None = None,
        metrics: Mapping[str, tuple[tf.Tensor, Any]] | None = None,
    ):
        """Checks and names the tensors.

        Args:
            loss: Tensor, or dict of name to Tensor. Default None.
            predictions: Tensor, or dict of name to Tensor. Default None.
            metrics: dict of name to (value, update op). Default None.

        Raises:
            ValueError: if a name is no string, a value no Tensor, or a metric no pair.
        """
        for name, metric in (metrics or {}).items():
            if not isinstance(metric, tuple | list) or len(metric) != 2:
                raise ValueError(
                    f"Metric {name!r} of EvalOutput must be a pair (value, update op), as "
                    f"tf.compat.v1.metrics returns; got {metric!r}."
                )
        self._loss = _validate("loss", name_outputs(loss, "loss"))
        self._predictions = _validate("predictions", name_outputs(predictions, "predictions"))
        self._metrics = _validate("metrics", name_metrics(metrics))

    @property
    def loss(self) -> dict[str, tf.Tensor] | None:
        """The loss by its name in the signature, or None."""
        return self._loss or None

    @property
    def predictions(self) -> dict[str, tf.Tensor] | None:
        """The predictions by their names in the signature, or None."""
        return self._predictions or None

    @property
    def metrics(self) -> dict[str, tf.Tensor] | None:
        """Values and updates of the metrics by their names in the signature, or None."""
        return self._metrics or None

    def as_signature_def(self, receiver_tensors: Any) -> Any:
        """Builds the signature of an evaluation; see `ExportOutput.as_signature_def`.

        A single receiver Tensor is named 'input'.
        """
        inputs = receiver_tensors
        if not isinstance(inputs, Mapping):
            inputs = {"input": inputs}
        return build_signature(inputs, self._named(), ModeKeys.EVAL)

    def tensors(self) -> list[tf.Tensor | None]:
        """Lists losses, predictions, metrics; see `ExportOutput.tensors`."""
        return list(self._named().values())

    def with_tensors(self, tensors: Sequence[tf.Tensor | None]) -> EvalOutput:
        """Rebuilds the output under the same names; see `ExportOutput.with_tensors`."""
        if len(tensors) != len(self._named()):
            raise ValueError(
                f"`tensors` must have {len(self._named())} entries, as tensors() has; got "
                f"{len(tensors)}."
            )
        remaining = iter(tensors)
        made = EvalOutput()
        made._loss, made._predictions, made._metrics = (
            {name: next(remaining) for name in part}
            for part in (self._loss, self._predictions, self._metrics)
        )
        return made

    def _named(self) -> dict[str, tf.Tensor]:
        return {**self._loss, **self._predictions, **self._metrics}


def _validate(what: str, tensors: dict[str, Any]) -> dict[str, tf.Tensor]:
    for name, value in tensors.items():
        if not tf.is_tensor(value):
            raise ValueError(f"{what} output value of {name!r} must be a Tensor; got {value!r}.")
    return tensors
