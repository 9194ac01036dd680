"""Calls the input_fn as a plan says, each time in a graph of its own, and checks what comes back.

Nothing runs here: all errors that the declared shapes and types can show are raised before any
session starts.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.batch_size import BatchSizes
from tfx_tpu_estimator.config.context import HOST_DEVICE, TPUContext
from tfx_tpu_estimator.config.input_pipeline import InputCall, InputPlan
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.inputs.input_fn import (
    Batch,
    build_batch,
    build_batches,
    call_input_fn,
)
from tfx_tpu_estimator.inputs.position import InputPosition, resume_position, start_position
from tfx_tpu_estimator.inputs.sharding import TensorShards, plan_shards
from tfx_tpu_estimator.inputs.structure import (
    InputStructure,
    describe_structure,
    flatten_inputs,
    validate_same_structure,
)
from tfx_tpu_estimator.modes import ModeKeys

# Seeds of the calls after the first, far apart so that runs with near seeds share none.
_SEED_STRIDE = 1_000_003
_SEED_LIMIT = 2**31 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputGraph:
    """What one call of the input_fn built.

    Attributes:
      call: The call.
      graph: Its graph.
      batches: The tensors of each batch that one run gives, flat; in order. What a host stage
        computes is a tuple of tensors for each output.
      starters: Hooks that start the input in a session.
      skip: Batches to read and drop at the start; 0 where the dataset itself skips them.
    """

    call: InputCall
    graph: tf.Graph
    batches: tuple[tuple[Any, ...], ...]
    starters: tuple[tf.compat.v1.train.SessionRunHook, ...]
    skip: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeployedInput:
    """The input of one host, built and checked, not started.

    Attributes:
      mode: A value of `ModeKeys`.
      plan: The calls of all hosts.
      host: This host.
      graphs: One per call that this host makes, ascending by the replicas that they feed.
      leaves: How each flat tensor of a batch is divided.
      shards: The same for each tensor that goes to the devices: the leaves, or those of them that
        `attach_stage` has left and what the host computes.
      structure: What one replica gets, nested.
      position: Where in the data it starts.
    """

    mode: str
    plan: InputPlan
    host: int
    graphs: tuple[InputGraph, ...]
    leaves: tuple[TensorShards, ...]
    shards: tuple[Any, ...]
    structure: InputStructure
    position: InputPosition

    @property
    def copies(self) -> int:
        """Replicas' batches per step on this host; one for all of them in BROADCAST."""
        return self.plan.copies_of_host(self.host)

    @property
    def gets_per_step(self) -> tuple[int, ...]:
        """Batches that a step takes from each call of all hosts."""
        return tuple(self.plan.gets_per_step(call) for call in self.plan.calls)


def make_params(params: dict, batch_size: int | None, context: TPUContext) -> dict:
    """Returns a copy of the user's params with what the runtime adds on a TPU.

    Args:
      params: The user's.
      batch_size: As input_fn or model_fn shall see it.
      context: As it shall see it.
    """
    made = copy.deepcopy(params)
    made.update(use_tpu=True, context=context)
    if batch_size is not None:
        made["batch_size"] = batch_size
    return made


def deploy_input(
    input_fn: Callable,
    *,
    mode: str,
    params: dict,
    config: Any,
    plan: InputPlan,
    batch_sizes: BatchSizes,
    host: int = 0,
    batch_axis: Sequence[int] | None = None,
    seed: int | None = None,
    position: InputPosition | None = None,
    prepare: Callable[[Any], Any] | None = None,
    fills: Mapping[str, float] | None = None,
) -> DeployedInput:
    """Makes a host's calls of `input_fn` and checks what they return.

    Args:
      input_fn: The user's function.
      mode: A value of `ModeKeys`.
      params: The user's params; each call gets a copy with batch_size, context and use_tpu.
      config: What it sees as `config`.
      plan: Who calls it, and for which replicas.
      batch_sizes: The batch size in all its forms.
      host: The host of this process.
      batch_axis: The constructor's `batch_axis`.
      seed: The run's seed, for random ops of the input without one of their own. Each call gets
        another, the first this one.
      position: Where to start; what `read_position` returned, or None for the beginning.
      prepare: Takes the features of a batch and returns those that are read, built in the input's
        graph; None to read them as they are.
      fills: By path of a tensor whose rows may be of any size what fills them up.

    Returns:
      The input of this host.

    Raises:
      TypeError: A Dataset in PER_SHARD_V1, something else in PER_HOST_V2 or for prediction,
        something that is no tensor, or `batch_axis` for prediction.
      ValueError: Shapes are not static or do not divide, calls differ, or this host has no call.
      RuntimeError: The input has queue runners.
    """
    calls = plan.calls_of_host(host)
    if not calls:
        raise ValueError(
            f"Host {host} makes no call of `input_fn` in {plan.pipeline.name}: its input comes "
            f"from host {plan.calls[0].host}."
        )
    start = resume_position(position, start_position(plan, batch_sizes.input_fn))
    start = dataclasses.replace(start, seed=seed)
    graphs, structures = [], []
    for call in calls:
        arguments = {
            "mode": mode,
            "params": make_params(params, batch_sizes.input_fn, TPUContext(plan.topology, call)),
            "config": config,
        }
        built, structure = _build_call(
            input_fn, arguments, plan, call, seed=seed, skip=start.batches[call.index],
            prepare=prepare,
        )  # fmt: skip
        graphs.append(built)
        structures.append(structure)
        validate_same_structure(structures[0], structure, f"call {call.index}")
    shards = plan_shards(
        structures[0],
        pipeline=plan.pipeline,
        parts=plan.parts_per_batch(calls[0]),
        batch_size=batch_sizes.input_fn,
        mode=mode,
        batch_axis=batch_axis,
        fills=fills,
    )
    return DeployedInput(
        mode=mode,
        plan=plan,
        host=host,
        graphs=tuple(graphs),
        leaves=shards,
        shards=shards,
        structure=structures[0].replace_specs([s.spec for s in shards]),
        position=start,
    )


