"""Several training steps in one run of the session: a loop inside the graph."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.host_graph import HostGraph
from tfx_tpu_estimator.execution.next_batch import NextBatch
from tfx_tpu_estimator.inputs.input_fn import check_end_of_input
from tfx_tpu_estimator.lowering.step_graph import (
    GraphPiece,
    NotLoopableError,
    cut_piece,
    list_batch_ops,
    paste_piece,
)
from tfx_tpu_estimator.lowering.unsupported import describe_origin, find_op

# The most steps of one run.
MAX_STEPS = 1000
# Before the names of a step's ops, wherever the loop puts them.
_PREFIX = "training_step"
_NO_SUMMARY = np.iinfo(np.int64).max


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What the steps of one run gave.

    Attributes:
      steps: int64 [n], the global step after each.
      losses: float64 [n].
      times: float64 [n], when each ended, in seconds since 1970.
      summary: The merged summary of the last step, serialized, if it was due; else empty.
      input_ended: Whether the input ended after these steps.
    """

    steps: np.ndarray
    losses: np.ndarray
    times: np.ndarray
    summary: bytes
    input_ended: bool

    def first(self, count: int) -> LoopResult:
        """Returns the result of the first `count` steps, without a summary."""
        return dataclasses.replace(
            self,
            steps=self.steps[:count],
            losses=self.losses[:count],
            times=self.times[:count],
            summary=b"",
        )


