"""The processes of a run: they start together, agree on every loop, and end together.

Each has its own devices and its own input; process 0 is the chief, which alone saves. A process
that fails or is killed must not leave the others waiting: they end with an error that names it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.config.processes import ProcessPlace, resolve_place
from tfx_tpu_estimator.execution import jax_processes
from tfx_tpu_estimator.execution.chief_choices import ChiefChoices
from tfx_tpu_estimator.execution.process_watch import ProcessWatch
from tfx_tpu_estimator.execution.rendezvous import meet
from tfx_tpu_estimator.lowering import jax_compat

_logger = logging.getLogger(__name__)
_AXIS = "process"
_BARRIER = "tfx_tpu_estimator/wait"
# A process that is gone is noticed by the watch, long before.
_WAIT_MS = 7 * 24 * 3600 * 1000
# How errors of gloo and of jax's service begin that are about a connection, not about the program.
_LOST = ("Gloo", "gloo", "UNAVAILABLE", "coordination service")


class ProcessGroup:
    """Exchanges small values between the processes of a run; of one process it is trivial.

    All processes must call the methods in the same order.

    Args:
      place: This process's place; None for a process that runs alone.
      watch: Watches the others, if there are any.

    Attributes:
      count: Number of processes.
      index: This one, from 0.

    Example:
      >>> ProcessGroup().minimum(3, 4)
      (3, 4)
    """

    def __init__(self, place: ProcessPlace | None = None, watch: ProcessWatch | None = None):
        self.place = place
        self.count = 1 if place is None else place.num_processes
        self.index = 0 if place is None else place.process_id
        self._gathering: Any = None
        self._rows_of_choices = 0
        self._waits = 0
        self._watch = watch

    @property
    def is_chief(self) -> bool:
        """Whether this process saves checkpoints and events."""
        return self.index == 0

    def minimum(self, *values: int) -> tuple[int, ...]:
        """Returns the smallest of all processes' numbers, for each of `values`; waits for all."""
        if self.count == 1:
            return values
        rows = self.gather(np.array(values, np.int64))
        return tuple(int(value) for value in rows.min(axis=0))

    def gather(self, value: np.ndarray) -> np.ndarray:
        """Returns [processes, ...] from every process's array; shapes and dtypes must be equal."""
        if self.count == 1:
            return value[np.newaxis]
        return self._run("gather", value)

    def broadcast(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the chief's arrays in every process, to the bit.

        Args:
          values: The chief's; elsewhere anything of the same shapes and dtypes.
        """
        if self.count == 1:
            return list(values)
        return [self._broadcast(np.asarray(value)) for value in values]

    def wait(self, what: str) -> None:
        """Waits until all processes call this, for as long as they live.

        No device is used, and the others may take hours.

        Args:
          what: What they wait for, for messages; the same in all.

        Raises:
          RuntimeError: Another process is gone; says which.
        """
        if self.count == 1:
            return
        self._waits += 1
        with self.running(what):
            jax_processes.get_client().wait_at_barrier(f"{_BARRIER}/{self._waits}", _WAIT_MS)

    def make_choices(self) -> ChiefChoices | None:
        """Returns a new row of numbers that the chief chooses; None for one process."""
        if self.count == 1:
            return None
        self._rows_of_choices += 1
        root = f"tfx_tpu_estimator/choices/{self._rows_of_choices}"
        return ChiefChoices(jax_processes.get_client(), root, is_chief=self.is_chief)

    @contextlib.contextmanager
    def running(self, what: str) -> Iterator[None]:
        """A block in which the processes depend on one another.

        Args:
          what: What they do, for messages.

        Raises:
          RuntimeError: Another process is gone; says which.
        """
        if self._watch is None:
            yield
            return
        with self._watch.running(what):
            try:
                yield
            except Exception as error:
                if not any(mark in str(error) for mark in _LOST):
                    raise
                raise RuntimeError(self._watch.describe_loss()) from error

    def start(self) -> None:
        """Starts to watch the other processes, and sees to it that they all end together."""
        if self._watch is not None:
            self._watch.start()
            atexit.register(self._watch.leave)

    def _broadcast(self, value: np.ndarray) -> np.ndarray:
        # The sum of bytes, all but the chief's 0, keeps NaNs and negative zeros what they are.
        data = np.frombuffer(value.tobytes(), np.uint8)
        if self.index:
            data = np.zeros_like(data)
        return np.frombuffer(self._run("sum", data).tobytes(), value.dtype).reshape(value.shape)

    def _run(self, what: str, value: np.ndarray) -> np.ndarray:
        if self._gathering is None:
            self._gathering = _Gathering(self.count)
        return self._gathering.run(what, value)


class _Gathering:
    """Programs over the first device of every process."""

    def __init__(self, count: int):
        jax = jax_compat.import_jax()
        devices = [jax.local_devices(process_index=i)[0] for i in range(count)]
        mesh = jax.sharding.Mesh(np.array(devices, dtype=object), (_AXIS,))
        partition = jax.sharding.PartitionSpec
        self._count = count
        self._own = devices[jax.process_index()]
        self._divided = jax.sharding.NamedSharding(mesh, partition(_AXIS))
        everywhere = jax.sharding.NamedSharding(mesh, partition())
        self._programs = {
            "gather": jax.jit(lambda x: x, out_shardings=everywhere),
            "sum": jax.jit(lambda x: x.sum(0, dtype=x.dtype), out_shardings=everywhere),
        }

    def run(self, what: str, value: np.ndarray) -> np.ndarray:
        jax = jax_compat.import_jax()
        with jax_compat.enable_x64():
            own = jax.device_put(value[np.newaxis], self._own)
            rows = jax.make_array_from_single_device_arrays(
                (self._count, *value.shape), self._divided, [own]
            )
            return np.asarray(self._programs[what](rows).addressable_data(0))


_ALONE = ProcessGroup()
_joined: list[ProcessGroup] = []


def join_processes(config: Any) -> ProcessGroup:
    """Joins the other processes of this run; call it before jax looks for devices.

    A process joins once; later calls return the same group.

    Args:
      config: The RunConfig, whose cluster, or else the environment, says which processes there are.

    Returns:
      The group, of one process where nothing says that there are others.

    Raises:
      ValueError: The settings contradict one another, or those of an earlier call.
      TimeoutError: A process did not start in time; names it.
      RuntimeError: jax has already started alone.
    """
    place = resolve_place(config)
    if place is None:
        return _ALONE
    if _joined:
        group = _joined[0]
        before = group.place
        if before is None or (before.coordinator, before.process_id, before.num_processes) != (
            place.coordinator,
            place.process_id,
            place.num_processes,
        ):
            raise ValueError(
                f"This process has already joined others as {before}; it cannot become {place}. "
                "Start another process for another cluster."
            )
        return group
    if jax_processes.is_jax_started() or jax_processes.is_joined():
        raise RuntimeError(
            f"Too late to join the other {place.num_processes - 1} processes: jax has already "
            "started in this one. Train before anything else uses jax, and do not call "
            "jax.distributed.initialize."
        )
    return _join(place)


def _join(place: ProcessPlace) -> ProcessGroup:
    _logger.info(
        "%s waits for the other %d at %s, up to %g s.",
        place.names[place.process_id].capitalize(),
        place.num_processes - 1,
        place.coordinator,
        place.timeout_secs,
    )
    meeting = meet(place)
    jax_processes.join(place)
    group = ProcessGroup(place, ProcessWatch(place, jax_processes.get_client(), meeting))
    group.start()
    _joined.append(group)
    return group
