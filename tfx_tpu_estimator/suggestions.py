"""Which of the names that there are a user may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: object, known: Iterable[str], *, quote: str = "'") -> str:
    """Returns the nearest known name as a question, with a blank before it; empty if none is near.

    Args:
        name: What was given.
        known: The names that there are.
        quote: What stands around the name.

    Example:
        >>> suggest("Trainr", ["Trainer", "Pusher"])
        " Did you mean 'Trainer'?"
    """
    # Of names that differ in capitals only, the last is as good as any.
    by_letters = {other.lower(): other for other in known}
    near = difflib.get_close_matches(str(name).lower(), list(by_letters), n=1)
    return f" Did you mean {quote}{by_letters[near[0]]}{quote}?" if near else ""