class StepLoop:
    """Training steps as a loop inside the graph they were built in.

    The body is a copy of the step's ops on the same variables, iterators and tables. Random ops
    keep the state of their kernels from run to run, so that a training gives the same numbers
    however it is divided into runs, and the same as one run for each step. While a step computes,
    the next one's batch is fetched, but never one that the run will not use.

    Args:
      built: The graph, which must be the default one and can still grow.
      summary: The merged summary, or None.
      before: Ops that must see the state as it is before the loop.

    Raises:
      NotLoopableError: The step must be fed, or uses reference variables.
    """

    def __init__(self, built: HostGraph, summary: tf.Tensor | None, before: list[tf.Operation]):
        spec = built.spec
        self._graph = built.graph
        self._global_step = built.global_step
        self._loss = spec.loss
        train_op = spec.train_op
        self._train_op = train_op.op if isinstance(train_op, tf.Tensor) else train_op
        self._summary = summary
        self._piece, self._batch = self._cut_step(built.graph, [op.name for op in before])
        self._summary_piece = self._cut_summary(built.graph)
        self._runs = 0
        self._steps = built.batches_before
        self._step: int | None = None
        self._increment = 1
        with tf.name_scope("training_loop"):
            # Not in a collection: no checkpoint has it. It survives a run that the end of the
            # input breaks off.
            self._record = tf.compat.v1.Variable(
                tf.zeros([MAX_STEPS, 4], tf.float64),
                trainable=False,
                collections=[],
                use_resource=True,
                name="record",
            )
            self._read_record = self._record.read_value()
            self._feeds = [
                tf.compat.v1.placeholder(tf.int64, [], name=name)
                for name in ("most", "until", "summary_at", "run")
            ]
            with tf.control_dependencies(before):
                self._fetches = self._call_loop()

    @property
    def initializer(self) -> tf.Operation:
        """Must run before the first `run`."""
        return self._record.initializer

    @property
    def has_summary(self) -> bool:
        """Whether the model has summaries."""
        return self._summary_piece is not None

    @property
    def loss_name(self) -> str:
        """Name of the tensor of the loss."""
        return self._loss.name

    def run(
        self,
        session: tf.compat.v1.train.SingularMonitoredSession,
        *,
        most: int,
        until: int,
        summary_at: int | None,
    ) -> LoopResult:
        """Runs steps until one of the limits is reached, a loss is NaN, or the input ends.

        Args:
          session: Its hooks are called once.
          most: Steps at most, not above `MAX_STEPS`.
          until: The global step to stop at.
          summary_at: From this global step on a summary is due; None for never.

        Raises:
          tf.errors.OpError: An op failed; says which line of the user's code made it.
          ValueError: The input ended before the first step of all.
          RuntimeError: An op that is no input said "out of range".
        """
        self._runs += 1
        most = min(most, self._count_steps(until))
        limits = (most, until, _NO_SUMMARY if summary_at is None else summary_at, self._runs)
        try:
            rows, summary, ended = session.run(
                self._fetches, dict(zip(self._feeds, limits, strict=True))
            )
        except tf.errors.OutOfRangeError as error:
            rows = session.raw_session().run(self._read_record)
            # Rows of earlier runs follow those of the one that was broken off.
            rows = rows[rows[:, 2] == self._runs]
            check_end_of_input(self._explain(error), self._steps + len(rows))
            return _make_result(rows, b"", input_ended=True)
        except tf.errors.OpError as error:
            raise self._explain(error) from error
        self._steps += len(rows)
        if ended:
            check_end_of_input(tf.errors.OutOfRangeError(None, None, "End of input"), self._steps)
        result = _make_result(rows, summary, input_ended=bool(ended))
        self._learn_increment(result.steps)
        return result

    def _count_steps(self, until: int) -> int:
        """Returns how many steps surely fit before `until`: a batch fetched in vain would be lost.

        A train_op may add more than one to the global step, as that of two optimizers does.
        """
        if self._step is None:
            return 1
        return max(1, (until - self._step) // self._increment)

    def _learn_increment(self, steps: np.ndarray) -> None:
        if not len(steps):
            return
        known = steps if self._step is None else np.concatenate([[self._step], steps])
        self._increment = max(self._increment, int(np.diff(known).max(initial=1)))
        self._step = int(steps[-1])

    def _cut_step(self, graph: tf.Graph, not_after: list[str]) -> tuple[GraphPiece, NextBatch]:
        wanted = [self._loss.op, self._train_op]
        whole = cut_piece(graph, wanted, not_after=not_after)
        batch = NextBatch([op for op in list_batch_ops(graph, whole) if op not in wanted], _PREFIX)
        return cut_piece(graph, wanted, without=batch.names, not_after=not_after), batch

    def _cut_summary(self, graph: tf.Graph) -> GraphPiece | None:
        if self._summary is None:
            return None
        if not tf.is_tensor(self._summary):
            raise NotLoopableError("the Scaffold's summary_op is not a tensor")
        if self._summary.op.name in self._piece.names:
            raise NotLoopableError("the training op depends on the merged summary")
        return cut_piece(graph, [self._summary.op], without=self._piece.names | self._batch.names)

    def _call_loop(self) -> list[tf.Tensor]:
        specs = [tf.TensorSpec([], tf.int64)] * len(self._feeds)
        loop = tf.compat.v1.wrap_function(self._build, specs)
        loop.add_to_graph(self._graph)
        # The settings of the session hold in the function, too; an ordinary call of it would bring
        # settings of its own. No difference in speed was measured.
        return tf.raw_ops.StatefulPartitionedCall(
            args=[*self._feeds, *loop.captured_inputs],
            Tout=[tensor.dtype for tensor in loop.outputs],
            f=loop,
            config_proto=tf.compat.v1.ConfigProto().SerializeToString(),
        )

    def _build(self, most: Any, until: Any, summary_at: Any, run: Any) -> tuple[Any, ...]:
        """The loop, as the body of a function."""

        def goes_on(count: Any, step: Any, is_nan: Any, summary: Any, *batch: Any) -> Any:
            del summary
            there = self._batch.is_there(batch)
            return (count < most) & (step < until) & ~is_nan & there

        def body(count: Any, step: Any, is_nan: Any, summary: Any, *batch: Any) -> tuple[Any, ...]:
            del is_nan
            following = self._batch.fetch_if(count + 1 < most)
            step, loss, summary = self._build_step(summary_at, summary, batch)
            with tf.control_dependencies([step]):
                time = tf.timestamp()
            row = tf.stack([loss, tf.cast(step, tf.float64), tf.cast(run, tf.float64), time])
            write = tf.raw_ops.ResourceScatterUpdate(
                resource=self._record.handle, indices=count, updates=row
            )
            # All of a step is done before the next one begins.
            with tf.control_dependencies([write]):
                return count + 1, tf.identity(step), tf.math.is_nan(loss), summary, *following

        start = (
            tf.constant(0, tf.int64),
            tf.constant(np.iinfo(np.int64).min, tf.int64),
            tf.constant(False),
            tf.constant(""),
            *self._batch.fetch(),
        )
        count, step, is_nan, summary, *batch = tf.while_loop(
            goes_on, body, start, parallel_iterations=1
        )
        stopped = (count >= most) | (step >= until) | is_nan
        with tf.control_dependencies([count]):
            rows = self._record.read_value()[:count]
        return rows, summary, ~(stopped | self._batch.is_there(batch))

    def _build_step(self, summary_at: Any, summary: Any, batch: Any) -> tuple[Any, Any, Any]:
        """One step: returns the global step after it, the loss as float64, and the summary."""
        taken = self._batch.unpack(batch)
        borders = [] if self._summary_piece is None else list(self._summary_piece.outside)
        borders = [t for t in borders if t.op.name in self._piece.names]
        names = [self._loss.name, self._train_op.name, *(t.name for t in borders)]
        loss, train_op, *found = paste_piece(self._piece, names, taken, _PREFIX)
        with tf.control_dependencies([train_op, loss]):
            step = tf.cast(self._global_step.read_value(), tf.int64)
        loss = tf.cast(tf.reshape(loss, []), tf.float64)
        piece = self._summary_piece
        if piece is None or self._summary is None:
            return step, loss, summary
        replaced = taken | {t.name: value for t, value in zip(borders, found, strict=True)}
        name = self._summary.name
        summary = tf.cond(
            step >= summary_at,
            lambda: paste_piece(piece, [name], replaced, _PREFIX)[0],
            lambda: tf.constant(""),
        )
        return step, loss, summary

    def _explain(self, error: tf.errors.OpError) -> tf.errors.OpError:
        """Returns the error with the op of the user's that failed, and the line that made it."""
        for name in re.findall(rf"{_PREFIX}/([^\s}},\]]+)", error.message or ""):
            op = find_op(self._graph, name)
            if op is not None:
                message = f"{error.message}\nOp `{name}` was made at {describe_origin(op)}."
                return type(error)(error.node_def, op, message)
        return error


def _make_result(rows: np.ndarray, summary: bytes, *, input_ended: bool) -> LoopResult:
    return LoopResult(
        steps=rows[:, 1].astype(np.int64),
        losses=rows[:, 0],
        times=rows[:, 3],
        summary=summary,
        input_ended=input_ended,
    )
