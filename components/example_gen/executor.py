"""Executor of ImportExampleGen: looks at every input file before it imports."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Sequence
from typing import Any

from tfx import types
from tfx.components.example_gen.import_example_gen import executor as tfx_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.inputs import record_scan, tfrecord

_THREADS = 4


class Executor(tfx_executor.Executor):
    """Checks that the input files are whole, then imports them as TFX does."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Imports the examples; see TFX's ImportExampleGen for the arguments.

        Raises:
          DataCorruptionError: A file is damaged, truncated or no TFRecord file, or a record is no
            tf.Example.
          EmptySplitError: A pattern matches no file.
        """
        if not _holds_tfrecords(exec_properties):
            super().Do(input_dict, output_dict, exec_properties)
            return
        files = list_input_files(exec_properties)
        check_files(files)
        try:
            super().Do(input_dict, output_dict, exec_properties)
        except Exception as error:
            _name_bad_example(files, exec_properties, error)
            raise


def list_input_files(exec_properties: dict[str, Any]) -> list[str]:
    """Returns the files that the splits of an execution name, each once.

    Raises:
      EmptySplitError: A pattern matches no file.
    """
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config)
    base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    found: dict[str, None] = {}
    for split in config.splits:
        pattern = os.path.join(base, split.pattern)
        found.update(dict.fromkeys(tfrecord.list_files(pattern, what=f"split {split.name!r}")))
    return list(found)


def check_files(files: Sequence[str]) -> None:
    """Reads every file once, several at a time.

    Raises:
      DataCorruptionError: One cannot be read; the message names it and the record.
    """
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(_check_file, files):
            pass


def _check_file(path: str) -> None:
    tfrecord.raise_if_corrupt([path], tfrecord.resolve_compression(None, [path]))


def _holds_tfrecords(exec_properties: dict[str, Any]) -> bool:
    payload = exec_properties.get(standard_component_specs.OUTPUT_DATA_FORMAT_KEY)
    return payload != example_gen_pb2.PayloadFormat.FORMAT_PARQUET


def _name_bad_example(files: Sequence[str], exec_properties: dict, error: Exception) -> None:
    """Raises an error that names the record which is no tf.Example, if that was the trouble."""
    payload = exec_properties.get(standard_component_specs.OUTPUT_DATA_FORMAT_KEY)
    if payload != example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE:
        return
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    for path in files:
        compression = tfrecord.resolve_compression(None, [path])
        for index, record in enumerate(record_scan.iterate_records(path, compression)):
            try:
                tf.train.Example.FromString(record)
            except DecodeError as reason:
                raise DataCorruptionError(
                    f"{path}: record {index} is not a serialized tf.Example ({reason}). Write "
                    "tf.Examples, or set `payload_format` to what the file holds."
                ) from error