def _build_call(
    input_fn: Callable,
    arguments: dict[str, Any],
    plan: InputPlan,
    call: InputCall,
    *,
    seed: int | None,
    skip: int,
    prepare: Callable[[Any], Any] | None,
) -> tuple[InputGraph, InputStructure]:
    """Makes one call in a new graph."""
    mode = arguments["mode"]
    with tf.Graph().as_default() as graph, tf.device(HOST_DEVICE):
        if seed is not None:
            tf.compat.v1.set_random_seed((seed + call.index * _SEED_STRIDE) % _SEED_LIMIT)
        result = call_input_fn(input_fn, **arguments)
        is_dataset = isinstance(result, tf.data.Dataset)
        _validate_kind(is_dataset, result, plan.pipeline, mode)
        if is_dataset and skip:
            # Added after all that input_fn built, so that no op's default seed changes.
            result = result.skip(skip)
        if is_dataset and mode == ModeKeys.TRAIN:
            # One run per step saves time. Where the input ends within a step, that step is lost,
            # which is right in training only.
            batches = build_batches(result, mode, plan.gets_per_step(call))
        else:
            batches = [build_batch(result, mode)]
        batches = [_convert_leaves(batch) for batch in batches]
        if prepare is not None:
            batches = [dataclasses.replace(b, features=prepare(b.features)) for b in batches]
        structure = describe_structure(batches[0].features, batches[0].labels)
        _validate_no_queues(graph)
    built = InputGraph(
        call=call,
        graph=graph,
        batches=tuple(tuple(flatten_inputs(b.features, b.labels)) for b in batches),
        starters=batches[0].hooks,
        skip=0 if is_dataset else skip,
    )
    return built, structure


def _convert_leaves(batch: Batch) -> Batch:
    """Makes tensors of numbers and arrays that an input_fn returned as they are."""

    def convert(leaf: Any) -> Any:
        is_composite = isinstance(leaf, tf.SparseTensor | tf.RaggedTensor)
        return leaf if leaf is None or is_composite else tf.convert_to_tensor(leaf)

    labels = batch.labels
    return dataclasses.replace(
        batch,
        features=tf.nest.map_structure(convert, batch.features),
        labels=None if labels is None else tf.nest.map_structure(convert, labels),
    )


def _validate_kind(is_dataset: bool, result: Any, pipeline: InputPipelineConfig, mode: str) -> None:
    if is_dataset and pipeline is InputPipelineConfig.PER_SHARD_V1:
        raise TypeError(
            "`input_fn` must return features and labels as tensors, not a Dataset, where "
            "`per_host_input_for_training` is False (PER_SHARD_V1). Set it to True or "
            "InputPipelineConfig.PER_HOST_V2, or return an iterator's get_next()."
        )
    if is_dataset:
        return
    if pipeline is InputPipelineConfig.PER_HOST_V2:
        raise TypeError(
            "`input_fn` must return a tf.data.Dataset in PER_HOST_V2, one batch of which goes to "
            f"each replica; got {type(result).__name__}."
        )
    if mode == ModeKeys.PREDICT:
        raise TypeError(
            "For prediction `input_fn` must return a tf.data.Dataset that ends; got "
            f"{type(result).__name__}."
        )


def _validate_no_queues(graph: tf.Graph) -> None:
    runners = graph.get_collection(tf.compat.v1.GraphKeys.QUEUE_RUNNERS)
    if runners:
        raise RuntimeError(
            "Input pipeline contains one or more QueueRunners, which would be slow and are not "
            f"started: {[runner.name for runner in runners]}. Use tf.data instead of queues and "
            "readers."
        )
