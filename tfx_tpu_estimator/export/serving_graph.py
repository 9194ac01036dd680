"""The two metagraphs of a SavedModel: {serve}, and {serve, tpu} as a graph only."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostModel, new_graph
from tfx_tpu_estimator.export.embedded_features import look_up_outside
from tfx_tpu_estimator.export.export_graph import ExportGraph, finish_graph, scaffold_of
from tfx_tpu_estimator.export.signatures import (
    build_signatures,
    list_export_outputs,
    list_tensors,
    replace_tensors,
)
from tfx_tpu_estimator.export.tpu_computation import enter_graph
from tfx_tpu_estimator.lowering.serving_split import (
    divide_for_serving,
    divisible_model,
    find_host_op,
    is_text_of_host,
)
from tfx_tpu_estimator.lowering.tf_internals import (
    many_replicas,
    run_on_tpu_when_served,
    single_replica,
)
from tfx_tpu_estimator.lowering.tf_internals_outside import identity_beside
from tfx_tpu_estimator.lowering.tf_internals_tracing import replace_ops
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

SERVE_TAGS = (tf.saved_model.SERVING,)
TPU_TAGS = (tf.saved_model.SERVING, tf.saved_model.TPU)


def build_cpu_graph(model: HostModel, receiver_fn: Callable[[], Any]) -> ExportGraph:
    """Builds the model_fn in mode PREDICT as it is, with params['use_tpu'] False."""
    with new_graph(model.config) as graph, single_replica():
        tf.compat.v1.train.create_global_step(graph)
        receiver = receiver_fn()
        spec = _call(model, receiver.features, _labels_of(receiver), use_tpu=False)
        signatures = build_signatures(receiver, list_export_outputs(spec))
        return finish_graph(graph, ModeKeys.PREDICT, SERVE_TAGS, signatures, scaffold_of(spec))


def build_tpu_graph(model: HostModel, receiver_fn: Callable[[], Any], *, wrap: bool) -> ExportGraph:
    """Builds the model_fn in mode PREDICT to run on a TPU, with params['use_tpu'] True.

    The receiver, which may parse strings, stays on the host, and with `wrap` so does what a
    model_fn does that only a host can: work on strings and sparse tensors, lookup tables.

    Args:
      model: The model.
      receiver_fn: The user's function.
      wrap: API V1: put the whole model_fn on the TPU. API V2 (False): the model_fn itself calls
        `tf.compat.v1.tpu.rewrite` and the like for the parts that shall run there.

    Raises:
      ValueError: Something that only a host can do depends on what only a TPU has.
    """
    if not wrap:
        return _build_tpu_graph(model, receiver_fn, _outputs_as_built)
    try:
        return _build_tpu_graph(model, receiver_fn, _outputs_on_tpu)
    except _NeedsHostError:
        return _build_tpu_graph(model, receiver_fn, _outputs_divided)


class _NeedsHostError(Exception):
    """A model cannot be put on a TPU as a whole."""


# A lookup table belongs to the graph around a computation, its content to the computation: that
# cannot be, even for a table that is only read on the host.
_TABLES = ("HashTableV2", "MutableHashTableV2", "MutableDenseHashTableV2", "AnonymousHashTable")


def _leave_to_host(op_type: str, name: str, arguments: dict[str, Any]) -> None:
    raise _NeedsHostError


def _build_tpu_graph(
    model: HostModel,
    receiver_fn: Callable[[], Any],
    compute: Callable[[HostModel, Any], tuple[dict, Any]],
) -> ExportGraph:
    with new_graph(model.config) as graph:
        tf.compat.v1.train.create_global_step(graph)
        receiver = receiver_fn()
        features = receiver.features
        if compute is not _outputs_as_built and model.embedding is not None:
            features = look_up_outside(model, model.embedding, features)
            model = dataclasses.replace(model, embedding=None)
        outputs, scaffold = compute(model, features)
        signatures = build_signatures(receiver, outputs)
        return finish_graph(graph, ModeKeys.PREDICT, TPU_TAGS, signatures, scaffold)


def _outputs_as_built(model: HostModel, features: Any) -> tuple[dict, Any]:
    """Calls the model_fn, which itself says what runs on a TPU."""
    with many_replicas(None):
        spec = _call(model, features, use_tpu=True)
    return list_export_outputs(spec), scaffold_of(spec)


def _outputs_on_tpu(model: HostModel, features: Any) -> tuple[dict, Any]:
    """Calls the model_fn inside a TPU computation and returns its outputs as seen outside."""
    if not _can_enter(features):
        raise _NeedsHostError
    flat = tf.nest.flatten(features)
    found: dict[str, Any] = {}

    def computation(*inputs):
        on_tpu = tf.nest.pack_sequence_as(features, inputs)
        with replace_ops(dict.fromkeys(_TABLES, _leave_to_host)):
            spec = _call(model, on_tpu, use_tpu=True)
        if find_host_op(tf.compat.v1.get_default_graph()) is not None:
            raise _NeedsHostError
        found["spec"], found["outputs"] = spec, list_export_outputs(spec)
        return list_tensors(found["outputs"])

    results = run_on_tpu_when_served(enter_graph(computation), flat)
    # Out here: a Saver that scaffold_fn makes belongs into the graph, beside the variables.
    return replace_tensors(found["outputs"], results), scaffold_of(found["spec"])


def _outputs_divided(model: HostModel, features: Any) -> tuple[dict, Any]:
    """Calls the model_fn, leaves what only a host can do, and puts the rest on a TPU.

    The nodes of that rest stay in the graph as well; nothing reads them.
    """
    graph = tf.compat.v1.get_default_graph()
    before = frozenset(op.name for op in graph.get_operations())
    padded: dict[str, float] = {}
    with divisible_model(padded):
        spec = _call(model, features, use_tpu=True)
        outputs = list_export_outputs(spec)
        given = list_tensors(outputs)
        tensors = [identity_beside(t) for t in given if not is_text_of_host(t)]
    if not tensors:
        return outputs, scaffold_of(spec)
    part = divide_for_serving(features, tensors, before, padded)
    results = iter(run_on_tpu_when_served(lambda *inputs: part.compute(inputs), part.crossing))
    returned = [t if is_text_of_host(t) else next(results) for t in given]
    return replace_tensors(outputs, returned), scaffold_of(spec)


def _can_enter(features: Any) -> bool:
    """Whether all features can go into a TPU computation: dense tensors, not of strings."""
    leaves = tf.nest.flatten(features)
    return all(isinstance(leaf, tf.Tensor) and leaf.dtype != tf.string for leaf in leaves)


def _labels_of(receiver: Any) -> Any:
    # Only a receiver for training and evaluation has them; such a one may serve as well.
    return getattr(receiver, "labels", None)


def _call(
    model: HostModel, features: Any, labels: Any = None, *, use_tpu: bool
) -> EstimatorSpec | TPUEstimatorSpec:
    params = model.params_for(None, use_tpu=use_tpu)
    return model.call(features, labels, ModeKeys.PREDICT, params)
