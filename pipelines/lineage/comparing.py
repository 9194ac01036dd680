"""Says what differs between two runs, or between the models they made."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.components import constants
from tfx_tpu_estimator.components.digest import compute_file_digests

# In the order in which one follows from another.
BEFORE = {
    constants.TRAIN_DATA_DIGEST: "training data",
    constants.EVAL_DATA_DIGEST: "evaluation data",
    constants.SCHEMA_DIGEST: "schema",
    constants.TRANSFORM_GRAPH_DIGEST: "transform graph",
    constants.BASE_MODEL_DIGEST: "base model",
    constants.HYPERPARAMETERS_DIGEST: "hyperparameters",
    constants.STATISTICS_DIGEST: "statistics",
    constants.MODULE_DIGEST: "user module",
}
VERSIONS = {
    constants.PACKAGE_VERSION: "version of tfx_tpu_estimator",
    constants.CODE_DIGEST: "code of tfx_tpu_estimator",
    constants.TENSORFLOW_VERSION: "version of TensorFlow",
    constants.JAX_VERSION: "version of jax",
    constants.PYTHON_VERSION: "version of Python",
    constants.MACHINE: "kind of machine",
    constants.CPUS: "number of CPUs",
    constants.SETTINGS: "environment variables",
}
_AFTER = {
    constants.SEED: "seed",
    constants.TRAIN_BATCH_SIZE: "batch size",
    constants.REPLICAS: "number of replicas",
    constants.PROCESSES: "number of processes",
    constants.PROGRAM_HASH: "program",
    constants.GLOBAL_STEP: "number of steps",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs.

    Attributes:
        what: What it is, in words.
        recorded: What it was when the model was trained.
        now: What it is now.
    """

    what: str
    recorded: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: recorded {self.recorded}, now {self.now}"


def compare_facts(
    names: Mapping[str, str], recorded: Mapping[str, Any], now: Mapping[str, Any]
) -> list[Difference]:
    """Compares facts; one that was not recorded cannot differ.

    Args:
        names: The facts to compare, and what they are called, in order.
        recorded: Facts of the recorded run.
        now: Facts of now.
    """
    return [
        Difference(what=words, recorded=_shorten(recorded[key]), now=_shorten(now.get(key)))
        for key, words in names.items()
        if recorded.get(key) is not None and not _is_same(recorded[key], now.get(key))
    ]


def _is_same(recorded: Any, now: Any) -> bool:
    if isinstance(recorded, float) and isinstance(now, float):
        # ML Metadata on SQLite keeps six digits.
        return math.isclose(recorded, now, rel_tol=1e-5, abs_tol=1e-12)
    return recorded == now


def compare_results(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Compares what two trainings recorded of themselves: program, steps, metrics."""
    metrics = {
        key: f"metric {key.removeprefix(constants.METRIC_PREFIX)}"
        for key in sorted(recorded)
        if key.startswith(constants.METRIC_PREFIX)
    }
    return compare_facts({**_AFTER, **metrics}, recorded, now)


def compare_models(recorded: str, now: str) -> list[Difference]:
    """Compares two SavedModels: first their variables, then all other files.

    Args:
        recorded: The directory of one.
        now: The directory of the other.
    """
    found = list(_compare_variables(recorded, now))
    before, after = compute_file_digests(recorded), compute_file_digests(now)
    for name in sorted({*before, *after}):
        if name.startswith("variables/") or name == constants.FINGERPRINT_FILE:
            continue
        if before.get(name) != after.get(name):
            found.append(
                Difference(
                    what=f"file {name}",
                    recorded=_shorten(before.get(name)),
                    now=_shorten(after.get(name)),
                )
            )
    return found


def _compare_variables(recorded: str, now: str) -> Iterator[Difference]:
    readers = [
        tf.train.load_checkpoint(os.path.join(path, "variables", "variables"))
        for path in (recorded, now)
    ]
    shapes = [reader.get_variable_to_shape_map() for reader in readers]
    for name in sorted({*shapes[0], *shapes[1]}):
        values = [
            np.asarray(reader.get_tensor(name)) if name in shape else None
            for reader, shape in zip(readers, shapes, strict=True)
        ]
        if values[0] is None or values[1] is None:
            yield Difference(
                what=f"variable {name}",
                recorded="there" if values[0] is not None else "not there",
                now="there" if values[1] is not None else "not there",
            )
        elif values[0].shape != values[1].shape or values[0].tobytes() != values[1].tobytes():
            yield _describe_variable(name, values[0], values[1])


def _describe_variable(name: str, recorded: np.ndarray, now: np.ndarray) -> Difference:
    if recorded.shape != now.shape or not np.issubdtype(recorded.dtype, np.number):
        return Difference(
            what=f"variable {name}", recorded=f"shape {recorded.shape}", now=f"shape {now.shape}"
        )
    apart = np.abs(recorded.astype(np.float64) - now.astype(np.float64))
    place = np.unravel_index(np.argmax(apart), apart.shape) if apart.shape else ()
    where = f"[{', '.join(str(int(i)) for i in place)}]" if place else ""
    return Difference(
        what=f"variable {name}{where}, which differs most (by {apart.max():.3g})",
        recorded=f"{recorded[place]!s}",
        now=f"{now[place]!s}",
    )


def _shorten(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    is_digest = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return f"{text[:12]}..." if is_digest else text
