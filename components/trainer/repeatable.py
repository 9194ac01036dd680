"""Makes a training one that can be had again, whatever the module's form: seeds set, facts kept."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio

from tfx_tpu_estimator.config.seeds import default_seed
from tfx_tpu_estimator.runs.training_log import TrainingFacts, trainings_told

# Beside the checkpoints: a retry that finds the training done still knows what it was.
_FACTS_FILE = "training.json"
# numpy takes no larger ones.
_SEED_LIMIT = 2**32


class TrainingNotes:
    """What is known of the last training in a directory of durable checkpoints.

    Args:
        directory: The directory.
        writes: Whether this process writes there; of several only the chief does.
    """

    def __init__(self, directory: str, *, writes: bool = True):
        self._path = os.path.join(directory, _FACTS_FILE)
        self._writes = writes
        self._facts: TrainingFacts | None = None

    @property
    def facts(self) -> TrainingFacts | None:
        """Facts of the last training; None where no estimator of this package has trained."""
        if self._facts is None and fileio.exists(self._path):
            with fileio.open(self._path, "r") as file:
                self._facts = TrainingFacts(**json.loads(file.read()))
        return self._facts

    def note(self, facts: TrainingFacts) -> None:
        """Keeps the facts of a training, here and beside its checkpoints."""
        self._facts = facts
        if not self._writes:
            return
        with fileio.open(f"{self._path}.part", "w") as file:
            file.write(json.dumps(dataclasses.asdict(facts), sort_keys=True))
        fileio.rename(f"{self._path}.part", self._path, overwrite=True)


@contextlib.contextmanager
def repeatable(seed: int, notes: TrainingNotes) -> Iterator[None]:
    """A block in which a user's module trains.

    Estimators whose RunConfig has no seed take this one, and so do the generators of Python,
    numpy and eager TensorFlow, which a module of another kind may draw from. Those of Python and
    numpy are afterwards what they were before.

    Args:
        seed: The seed.
        notes: Is told of every training.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % _SEED_LIMIT)
    tf.random.set_seed(seed)
    try:
        with default_seed(seed), trainings_told(notes.note):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        # What it was before cannot be asked for; this is how TensorFlow starts.
        tf.random.set_seed(cast(Any, None))
