"""Reads a host's input in sessions of its own, a loop of steps at a time."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.inputs.deployment import DeployedInput, InputGraph
from tfx_tpu_estimator.inputs.input_fn import check_end_of_input
from tfx_tpu_estimator.inputs.padding import agree_on_rows, mark_valid
from tfx_tpu_estimator.inputs.row_widths import RowWidths
from tfx_tpu_estimator.modes import ModeKeys

_NODE_PATTERN = re.compile(r"\{\{node ([^}]+)\}\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostBatches:
    """The input of K consecutive steps.

    Attributes:
      arrays: One per flat tensor, [K, replicas of this host, ...one replica's shape]; in
        BROADCAST [K, 1, ...].
      valid: bool [K, replicas, examples of one replica], False for padding; None in TRAIN.
    """

    arrays: tuple[np.ndarray, ...]
    valid: np.ndarray | None

    @property
    def steps(self) -> int:
        """K."""
        return self.arrays[0].shape[0]


class InputReader:
    """Sessions of a host's input; `start` it before reading, and `close` it in any case.

    Args:
      deployed: What to read.

    Attributes:
      ended: Whether the input came to its end.
    """

    def __init__(self, deployed: DeployedInput):
        self._deployed = deployed
        self._counted = find_counted(deployed)
        self._widths = RowWidths(deployed.shards)
        self._sources = [_Source(graph) for graph in deployed.graphs]
        self._steps = 0
        self.ended = False

    def start(self) -> None:
        """Starts the input where its position says; blocks while batches are skipped.

        Raises:
          tf.errors.OpError: The input cannot be started.
        """
        for source in self._sources:
            source.start()

    def close(self) -> None:
        """Closes the sessions; what is going on in another thread is cancelled."""
        for source in self._sources:
            source.session.close()

    def read(self, steps: int) -> HostBatches | None:
        """Reads the input of the next steps; blocks.

        Args:
          steps: How many; fewer come where the input ends.

        Returns:
          New arrays, or None at the end of the input.

        Raises:
          ValueError: The input had no batch at all (except for prediction), or a batch does not
            have the declared shape.
          RuntimeError: An op that is not the input's said "out of range".
          tf.errors.OpError: Whatever else the input raised.
        """
        # Never used twice: a device array may share the memory of the one it was made from.
        arrays = self._widths.make_arrays(steps, self._deployed.copies)
        valid = self._make_mask(steps)
        done = 0
        while done < steps and not self.ended:
            if self._read_step(arrays, done, _row(valid, done)):
                done += 1
                self._steps += 1
        if done == 0:
            return None
        return HostBatches(
            arrays=tuple(a[:done] for a in arrays), valid=None if valid is None else valid[:done]
        )

    def _make_mask(self, steps: int) -> np.ndarray | None:
        if self._deployed.mode == ModeKeys.TRAIN:
            return None
        examples = self._counted.size // self._counted.parts
        return np.zeros((steps, self._deployed.copies, examples), bool)

    def _read_step(self, arrays: list[np.ndarray], step: int, valid: np.ndarray | None) -> bool:
        """Fills the arrays of one step; returns whether there was one."""
        slot = 0
        for source in self._sources:
            parts = self._deployed.plan.parts_per_batch(source.call)
            for _ in range(self._deployed.plan.gets_per_step(source.call)):
                batch = self._get(source)
                if batch is None:
                    return self._pad_step([a[step] for a in arrays], slot)
                self._widths.make_room(arrays, batch)
                rows = self._write([a[step, slot : slot + parts] for a in arrays], batch)
                if valid is not None:
                    valid[slot : slot + parts] = mark_valid(rows, self._counted.size, parts)
                slot += parts
        return True

    def _get(self, source: _Source) -> list[np.ndarray] | None:
        try:
            return source.get()
        except tf.errors.OutOfRangeError as error:
            self.ended = True
            check_end_of_input(error, self._count_batches(source))
            return None

    def _count_batches(self, source: _Source) -> int:
        """Returns a number that is 0 only if the input must be called empty."""
        mode = self._deployed.mode
        if mode == ModeKeys.PREDICT:
            return 1
        # An input that an earlier run read to its end is not an empty one.
        before = max(self._deployed.position.batches)
        # In TRAIN a step that not all replicas have a batch for does not count.
        return before + self._steps + (source.taken if mode == ModeKeys.EVAL else 0)

    def _write(self, targets: list[np.ndarray], batch: list[np.ndarray]) -> int:
        """Copies one batch to the replicas it is for; returns how many examples are real."""
        rows = [
            shard.write(target, array)
            for shard, target, array in zip(self._deployed.shards, targets, batch, strict=True)
        ]
        partial = [
            (shard, count)
            for shard, count in zip(self._deployed.shards, rows, strict=True)
            if shard.varies
        ]
        if not partial:
            return self._counted.size
        return agree_on_rows(
            [shard.name for shard, _ in partial],
            [count for _, count in partial],
            [shard.size for shard, _ in partial],
        )

    def _pad_step(self, targets: list[np.ndarray], slot: int) -> bool:
        """Completes a step of which only the first replicas got a batch, except in TRAIN."""
        if slot == 0 or self._deployed.mode == ModeKeys.TRAIN:
            return False
        for target in targets:
            target[slot:] = target[slot - 1]
        return True


def find_counted(deployed: DeployedInput) -> Any:
    """Returns the tensor whose examples the mask counts: one that may be partial, if any is."""
    shards = deployed.shards
    ordered = [s for s in shards if s.varies] + [s for s in shards if s.axis is not None]
    return (*ordered, *shards)[0]


def _row(valid: np.ndarray | None, index: int) -> np.ndarray | None:
    return None if valid is None else valid[index]


class _Source:
    """A session of the graph of one call."""

    def __init__(self, built: InputGraph):
        self.call = built.call
        self.taken = 0
        self._built = built
        self._pending: list[list[np.ndarray]] = []
        # A graphics card, if there is one, is not for the input.
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0}, allow_soft_placement=True)
        self.session = tf.compat.v1.Session(graph=built.graph, config=config)

    def start(self) -> None:
        """Initialises the input and skips what was read before."""
        with self._built.graph.as_default():
            variables = [
                tf.compat.v1.global_variables_initializer(),
                tf.compat.v1.local_variables_initializer(),
            ]
            tables = tf.compat.v1.tables_initializer()
            for hook in self._built.starters:
                hook.begin()
        self.session.run(variables)
        self.session.run(tables)
        for hook in self._built.starters:
            hook.after_create_session(self.session, None)
        # Half the cost of session.run, which matters for small batches.
        self._run = self.session.make_callable(
            [tensor for batch in self._built.batches for tensor in batch]
        )
        try:
            for _ in range(self._built.skip):
                self._run()
        except tf.errors.OutOfRangeError:
            return  # the end was reached before; the next get says so again

    def get(self) -> list[np.ndarray]:
        """Returns the next batch."""
        if not self._pending:
            self._pending = self._fetch()
        self.taken += 1
        return self._pending.pop(0)

    def _fetch(self) -> list[list[np.ndarray]]:
        """Runs the input once; returns the batches that come of it, in order."""
        try:
            arrays = self._run()
        except tf.errors.OutOfRangeError as error:
            raise self._with_op(error) from error
        count = len(self._built.batches)
        size = len(arrays) // count
        return [arrays[i * size : (i + 1) * size] for i in range(count)]

    def _with_op(self, error: tf.errors.OutOfRangeError) -> tf.errors.OutOfRangeError:
        """Names the op that raised, which a callable's errors do only in their text."""
        match = _NODE_PATTERN.search(error.message)
        if error.op is not None or match is None:
            return error
        try:
            op = self._built.graph.get_operation_by_name(match.group(1))
        except KeyError:
            return error  # a node of a function that the input calls
        return tf.errors.OutOfRangeError(op.node_def, op, error.message)
