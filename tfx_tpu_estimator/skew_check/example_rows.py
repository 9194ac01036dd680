"""The examples to check on, one row each, and where each is from."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.inputs.record_scan import iterate_records
from tfx_tpu_estimator.inputs.tfrecord import list_files, raise_if_corrupt, resolve_compression


@dataclasses.dataclass(frozen=True)
class Row:
    """One example.

    Attributes:
      index: Its number, from 0.
      value: A serialized tf.Example, or {input key: value}.
      file: The file it is from, or None.
      record: Its number in the file, from 0, or None.
    """

    index: int
    value: bytes | Mapping[str, Any]
    file: str | None = None
    record: int | None = None

    def describe(self) -> str:
        """Returns where it is from, for messages."""
        if self.file is None:
            return f"example {self.index}"
        return f"record {self.record} of {self.file}"


def read_rows(examples: Any, count: int | None, data_format: str | None) -> Iterator[Row]:
    """Reads examples; see `skew_check`.

    Raises:
      ValueError: `examples` is of no allowed form, or cannot be read.
    """
    rows = _list_rows(examples, data_format)
    return rows if count is None else itertools.islice(rows, count)


def _list_rows(examples: Any, data_format: str | None) -> Iterator[Row]:
    if isinstance(examples, Mapping):
        return _rows_of_arrays(examples)
    if isinstance(examples, str):
        return _rows_of_files([examples], data_format)
    if isinstance(examples, bytes):
        raise _form_error("one bytes object; put it into a list")
    try:
        listed = list(examples)
    except TypeError as error:
        raise _form_error(f"{type(examples).__name__}") from error
    if not listed:
        raise ValueError("`examples` is empty; a check on no example says nothing.")
    if all(isinstance(item, str) for item in listed):
        return _rows_of_files(listed, data_format)
    if all(isinstance(item, bytes | Mapping) for item in listed):
        return (Row(index, item) for index, item in enumerate(listed))
    kinds = sorted({type(item).__name__ for item in listed})
    raise _form_error(f"a sequence of {', '.join(kinds)}")


def _form_error(got: str) -> ValueError:
    return ValueError(
        "`examples` must be a file pattern or several, serialized tf.Examples (bytes), "
        f"{{input key: array}} or dicts {{input key: value}} in a sequence; got {got}."
    )


def _rows_of_arrays(arrays: Mapping[str, Any]) -> Iterator[Row]:
    made = {key: np.asarray(value) for key, value in arrays.items()}
    sizes = {key: len(value) for key, value in made.items() if value.ndim}
    if not sizes or len(set(sizes.values())) > 1:
        raise ValueError(
            "`examples`: the arrays of all input keys must have a row per example, equally many; "
            f"got {sizes or 'no array with rows'}."
        )
    if not next(iter(sizes.values())):
        raise ValueError("`examples` has no rows; a check on no example says nothing.")
    return (
        Row(i, {key: value[i] if value.ndim else value for key, value in made.items()})
        for i in range(next(iter(sizes.values())))
    )


def _rows_of_files(patterns: Sequence[str], data_format: str | None) -> Iterator[Row]:
    files = list_files(patterns, "examples")
    compression = resolve_compression(data_format, files)
    index = 0
    for path in files:
        try:
            for record, value in enumerate(iterate_records(path, compression)):
                yield Row(index, value, path, record)
                index += 1
        except tf.errors.DataLossError as error:
            raise_if_corrupt([path], compression)
            raise DataCorruptionError(f"{path}: cannot be read as TFRecord: {error}") from error
    if not index:
        raise ValueError(
            f"`examples`: the files of {list(patterns)} hold no record; a check on no example says "
            "nothing."
        )
