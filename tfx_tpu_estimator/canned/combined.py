"""CombinedModel: dense layers and a linear model, trained together by an optimizer each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import networks, settings
from tfx_tpu_estimator.canned.columns import validate_features
from tfx_tpu_estimator.canned.models import CannedModel, DnnModel, LinearModel, Spec
from tfx_tpu_estimator.canned.optimizers import (
    is_keras_optimizer,
    minimize,
    reserve_training_scope,
    validate_optimizer,
)

# Learning rates of optimizers that are given by name.
_DNN_RATE = 0.001
_LINEAR_RATE = 0.005


@dataclasses.dataclass(frozen=True, kw_only=True)
class CombinedModel(CannedModel):
    """Wide and deep: the sum of a linear model's and a network's logits.

    Attributes:
      linear_feature_columns: Dense or categorical columns, or None for a network alone.
      linear_optimizer: Name, optimizer or function that returns one.
      dnn_feature_columns: Dense columns, or None for a linear model alone.
      dnn_optimizer: Name, optimizer or function that returns one.
      dnn_hidden_units: Units of each hidden layer.
      dnn_activation_fn: Of hidden layers.
      dnn_dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Of embedding tables and linear weights, or None.
      batch_norm: Whether to normalise after each hidden layer.
      linear_sparse_combiner: How several values of a categorical column are combined.
    """

    linear_feature_columns: Sequence[Any] | None = None
    linear_optimizer: Any = "Ftrl"
    dnn_feature_columns: Sequence[Any] | None = None
    dnn_optimizer: Any = "Adagrad"
    dnn_hidden_units: Sequence[int] | None = None
    dnn_activation_fn: Any = tf.nn.relu
    dnn_dropout: float | None = None
    input_layer_partitioner: Callable | None = None
    batch_norm: bool = False
    linear_sparse_combiner: str = "sum"

    def __post_init__(self) -> None:
        if not self.linear_feature_columns and not self.dnn_feature_columns:
            raise ValueError(
                "Either linear_feature_columns or dnn_feature_columns must be defined; both are "
                "empty."
            )
        if self.dnn_feature_columns and not self.dnn_hidden_units:
            raise ValueError(
                "dnn_hidden_units must be defined when dnn_feature_columns is specified; got "
                f"{self.dnn_hidden_units!r}."
            )
        for name in ("dnn_optimizer", "linear_optimizer"):
            object.__setattr__(self, name, validate_optimizer(getattr(self, name), name))
            if isinstance(getattr(self, name), tf.compat.v1.train.SyncReplicasOptimizer):
                raise ValueError(
                    f"SyncReplicasOptimizer does not support multi optimizers case: `{name}`. Use "
                    "the optimizer inside it, or a DNN or Linear model."
                )
        # Makes both, so that their arguments are checked now.
        object.__setattr__(self, "_parts", (self._make_dnn(), self._make_linear()))

    def _make_dnn(self) -> DnnModel | None:
        if not self.dnn_feature_columns:
            return None
        return DnnModel(
            head=self.head,
            keras=self.keras,
            hidden_units=self.dnn_hidden_units or (),
            feature_columns=self.dnn_feature_columns,
            optimizer=self.dnn_optimizer,
            activation_fn=self.dnn_activation_fn,
            dropout=self.dnn_dropout,
            input_layer_partitioner=self.input_layer_partitioner,
            batch_norm=self.batch_norm,
        )

    def _make_linear(self) -> LinearModel | None:
        if not self.linear_feature_columns:
            return None
        return LinearModel(
            head=self.head,
            keras=self.keras,
            feature_columns=self.linear_feature_columns,
            optimizer=self.linear_optimizer,
            sparse_combiner=self.linear_sparse_combiner,
        )

    def build(self, features: Any, labels: Any, mode: str, config: Any, *, use_tpu: bool) -> Spec:
        """Builds the model; see `CannedModel.build`."""
        features = validate_features(features)
        dnn, linear = self._parts  # pyright: ignore[reportAttributeAccessIssue]
        parts = []
        if dnn is not None:
            logits, variables = self._build_dnn(dnn, features, mode, config, use_tpu)
            optimizer = self._resolve_optimizer(self.dnn_optimizer, mode, _DNN_RATE)
            parts.append((logits, optimizer, variables))
        if linear is not None:
            logits, variables = self._build_linear(linear, features, config, use_tpu)
            rate = settings.falling_rate(_LINEAR_RATE, len(linear.feature_columns))
            optimizer = self._resolve_optimizer(self.linear_optimizer, mode, rate)
            parts.append((logits, optimizer, variables))
        logits = parts[0][0] if len(parts) == 1 else parts[0][0] + parts[1][0]

        def train_op_fn(loss):
            return _train(loss, parts, use_tpu)

        return self._finish(features, labels, mode, logits, use_tpu, train_op_fn=train_op_fn)

    def _build_dnn(
        self, dnn: DnnModel, features: Mapping[str, Any], mode: str, config: Any, use_tpu: bool
    ) -> tuple[tf.Tensor, list]:
        partitioner = None if self.keras else networks.default_partitioner(config)
        with tf.compat.v1.variable_scope("dnn", partitioner=partitioner) as scope:
            logits = dnn.build_logits(features, mode, config, use_tpu=use_tpu)
            return logits, _list_trainable(scope)

    def _build_linear(
        self, linear: LinearModel, features: Mapping[str, Any], config: Any, use_tpu: bool
    ) -> tuple[tf.Tensor, list]:
        partitioner = self.input_layer_partitioner or networks.default_table_partitioner(config)
        with tf.compat.v1.variable_scope(
            "linear", partitioner=None if self.keras else partitioner
        ) as scope:
            logits = linear.build_logits(features, use_tpu=use_tpu)
            if not use_tpu:
                networks.add_layer_summaries(logits, self._tag_scope("", "linear/"), "linear")
            return logits, _list_trainable(scope)


def _list_trainable(scope: tf.compat.v1.VariableScope) -> list:
    """Returns the trainable variables of a scope."""
    return tf.compat.v1.trainable_variables(scope.name + "/")


def _train(loss: tf.Tensor, parts: Sequence[tuple], use_tpu: bool) -> tf.Operation:
    """Makes a step of all optimizers, and counts it once."""
    step = tf.compat.v1.train.get_global_step()
    # A Keras optimizer counts steps itself; the other one of two then has a count of its own.
    counts = is_keras_optimizer(parts[0][1])
    keras = any(is_keras_optimizer(optimizer) for _, optimizer, _ in parts)
    scope = reserve_training_scope() if keras else None
    updates = [
        minimize(
            optimizer,
            loss,
            variables=variables,
            global_step=step if counts and index == 0 else None,
            on_devices=use_tpu,
            scope=scope,
        )
        for index, (_, optimizer, variables) in enumerate(parts)
    ]
    if counts:
        return tf.group(*updates)
    with tf.control_dependencies(updates):
        return step.assign_add(1).op
