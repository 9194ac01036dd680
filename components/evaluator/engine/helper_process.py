"""One more process that evaluates blocks, and how it is spoken to."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import multiprocessing.connection
import pickle
import socket
import subprocess
import sys
import traceback
from typing import Any

from .blocks import Block
from .partial_sums import Adding, Partial

# Not by means of multiprocessing: that would import the caller's script once more, which may have
# no guard against that, or copy a process in which TensorFlow has threads.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from {module} import serve
serve(int(sys.argv[1]))
"""
_GRACE = 5.0

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Failure:
    error: Exception
    traceback: str


class HelperProcess:
    """A process that has loaded the models of a plan, or is about to.

    Args:
        plan: What is computed: a Plan's `to_bytes()`.
    """

    def __init__(self, plan: bytes):
        self._plan = plan
        own, other = socket.socketpair()
        self._connection = multiprocessing.connection.Connection(own.detach())
        with other:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    # The first process has said these things.
                    "-Wignore",
                    "-c",
                    _PROGRAM.format(module=__name__),
                    str(other.fileno()),
                    json.dumps(sys.path),
                ],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                # What a user's function prints must not get into the caller's output.
                stdout=subprocess.DEVNULL,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Blocks until the process has loaded its libraries and the models.

        Raises:
            RuntimeError: If it dies, for example because a module is missing there.
        """
        self._exchange(self._plan)

    def evaluate(self, block: Block) -> Partial | Exception:
        """Returns the sums of a block, or what went wrong with it.

        Raises:
            RuntimeError: If the process dies.
        """
        result = self._exchange(pickle.dumps(block, protocol=5))
        if isinstance(result, _Failure):
            result.error.__cause__ = RuntimeError(result.traceback)
            return result.error
        return result

    def stop(self) -> None:
        """Ends the process."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Frees the connection; nobody must be waiting for an answer."""
        self._connection.close()

    def _exchange(self, message: bytes) -> Any:
        try:
            self._connection.send_bytes(message)
            return pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            code = self._process.wait(_GRACE)
            raise RuntimeError(
                f"A process that evaluated a part of the examples died with exit code {code}. "
                "-9 means killed, often for want of memory: give fewer `workers`. Otherwise it "
                "said why on standard error."
            ) from error


def serve(descriptor: int) -> None:
    """Evaluates what is sent until nobody is there; runs in the process itself.

    Args:
        descriptor: Of the socket.
    """
    import tensorflow as tf

    from .block_evaluator import BlockEvaluator

    tf.get_logger().setLevel("ERROR")
    # The other process may end at any time, also by being killed: then there is nothing to do.
    with (
        contextlib.suppress(EOFError, ConnectionError),
        multiprocessing.connection.Connection(descriptor) as connection,
    ):
        plan = pickle.loads(connection.recv_bytes())
        with BlockEvaluator(plan, Adding(plan)) as evaluator:
            connection.send_bytes(pickle.dumps(None))
            while True:
                block = pickle.loads(connection.recv_bytes())
                connection.send_bytes(_evaluate(evaluator, block))


def _evaluate(evaluator: Any, block: Block) -> bytes:
    try:
        return pickle.dumps(evaluator.evaluate(block), protocol=5)
    except Exception as error:  # it is raised by the other process
        return pickle.dumps(_Failure(_make_portable(error), traceback.format_exc()))


def _make_portable(error: Exception) -> Exception:
    """Returns an error that survives being sent: those with arguments of their own may not."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # of any class; the error itself is told by its type and words instead
        return RuntimeError(f"{type(error).__name__}: {error}")
