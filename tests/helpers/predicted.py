"""Batches for metrics, with labels, predictions, weights and slices made up at random."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from google.protobuf import text_format
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import update_eval_config_with_defaults

from tfx_tpu_estimator.components.evaluator.engine.batch import Batch


def parse_config(text: str, *, has_baseline: bool = False) -> config_pb2.EvalConfig:
    """Parses an EvalConfig and fills in its defaults."""
    config = text_format.Parse(text, config_pb2.EvalConfig())
    return update_eval_config_with_defaults(config, has_baseline=has_baseline, rubber_stamp=True)


def make_lists(rows, kind: pa.DataType | None = None) -> pa.Array:
    """Makes a column of lists, one per example; None for an example without the feature."""
    return pa.array(rows, pa.large_list(kind) if kind is not None else None)


def make_batch(config, predictions, **columns) -> Batch:
    """Makes a batch of a numeric value, or a list of them, per example and column."""
    arrays = {}
    for name, values in columns.items():
        if isinstance(values, pa.Array):
            arrays[name] = values
            continue
        values = np.asarray(values)
        kind = pa.float32() if values.dtype.kind == "f" else pa.int64()
        arrays[name] = make_lists(values.reshape([len(values), -1]).tolist(), kind)
    count = len(next(iter(arrays.values())))
    return Batch(config, count, arrays, predictions)
