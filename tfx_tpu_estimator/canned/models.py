"""Whole models: a head on a network, with optimizers; what canned estimators' model_fns return."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import networks, settings
from tfx_tpu_estimator.canned.columns import validate_columns, validate_features
from tfx_tpu_estimator.canned.head import Head
from tfx_tpu_estimator.canned.optimizers import resolve_optimizer, validate_optimizer
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

# Learning rates of optimizers that are given by name.
_DNN_RATE = 0.05
_LINEAR_RATE = 0.2
_BASELINE_RATE = 0.3

Spec = EstimatorSpec | TPUEstimatorSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class CannedModel(abc.ABC):
    """A model that can be built in a graph.

    Attributes:
      head: What it does with its logits.
      keras: Whether names of optimizers stand for Keras optimizers, as in the classes of version 2;
        their variables have no parts, and the tags of summaries are shorter.
    """

    head: Head
    keras: bool = False

    @abc.abstractmethod
    def build(self, features: Any, labels: Any, mode: str, config: Any, *, use_tpu: bool) -> Spec:
        """Builds the model in the default graph.

        Args:
          features: A dict of tensors.
          labels: As the head takes them.
          mode: A value of `ModeKeys`.
          config: The RunConfig, or None.
          use_tpu: Whether it is built for devices.

        Returns:
          The spec for the mode.
        """

    def _finish(
        self,
        features: Mapping[str, Any],
        labels: Any,
        mode: str,
        logits: tf.Tensor,
        use_tpu: bool,
        **training: Any,
    ) -> Spec:
        """Returns the head's spec; a head of the user's own is asked only for what it must have."""
        given = {"features": features, "mode": mode, "logits": logits, "labels": labels}
        if mode == ModeKeys.TRAIN:
            given.update(training)
        if not use_tpu:
            return self.head.create_estimator_spec(**given)
        return self.head.create_tpu_estimator_spec(**given, use_tpu=True)

    def _tag_scope(self, of_keras: str, of_v1: str) -> str:
        return of_keras if self.keras else of_v1

    def _resolve_optimizer(self, optimizer: Any, mode: str, rate: float | None) -> Any:
        """Returns the optimizer object; None where nothing is trained."""
        if mode != ModeKeys.TRAIN:
            return None
        return resolve_optimizer(optimizer, keras=self.keras, learning_rate=rate)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DnnModel(CannedModel):
    """Dense layers on feature columns.

    Attributes:
      hidden_units: Units of each hidden layer.
      feature_columns: Dense columns.
      optimizer: Name, optimizer or function that returns one.
      activation_fn: Of hidden layers.
      dropout: Share of activations to drop in training, or None.
      input_layer_partitioner: Of embedding tables, or None.
      batch_norm: Whether to normalise after each hidden layer.
    """

    hidden_units: Sequence[int]
    feature_columns: Sequence[Any]
    optimizer: Any = "Adagrad"
    activation_fn: Any = tf.nn.relu
    dropout: float | None = None
    input_layer_partitioner: Callable | None = None
    batch_norm: bool = False

    def __post_init__(self) -> None:
        columns = validate_columns(self.feature_columns, "feature_columns", dense=True)
        object.__setattr__(self, "feature_columns", columns)
        units = settings.validate_hidden_units(self.hidden_units, "hidden_units")
        object.__setattr__(self, "hidden_units", units)
        settings.validate_dropout(self.dropout, "dropout")
        object.__setattr__(self, "optimizer", validate_optimizer(self.optimizer))

    def build(self, features: Any, labels: Any, mode: str, config: Any, *, use_tpu: bool) -> Spec:
        """Builds the model; see `CannedModel.build`."""
        features = validate_features(features)
        partitioner = None if self.keras else networks.default_partitioner(config)
        with tf.compat.v1.variable_scope("dnn", partitioner=partitioner):
            logits = self.build_logits(features, mode, config, use_tpu=use_tpu)
            # Slots get their names from the scope in which the optimizer makes them.
            optimizer = self._resolve_optimizer(
                self.optimizer, mode, None if self.keras else _DNN_RATE
            )
            return self._finish(features, labels, mode, logits, use_tpu, optimizer=optimizer)

    def build_logits(
        self, features: Mapping[str, Any], mode: str, config: Any, *, use_tpu: bool
    ) -> tf.Tensor:
        """Builds the layers in the current variable scope; returns float32 [batch, units]."""
        tables = None
        if not self.keras:
            tables = self.input_layer_partitioner or networks.default_table_partitioner(config)
        return networks.build_dnn_logits(
            features,
            tuple(self.feature_columns),
            units=self.head.logits_dimension,
            hidden_units=self.hidden_units,
            activation_fn=self.activation_fn,
            dropout=self.dropout,
            batch_norm=self.batch_norm,
            partitioner=tables,
            training=mode == ModeKeys.TRAIN,
            tag_scope=None if use_tpu else self._tag_scope("dnn/", "dnn/dnn/"),
            on_devices=use_tpu,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearModel(CannedModel):
    """A weighted sum of feature columns.

    Attributes:
      feature_columns: Dense or categorical columns.
      optimizer: Name, optimizer or function that returns one; None for Ftrl with a learning rate
        that falls with the number of columns.
      partitioner: Of weights, or None.
      sparse_combiner: How several values of a categorical column are combined.
    """

    feature_columns: Sequence[Any]
    optimizer: Any = "Ftrl"
    partitioner: Callable | None = None
    sparse_combiner: str = "sum"

    def __post_init__(self) -> None:
        columns = validate_columns(self.feature_columns, "feature_columns", dense=False)
        object.__setattr__(self, "feature_columns", columns)
        settings.validate_combiner(self.sparse_combiner, "sparse_combiner")
        if self.optimizer is not None:
            object.__setattr__(self, "optimizer", validate_optimizer(self.optimizer))

    def build(self, features: Any, labels: Any, mode: str, config: Any, *, use_tpu: bool) -> Spec:
        """Builds the model; see `CannedModel.build`."""
        features = validate_features(features)
        partitioner = self.partitioner or networks.default_table_partitioner(config)
        with tf.compat.v1.variable_scope("linear", partitioner=None if self.keras else partitioner):
            logits = self.build_logits(features, use_tpu=use_tpu)
            optimizer, rate = self.optimizer, _LINEAR_RATE
            if optimizer is None:
                optimizer = "Ftrl"
                rate = settings.falling_rate(_LINEAR_RATE, len(self.feature_columns))
            optimizer = self._resolve_optimizer(optimizer, mode, rate)
            return self._finish(features, labels, mode, logits, use_tpu, optimizer=optimizer)

    def build_logits(self, features: Mapping[str, Any], *, use_tpu: bool) -> tf.Tensor:
        """Builds the sum in the current variable scope; returns float32 [batch, units]."""
        return networks.build_linear_logits(
            features,
            tuple(self.feature_columns),
            units=self.head.logits_dimension,
            sparse_combiner=self.sparse_combiner,
            tag_scope=None if use_tpu else self._tag_scope("", "linear/"),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaselineModel(CannedModel):
    """A bias: what can be predicted without looking at an example.

    Attributes:
      optimizer: Name, optimizer or function that returns one.
      weight_column: Of the head; examples are not counted by it.
    """

    optimizer: Any = "Ftrl"
    weight_column: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizer", validate_optimizer(self.optimizer))

    def build(self, features: Any, labels: Any, mode: str, config: Any, *, use_tpu: bool) -> Spec:
        """Builds the model; see `CannedModel.build`."""
        del config
        features = validate_features(features)
        logits = networks.build_baseline_logits(
            features, self.head.logits_dimension, self.weight_column
        )
        optimizer = self._resolve_optimizer(self.optimizer, mode, _BASELINE_RATE)
        return self._finish(features, labels, mode, logits, use_tpu, optimizer=optimizer)
