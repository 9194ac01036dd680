"""`use_tpu=False`: the model_fn as a plain v1 graph on TensorFlow's own kernels."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan
from tfx_tpu_estimator.inputs.input_fn import Batch, build_batch, call_input_fn
from tfx_tpu_estimator.lowering.embedding_host import look_up_on_host
from tfx_tpu_estimator.lowering.embedding_inputs import prepare_features
from tfx_tpu_estimator.lowering.graph_scope import seeded_graph
from tfx_tpu_estimator.lowering.model_fn import call_model_fn, to_estimator_spec
from tfx_tpu_estimator.lowering.tf_internals import read_step_before_update, single_replica
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostModel:
    """A model_fn with what every graph built from it needs.

    Attributes:
      model_fn: The user's function.
      params: What input_fn and model_fn see as `params`, less what the runtime adds; copied for
        each call.
      config: The RunConfig.
      for_tpu: Whether it is the model_fn of a TPUEstimator: it must take `params`, to which
        `use_tpu` and `batch_size` are added.
      embedding: Features to look up in tables before the model_fn sees them, or None.
    """

    model_fn: Callable
    params: Any
    config: Any
    for_tpu: bool = False
    embedding: EmbeddingPlan | None = None

    def params_for(self, batch_size: int | None, *, use_tpu: bool = False) -> Any:
        """Returns a copy of `params` as a call of input_fn or model_fn sees them.

        Args:
          batch_size: The global batch size, or None where the user gave none.
          use_tpu: Whether the model_fn is being built for a TPU.
        """
        params = copy.deepcopy(self.params)
        if self.for_tpu:
            params["use_tpu"] = use_tpu
            if batch_size is not None:
                params["batch_size"] = batch_size
        return params

    def call(
        self, features: Any, labels: Any, mode: str, params: Any, config: Any = None
    ) -> EstimatorSpec | TPUEstimatorSpec:
        """Calls the model_fn in the default graph; see `call_model_fn`."""
        plan = self.embedding
        # Columns look up by themselves.
        if plan is not None and not plan.from_columns:
            names = {table.name: table.name for table in plan.tables}
            features = look_up_on_host(plan, prepare_features(plan, features), names)
        return call_model_fn(
            self.model_fn,
            features,
            labels,
            mode,
            params,
            config or self.config,
            params_required=self.for_tpu,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostGraph:
    """A model built in a graph, ready to run.

    Attributes:
      graph: The graph.
      spec: What the model_fn returned, in its host form.
      global_step: The global step variable.
      hooks: Hooks that start the input.
    """

    graph: tf.Graph
    spec: EstimatorSpec
    global_step: tf.Variable
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]

    @property
    def scaffold(self) -> tf.compat.v1.train.Scaffold:
        """The model_fn's Scaffold, or one with TensorFlow's defaults."""
        return self.spec.scaffold or tf.compat.v1.train.Scaffold()


@contextlib.contextmanager
def new_graph(config: Any) -> Iterator[tf.Graph]:
    """Makes a new default graph with the run's seed and devices, in which models are built."""
    with contextlib.ExitStack() as stack:
        graph = stack.enter_context(seeded_graph(config.tf_random_seed))
        if config.device_fn is not None:
            stack.enter_context(graph.device(config.device_fn))
        yield graph


@contextlib.contextmanager
def build_host_graph(
    model: HostModel, input_fn: Callable, mode: str, batch_size: int | None
) -> Iterator[HostGraph]:
    """Builds input and model in a graph that stays the default one inside the block.

    Args:
      model: The model.
      input_fn: The user's function; gets the global batch size as params['batch_size'].
      mode: A value of `ModeKeys`.
      batch_size: The global batch size, or None where the user gave none.

    Yields:
      The graph. It is not finalised: summaries, savers and hooks may still add to it.
    """
    with new_graph(model.config) as graph, single_replica():
        global_step = tf.compat.v1.train.create_global_step(graph)
        batch = _build_input(model, input_fn, mode, batch_size)
        spec = model.call(batch.features, batch.labels, mode, model.params_for(batch_size))
        if spec.mode != mode:
            raise ValueError(
                f"model_fn was called with mode {mode!r} and returned a spec of mode {spec.mode!r}."
            )
        if mode == ModeKeys.TRAIN:
            read_step_before_update(graph)
        yield HostGraph(
            graph=graph,
            spec=to_estimator_spec(spec),
            global_step=global_step,
            hooks=batch.hooks,
        )


def _build_input(model: HostModel, input_fn: Callable, mode: str, batch_size: int | None) -> Batch:
    with tf.name_scope("input"), tf.device("/cpu:0"):
        result = call_input_fn(
            input_fn, mode=mode, params=model.params_for(batch_size), config=model.config
        )
        return build_batch(result, mode)


def session_config(config: Any) -> tf.compat.v1.ConfigProto:
    """Returns the run's session settings; soft placement unless the user says otherwise."""
    return config.session_config or tf.compat.v1.ConfigProto(allow_soft_placement=True)


def metric_key_error(name: str) -> ValueError:
    """The error for a user's metric that has the name of one that the runtime reports."""
    return ValueError(
        f"Metric with name `{name}` is not allowed, because the runtime reports a metric of that "
        "name itself. Rename it in eval_metrics."
    )


def join_hooks(
    given: Sequence[tf.compat.v1.train.SessionRunHook], spec: EstimatorSpec
) -> list[tf.compat.v1.train.SessionRunHook]:
    """Returns the caller's hooks and those of `spec` for its mode, in the order of their calls.

    The chief's hooks come first; there is one process, which is the chief.
    """
    by_mode = {
        ModeKeys.TRAIN: (spec.training_chief_hooks, given, spec.training_hooks),
        ModeKeys.EVAL: (given, spec.evaluation_hooks),
        ModeKeys.PREDICT: (given, spec.prediction_hooks),
    }
    return [hook for hooks in by_mode[spec.mode] for hook in (hooks or ())]
