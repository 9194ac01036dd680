"""Computes a model's metrics by the TPUEstimator runtime, as its Trainer would."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfx import types
from tfx.utils import io_utils

from ..constants import RUNTIME_METRICS_FILE
from ..data_errors import explain_data_errors
from ..examples import SplitFiles, check_tf_examples, resolve_splits
from ..run_record import RunRecord, load_recorded_module
from ..runtime import build_program, count_eval_steps, create_estimator, resolve_eval_input_fn
from ..transformed_examples import TransformSource
from ..user_module import UserModule

_logger = logging.getLogger(__name__)


def evaluate_splits(
    record: RunRecord,
    serving_path: str,
    examples: Sequence[types.Artifact],
    splits: Sequence[str],
    schema_path: str | None,
) -> dict[str, dict[str, Any]]:
    """Evaluates a SavedModel's variables with the program that trained them.

    Args:
        record: The run the model came from, of the plain-functions form.
        serving_path: The SavedModel directory; its variables are the checkpoint.
        examples: Examples artifacts.
        splits: Splits to evaluate, each on its own.
        schema_path: Schema of the examples; None: the one the model was trained with.

    Returns:
        Metrics by split: plain numbers, with `loss` and `global_step`.

    Raises:
        DataCorruptionError: If a file of examples cannot be read.
        SchemaMismatchError: If an example does not match the schema.
    """
    module = load_recorded_module(record)
    results = {}
    for split in splits:
        files = resolve_splits(examples, [split], "example_splits")
        with _as_trained(record, module, files) as own:
            results[split] = _evaluate(record, module, serving_path, own, schema_path, split)
        _logger.info("Metrics of split %r: %s", split, results[split])
    return results


def write_metrics(uri: str, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes metrics by split to `runtime_metrics.json` in the evaluation's directory."""
    text = json.dumps(metrics, indent=2, sort_keys=True)
    io_utils.write_string_file(os.path.join(uri, RUNTIME_METRICS_FILE), text + "\n")


@contextlib.contextmanager
def _as_trained(record: RunRecord, module: UserModule, files: SplitFiles) -> Iterator[SplitFiles]:
    """Yields examples as the program was trained on: raw ones transformed, if that is how."""
    path = record.data.transform_graph_path
    if path is None or module.get("eval_input_fn") is not None:
        yield files
        return
    # TensorFlow Transform is loaded by those who have a graph of it.
    from ..graph_transformer import are_transformed, write_transformed

    source = TransformSource(path, record.data.schema_path)
    if are_transformed(source, files):
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="transformed_") as folder:
        yield write_transformed(source, files, folder)


def _evaluate(
    record: RunRecord,
    module,
    serving_path: str,
    files: SplitFiles,
    schema_path: str | None,
    split: str,
) -> dict[str, Any]:
    data = dataclasses.replace(
        record.data,
        eval_files=files.patterns,
        data_format=files.data_format,
        payload_format=files.payload_format,
        schema_path=schema_path or record.data.schema_path,
        # The whole split: a verdict must not rest on the part the Trainer happened to look at.
        eval_steps=None,
    )
    program = build_program(module, record.options, data, record.custom_config)
    input_fn = resolve_eval_input_fn(program)
    own_input = module.get("eval_input_fn") is not None
    if not own_input:
        check_tf_examples(files, "the input function is built from the schema")
    with (
        tempfile.TemporaryDirectory(prefix="evaluation_") as model_dir,
        explain_data_errors(
            files,
            schema_path=data.schema_path,
            label_key=program.options.label_key,
            parsed_by_schema=not own_input,
        ),
    ):
        estimator = create_estimator(program, model_dir)
        metrics = estimator.evaluate(
            input_fn,
            steps=count_eval_steps(program, files),
            checkpoint_path=os.path.join(serving_path, "variables", "variables"),
            name=split,
        )
    return {name: _to_plain(value) for name, value in metrics.items()}


def _to_plain(value: Any) -> Any:
    """Turns numpy values into what JSON can say."""
    return value.tolist() if hasattr(value, "tolist") else value
