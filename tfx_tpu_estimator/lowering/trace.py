"""Traces a user's model_fn for one replica, in a graph of its own.

The graph is a plain v1 one with the real variables, so that Scaffold, Saver, hooks and
init_from_checkpoint work on it as ever; what will be lowered is cut out of it afterwards.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.inputs.structure import is_device_spec, list_paths
from tfx_tpu_estimator.lowering.collectives import Collectives
from tfx_tpu_estimator.lowering.embedding import (
    EmbeddingTrace,
    TracedTable,
    count_as_trainable,
)
from tfx_tpu_estimator.lowering.graph_scope import seeded_graph
from tfx_tpu_estimator.lowering.model_fn import call_model_fn
from tfx_tpu_estimator.lowering.outputs import HostFunction, Outputs, collect_outputs
from tfx_tpu_estimator.lowering.random_ops import RandomStreams
from tfx_tpu_estimator.lowering.sparse_lookup import LookupScope, dense_lookups
from tfx_tpu_estimator.lowering.static_forms import join_tables, static_form_handlers
from tfx_tpu_estimator.lowering.tf_internals_embedding import columns_on_host
from tfx_tpu_estimator.lowering.tf_internals_tracing import (
    dense_updates,
    device_computation,
    joined_tables,
    ops_not_replaced,
    replace_ops,
)
from tfx_tpu_estimator.lowering.trace_validation import (
    forbid_captures,
    validate_initial_value,
    validate_input_specs,
    validate_spec,
    validate_wrapped_optimizer,
)
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec
from tfx_tpu_estimator.tpu_spec import call_scaffold_fn

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TracedModel:
    """A model_fn traced for one of `num_replicas` replicas.

    Attributes:
      graph: The graph, not finalised: savers and scaffolds may add to it.
      mode: A value of `ModeKeys`.
      spec: What the model_fn returned.
      num_replicas: The replicas that its sums over replicas count on.
      position: int64 placeholder [2] (global step, replica id), with a default.
      inputs: One placeholder per flat tensor of (features, labels); several in a row for a sparse
        or ragged one.
      input_names: Their paths, such as `features/x`.
      host_inputs: Names of those of `inputs` that no device can take.
      batch_size: Examples of one replica; None if the input does not say.
      padded: By name of a tensor that the host computes for the device in rows of any width: what
        fills the rows up.
      outputs: What one step computes, by role.
      train_op: What one step runs; None unless training.
      global_step: The global step variable.
      scaffold: What scaffold_fn returned, or None.
      device_ops: Names of the ops that are part of the TPU computation.
      tables: The embedding tables that are looked up around the program.
    """

    graph: tf.Graph
    mode: str
    spec: EstimatorSpec | TPUEstimatorSpec
    num_replicas: int
    position: tf.Tensor
    inputs: tuple[tf.Tensor, ...]
    input_names: tuple[str, ...]
    host_inputs: frozenset[str]
    batch_size: int | None
    padded: Mapping[str, float]
    outputs: Outputs
    train_op: tf.Operation | None
    global_step: tf.Variable
    scaffold: tf.compat.v1.train.Scaffold | None
    device_ops: frozenset[str]
    tables: tuple[TracedTable, ...] = ()

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All variables of the graph: global ones, then local ones."""
        with self.graph.as_default():
            made = [*tf.compat.v1.global_variables(), *tf.compat.v1.local_variables()]
        return tuple({id(v): v for v in made}.values())

    @property
    def eval_metrics(self) -> HostFunction | None:
        """The metric function with its outputs, in EVAL."""
        return self.outputs.eval_metrics

    @property
    def host_call(self) -> HostFunction | None:
        """The host call with its outputs, if there is one."""
        return self.outputs.host_call

    @contextlib.contextmanager
    def host_scope(self, where: str) -> Iterator[None]:
        """Makes the graph the default one for work on the host, which cannot see the device.

        Args:
          where: What is done inside, for the message.

        Raises:
          ValueError: At the end of the block, if an op of it reads a tensor of the TPU computation.
        """
        with (
            self.graph.as_default(),
            forbid_captures(self.graph, self.device_ops, where),
            count_as_trainable(self.graph, [table.variable for table in self.tables]),
        ):
            yield


