"""The best evaluation so far, kept beside the exports, so that it survives a restart."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.whole_files import write_file

FILENAME = "best_eval_result.json"
ATTEMPT_FILENAME = "next_eval_result.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestRecord:
    """An evaluation whose model was exported.

    Attributes:
      metrics: Its metrics by name: numbers and arrays. Other metrics are not kept.
      export: Name of the export's directory.
    """

    metrics: dict[str, Any]
    export: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """An evaluation whose model is being exported.

    Attributes:
      metrics: As for `BestRecord`.
      versions: Numbers of the exports that were there before.
    """

    metrics: dict[str, Any]
    versions: tuple[int, ...]


def read_record(directory: str) -> BestRecord | None:
    """Returns the record of a directory of exports, or None where there is none.

    Args:
      directory: The directory; it need not exist.

    Raises:
      DataCorruptionError: The file cannot be understood.
    """
    content = _read(directory, FILENAME, ("metrics", "export"))
    return None if content is None else BestRecord(**content)


def write_record(directory: str, record: BestRecord) -> None:
    """Writes the record of a directory of exports: all of it, or what was there stays.

    Args:
      directory: The directory, which must exist.
      record: What to write.
    """
    _write(directory, FILENAME, record.metrics, export=record.export)


def read_attempt(directory: str) -> Attempt | None:
    """Returns the last attempt at an export, or None where there is none.

    Args:
      directory: The directory of exports; it need not exist.

    Raises:
      DataCorruptionError: The file cannot be understood.
    """
    content = _read(directory, ATTEMPT_FILENAME, ("metrics", "versions"))
    if content is None:
        return None
    return Attempt(metrics=content["metrics"], versions=tuple(content["versions"]))


def write_attempt(directory: str, metrics: Mapping[str, Any], versions: Sequence[int]) -> None:
    """Notes, before an export, what it is of: should the process end before it writes the record.

    Args:
      directory: The directory of exports; it is made where it is missing.
      metrics: Metrics of the evaluation by name.
      versions: Numbers of the exports that are there.
    """
    tf.io.gfile.makedirs(directory)
    _write(directory, ATTEMPT_FILENAME, metrics, versions=list(versions))


def delete_attempt(directory: str) -> None:
    """Deletes the note of an attempt, which must be there."""
    tf.io.gfile.remove(os.path.join(directory, ATTEMPT_FILENAME))


def list_scalars(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metrics that are a number."""
    return {name: value for name, value in metrics.items() if _is_number(value)}


def is_nan(value: Any) -> bool:
    """Whether a metric is a number that is not one."""
    return _is_number(value) and bool(np.isnan(np.asarray(value, np.float64)))


def _is_number(value: Any) -> bool:
    # bfloat16, which devices give, is no subtype of numpy's numbers.
    if isinstance(value, bytes | str):
        return False
    array = np.asarray(value)
    return array.ndim == 0 and (array.dtype.kind in "fiub" or array.dtype == tf.bfloat16)


def _read(directory: str, filename: str, keys: Sequence[str]) -> dict[str, Any] | None:
    path = os.path.join(directory, filename)
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path, "r") as f:
        text = f.read()
    try:
        content = {key: json.loads(text)[key] for key in keys}
        metrics = {name: _decode(value) for name, value in content["metrics"].items()}
        return {**content, "metrics": metrics}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataCorruptionError(
            f"{path} is damaged ({error!r}). It holds the best evaluation so far; delete it to let "
            "the next evaluation count as the best."
        ) from error


def _write(directory: str, filename: str, metrics: Mapping[str, Any], **others: Any) -> None:
    encoded = {name: _encode(value) for name, value in metrics.items()}
    kept = {name: value for name, value in sorted(encoded.items()) if value is not None}
    content = json.dumps({"metrics": kept, **others}, indent=2)
    write_file(os.path.join(directory, filename), content + "\n")


def _encode(value: Any) -> Any:
    """Returns a metric as JSON can hold it; None for what it cannot."""
    if isinstance(value, bytes | str):
        return None
    array = np.asarray(value)
    if _is_number(value):
        return int(array) if array.dtype.kind in "iub" else float(array)
    if array.dtype.kind in "fiub":
        return {"dtype": array.dtype.name, "values": array.tolist()}
    return None


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["values"], np.dtype(value["dtype"]))
    return value
