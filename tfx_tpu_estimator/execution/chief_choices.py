"""Numbers that the chief chooses and the other processes of a run follow, asked for in any thread.

What they agree on by a program on the devices must come in the same order in all of them, which
only their main threads keep. This goes through the table of strings that all processes see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_WAIT_MILLISECONDS = 1000
_NOT_YET = "DEADLINE_EXCEEDED"


class ChiefChoices:
    """A row of numbers, the same in all processes.

    Args:
      client: jax's client, with a table of strings that all processes see.
      root: Where in the table; the same in all processes, and used for nothing else.
      is_chief: Whether this process chooses.
    """

    def __init__(self, client: Any, root: str, *, is_chief: bool):
        self._client = client
        self._root = root
        self._is_chief = is_chief
        self._count = 0
        self._closed = threading.Event()

    def next(self, choose: Callable[[], int]) -> int:
        """Returns the next number; waits for the chief's choice.

        Args:
          choose: Called in the chief.

        Returns:
          What it returned there; 0 when this was closed meanwhile.
        """
        key = f"{self._root}/{self._count}"
        self._count += 1
        if self._is_chief:
            chosen = choose()
            self._client.key_value_set(key, str(chosen))
            return chosen
        while not self._closed.is_set():
            try:
                return int(self._client.blocking_key_value_get(key, _WAIT_MILLISECONDS))
            except Exception as error:
                if _NOT_YET not in str(error):
                    raise
        return 0

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()
