"""Searches for the largest batch with which a program fits, in few compiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

MOST_COMPILES = 6
# From this batch on multiples of 8 are tried, as rows of a tile are filled by them.
_TILE = 8
LARGEST_TRIED = 2**20
# While nothing is known of how memory grows: far enough that tiles do not hide it.
_GROWTH = 8


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of one batch.

    Attributes:
      batch: Examples of one core.
      fits: Whether the program fits.
      bytes: What it needs, if that is known.
      limit: What there is.
    """

    batch: int
    fits: bool
    bytes: int | None
    limit: int


def find_largest_batch(
    first: Trial, compile_batch: Callable[[int], Trial | None], most: int = MOST_COMPILES
) -> int:
    """Returns the largest batch that was seen to fit; 0 if none was.

    Memory grows about linearly with the batch, so that two compiles say about where the limit is;
    the batch between the largest that fits and the smallest that does not is narrowed down from
    there.

    Args:
      first: What is known.
      compile_batch: Tries a batch; returns None if it cannot be tried, which ends the search.
      most: How many batches to try at most.

    Example:
      >>> def compile_batch(batch):
      ...     return Trial(batch, 10 + 2 * batch <= 100, 10 + 2 * batch, 100)
      >>> find_largest_batch(compile_batch(8), compile_batch)
      45
    """
    trials = [first]
    for _ in range(most):
        batch = _choose(trials)
        if batch is None:
            break
        trial = compile_batch(batch)
        if trial is None:
            break
        trials.append(trial)
    return max((trial.batch for trial in trials if trial.fits), default=0)


def _choose(trials: list[Trial]) -> int | None:
    """Returns which batch to try next, None if there is nothing left to learn."""
    low = max((t.batch for t in trials if t.fits), default=0)
    high = min((t.batch for t in trials if not t.fits), default=None)
    step = _TILE if low >= 8 * _TILE else 1
    if (high is not None and high - low <= step) or low >= LARGEST_TRIED:
        return None
    guess = _extrapolate(trials)
    if guess is None:
        guess = low * _GROWTH if high is None else (low + high) // 2
    if high is None:
        guess = min(max(guess, low + step), LARGEST_TRIED)
    elif not low < guess < high:
        guess = (low + high) // 2
    rounded = guess // step * step
    return rounded if low < rounded and (high is None or rounded < high) else guess


def _extrapolate(trials: list[Trial]) -> int | None:
    """Returns where a line through the two trials nearest the limit meets it."""
    known = [t for t in trials if t.bytes is not None]
    known.sort(key=lambda t: abs((t.bytes or 0) - t.limit))
    if len(known) < 2 or known[0].batch == known[1].batch:
        return None
    (first, second) = known[:2]
    slope = ((first.bytes or 0) - (second.bytes or 0)) / (first.batch - second.batch)
    if slope <= 0:
        return None
    return int(first.batch + (first.limit - (first.bytes or 0)) / slope)
