"""Work of the model that the host does with each replica's batch, before it goes to the devices.

It is added to the graph of the input and runs where the input is read, in the background.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.config.context import HOST_DEVICE
from tfx_tpu_estimator.inputs.deployment import DeployedInput, InputGraph
from tfx_tpu_estimator.inputs.padding import agree_on_rows
from tfx_tpu_estimator.inputs.sharding import TensorShards, batch_mismatch_error
from tfx_tpu_estimator.inputs.split_in_graph import split_leaf
from tfx_tpu_estimator.modes import ModeKeys


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageOutput:
    """A tensor that the host computes for one replica.

    Attributes:
      name: What the program calls it.
      spec: Its shape, static but for the second dimension where `fill` is given.
      fill: What fills rows up to a common width; None if the width is static.
      of_batch: Whether it is computed from the batch, rather than from constants alone.
    """

    name: str
    spec: tf.TensorSpec
    fill: float | None
    of_batch: bool


class HostStage(Protocol):
    """What the host does with one replica's batch."""

    @property
    def sent(self) -> tuple[str, ...]:
        """Names of the tensors of the batch that go to the devices as they are."""
        ...

    @property
    def outputs(self) -> tuple[StageOutput, ...]:
        """What it computes."""
        ...

    def install(self) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
        """Prepares the default graph; returns what adds the work on one flat batch to it."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageShards:
    """How the host's results for the replicas of one batch get into the input of a step.

    It does for them what `TensorShards` does for a tensor of the input.

    Attributes:
      name: What the program calls it.
      spec: What one replica gets.
      parts: How many replicas a batch is for.
      axis: 0 where the rows are examples, else None.
      size: Examples of a full batch.
      varies: Whether a batch may have fewer.
      fill: What fills up rows of varying width; None for a static shape.
      of_batch: Whether it depends on the batch.
      sources: Names of the tensors whose number of examples is counted.
    """

    name: str
    spec: tf.TensorSpec
    parts: int
    axis: int | None
    size: int
    varies: bool
    fill: float | None
    of_batch: bool
    sources: tuple[str, ...]

    @property
    def replica_shape(self) -> tuple[int, ...]:
        """The shape of what one replica gets; a width that varies is 1."""
        return tuple(1 if size is None else size for size in self.spec.shape.as_list())

    def width_of(self, batch: Sequence[np.ndarray]) -> int | None:
        """Returns how wide the rows of a batch are; None if that is static."""
        return None if self.fill is None else max(part.shape[1] for part in batch[1:])

    def write(self, target: np.ndarray, batch: Sequence[np.ndarray]) -> int:
        """Copies the results of a batch to its replicas.

        Args:
          target: [parts, ...one replica's shape], at least as wide as the batch.
          batch: The number of examples that each source had, then an array for each replica.

        Returns:
          How many examples were real.

        Raises:
          ValueError: The batch has not as many examples as it should.
        """
        counts, *parts = batch
        for i, part in enumerate(parts):
            if self.fill is None:
                target[i] = part
                continue
            target[i, :, : part.shape[1]] = part
            target[i, :, part.shape[1] :] = self.fill
        if not counts.size:
            return self.size
        rows = agree_on_rows(self.sources, counts.tolist(), [self.size] * counts.size)
        if rows > self.size or (rows < self.size and not self.varies):
            raise batch_mismatch_error(", ".join(self.sources), rows, self.size)
        return rows


def attach_stage(deployed: DeployedInput, stage: HostStage) -> DeployedInput:
    """Adds the host's work to the graphs of an input.

    Args:
      deployed: An input that has not been started.
      stage: The work on one replica's batch.

    Returns:
      The same input; what its programs get is what the stage sends and computes.
    """
    sent = [i for i, shard in enumerate(deployed.leaves) if shard.name in stage.sent]
    counted = [i for i, shard in enumerate(deployed.leaves) if _is_counted(shard)]
    shards = [deployed.leaves[i] for i in sent]
    shards += [_plan_output(deployed, counted, output) for output in stage.outputs]
    graphs = tuple(_attach(deployed, built, stage, sent, counted) for built in deployed.graphs)
    return dataclasses.replace(deployed, graphs=graphs, shards=tuple(shards))


def _is_counted(shard: TensorShards) -> bool:
    """Whether batches may have another number of examples than they should."""
    return shard.axis is not None and not shard.static


def _plan_output(
    deployed: DeployedInput, counted: Sequence[int], output: StageOutput
) -> StageShards:
    parts = deployed.plan.parts_per_batch(deployed.graphs[0].call)
    with_examples = [shard for shard in deployed.leaves if shard.axis is not None]
    size = with_examples[0].size if with_examples else parts
    per_replica = output.spec.shape.rank and output.spec.shape[0] == size // parts
    return StageShards(
        name=output.name,
        spec=output.spec,
        parts=parts,
        axis=0 if per_replica and output.of_batch else None,
        size=size,
        varies=deployed.mode != ModeKeys.TRAIN and bool(counted),
        fill=output.fill,
        of_batch=output.of_batch,
        sources=tuple(deployed.leaves[i].name for i in counted),
    )


def _attach(
    deployed: DeployedInput,
    built: InputGraph,
    stage: HostStage,
    sent: Sequence[int],
    counted: Sequence[int],
) -> InputGraph:
    pad = deployed.mode != ModeKeys.TRAIN
    with built.graph.as_default(), tf.device(HOST_DEVICE):
        run = stage.install()
        batches = []
        for batch in built.batches:
            pairs = list(zip(batch, deployed.leaves, strict=True))
            with tf.name_scope("split"):
                split = [split_leaf(leaf, shard, pad=pad) for leaf, shard in pairs]
                rows = [_count(*pairs[i]) for i in counted]
                counts = tf.stack(rows) if rows else tf.zeros([0], tf.int64)
            parts = [run([t for leaf in split for t in leaf[i]]) for i in range(len(split[0]))]
            computed: list[Any] = [(counts, *tensors) for tensors in zip(*parts, strict=True)]
            batches.append((*(batch[i] for i in sent), *computed))
    return dataclasses.replace(built, batches=tuple(batches))


def _count(leaf: Any, shard: TensorShards) -> tf.Tensor:
    if isinstance(leaf, tf.SparseTensor):
        return leaf.dense_shape[0]
    if isinstance(leaf, tf.RaggedTensor):
        return leaf.nrows(out_type=tf.int64)
    return tf.shape(leaf, out_type=tf.int64)[shard.axis]
