"""Writes an evaluation in the files of TensorFlow Model Analysis, for its readers and viewers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import tensorflow as tf
import tensorflow_model_analysis as tfma

from tfx_tpu_estimator.whole_files import write_file

from .evaluation import Evaluation
from .tfma_names import metrics_plots_and_validations_writer as formats
from .tfma_names import serialize_eval_run

_SHARD = "-00000-of-00001.tfrecord"
_CONFIG_FILE = "eval_config.json"


def write_evaluation(
    path: str, evaluation: Evaluation, *, data_location: str, models: Mapping[str, str]
) -> None:
    """Writes metrics, plots, attributions, the validation and the configuration.

    `tfma.load_eval_result`, `tfma.load_validation_result` and TFMA's viewers read them. Each file
    is written aside and renamed; the configuration, which readers look for first, comes last.

    Args:
        path: A directory; made if it does not exist.
        evaluation: What to write.
        data_location: Where the examples are, for display.
        models: SavedModel by name, for display.
    """
    tf.io.gfile.makedirs(path)
    metrics = [
        formats.convert_slice_metrics_to_proto(item, None) for item in evaluation.metrics.items()
    ]
    plots = [
        formats.convert_slice_plots_to_proto(item, None)
        for item in evaluation.plots.items()
        if item[1]
    ]
    attributions = [
        formats.convert_slice_attributions_to_proto(item)
        for item in evaluation.attributions.items()
        if item[1]
    ]
    _write_records(os.path.join(path, tfma.METRICS_KEY + _SHARD), metrics)
    _write_records(os.path.join(path, tfma.PLOTS_KEY + _SHARD), plots)
    _write_records(os.path.join(path, tfma.ATTRIBUTIONS_KEY + _SHARD), attributions)
    _write_records(os.path.join(path, f"{tfma.VALIDATIONS_KEY}.tfrecord"), [evaluation.validation])
    if _CONFIG_FILE.removesuffix(".json") not in evaluation.config.options.disabled_outputs.values:
        text = serialize_eval_run(evaluation.config, data_location, "tfrecords", dict(models))
        write_file(os.path.join(path, _CONFIG_FILE), text)


def _write_records(target: str, messages: Iterable) -> None:
    # A name that no pattern of the readers matches.
    folder, name = os.path.split(target)
    aside = os.path.join(folder, f".{name}.partial")
    with tf.io.TFRecordWriter(aside) as writer:
        for message in messages:
            writer.write(message.SerializeToString())
    tf.io.gfile.rename(aside, target, overwrite=True)