def trace_model(
    model_fn: Callable,
    *,
    features: Any,
    labels: Any,
    mode: str,
    params: dict,
    config: Any,
    num_replicas: int,
    seed: int,
    embedding: EmbeddingTrace | None = None,
) -> TracedModel:
    """Calls `model_fn` once, as the part of one replica.

    Args:
      model_fn: The user's function.
      features: tf.TensorSpec, tf.SparseTensorSpec or tf.RaggedTensorSpec, or a nested structure of
        them: what one replica gets.
      labels: The same, or None.
      mode: A value of `ModeKeys`.
      params: What the model_fn sees as `params`; `batch_size` in it is per replica.
      config: What it sees as `config`.
      num_replicas: How many replicas there are.
      seed: The run's seed, for initial values and all random ops.
      embedding: What is looked up around the program, whose activations are among the features.

    Returns:
      The traced model.

    Raises:
      ValueError: A shape is not static, the optimizer is not wrapped, a random op cannot be
        repeated, or host functions read tensors of the device.
      RuntimeError: The spec is not a TPUEstimatorSpec where one is needed; a tensor for the host
        lost its batch dimension.
      TypeError: Predictions are not a dict.
    """
    validate_input_specs(features, "features")
    validate_input_specs(labels, "labels")
    with seeded_graph(seed) as graph:
        global_step = tf.compat.v1.train.get_or_create_global_step(graph)
        inputs = _Inputs(features, labels)
        lookups = LookupScope(graph, inputs.batch_size)
        streams = RandomStreams(seed, inputs.position)
        # Without tables of their own, embedding columns for TPUs are ordinary ones.
        with (
            _device_scopes(num_replicas, streams, inputs.position) as device_ops,
            dense_lookups(lookups),
            columns_on_host(embedding is None),
        ):
            seen = inputs.features if embedding is None else embedding.connect(inputs.features)
            spec = call_model_fn(model_fn, seen, inputs.labels, mode, params, config)
            validate_spec(spec, mode)
            outputs = collect_outputs(spec)
            if embedding is not None:
                outputs = outputs.add(embedding.list_outputs(graph))
        validate_wrapped_optimizer(graph, mode, num_replicas)
        tables = () if embedding is None else embedding.make_tables(graph)
        scaffold = _call_scaffold_fn(graph, spec, device_ops)
        _drop_device_summaries(graph, device_ops)
    return TracedModel(
        graph=graph,
        mode=mode,
        spec=spec,
        num_replicas=num_replicas,
        position=inputs.position,
        inputs=tuple(inputs.placeholders),
        input_names=tuple(inputs.names),
        host_inputs=frozenset(inputs.of_host),
        batch_size=inputs.batch_size,
        padded=lookups.padded,
        outputs=outputs,
        train_op=_to_op(spec.train_op) if mode == ModeKeys.TRAIN else None,
        global_step=global_step,
        scaffold=scaffold,
        device_ops=frozenset(device_ops),
        tables=tables,
    )


@contextlib.contextmanager
def _device_scopes(
    num_replicas: int, streams: RandomStreams, position: tf.Tensor
) -> Iterator[set[str]]:
    """Everything that makes what is built inside the computation of one replica."""

    def initialise_on_host(next_creator, **kwargs):
        # Initial values are drawn by a session, once for all replicas.
        with ops_not_replaced():
            return next_creator(**_lift_initial_value(kwargs))

    collectives = Collectives(num_replicas, position[1])
    handlers = {**streams.handlers(), **collectives.handlers(), **static_form_handlers()}
    with (
        _control_flow_v2(),
        device_computation(num_replicas) as device_ops,
        replace_ops(handlers),
        dense_updates(),
        joined_tables(join_tables),
        tf.variable_creator_scope(initialise_on_host),
    ):
        yield device_ops


def _lift_initial_value(arguments: dict[str, Any]) -> dict[str, Any]:
    """Takes an initial value that is a tensor out of the device computation.

    TensorFlow refuses one from within it. It is computed by a session all the same.
    """
    value = arguments.get("initial_value")
    if not isinstance(value, tf.Tensor) or not hasattr(value, "op"):
        return arguments
    validate_initial_value(value, arguments.get("name"))
    with tf.init_scope():
        return {**arguments, "initial_value": tf.identity(value, name="initial_value")}


