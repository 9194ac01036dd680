"""Programs taken out of a saved graph, as ops of TensorFlow that run them on a device."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.execution.device import DeviceSet
from tfx_tpu_estimator.execution.program_call import bind_program
from tfx_tpu_estimator.lowering.jax_compat import enable_x64, import_jax
from tfx_tpu_estimator.lowering.program import Program, StateSignature, TensorSignature
from tfx_tpu_estimator.lowering.served_program import ServedPart, lower_part
from tfx_tpu_estimator.skew_check.report import ProgramReport

_Shapes = tuple[tuple[tuple[int, ...], str], ...]


class PartError(ValueError):
    """A program cannot be built, which is a fault of the model.

    Attributes:
      part: Its name.
    """

    def __init__(self, part: str, reason: str):
        super().__init__(reason)
        self.part = part


@dataclasses.dataclass(frozen=True)
class _Request:
    """A call that waits for its program.

    Attributes:
      key: Which program, for which shapes.
      answered: Set once it is there, or cannot be.
    """

    key: tuple[str, _Shapes]
    answered: threading.Event = dataclasses.field(default_factory=threading.Event)


class DevicePrograms:
    """The programs of a {serve, tpu} graph on one device.

    A TensorFlow session calls them from threads of its own. To lower one there would be to run
    TensorFlow inside TensorFlow; so a call with new shapes waits until it was compiled in the
    thread that called `serve`.

    Args:
      parts: What they are, by name of the op that stands for each.
      devices: The first of them is used.
    """

    def __init__(self, parts: Mapping[str, ServedPart], devices: DeviceSet):
        self._parts = dict(parts)
        self._device = devices.devices[0]
        self._state: dict[str, Any] = {}
        self._signatures: dict[str, StateSignature] = {}
        self._compiled: dict[tuple[str, _Shapes], Any] = {}
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._token_graph = tf.Graph()
        self.reports: list[ProgramReport] = []

    @property
    def variables(self) -> list[str]:
        """Names of the nodes of all variables that they read."""
        used = [node for part in self._parts.values() for node in part.handles.values()]
        return list(dict.fromkeys(used))

    def place_variables(self, values: Mapping[str, np.ndarray]) -> None:
        """Puts the variables on the device."""
        jax = import_jax()
        with enable_x64():
            for name, value in values.items():
                value = np.asarray(value)
                self._state[name] = jax.device_put(value, self._device)
                self._signatures[name] = StateSignature(
                    name=name,
                    shape=value.shape,
                    dtype=tf.as_dtype(value.dtype).name,
                    updated=False,
                )

    def add_tokens(self, graph_def: tf.compat.v1.GraphDef) -> None:
        """Connects the nodes of type PyFunc to the programs; in place."""
        # TensorFlow gives tokens out when an op is made; the graph keeps what they stand for.
        with self._token_graph.as_default():
            for node in graph_def.node:
                if node.op == "PyFunc" and node.name in self._parts:
                    made: Any = tf.numpy_function(self._make_callable(node.name), [], [tf.float32])
                    node.attr["token"].s = made[0].op.get_attr("token")

    def serve(self, work: Callable[[], Any], tell: Callable[[str], None]) -> Any:
        """Does `work` in another thread, and meanwhile compiles here what it calls.

        Args:
          work: Runs the session.
          tell: Gets a line about each program.

        Returns:
          What `work` returns.

        Raises:
          PartError: A program cannot be built.
          Exception: Whatever `work` raises.
        """
        done: concurrent.futures.Future = concurrent.futures.Future()
        threading.Thread(target=self._work, args=(work, done), daemon=True).start()
        failure = None
        while (request := self._requests.get()) is not None:
            tell(f"Compiling {self._parts[request.key[0]].name}")
            try:
                if request.key not in self._compiled:
                    self._compiled[request.key] = self._compile(*request.key)
            except PartError as error:
                failure = error
            finally:
                request.answered.set()
        if failure is not None:
            raise failure
        return done.result()

    def _work(self, work: Callable[[], Any], done: concurrent.futures.Future) -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # is raised again where the result is asked for
            done.set_exception(error)
        finally:
            self._requests.put(None)

    def _make_callable(self, name: str) -> Callable[..., list[np.ndarray]]:
        """Returns what the op `name` calls: arrays to arrays."""
        outputs = self._parts[name].outputs

        def call(*arrays: np.ndarray) -> list[np.ndarray]:
            key = (name, tuple((a.shape, tf.as_dtype(a.dtype).name) for a in arrays))
            if key not in self._compiled:
                request = _Request(key)
                self._requests.put(request)
                request.answered.wait()
            results = self._compiled[key](arrays)
            return [
                np.asarray(result).astype(tf.as_dtype(dtype).as_numpy_dtype, copy=False)
                for result, (_, dtype) in zip(results, outputs, strict=True)
            ]

        return call

    def _compile(self, name: str, shapes: _Shapes) -> Callable[[Any], list[Any]]:
        started = time.perf_counter()
        part = self._parts[name]
        inputs = [
            TensorSignature(name=tensor, shape=shape, dtype=dtype)
            for tensor, (shape, dtype) in zip(part.inputs, shapes, strict=True)
        ]
        used = list(dict.fromkeys(part.handles.values()))
        try:
            program = lower_part(part, inputs, [self._signatures[node] for node in used])
            run = self._load(program)
        except (ValueError, RuntimeError) as error:  # jax's own errors are RuntimeErrors
            raise PartError(name, str(error)) from error
        self.reports.append(
            ProgramReport(
                name=part.name,
                ops=part.count_ops(),
                inputs=tuple(f"{s.dtype}{list(s.shape)}" for s in inputs),
                variables=len(used),
                digest=program.digest,
                seconds=round(time.perf_counter() - started, 3),
            )
        )
        return run

    def _load(self, program: Program) -> Callable[[Any], list[Any]]:
        """Compiles a program for the device."""
        jax = import_jax()
        place = jax.sharding.SingleDeviceSharding(self._device)

        def run(inputs: Any, state: Any) -> list[Any]:
            position = jax.numpy.zeros([2], "int64")
            return bind_program(program, position, inputs, state)[1]

        def describe(signature: TensorSignature) -> Any:
            return jax.ShapeDtypeStruct(signature.shape, signature.numpy_dtype, sharding=place)

        state = {s.name: self._state[s.name] for s in program.state}
        with enable_x64():
            shapes = [describe(s) for s in program.inputs]
            lowered = jax.jit(run).lower(shapes, {s.name: describe(s) for s in program.state})
            compiled = lowered.compile()

        def call(arrays: Any) -> list[Any]:
            with enable_x64():
                placed = [jax.device_put(a, self._device) for a in arrays]
                return compiled(placed, state)

        return call
