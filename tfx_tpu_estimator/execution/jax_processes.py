"""Joins this process's jax with that of others: the part that differs between versions of jax."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable
from typing import Any

from tfx_tpu_estimator.config.processes import ProcessPlace
from tfx_tpu_estimator.lowering.jax_compat import import_jax

HEARTBEAT_SECS = 3
# A process that is gone without closing its connections is noticed after so many seconds.
SILENCE_SECS = 30
# At the end every process waits for the others: process 0 may still export a large model.
_SHUTDOWN_SECS = 3600


def is_jax_started() -> bool:
    """Whether jax has looked for devices, after which no other process can join it."""
    import_jax()
    from jax._src import xla_bridge

    return bool(xla_bridge.backends_are_initialized())


def is_joined() -> bool:
    """Whether this process's jax has joined others."""
    import_jax()
    from jax._src import distributed

    return distributed.global_state.client is not None


def join(place: ProcessPlace) -> None:
    """Starts jax's service in process 0 and connects to it.

    Args:
      place: This process's place; all processes must be there already.
    """
    jax = import_jax()
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    named = inspect.signature(jax.distributed.initialize).parameters
    timeout = max(1, int(place.timeout_secs))
    if "heartbeat_timeout_seconds" in named:
        jax.distributed.initialize(
            place.coordinator,
            place.num_processes,
            place.process_id,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=SILENCE_SECS,
        )
        return
    _join_with_heartbeats(place, timeout)


def _join_with_heartbeats(place: ProcessPlace, timeout: int) -> None:
    """Does what jax.distributed.initialize does, which takes no heartbeats in this version."""
    from jax._src import distributed
    from jaxlib import xla_extension

    state = distributed.global_state
    heartbeats: dict[str, Any] = {
        "heartbeat_interval": HEARTBEAT_SECS,
        "max_missing_heartbeats": SILENCE_SECS // HEARTBEAT_SECS,
        "shutdown_timeout": _SHUTDOWN_SECS,
    }
    state.coordinator_address = place.coordinator
    state.process_id = place.process_id
    state.num_processes = place.num_processes
    if place.process_id == 0:
        port = place.coordinator.rpartition(":")[2]
        state.service = xla_extension.get_distributed_runtime_service(
            f"[::]:{port}", place.num_processes, **heartbeats
        )
    state.client = xla_extension.get_distributed_runtime_client(
        place.coordinator,
        place.process_id,
        init_timeout=timeout,
        # A process that fails must not wait for the others, who wait for it.
        shutdown_on_destruction=False,
        **heartbeats,
    )
    state.client.connect()


def get_client() -> Any:
    """Returns jax's client of the service, which has a table of strings for all processes."""
    from jax._src import distributed

    return distributed.global_state.client


def leave(wait_for_others: Callable[[], None]) -> None:
    """Leaves in peace: waits until every process wants to.

    Args:
      wait_for_others: Blocks in process 0 until the others have left its service. One that still
        listens to it when it goes takes that for a failure and is aborted.
    """
    from jax._src import distributed

    state = distributed.global_state
    service, state.service = state.service, None
    try:
        state.shutdown()
        wait_for_others()
    finally:
        state.service = service
    state.shutdown()
    _keep_devices()


def abandon() -> None:
    """Leaves without a word, as a process that failed must: jax would wait for the others."""
    from jax._src import distributed

    state = distributed.global_state
    _keep(state.client, state.service)
    state.client = state.service = None
    _keep_devices()


def _keep_devices() -> None:
    """Sees to it that the devices end with the process, not before.

    Python collects them while it ends, and with them connections that the other processes close at
    the same time; now and then both waited for ever, or one was aborted.
    """
    from jax._src import xla_bridge

    _keep(*xla_bridge._backends.values())


def _keep(*values: Any) -> None:
    for value in values:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
