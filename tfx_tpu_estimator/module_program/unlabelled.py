"""An input function for predictions: a schema's features, of examples without a label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.inputs import tfrecord
from tfx_tpu_estimator.inputs.example_parsing import ExampleParser
from tfx_tpu_estimator.inputs.schema import read_schema


def make_unlabelled_input_fn() -> Callable[[Mapping[str, Any]], tf.data.Dataset]:
    """Makes an input function that reads `params['predict_files']` once, in order.

    Returns:
        `input_fn(params)` -> Dataset of features {name: [batch, ...]}; the label may be missing
        from the examples. It reads 'predict_files', 'schema_path', 'label_key' and 'batch_size'.

    Example:
        input_fn = make_unlabelled_input_fn()
    """

    def input_fn(params: Mapping[str, Any]) -> tf.data.Dataset:
        schema = read_schema(params["schema_path"])
        parser = ExampleParser.from_schema(schema, exclude=[params["label_key"]])
        files = tfrecord.list_files(params["predict_files"], "predict_files")
        records = tfrecord.serialized_dataset(files, tfrecord.resolve_compression(None, files))
        return records.batch(params["batch_size"]).map(parser.parse).prefetch(1)

    return input_fn
