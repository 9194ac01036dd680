"""EstimatorSpec: what a model_fn returns when it runs on this host's own kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

from tfx_tpu_estimator import spec_validation
from tfx_tpu_estimator.config.checked_replace import CheckedReplace
from tfx_tpu_estimator.modes import validate_mode


class _EstimatorSpecFields(NamedTuple):
    mode: str
    predictions: Any
    loss: Any
    train_op: Any
    eval_metric_ops: Any
    export_outputs: Any
    training_chief_hooks: Any
    training_hooks: Any
    scaffold: Any
    evaluation_hooks: Any
    prediction_hooks: Any


class EstimatorSpec(CheckedReplace, _EstimatorSpecFields):
    """The operations and objects of one call of a model_fn.

    Example:
        >>> import tensorflow as tf
        >>> with tf.Graph().as_default():
        ...     spec = EstimatorSpec("infer", predictions={"x": tf.constant([1.0])})
        >>> sorted(spec.export_outputs)
        ['serving_default']
    """

    __slots__ = ()

    def __new__(
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Any = None,
        export_outputs: Any = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ):
        """Checks all parts against the mode and the default graph.

        Args:
            mode: one of ModeKeys, as the model_fn got it.
            predictions: Tensor or dict of Tensors [batch, ...]; required in PREDICT.
            loss: Tensor with one element; required in TRAIN and EVAL.
            train_op: Operation or Tensor of one training step; required in TRAIN.
            eval_metric_ops: dict of name to (metric_value, update_op).
            export_outputs: dict of name to ExportOutput. In PREDICT the only one becomes
                'serving_default' too; None means all predictions.
            training_chief_hooks: SessionRunHooks run by the chief during training.
            training_hooks: SessionRunHooks run by every worker during training.
            scaffold: tf.compat.v1.train.Scaffold; default one with all defaults.
            evaluation_hooks: SessionRunHooks run during evaluation.
            prediction_hooks: SessionRunHooks run during prediction.

        Returns:
            The spec.

        Raises:
            ValueError: if a part is missing or of another graph, the loss is not a scalar, or
                no export output is the default.
            TypeError: if a part has the wrong type.
        """
        validate_mode(mode)
        train_op = spec_validation.validate_train_op(train_op, mode)
        loss = spec_validation.validate_loss(loss, mode)
        predictions = spec_validation.validate_predictions(predictions, mode)
        return super().__new__(
            cls,
            mode=mode,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            eval_metric_ops=spec_validation.validate_eval_metric_ops(eval_metric_ops),
            export_outputs=spec_validation.validate_export_outputs(
                export_outputs, predictions, mode
            ),
            training_chief_hooks=spec_validation.validate_hooks(
                training_chief_hooks, "training_chief_hooks"
            ),
            training_hooks=spec_validation.validate_hooks(training_hooks, "training_hooks"),
            scaffold=spec_validation.validate_scaffold(scaffold),
            evaluation_hooks=spec_validation.validate_hooks(evaluation_hooks, "evaluation_hooks"),
            prediction_hooks=spec_validation.validate_hooks(prediction_hooks, "prediction_hooks"),
        )

    def _replace(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, **changes: Any
    ) -> EstimatorSpec:
        """Returns a spec with some fields replaced, checked again.

        Args:
            **changes: new values by field name.

        Returns:
            A new spec; this one is unchanged.

        Raises:
            ValueError: if the mode would change, or as the constructor raises.
            TypeError: if there is no such field, or as the constructor raises.
        """
        if changes.get("mode", self.mode) != self.mode:
            raise ValueError(
                f"mode of EstimatorSpec cannot be changed; it is {self.mode!r}, "
                f"got {changes['mode']!r}. Build a new spec for another mode."
            )
        return super()._replace(**changes)


def refuse_chief_hooks(spec: EstimatorSpec) -> None:
    """Refuses chief hooks, which a TPU program has no place for.

    Args:
        spec: what the model_fn returned in TRAIN.

    Raises:
        ValueError: if it has training_chief_hooks.
    """
    if spec.training_chief_hooks:
        raise ValueError(
            "training_chief_hooks returned by EstimatorSpec is not supported in TPUEstimator; "
            f"got {spec.training_chief_hooks!r}. Return them as `training_hooks`, or pass them "
            "to TPUEstimator.train."
        )
