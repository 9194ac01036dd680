"""Processes that say in files that they are at work."""

from __future__ import annotations

import os
import socket


def is_gone(host: str, process: int) -> bool:
    """Returns whether it is a process of this machine that has ended; of others nobody knows.

    Args:
        host: Name of its machine.
        process: Its id.
    """
    if host != socket.gethostname():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is there, and another user's
    return False
