"""The digits demo: scikit-learn's handwritten digits, written to TFRecords first."""

from __future__ import annotations

import os

import tensorflow_model_analysis as tfma
from google.protobuf import text_format

from tfx_tpu_estimator.components import TPUEstimatorOptions
from tfx_tpu_estimator.examples.tpu_check import choose_validator
from tfx_tpu_estimator.pipelines.config import PipelineConfig

from .write_digits import write_digits

_EVAL_CONFIG = """
  model_specs { label_key: "digit" prediction_key: "probabilities" signature_name: "predict" }
  slicing_specs {}
  slicing_specs { feature_keys: "digit" }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics {
      class_name: "SparseCategoricalAccuracy"
      per_slice_thresholds {
        slicing_specs {}
        threshold { value_threshold { lower_bound { value: 0.9 } } }
      }
    }
    metrics { class_name: "SparseCategoricalCrossentropy" }
  }
"""


def make_config(
    directory: str,
    *,
    train_steps: int | None = None,
    use_tpu: bool | None = None,
    enable_cache: bool = True,
) -> PipelineConfig:
    """Writes the data and returns the parameters of the digits pipeline.

    Args:
      directory: Where everything is written, the data in `<directory>/data`.
      train_steps: Steps to train; None for 300.
      use_tpu: Whether to run as one program on TPU cores, or virtual ones, rather than on
        TensorFlow's own kernels. None: False.
      enable_cache: Whether unchanged nodes are skipped.
    """
    data = os.path.join(directory, "data")
    write_digits(data)
    here = os.path.dirname(os.path.abspath(__file__))
    return PipelineConfig(
        name="digits",
        root=os.path.join(directory, "artifacts"),
        metadata_path=os.path.join(directory, "metadata.sqlite"),
        examples_dir=data,
        splits={"train": "Split-train/*", "eval": "Split-eval/*"},
        schema_file=os.path.join(data, "schema.pbtxt"),
        module_file=os.path.join(here, "digits_module.py"),
        push_dir=os.path.join(directory, "pushed"),
        options=TPUEstimatorOptions(
            use_tpu=bool(use_tpu),
            train_batch_size=64,
            iterations_per_loop=50,
            label_key="digit",
        ),
        train_steps=train_steps or 300,
        eval_config=text_format.Parse(_EVAL_CONFIG, tfma.EvalConfig()),
        enable_cache=enable_cache,
        validator=choose_validator(),
    )
