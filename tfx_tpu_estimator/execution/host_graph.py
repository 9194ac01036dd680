"""`use_tpu=False`: the model_fn as a plain v1 graph on TensorFlow's own kernels."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan
from tfx_tpu_estimator.config.seeds import find_seed
from tfx_tpu_estimator.inputs.input_fn import Batch, build_batch, call_input_fn
from tfx_tpu_estimator.lowering.embedding_host import look_up_on_host
from tfx_tpu_estimator.lowering.embedding_inputs import prepare_features
from tfx_tpu_estimator.lowering.graph_scope import seeded_graph
from tfx_tpu_estimator.lowering.host_random import BatchCounter
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
        if plan is not None and plan.lookup_on_host:
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
class TrainingStart:
    """Where a training begins, or goes on.

    Attributes:
      seed: The run's seed.
      batches: Batches of the input that were taken before.
    """

    seed: int
    batches: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostGraph:
    """A model built in a graph, ready to run.

    Attributes:
      graph: The graph.
      spec: What the model_fn returned, in its host form.
      global_step: The global step variable.
      hooks: Hooks that start the input.
      counter: Counts the batches of a training; else None.
      to_skip: Tensors to be read once for each batch that was taken before, where the input is no
        Dataset, which skips by itself.
    """

    graph: tf.Graph
    spec: EstimatorSpec
    global_step: tf.Variable
    hooks: tuple[tf.compat.v1.train.SessionRunHook, ...]
    counter: BatchCounter | None = None
    to_skip: tuple[tf.Tensor, ...] = ()

    @property
    def batches_before(self) -> int:
        """Batches that were taken before this training."""
        return 0 if self.counter is None else self.counter.start

    @property
    def scaffold(self) -> tf.compat.v1.train.Scaffold:
        """The model_fn's Scaffold, or one with TensorFlow's defaults."""
        return self.spec.scaffold or tf.compat.v1.train.Scaffold()


@contextlib.contextmanager
def new_graph(config: Any, seed: int | None = None) -> Iterator[tf.Graph]:
    """Makes a new default graph with the run's seed and devices, in which models are built.

    Args:
      config: The RunConfig.
      seed: Default: the one of `config`, else the default one.
    """
    with contextlib.ExitStack() as stack:
        seed = find_seed(config.tf_random_seed) if seed is None else seed
        graph = stack.enter_context(seeded_graph(seed))
        if config.device_fn is not None:
            stack.enter_context(graph.device(config.device_fn))
        yield graph


@contextlib.contextmanager
def build_host_graph(
    model: HostModel,
    input_fn: Callable,
    mode: str,
    batch_size: int | None,
    start: TrainingStart | None = None,
) -> Iterator[HostGraph]:
    """Builds input and model in a graph that stays the default one inside the block.

    Args:
      model: The model.
      input_fn: The user's function; gets the global batch size as params['batch_size'].
      mode: A value of `ModeKeys`.
      batch_size: The global batch size, or None where the user gave none.
      start: Where a training begins.

    Yields:
      The graph. It is not finalised: summaries, savers and hooks may still add to it.
    """
    with new_graph(model.config, start and start.seed) as graph, single_replica():
        global_step = tf.compat.v1.train.create_global_step(graph)
        batch, to_skip = _build_input(model, input_fn, mode, batch_size, start)
        with _counted(start) as counter:
            spec = model.call(batch.features, batch.labels, mode, model.params_for(batch_size))
        if spec.mode != mode:
            raise ValueError(
                f"model_fn was called with mode {mode!r} and returned a spec of mode {spec.mode!r}."
            )
        spec = to_estimator_spec(spec)
        if mode == ModeKeys.TRAIN:
            read_step_before_update(graph, spec.train_op)
        if counter is not None:
            spec = spec._replace(train_op=counter.count_with(spec.train_op))
        yield HostGraph(
            graph=graph,
            spec=spec,
            global_step=global_step,
            hooks=batch.hooks,
            counter=counter,
            to_skip=to_skip,
        )


def _build_input(
    model: HostModel,
    input_fn: Callable,
    mode: str,
    batch_size: int | None,
    start: TrainingStart | None,
) -> tuple[Batch, tuple[tf.Tensor, ...]]:
    """Returns the input, and what must be read to skip what was taken of it before."""
    graph = tf.compat.v1.get_default_graph()
    count = len(graph.get_operations())
    taken = 0 if start is None else start.batches
    with tf.name_scope("input"), tf.device("/cpu:0"):
        result = call_input_fn(
            input_fn, mode=mode, params=model.params_for(batch_size), config=model.config
        )
        is_dataset = isinstance(result, tf.data.Dataset)
        if is_dataset and taken:
            # Added after all that input_fn built, so that no op's default seed changes.
            result = result.skip(taken)
        batch = build_batch(result, mode)
    if is_dataset or not taken:
        return batch, ()
    made = graph.get_operations()[count:]
    if not any(op.op_def is not None and op.op_def.is_stateful for op in made):
        return batch, ()  # the same in every step
    tensors = tf.nest.flatten((batch.features, batch.labels), expand_composites=True)
    return batch, tuple(t for t in tensors if tf.is_tensor(t))


@contextlib.contextmanager
def _counted(start: TrainingStart | None) -> Iterator[BatchCounter | None]:
    """A block in which a model is built whose training can go on where it was interrupted."""
    if start is None:
        yield None
        return
    counter = BatchCounter(start.batches)
    with counter.repeatable(start.seed):
        yield counter


def session_config(config: Any) -> tf.compat.v1.ConfigProto:
    """Returns the run's session settings; soft placement unless the user says otherwise."""
    return config.session_config or tf.compat.v1.ConfigProto(allow_soft_placement=True)


def session_address(config: Any, *, evaluation: bool = False) -> str:
    """Returns the address of the session; '' is in-process.

    The address that a cluster in TF_CONFIG gives this process is not meant: no server is started
    there.

    Args:
      config: The RunConfig.
      evaluation: Whether the session is for an evaluation.
    """
    address = config.evaluation_master if evaluation else config.master
    cluster, task = config.cluster_spec, config.task_type
    if task not in cluster.jobs or config.task_id not in cluster.task_indices(task):
        return address
    own = f"://{cluster.task_address(task, config.task_id)}"
    return "" if address.endswith(own) else address


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
