"""The seed of runs whose RunConfig has none."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

_defaults: list[int] = []


@contextlib.contextmanager
def default_seed(seed: int) -> Iterator[None]:
    """A block in which runs without a seed of their own have this one.

    Args:
        seed: The seed. RunConfig's `tf_random_seed` wins.

    Example:
        >>> with default_seed(7):
        ...     choose_seed(None), choose_seed(1)
        (7, 1)
    """
    _defaults.append(seed)
    try:
        yield
    finally:
        _defaults.pop()


def find_seed(given: int | None) -> int | None:
    """Returns the seed of a run as it was given, or the default one; None where there is neither.

    Args:
        given: RunConfig's `tf_random_seed`.
    """
    if given is None and _defaults:
        return _defaults[-1]
    return given


def choose_seed(given: int | None) -> int:
    """Returns the seed of a run; a new one where nobody has given any.

    Without a seed every run is another, but its replicas and restarts must agree on one.

    Args:
        given: RunConfig's `tf_random_seed`.
    """
    found = find_seed(given)
    return random.SystemRandom().randrange(2**31) if found is None else found
