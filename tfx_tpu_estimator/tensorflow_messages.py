"""What TensorFlow says: its log, kept to errors for a while, and its errors without their stacks.

Nothing here loads TensorFlow.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def without_tensorflow_warnings() -> Iterator[None]:
    """Keeps TensorFlow's logger to errors meanwhile.

    It warns of functions that every model of TensorFlow 1 calls, and of loaders that servers use.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says, without a final full stop."""
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def without_graph_stack(error: BaseException) -> str:
    """Returns the text of an error; of a graph's op without the stack in which it was made."""
    text = str(getattr(error, "message", None) or error).split("\n\nOriginal stack trace")[0]
    if "Detected at node" in text:  # the stack comes first, then the node, then what is wrong
        text = text.rpartition("\nNode: ")[2].partition("\n")[2]
    return text.split("\n\t [[")[0].strip()
