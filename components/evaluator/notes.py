"""What a user should know of an evaluation that worked: empty slices, settings of no effect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from tensorflow_model_analysis.proto import config_pb2

from tfx_tpu_estimator.suggestions import suggest

from ..constants import SERVE_TAGS
from ..saved_model import read_meta_graphs
from .engine.evaluation import Evaluation
from .engine.reading import ColumnDecoder, read_batches, to_values
from .engine.tfma_names import metrics_plots_and_validations_writer as formats
from .engine.tfma_names import slicer_lib
from .eval_config_checks import list_outputs
from .sliced import SlicedEvaluation


def find_notes(
    sliced: SlicedEvaluation,
    path: str,
    evaluation: Evaluation | None,
    *,
    uses_outputs: bool = True,
) -> list[str]:
    """Finds out what of an EvalConfig had no effect.

    Args:
        sliced: What was evaluated.
        path: Directory with the results.
        evaluation: What the runtime computed; None where TensorFlow Model Analysis did.
        uses_outputs: Whether predictions are the outputs of a signature as they are.

    Returns:
        Sentences.
    """
    keys = _read_keys(path) if evaluation is None else list(evaluation.metrics)
    ignored = _find_ignored_keys(sliced) if uses_outputs else ()
    return [*ignored, *_find_empty_slices(sliced, keys)]


def _read_keys(path: str) -> list[Any]:
    return [
        slicer_lib.deserialize_slice_key(found.slice_key)
        for found in formats.load_and_deserialize_metrics(path)
        if not found.HasField("cross_slice_key")
    ]


def _find_ignored_keys(sliced: SlicedEvaluation) -> Iterable[str]:
    for spec in sliced.resolved_config.model_specs:
        path = sliced.models[spec.name]
        outputs = list_outputs(read_meta_graphs(path)[SERVE_TAGS].signatures, spec)
        if len(outputs) == 1 and spec.prediction_key not in ("", *outputs):
            yield (
                f"`eval_config`: `prediction_key` is {spec.prediction_key!r}, but the only output "
                f"of the model at {path} is {outputs[0]!r}, and that was evaluated, as TensorFlow "
                "Model Analysis does."
            )


def _find_empty_slices(sliced: SlicedEvaluation, keys: Iterable[Any]) -> Iterable[str]:
    keys = [key for key in keys if not slicer_lib.is_cross_slice_key(key)]
    empty = []
    for proto in _list_specs(sliced.config):
        spec = slicer_lib.SingleSliceSpec(spec=proto)
        if not proto.slice_keys_sql and not any(map(spec.is_slice_applicable, keys)):
            empty.append(proto)
    if not empty:
        return
    features, count = _read_features(sliced)
    for proto in empty:
        words = [f"`eval_config`: no example is in {_describe(proto)}."]
        for name in sorted({*proto.feature_keys, *proto.feature_values} - features):
            words.append(
                f"None of the first {count:,} examples has the feature {name!r}."
                f"{suggest(name, features)}"
            )
        yield " ".join(words)


def _list_specs(config: config_pb2.EvalConfig) -> list[config_pb2.SlicingSpec]:
    """Returns all specs but that of all examples, each once."""
    found = list(config.slicing_specs)
    for cross in config.cross_slicing_specs:
        found += [cross.baseline_spec, *cross.slicing_specs]
    distinct = {spec.SerializeToString(deterministic=True): spec for spec in found}
    return [spec for spec in distinct.values() if spec.feature_keys or spec.feature_values]


def _describe(spec: config_pb2.SlicingSpec) -> str:
    values = ", ".join(f"{name}={value}" for name, value in sorted(spec.feature_values.items()))
    if not spec.feature_keys:
        return f"the slice {values}"
    names = " and ".join(repr(name) for name in spec.feature_keys)
    return f"a slice by {names}" + (f" within {values}" if values else "")


def _read_features(sliced: SlicedEvaluation) -> tuple[set[str], int]:
    """Returns the features that the first examples have, or that are made of them."""
    reading = read_batches(sliced.files, sliced.compression, sliced.batch_size)
    with contextlib.closing(reading) as batches:
        records = next(batches)
    columns = ColumnDecoder(None).decode(records)
    names = set(columns)
    if sliced.add_features is not None:
        names |= set(sliced.add_features(to_values(columns)))
    if sliced.transform is not None:
        # TensorFlow Transform is loaded by those who have a graph of it.
        from ..graph_transformer import list_made

        names |= list_made(sliced.transform)
    return names, len(records)
