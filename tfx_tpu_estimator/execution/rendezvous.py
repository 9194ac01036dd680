"""The processes of a run meet before any of them starts jax: who is missing can be named.

jax's own service says only that time ran out, and ends the process rather than raise. They stay
connected until each has left that service, which must be the last to go.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterable
from typing import Any

from tfx_tpu_estimator.config.processes import ProcessPlace

_RETRY_SECS = 0.2
# What the coordinator says takes this much longer than its own patience to arrive.
_REPLY_SECS = 10.0
_MOST_BYTES = 65536


class Meeting:
    """The connections of process 0 with each of the others, or of another one with it.

    Args:
      connections: The connections; they are closed by `end`, or when nobody has this any more.
    """

    def __init__(self, connections: Iterable[socket.socket]):
        self._connections = list(connections)
        for connection in self._connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def wait_for_ends(self, seconds: float) -> bool:
        """Waits until every process at the other end has called `end` or is gone.

        Args:
          seconds: The most time that this takes.

        Returns:
          Whether all have.
        """
        deadline = time.monotonic() + seconds
        return all(_is_ended(connection, deadline) for connection in self._connections)

    def end(self) -> None:
        """Closes the connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # the other end is gone
                # Also where a child of this process has inherited it.
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def leave_open(self) -> None:
        """Leaves it to the system to close the connections, when this process is gone."""
        for connection in self._connections:
            connection.detach()
        self._connections.clear()


def meet(place: ProcessPlace) -> Meeting:
    """Waits until all processes of the run are there; process 0 listens, the others call it.

    Args:
      place: This process's place.

    Returns:
      What connects this process with process 0, or process 0 with the others.

    Raises:
      TimeoutError: Some did not come in time; names them. Raised in every process that did.
      ValueError: Two have the same process id, or they disagree about how many there are.
      OSError: Process 0 cannot listen on its port.
    """
    return Meeting(_receive(place) if place.process_id == 0 else [_call(place)])


def _is_ended(connection: socket.socket, deadline: float) -> bool:
    try:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _receive(place: ProcessPlace) -> list[socket.socket]:
    deadline = time.monotonic() + place.timeout_secs
    callers: dict[int, socket.socket] = {}
    port = int(place.coordinator.rpartition(":")[2])
    try:
        with _listen(port) as server:
            while len(callers) < place.num_processes - 1:
                _accept(server, deadline, callers, place)
    except Exception as error:
        kind = "timeout" if isinstance(error, TimeoutError) else "value"
        _tell(callers, {"error": str(error), "kind": kind})
        for caller in callers.values():
            caller.close()
        raise
    # The port is closed before anyone hears that it may call jax's service there.
    _tell(callers, {"ok": True})
    return list(callers.values())


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("", port), reuse_port=False, backlog=128)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Process 0 cannot listen on port {port}, where the other processes will look for it: "
            f"{error.strerror}. Choose another port, or end the process that has it.",
        ) from error


def _accept(
    server: socket.socket, deadline: float, callers: dict[int, socket.socket], place: ProcessPlace
) -> None:
    """Takes one call and notes who it is from."""
    connection = None
    try:
        server.settimeout(max(0.001, deadline - time.monotonic()))
        connection, _ = server.accept()
        connection.settimeout(max(0.001, min(_REPLY_SECS, deadline - time.monotonic())))
        hello = _read(connection)
    except TimeoutError:
        if connection is not None:
            connection.close()
        if time.monotonic() >= deadline:
            raise TimeoutError(_describe_missing(place, callers)) from None
        return
    if not hello or not {"process", "count"} <= set(hello):
        connection.close()  # Whoever it was, it was none of ours.
        return
    process = hello["process"]
    wrong = None
    if hello["count"] != place.num_processes:
        wrong = (
            f"Process {process} was told that there are {hello['count']} processes, process 0 that "
            f"there are {place.num_processes}. Give all of them the same settings."
        )
    elif process in callers or not 0 < process < place.num_processes:
        wrong = (
            f"Two processes call themselves {process}. Give each another id, from 0 to "
            f"{place.num_processes - 1}."
        )
    if wrong:
        _tell({process: connection}, {"error": wrong, "kind": "value"})
        connection.close()
        raise ValueError(wrong)
    callers[process] = connection


def _describe_missing(place: ProcessPlace, present: dict[int, Any]) -> str:
    missing = [n for i, n in enumerate(place.names) if i and i not in present]
    return (
        f"Of {place.num_processes} processes, {len(missing)} did not start within "
        f"{place.timeout_secs:g} s: {', '.join(missing)}. See their logs, and whether they can "
        f"reach {place.coordinator}."
    )


def _call(place: ProcessPlace) -> socket.socket:
    deadline = time.monotonic() + place.timeout_secs
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(
                f"{place.names[0].capitalize()} did not answer at {place.coordinator} within "
                f"{place.timeout_secs:g} s. See its log, and whether this process can reach it."
            )
        answer = _say_hello(place, left)
        if answer is None:
            time.sleep(min(_RETRY_SECS, max(0.0, deadline - time.monotonic())))
            continue
        server, reply = answer
        if "error" in reply:
            server.close()
            raise (TimeoutError if reply["kind"] == "timeout" else ValueError)(reply["error"])
        return server


def _say_hello(place: ProcessPlace, seconds: float) -> tuple[socket.socket, dict[str, Any]] | None:
    """Calls process 0; returns the connection and what it says, or None without an answer."""
    host, _, port = place.coordinator.rpartition(":")
    hello = {"process": place.process_id, "count": place.num_processes}
    with contextlib.ExitStack() as stack:
        try:
            server = socket.create_connection((host.strip("[]"), int(port)), timeout=seconds)
            stack.enter_context(server)
            server.sendall(json.dumps(hello).encode() + b"\n")
            server.settimeout(place.timeout_secs + _REPLY_SECS)
            reply = _read(server)
        except OSError:
            return None
        if reply is None:
            return None
        stack.pop_all()
        return server, reply


def _read(connection: socket.socket) -> dict[str, Any] | None:
    """Returns one line of JSON, or None if it is none."""
    data = b""
    while not data.endswith(b"\n") and len(data) < _MOST_BYTES:
        received = connection.recv(4096)
        if not received:
            return None
        data += received
    try:
        message = json.loads(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _tell(callers: dict[int, socket.socket], message: dict[str, Any]) -> None:
    for connection in callers.values():
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            continue  # It is gone; what this process does next will tell.
