"""Traces a model_fn whose embeddings are looked up around its program.

The model_fn gets activations, as inputs of the program. In training the program also returns the
gradients of the activations, as the user's optimizer saw them: of a loss divided by the number of
replicas with CrossShardOptimizer, and before it sums anything over replicas.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan, EmbeddingTable
from tfx_tpu_estimator.lowering.tf_internals_embedding import find_column_scopes
from tfx_tpu_estimator.modes import ModeKeys

_logger = logging.getLogger(__name__)

# A trainable variable of the activations, so that optimizers ask for gradients that reach them.
# It has the name that TPUEstimator programs know such variables by.
ANCHOR = "tpu_embedding_dummy_table_variable"
_GRADIENTS = "embedding_gradients/"
_RATES = "embedding_learning_rates/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TracedTable:
    """A table as variables of a traced graph.

    Attributes:
      name: The table's.
      variable: Name of its variable.
      slots: Names of the variables of its optimizer, none unless it is trained.
      rate_output: Name of the output with the learning rate, or None where it is static.
      gradients: By feature the name of the output with the gradient of its activations.
    """

    name: str
    variable: str
    slots: tuple[str, ...]
    rate_output: str | None
    gradients: Mapping[str, str]


class EmbeddingTrace:
    """Puts embeddings into the trace of one model_fn.

    Args:
      plan: The tables and features.
      mode: A value of `ModeKeys`.
    """

    def __init__(self, plan: EmbeddingPlan, mode: str):
        self._plan = plan
        self._training = mode == ModeKeys.TRAIN
        self._gradients: dict[str, tf.Tensor] = {}
        self._activations: dict[str, tf.Tensor] = {}
        self._counted: dict[str, int] = {}

    def connect(self, features: dict[str, Any]) -> dict[str, Any]:
        """Returns the features for the model_fn; called where it is built.

        Args:
          features: {name: placeholder}, activations among them.
        """
        features = dict(features)
        keys = [feature.key for feature in self._plan.features]
        self._activations = {key: features[key] for key in keys}
        if not self._training:
            return features
        anchor = tf.compat.v1.get_variable(
            ANCHOR,
            shape=[1],
            initializer=tf.compat.v1.zeros_initializer(),
            collections=[
                tf.compat.v1.GraphKeys.LOCAL_VARIABLES,
                tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES,
            ],
        )
        return {**features, **{key: self._tap(key, features[key], anchor) for key in keys}}

    def _tap(self, key: str, activations: tf.Tensor, anchor: Any) -> tf.Tensor:
        """Returns the activations, and notes their gradient when one is built."""

        @tf.custom_gradient
        def tap(x: tf.Tensor, anchored: tf.Tensor) -> Any:
            def note(gradient: tf.Tensor) -> Any:
                self._gradients[key] = tf.convert_to_tensor(gradient)
                self._counted[key] = self._counted.get(key, 0) + 1
                return gradient, tf.zeros_like(anchored)

            return tf.identity(x), note

        return tap(activations, tf.convert_to_tensor(anchor))

    def list_outputs(self, graph: tf.Graph) -> dict[str, tf.Tensor]:
        """Returns what updates of tables need, by output name; called where the model was built.

        Raises:
          ValueError: A gradient was built inside a loop or branch, which cannot return it.
        """
        if not self._training:
            return {}
        self._warn()
        step = tf.compat.v1.train.get_global_step()
        factor = None
        if self._plan.multiplier_fn is not None:
            factor = tf.cast(self._plan.multiplier_fn(step), tf.float32)
        outputs = {}
        for key, activations in self._activations.items():
            gradient = self._gradients.get(key)
            if gradient is None:
                gradient = tf.zeros_like(activations)
            elif gradient.graph is not graph:
                raise ValueError(
                    f"The gradient of the embedding of feature `{key}` was computed inside a loop "
                    "or branch. Compute gradients outside, and only apply them inside."
                )
            gradient = tf.ensure_shape(gradient, activations.shape)
            outputs[_GRADIENTS + key] = gradient if factor is None else gradient * factor
        for table in self._plan.tables:
            if table.learning_rate_fn is not None:
                rate = tf.cast(table.learning_rate_fn(step), tf.float32)
                outputs[_RATES + table.name] = tf.reshape(rate, [])
        return {name: tf.identity(tensor) for name, tensor in outputs.items()}

    def _warn(self) -> None:
        missing = [key for key in self._activations if key not in self._gradients]
        if missing:
            _logger.warning(
                "No gradient of the embeddings of %s was computed, so that they are not trained by "
                "them: the model_fn does not use them, stops their gradient, or trains only "
                "variables that it names.",
                missing,
            )
        several = [key for key, count in self._counted.items() if count > 1]
        if several:
            _logger.warning(
                "Gradients of the embeddings of %s were computed more than once; the last ones "
                "train the tables.",
                several,
            )

    def make_tables(self, graph: tf.Graph) -> tuple[TracedTable, ...]:
        """Makes variables of tables and slots, for the session; called when the model is built.

        Raises:
          RuntimeError: The model_fn does not use a column, so that its table has no name.
        """
        _hide_anchor(graph)
        names = {table.name: table.name for table in self._plan.tables}
        if self._plan.from_columns:
            names = name_column_tables(self._plan, graph)
        return tuple(self._make_table(t, names[t.name], graph) for t in self._plan.tables)

    def _make_table(self, table: EmbeddingTable, name: str, graph: tf.Graph) -> TracedTable:
        shape = [table.rows, table.dimension]
        initializer = table.initializer or make_default_initializer(table.dimension)
        slots = table.optimizer.slots if self._training else ()
        values = {name: initializer}
        for suffix, value in slots:
            values[f"{name}/{suffix}"] = tf.compat.v1.constant_initializer(value)
        made = []
        scope = tf.compat.v1.VariableScope(reuse=False)
        with (
            graph.as_default(),
            tf.compat.v1.variable_scope(scope, use_resource=True, auxiliary_name_scope=False),
        ):
            for full_name, value in values.items():
                variable = tf.compat.v1.get_variable(
                    full_name, shape, tf.float32, initializer=value, trainable=False
                )
                made.append(variable.op.name)
        keys = [feature.key for feature in self._plan.list_features(table.name)]
        dynamic = self._training and table.learning_rate_fn is not None
        return TracedTable(
            name=table.name,
            variable=made[0],
            slots=tuple(made[1:]),
            rate_output=_RATES + table.name if dynamic else None,
            gradients={key: _GRADIENTS + key for key in keys} if self._training else {},
        )


def name_column_tables(plan: EmbeddingPlan, graph: tf.Graph) -> dict[str, str]:
    """Returns the name of the variable of each table, as the columns of a model in a graph have it.

    Raises:
      RuntimeError: The model_fn does not use a column, so that its table has no name.
    """
    names = {}
    scopes = find_column_scopes(graph)
    for table in plan.tables:
        if table.name not in scopes:
            raise RuntimeError(
                f"The model_fn does not use the embedding column of table `{table.name}`: make "
                "sure that all feature columns passed to TPUEstimator are properly used in "
                "model_fn, for instance with tf.compat.v1.feature_column.input_layer."
            )
        scope, name = scopes[table.name]
        names[table.name] = f"{scope}/{name}" if scope else name
    return names


def make_default_initializer(dimension: int) -> Any:
    """Returns what initialises a table of which the user has not said it."""
    return tf.compat.v1.truncated_normal_initializer(stddev=1 / math.sqrt(dimension))


@contextlib.contextmanager
def count_as_trainable(graph: tf.Graph, names: Collection[str]) -> Iterator[None]:
    """Lists variables among the trainable ones inside the block, as the host's engine has them.

    No optimizer of the model may see tables, but a warm start takes what is trainable.

    Args:
      graph: Their graph.
      names: Names of the variables.
    """
    trainable = graph.get_collection_ref(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
    before = list(trainable)
    made = graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)
    trainable.extend(variable for variable in made if variable.op.name in names)
    try:
        yield
    finally:
        trainable[:] = before


def _hide_anchor(graph: tf.Graph) -> None:
    """Keeps the anchor and its slots from all that comes after the model_fn.

    Checkpoints must not have them, as other engines know no such variables.
    """
    keys = tf.compat.v1.GraphKeys
    for key in (keys.GLOBAL_VARIABLES, keys.TRAINABLE_VARIABLES, keys.MOVING_AVERAGE_VARIABLES):
        listed = graph.get_collection_ref(key)
        hidden = [v for v in listed if ANCHOR in v.op.name.split("/")]
        listed[:] = [v for v in listed if all(v is not h for h in hidden)]
        if key == keys.GLOBAL_VARIABLES:
            graph.get_collection_ref(keys.LOCAL_VARIABLES).extend(hidden)
