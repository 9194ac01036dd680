"""Input functions for those who write none: TFRecord files and a schema -> (features, label)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import tensorflow as tf

from tfx_tpu_estimator.errors import EmptySplitError
from tfx_tpu_estimator.inputs.example_parsing import ExampleParser
from tfx_tpu_estimator.inputs.schema import read_schema
from tfx_tpu_estimator.inputs.tfrecord import (
    count_records,
    list_files,
    resolve_compression,
    serialized_dataset,
)

# Records shuffled among while training; memory is this times the size of one record.
SHUFFLE_BUFFER = 10_000
_PAYLOAD_FORMATS = (None, "FORMAT_TF_EXAMPLE")


def make_schema_input_fn(
    files_key: Literal["train_files", "eval_files"],
    *,
    training: bool,
    shuffle_buffer: int = SHUFFLE_BUFFER,
) -> Callable[[Mapping[str, Any]], tf.data.Dataset]:
    """Makes an input function that needs nothing but the files and their schema.

    Args:
        files_key: which entry of `params` has the file patterns.
        training: True: shuffled by `params['seed']` (0 if absent), repeated for ever, whole
            batches only. False: one pass in the order of the files, the last batch may be smaller.
        shuffle_buffer: records to shuffle among while training.

    Returns:
        `input_fn(params)` -> Dataset of (features {name: [batch, ...]}, label [batch, ...]). It
        reads `params[files_key]`, 'schema_path', 'label_key', 'batch_size' and, if there,
        'data_format', 'payload_format' and 'seed'. It raises ValueError for a parameter that is
        missing or wrong, and EmptySplitError if there is no record.

    Example:
        >>> input_fn = make_schema_input_fn("train_files", training=True)
        >>> dataset = input_fn({"train_files": ["/data/Split-train/*"], "batch_size": 64,
        ...     "schema_path": "/data/schema.pbtxt", "label_key": "tips"})  # doctest: +SKIP
    """

    def input_fn(params: Mapping[str, Any]) -> tf.data.Dataset:
        _check_params(params, files_key)
        parser = ExampleParser.from_schema(read_schema(params["schema_path"]), params["label_key"])
        files = list_files(params[files_key], files_key)
        compression = resolve_compression(params.get("data_format"), files)
        _check_not_empty(files, compression, files_key)
        with _shuffled_alike(params):
            dataset = serialized_dataset(
                files,
                compression,
                shuffle_seed=(params.get("seed") or 0) if training else None,
                shuffle_buffer=shuffle_buffer if training else 0,
                repeat=training,
            )
        # Parsing whole batches costs a fraction of parsing record by record.
        dataset = _batch(dataset, params, training=training)
        dataset = dataset.map(
            parser.parse_with_label, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return dataset.prefetch(tf.data.AUTOTUNE)

    return input_fn


@contextlib.contextmanager
def _shuffled_alike(params: Mapping[str, Any]) -> Iterator[None]:
    """A block in which all hosts of a run make the same stream.

    Each of them has a graph with a seed of its own, which TensorFlow adds to that of the shuffling.
    """
    context = params.get("context")
    if context is None or context.num_hosts == 1:
        yield
        return
    graph = tf.compat.v1.get_default_graph()
    before, graph.seed = graph.seed, params.get("seed") or 0
    try:
        yield
    finally:
        graph.seed = before


def _batch(
    dataset: tf.data.Dataset, params: Mapping[str, Any], *, training: bool
) -> tf.data.Dataset:
    """Makes batches; of a training on several hosts this host's rows of the batches of all."""
    size, context = params["batch_size"], params.get("context")
    if not training or context is None or context.num_hosts == 1:
        return dataset.batch(size, drop_remainder=training)
    first = context.current_host * size
    # Records are not parsed yet. So batches are the same, whatever the number of hosts.
    batches = dataset.batch(context.num_hosts * size, drop_remainder=True)
    return batches.map(lambda records: records[first : first + size])


def _check_params(params: Mapping[str, Any], files_key: str) -> None:
    for key in (files_key, "schema_path", "label_key", "batch_size"):
        if not params.get(key):
            raise ValueError(
                f"`params[{key!r}]` is {params.get(key)!r}; an input function built from the "
                "schema needs it. Give it to the Trainer, or write the input function yourself."
            )
    payload = params.get("payload_format")
    if payload not in _PAYLOAD_FORMATS:
        raise ValueError(
            f"`params['payload_format']` is {payload!r}; only records of 'FORMAT_TF_EXAMPLE' can "
            "be read by the schema. Let ExampleGen write tf.Examples, or write the input "
            "function yourself."
        )


def _check_not_empty(files: list[str], compression: str, files_key: str) -> None:
    # Without this, training on nothing would end at once as if it had succeeded.
    if count_records(files, compression, limit=1) == 0:
        raise EmptySplitError(
            f"`params[{files_key!r}]`: the {len(files)} file(s) hold no record, the first is "
            f"{files[0]!r}. A split must have at least one example."
        )
