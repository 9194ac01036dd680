"""TensorFlow Model Analysis itself, through Beam, on TFRecord files."""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tfx_bsl.public import tfxio

from .sliced import SlicedEvaluation


def run_tfma(sliced: SlicedEvaluation, path: str, beam_args: Sequence[str]) -> None:
    """Evaluates through Beam and writes the result.

    Args:
        sliced: What to evaluate on what.
        path: Directory for the files.
        beam_args: Beam's options, as they are.
    """
    config = sliced.resolved_config
    models = [
        tfma.default_eval_shared_model(
            eval_saved_model_path=sliced.models[spec.name],
            model_name=spec.name,
            eval_config=config,
        )
        for spec in config.model_specs
    ]
    source = tfxio.TFExampleRecord(
        list(sliced.files),
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
        telemetry_descriptors=["tfx_tpu_estimator"],
    )
    with beam.Pipeline(argv=list(beam_args)) as pipeline:
        _ = (
            pipeline
            | "ReadExamples" >> source.BeamSource()
            | "Evaluate"
            >> tfma.ExtractEvaluateAndWriteResults(
                eval_shared_model=models[0] if len(models) == 1 else models,
                eval_config=config,
                output_path=path,
            )
        )
