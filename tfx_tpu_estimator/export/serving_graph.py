"""The two metagraphs of a SavedModel: {serve}, and {serve, tpu} as a graph only."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostModel, new_graph
from tfx_tpu_estimator.export.embedded_features import look_up_outside
from tfx_tpu_estimator.export.export_graph import ExportGraph, finish_graph, scaffold_of
from tfx_tpu_estimator.export.signatures import build_signatures, list_export_outputs
from tfx_tpu_estimator.lowering.model_fn import resource_variables
from tfx_tpu_estimator.lowering.tf_internals import run_on_tpu_when_served, single_replica
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

SERVE_TAGS = (tf.saved_model.SERVING,)
TPU_TAGS = (tf.saved_model.SERVING, tf.saved_model.TPU)


def build_cpu_graph(model: HostModel, receiver_fn: Callable[[], Any]) -> ExportGraph:
    """Builds the model_fn in mode PREDICT as it is, with params['use_tpu'] False."""
    with new_graph(model.config) as graph, single_replica():
        tf.compat.v1.train.create_global_step(graph)
        receiver = receiver_fn()
        spec = _call(model, receiver.features, use_tpu=False)
        signatures = build_signatures(receiver, list_export_outputs(spec))
        return finish_graph(graph, ModeKeys.PREDICT, SERVE_TAGS, signatures, scaffold_of(spec))


def build_tpu_graph(model: HostModel, receiver_fn: Callable[[], Any], *, wrap: bool) -> ExportGraph:
    """Builds the model_fn in mode PREDICT to run on a TPU, with params['use_tpu'] True.

    The receiver, which may parse strings, stays on the host.

    Args:
      model: The model.
      receiver_fn: The user's function.
      wrap: API V1: put the whole model_fn on the TPU. API V2 (False): the model_fn itself calls
        `tf.compat.v1.tpu.rewrite` and the like for the parts that shall run there.

    Raises:
      ValueError: A feature that a TPU cannot take.
    """
    with new_graph(model.config) as graph:
        tf.compat.v1.train.create_global_step(graph)
        receiver = receiver_fn()
        if wrap and model.embedding is not None:
            features = look_up_outside(model, model.embedding, receiver.features)
            model = dataclasses.replace(model, embedding=None)
            outputs, scaffold = _outputs_on_tpu(model, features)
        elif wrap:
            outputs, scaffold = _outputs_on_tpu(model, receiver.features)
        else:
            spec = _call(model, receiver.features, use_tpu=True)
            outputs, scaffold = list_export_outputs(spec), scaffold_of(spec)
        signatures = build_signatures(receiver, outputs)
        return finish_graph(graph, ModeKeys.PREDICT, TPU_TAGS, signatures, scaffold)


def _outputs_on_tpu(model: HostModel, features: Any) -> tuple[dict, Any]:
    """Calls the model_fn inside a TPU computation and returns its outputs as seen outside."""
    _check_tpu_features(features)
    flat = tf.nest.flatten(features, expand_composites=True)
    found: dict[str, Any] = {}
    outside = tf.compat.v1.get_default_graph()

    def computation(*inputs):
        on_tpu = tf.nest.pack_sequence_as(features, inputs, expand_composites=True)
        # The function that is being built does not inherit the creators of the graph around it.
        with resource_variables(), _restored_variables(outside):
            spec = _call(model, on_tpu, use_tpu=True)
        found["scaffold"] = scaffold_of(spec)
        found["outputs"] = list_export_outputs(spec)
        return [t for o in found["outputs"].values() for t in o.tensors() if t is not None]

    results = iter(run_on_tpu_when_served(computation, flat))
    outputs = {
        name: output.with_tensors([None if t is None else next(results) for t in output.tensors()])
        for name, output in found["outputs"].items()
    }
    return outputs, found["scaffold"]


@contextlib.contextmanager
def _restored_variables(outside: tf.Graph) -> Iterator[None]:
    """Lets a model_fn say `tf.Variable(<tensor>)` inside a function.

    The tensor belongs to the function and cannot initialise a variable outside it. Variables of
    this graph always get their values from the checkpoint, so zeros of its shape do as well.
    """

    def creator(next_creator, **kwargs):
        value = kwargs.get("initial_value")
        if isinstance(value, tf.Tensor) and value.graph is not outside:
            kwargs["initial_value"] = functools.partial(tf.zeros, value.shape, value.dtype)
        return next_creator(**kwargs)

    with tf.variable_creator_scope(creator):
        yield


def _check_tpu_features(features: Any) -> None:
    named = features if isinstance(features, dict) else {"features": features}
    for name, feature in named.items():
        for tensor in tf.nest.flatten(feature, expand_composites=True):
            if tensor.dtype == tf.string:
                raise ValueError(
                    f"Feature {name!r} is a string tensor, which cannot enter a TPU computation. "
                    "Hash it or look it up in the serving_input_receiver_fn (and in the input_fn "
                    "alike), or export with export_to_tpu=False."
                )


def _call(model: HostModel, features: Any, *, use_tpu: bool) -> EstimatorSpec | TPUEstimatorSpec:
    params = model.params_for(None, use_tpu=use_tpu)
    return model.call(features, None, ModeKeys.PREDICT, params)
