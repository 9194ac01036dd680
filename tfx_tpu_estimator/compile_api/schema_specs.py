"""Input functions that know shapes and types from a schema, and read nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.inputs.example_parsing import ExampleParser
from tfx_tpu_estimator.inputs.schema import read_schema


def make_spec_input_fn(schema_path: str, label_key: str) -> Callable[..., tf.data.Dataset]:
    """Returns an input function whose tensors have the shapes and types of a schema.

    It stands for the one that the Trainer builds from the schema, where no data is at hand.

    Args:
      schema_path: Path of the schema's text form.
      label_key: Name of the label.

    Raises:
      ValueError: The schema cannot be read, lacks the label, or has a feature of no fixed shape.
    """
    parser = ExampleParser.from_schema(read_schema(schema_path), label_key)

    def input_fn(params: Mapping[str, Any]) -> tf.data.Dataset:
        records = tf.data.Dataset.from_tensors(tf.constant("", tf.string)).repeat()
        batches = records.batch(params["batch_size"], drop_remainder=True)
        return batches.map(parser.parse_with_label)

    return input_fn
