"""Random ops of a training on the host, made such that a run that was interrupted goes on the same.

TensorFlow's own keep their state in kernels, which no checkpoint has. Here each becomes a stateless
op of a stream of its own, keyed on the run's seed, the op's name and the number of the batch.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.random_ops import (
    NO_STATELESS_FORM,
    PHILOX,
    RandomStreams,
    list_function_graphs,
)
from tfx_tpu_estimator.lowering.tf_internals_tracing import (
    OpHandler,
    is_in_loop_of_tf1,
    ops_not_replaced,
    replace_ops,
)

# Bodies of loops and branches. Any other function may be called several times in a step, or by a
# dataset, and must not draw the same numbers each time.
_DRAWN_ONCE = ("WhileBodyFuncGraph", "CondBranchFuncGraph")


class BatchCounter:
    """A variable with the number of batches that a training has taken, in no checkpoint.

    Args:
      start: Batches taken before.
    """

    def __init__(self, start: int):
        self.start = start
        self._value: tf.Tensor | None = None

    @functools.cached_property
    def _variable(self) -> tf.Variable:
        # Made when it is first needed: each op before a model's would give its initial values
        # other seeds. The first need may be inside a function.
        with tf.init_scope(), tf.name_scope("input_position/"), tf.device("/cpu:0"):
            return tf.compat.v1.Variable(
                tf.constant(self.start, tf.int64),
                trainable=False,
                collections=[],
                use_resource=True,
                name="batches",
            )

    @functools.cached_property
    def _position(self) -> tf.Tensor:
        """int64 [2]: the batches taken before this step; there is one replica."""
        variable = self._variable
        with tf.init_scope(), tf.name_scope("input_position/"), tf.device("/cpu:0"):
            # Initial values may be drawn before the variable has one itself.
            batches = tf.cond(
                variable.is_initialized(),
                variable.read_value,
                lambda: tf.constant(self.start, tf.int64),
            )
            return tf.stack([batches, 0])

    @property
    def initializer(self) -> tf.Operation:
        """Must run before the first step."""
        return self._variable.initializer

    @contextlib.contextmanager
    def repeatable(self, seed: int) -> Iterator[None]:
        """Makes random ops built inside the block depend on the seed and this counter alone.

        Those that cannot be keyed stay as they are: in functions, in loops of TensorFlow 1, and
        where there is no stateless form.

        Args:
          seed: The run's seed.
        """
        streams = RandomStreams(seed, lambda: self._position, PHILOX)
        handlers = {
            op_type: _unless_drawn_again(handler)
            for op_type, handler in streams.handlers().items()
            if op_type not in NO_STATELESS_FORM
        }

        def initialise(next_creator, **arguments):
            with ops_not_replaced():
                return next_creator(**arguments)

        with replace_ops(handlers), tf.variable_creator_scope(initialise):
            yield

    def count_with(self, train_op: tf.Operation | tf.Tensor) -> tf.Operation:
        """Returns an op that does a training step and counts its batch."""
        # What a step draws must not see the number of the next one.
        drawn = "_position" in vars(self)
        with tf.control_dependencies([self._position] if drawn else []):
            count = self._variable.assign_add(1, read_value=False)
        self._value = self._variable.read_value()
        return tf.group(train_op, count, name="train_and_count")

    def read(self, session: tf.compat.v1.Session) -> int:
        """Returns how many batches were taken."""
        return int(session.run(self._value))


def _unless_drawn_again(handler: OpHandler) -> OpHandler:
    def handle(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor | None:
        graphs = list_function_graphs()
        if is_in_loop_of_tf1() or any(type(g).__name__ not in _DRAWN_ONCE for g in graphs):
            return None
        return handler(op_type, name, arguments)

    return handle
