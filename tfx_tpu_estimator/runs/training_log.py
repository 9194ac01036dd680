"""Tells who wants to know it what a training depends on, whoever called for it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What a training depends on, beside code and data.

    Attributes:
        model_dir: Where its checkpoints are.
        seed: The seed that it has.
        replicas: How many copies of the model are trained, in all processes.
        processes: How many processes share it.
        batch_size: Global batch size; None where the user gave none.
        program: SHA-256 of the program that the devices run; None with `use_tpu=False`.
    """

    model_dir: str
    seed: int
    replicas: int
    processes: int = 1
    batch_size: int | None = None
    program: str | None = None


_listeners: list[Callable[[TrainingFacts], None]] = []


@contextlib.contextmanager
def trainings_told(listener: Callable[[TrainingFacts], None]) -> Iterator[None]:
    """A block in which `listener` is told of every training, before its first step.

    Args:
        listener: Is called in the thread that trains.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tell_training(facts: TrainingFacts) -> None:
    """Tells all listeners of a training that is about to begin."""
    for listener in list(_listeners):
        listener(facts)
