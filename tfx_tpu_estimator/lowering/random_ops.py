"""Random numbers that a run can repeat.

XLA ignores the seeds of TensorFlow's stateful random ops: two of them could give the same numbers,
and two runs could differ. While a model is traced each becomes a stateless op of a stream of its
own, keyed on the run's seed, the op's name, the counters of the loops around it, the global step
and the replica. An op's name changes only if the code around it does, so that adding a layer does
not change what the others draw. Seeds given to single ops have no further effect.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals_tracing import OpHandler
from tfx_tpu_estimator.lowering.unsupported import find_calling_line, unsupported_op_error

# Algorithms. A TPU compiles ThreeFry in half the time that Philox takes; TensorFlow's kernels have
# Philox only.
PHILOX = 1
THREEFRY = 2
# Replicas share a step's part of the key; there are never more of them than this.
MAX_REPLICAS = 1 << 20
# Multiplier of a 64-bit linear congruential generator, to mix loop counters into a key.
_LOOP_MULTIPLIER = 6364136223846793005

NO_STATELESS_FORM = ("RandomGamma", "RandomPoisson", "RandomPoissonV2")


class RandomStreams:
    """Makes the random ops of one traced model.

    Args:
      seed: The run's seed.
      position: int64 tensor [2] of the traced graph: global step and replica id. Or what returns
        it, called for each op.
      algorithm: Number of the algorithm, THREEFRY or PHILOX.
    """

    def __init__(
        self,
        seed: int,
        position: tf.Tensor | Callable[[], tf.Tensor],
        algorithm: int = THREEFRY,
    ):
        self._seed = seed
        self._position = position
        self._algorithm = algorithm
        self._used: dict[str, int] = {}

    def handlers(self) -> dict[str, OpHandler]:
        """Returns what builds each stateful random op, for `replace_ops`."""
        builders = {
            "RandomUniform": _build_uniform,
            "RandomStandardNormal": _build_normal,
            "TruncatedNormal": _build_truncated_normal,
            "RandomUniformInt": _build_uniform_int,
            "Multinomial": _build_multinomial,
            "RandomShuffle": _build_shuffle,
            "ParameterizedTruncatedNormal": _build_parameterized_truncated_normal,
        }
        made = {op: self._handler(builder) for op, builder in builders.items()}
        return {**made, **dict.fromkeys(NO_STATELESS_FORM, _refuse)}

    def _handler(self, builder) -> OpHandler:
        def handle(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
            del op_type
            with tf.compat.v1.name_scope(name) as scope:
                return builder(_Stream(self._make_seed(scope), self._algorithm), arguments)

        return handle

    def _make_seed(self, scope: str) -> tf.Tensor:
        """Returns the int64 [2] seed of the op whose unique name is `scope`."""
        name = self._unique(_path_of_functions() + scope)
        digest = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        stream = tf.constant(np.frombuffer(digest[:8], np.int64)[0])
        for counter in _loop_counters():
            stream = stream * tf.constant(_LOOP_MULTIPLIER, tf.int64)
            stream += tf.cast(counter, tf.int64) + 1
        position = self._position() if callable(self._position) else self._position
        step, replica = position[0], position[1]
        return tf.stack([stream, step * MAX_REPLICAS + replica])

    def _unique(self, name: str) -> str:
        """Tells two functions of one name apart, by the order in which they were traced."""
        count = self._used.get(name, 0)
        self._used[name] = count + 1
        return f"{name}#{count}" if count else name


def list_function_graphs() -> list[tf.Graph]:
    """Returns the functions being traced, the innermost first."""
    graphs, graph = [], tf.compat.v1.get_default_graph()
    while getattr(graph, "outer_graph", None) is not None:
        graphs.append(graph)
        graph = graph.outer_graph
    return graphs


def _path_of_functions() -> str:
    # The number at a function's end counts all functions of the process.
    return "".join(f"{re.sub(r'_[0-9]+$', '', g.name)}/" for g in reversed(list_function_graphs()))


def _loop_counters() -> list[tf.Tensor]:
    """Returns the counters of the enclosing while loops, the first input of each body."""
    return [
        graph.inputs[0]
        for graph in list_function_graphs()
        if type(graph).__name__ == "WhileBodyFuncGraph" and graph.inputs
    ]


@dataclasses.dataclass(frozen=True)
class _Stream:
    """What the ops that draw get: an int64 [2] seed, and the algorithm."""

    seed: tf.Tensor
    algorithm: int

    def make_key(self) -> dict[str, Any]:
        made = tf.raw_ops.StatelessRandomGetKeyCounter(seed=self.seed)
        return {"key": made.key, "counter": made.counter, "alg": self.algorithm}


def _build_uniform(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomUniformV2(
        shape=arguments["shape"], dtype=arguments["dtype"], **stream.make_key()
    )


def _build_normal(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomNormalV2(
        shape=arguments["shape"], dtype=arguments["dtype"], **stream.make_key()
    )


def _build_truncated_normal(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    return tf.raw_ops.StatelessTruncatedNormalV2(
        shape=arguments["shape"], dtype=arguments["dtype"], **stream.make_key()
    )


def _build_parameterized_truncated_normal(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    names = ("shape", "means", "stdevs", "minvals", "maxvals")
    return tf.raw_ops.StatelessParameterizedTruncatedNormal(
        seed=stream.seed, **{name: arguments[name] for name in names}
    )


def _build_uniform_int(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    return tf.raw_ops.StatelessRandomUniformIntV2(
        shape=arguments["shape"],
        minval=arguments["minval"],
        maxval=arguments["maxval"],
        **stream.make_key(),
    )


def _build_multinomial(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    """Draws classes as the argmax of logits with Gumbel noise: [batch, num_samples]."""
    logits = tf.cast(tf.convert_to_tensor(arguments["logits"]), tf.float32)
    samples = tf.get_static_value(arguments["num_samples"])
    samples = arguments["num_samples"] if samples is None else int(samples)
    uniform = tf.raw_ops.StatelessRandomUniformV2(
        shape=tf.stack([tf.shape(logits)[0], samples, tf.shape(logits)[1]]),
        dtype=tf.float32,
        **stream.make_key(),
    )
    # 0 would give an infinite noise; the smallest step above it does not.
    noise = -tf.math.log(-tf.math.log(tf.clip_by_value(uniform, 1e-20, 1.0 - 1e-7)))
    dtype = tf.as_dtype(arguments.get("output_dtype") or tf.int64)
    return tf.argmax(logits[:, None, :] + noise, axis=-1, output_type=dtype)


def _build_shuffle(stream: _Stream, arguments: dict[str, Any]) -> tf.Tensor:
    """Sorts rows by random keys. Equal keys (1 in 2^32) keep their order."""
    value = tf.convert_to_tensor(arguments["value"])
    keys = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.shape(value)[:1], dtype=tf.int32, **stream.make_key()
    )
    return tf.gather(value, tf.argsort(keys, stable=True))


def _refuse(op_type: str, name: str, arguments: dict[str, Any]) -> tf.Tensor:
    del arguments
    raise unsupported_op_error(op_type, name, find_calling_line())
