"""TensorFlow Model Analysis evaluates the metagraph {serve} as the estimator evaluates itself."""

import numpy as np
import pytest
from google.protobuf import text_format
from helpers.needs import TFX
from helpers.tfrecords import write_records

tfma = pytest.importorskip("tensorflow_model_analysis", reason=TFX)

CONFIG = """
model_specs { label_key: "label" prediction_key: "probabilities" }
slicing_specs {}
metrics_specs {
  metrics { class_name: "BinaryAccuracy" }
  metrics { class_name: "AUC" config: '"num_thresholds": 200' }
  metrics { class_name: "ExampleCount" }
  metrics { class_name: "BinaryCrossentropy" }
}
"""


@pytest.mark.parametrize("origin", ["devices", "old estimator"])
def test_metrics_are_those_of_evaluate(exports, examples, origin, tmp_path):
    config = text_format.Parse(CONFIG, tfma.EvalConfig())
    model = tfma.default_eval_shared_model(exports[origin].path, eval_config=config, tags=["serve"])
    result = tfma.run_model_analysis(
        model,
        config,
        data_location=write_records(tmp_path / "examples", examples),
        output_path=str(tmp_path / "analysis"),
    )
    (metrics,) = result.get_metrics_for_all_slices().values()
    found = {name: value["doubleValue"] for name, value in metrics.items()}
    expected = exports[origin].metrics
    assert found["example_count"] == len(examples)
    np.testing.assert_allclose(found["binary_accuracy"], expected["accuracy"], rtol=1e-6)
    np.testing.assert_allclose(found["auc"], expected["auc"], rtol=1e-5)
    np.testing.assert_allclose(found["binary_crossentropy"], exports[origin].loss, rtol=1e-4)