@contextlib.contextmanager
def _control_flow_v2() -> Iterator[None]:
    """Builds loops and branches as functions, which XLA needs, where a program turned that off."""
    if tf.compat.v1.control_flow_v2_enabled():
        yield
        return
    tf.compat.v1.enable_control_flow_v2()
    try:
        yield
    finally:
        tf.compat.v1.disable_control_flow_v2()


class _Inputs:
    """Makes the placeholders of a traced model.

    Args:
      features: Specs of the features, nested.
      labels: The same of the labels, or None.

    Attributes:
      position: See `TracedModel`.
      features: Tensors, nested as the specs.
      labels: The same, or None.
      placeholders: All of them, in the order of the flat input.
      names: The path of each.
      of_host: Names of the placeholders that no device can take.
      batch_size: Examples of one replica; None if the input does not say.
    """

    def __init__(self, features: Any, labels: Any):
        self.placeholders: list[tf.Tensor] = []
        self.names: list[str] = []
        self.of_host: list[str] = []
        self.batch_size: int | None = None
        with tf.name_scope("input"):
            self.position = tf.compat.v1.placeholder_with_default(
                np.zeros(2, np.int64), [2], name="position"
            )
            self.features = self._add(features, "features")
            self.labels = self._add(labels, "labels")

    def _add(self, specs: Any, role: str) -> Any:
        if specs is None:
            return None
        paths = list_paths(specs, role)
        made = [
            self._add_leaf(spec, path, f"{role}_{i}")
            for i, (spec, path) in enumerate(zip(tf.nest.flatten(specs), paths, strict=True))
        ]
        return tf.nest.pack_sequence_as(specs, made)

    def _add_leaf(self, spec: tf.TypeSpec, path: str, name: str) -> Any:
        if self.batch_size is None and spec.shape.rank:
            self.batch_size = spec.shape[0]
        components = tf.nest.flatten(spec, expand_composites=True)
        made = [tf.compat.v1.placeholder(c.dtype, c.shape, name=name) for c in components]
        self.placeholders += made
        single = len(made) == 1
        self.names += [path] if single else [f"{path}/{i}" for i in range(len(made))]
        if not is_device_spec(spec):
            self.of_host += [tensor.name for tensor in made]
        if isinstance(spec, tf.SparseTensorSpec):
            return _make_sparse(spec, *made)
        return tf.nest.pack_sequence_as(spec, made, expand_composites=True)


def _make_sparse(
    spec: tf.SparseTensorSpec, indices: tf.Tensor, values: tf.Tensor, dense_shape: tf.Tensor
) -> tf.SparseTensor:
    """Makes a sparse tensor of whose shape TensorFlow knows what is static."""
    sizes = [dense_shape[i] if n is None else n for i, n in enumerate(spec.shape.as_list())]
    known = tf.stack([tf.cast(size, tf.int64) for size in sizes])
    return tf.SparseTensor(indices, values, known)


def _to_op(train_op: tf.Operation | tf.Tensor | tf.Variable) -> tf.Operation:
    # What assigning a variable returns is a Variable, whose op is the assignment.
    return train_op if isinstance(train_op, tf.Operation) else train_op.op


def _call_scaffold_fn(
    graph: tf.Graph, spec: EstimatorSpec | TPUEstimatorSpec, device_ops: set[str]
) -> tf.compat.v1.train.Scaffold | None:
    if isinstance(spec, EstimatorSpec):
        if spec.scaffold is not None:
            _logger.warning(
                "EstimatorSpec.scaffold is ignored on a TPU: return a TPUEstimatorSpec with "
                "scaffold_fn."
            )
        return None
    if spec.scaffold_fn is None:
        return None
    with forbid_captures(graph, device_ops, "Inside scaffold_fn"):
        return call_scaffold_fn(spec.scaffold_fn)


def _drop_device_summaries(graph: tf.Graph, device_ops: set[str]) -> None:
    """Keeps summaries of device tensors out of what a Scaffold merges and runs on the host."""
    for key in (tf.compat.v1.GraphKeys.SUMMARIES, "_SUMMARY_V2"):
        collection = graph.get_collection_ref(key)
        dropped = [s for s in collection if getattr(s, "op", s).name in device_ops]
        if dropped:
            names = [getattr(s, "op", s).name for s in dropped]
            _logger.warning(
                "Summaries of tensors on the TPU are not written: %s. Write them in host_call.",
                ", ".join(names),
            )
            collection[:] = [s for s in collection if all(s is not d for d in dropped)]
