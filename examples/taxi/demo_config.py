"""The taxi demo: the trips that ship with TFX, evaluation by slice, a threshold on the AUC."""

from __future__ import annotations

import importlib.util
import os

import tensorflow_model_analysis as tfma
from google.protobuf import text_format

from tfx_tpu_estimator.components import TPUEstimatorOptions
from tfx_tpu_estimator.examples.tpu_check import choose_validator
from tfx_tpu_estimator.pipelines.config import PipelineConfig

_EVAL_CONFIG = """
  model_specs { label_key: "big_tipper" prediction_key: "logistic" signature_name: "predict" }
  slicing_specs {}
  slicing_specs { feature_keys: "payment_type" }
  slicing_specs { feature_keys: "trip_start_day" }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics { class_name: "BinaryCrossentropy" }
    metrics { class_name: "Calibration" module: "tensorflow_model_analysis.metrics.calibration" }
    metrics {
      class_name: "AUC"
      per_slice_thresholds {
        slicing_specs {}
        threshold {
          value_threshold { lower_bound { value: 0.75 } }
          change_threshold { direction: HIGHER_IS_BETTER absolute { value: -0.01 } }
        }
      }
    }
  }
"""


def make_config(
    directory: str,
    *,
    train_steps: int | None = None,
    use_tpu: bool | None = None,
    enable_cache: bool = True,
) -> PipelineConfig:
    """Returns the parameters of the taxi pipeline.

    Args:
      directory: Where everything is written.
      train_steps: Steps to train; None for 2,000.
      use_tpu: Whether to run as one program on TPU cores, or virtual ones, rather than on
        TensorFlow's own kernels. None: True.
      enable_cache: Whether unchanged nodes are skipped.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    testdata = os.path.join(_find_tfx(), "components", "testdata")
    module_file = os.path.join(here, "taxi_module.py")
    return PipelineConfig(
        name="taxi",
        root=os.path.join(directory, "artifacts"),
        metadata_path=os.path.join(directory, "metadata.sqlite"),
        examples_dir=os.path.join(testdata, "csv_example_gen"),
        splits={"train": "Split-train/*", "eval": "Split-eval/*"},
        schema_file=os.path.join(testdata, "schema_gen", "schema.pbtxt"),
        module_file=module_file,
        evaluator_module_file=module_file,
        push_dir=os.path.join(directory, "pushed"),
        options=TPUEstimatorOptions(
            use_tpu=use_tpu is not False,
            train_batch_size=256,
            iterations_per_loop=100,
            label_key="big_tipper",
        ),
        train_steps=train_steps or 2000,
        eval_config=text_format.Parse(_EVAL_CONFIG, tfma.EvalConfig()),
        enable_cache=enable_cache,
        validator=choose_validator(),
    )


def _find_tfx() -> str:
    spec = importlib.util.find_spec("tfx")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("The taxi demo needs TFX: pip install 'tfx-tpu-estimator[tfx]'.")
    return spec.submodule_search_locations[0]
