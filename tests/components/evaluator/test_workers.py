"""Who evaluates, and that Beam's workers add up what one process does."""

import apache_beam as beam
import pytest
from google.protobuf import text_format
from helpers.evaluated import write_echo_model, write_scored_examples
from tensorflow_model_analysis.proto import config_pb2

from tfx_tpu_estimator.components.evaluator.engine.pairs import NotANumberError
from tfx_tpu_estimator.components.evaluator.report.data import read_results
from tfx_tpu_estimator.components.evaluator.sliced import SlicedEvaluation
from tfx_tpu_estimator.components.evaluator.workers import resolve_workers, run_by_workers

CONFIG = """
  model_specs { label_key: "label" example_weight_key: "weight" prediction_key: "probability" }
  slicing_specs {} slicing_specs { feature_keys: "color" }
  metrics_specs {
    metrics { class_name: "AUC" threshold { value_threshold { lower_bound { value: 0.6 } } } }
    metrics { class_name: "MeanSquaredError" } metrics { class_name: "BinaryCrossentropy" }
    metrics { class_name: "SquaredPearsonCorrelation" }
  }
  options { compute_confidence_intervals { value: true }
            confidence_intervals { method: JACKKNIFE } }
"""


@pytest.fixture(scope="module")
def sliced(tmp_path_factory):
    root = tmp_path_factory.mktemp("sliced")
    files = [write_scored_examples(root / "data" / str(count), count) for count in (60, 33, 70)]
    return SlicedEvaluation(
        config=text_format.Parse(CONFIG, config_pb2.EvalConfig()),
        model=write_echo_model(root / "model"),
        baseline=None,
        files=files,
        compression="GZIP",
        data_location="here",
        batch_size=2,
    )


def make_pipeline():
    return beam.Pipeline(argv=["--direct_num_workers=1"])


def list_values(path, sliced):
    found = read_results(str(path), sliced.resolved_config, None)
    return {
        (part.name, name): [value.value, value.low or 0.0, value.high or 0.0]
        for part in found.slices
        for name, by_model in part.values.items()
        for value in by_model.values()
    }


def test_beams_workers_find_the_same(sliced, tmp_path):
    alone = sliced.run(str(tmp_path / "alone"))
    beams = run_by_workers(sliced, str(tmp_path / "beam"), "beam", [], make_pipeline)
    assert beams.count == alone.count == 163
    assert beams.left_to_tfma == ["squared_pearson_correlation"]
    assert str(beams.validation) == str(alone.validation)
    ours, theirs = (list_values(tmp_path / name, sliced) for name in ("alone", "beam"))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        # Sums are merged in another order.
        assert theirs[key] == pytest.approx(value, rel=1e-12), key
    assert not [path for path in (tmp_path / "beam").iterdir() if "pickle" in path.name]


def test_beams_workers_say_what_is_wrong(sliced, tmp_path):
    files = [write_scored_examples(tmp_path / "nan", nan=True)]
    broken = SlicedEvaluation(**{**vars(sliced), "files": files})
    with pytest.raises(NotANumberError, match="predicts NaN for 1 of 2 examples"):
        run_by_workers(broken, str(tmp_path / "out"), "beam", [], make_pipeline)


@pytest.mark.parametrize(
    ("workers", "beam_args", "expected"),
    [
        (None, [], 1),
        (None, ["--runner=DirectRunner", "--direct_num_workers=4"], 1),
        (None, ["--runner=apache_beam.runners.direct.DirectRunner"], 1),
        (None, ["--runner=DataflowRunner", "--project=p"], "beam"),
        (None, ["--runner", "FlinkRunner"], "beam"),
        (3, ["--runner=SparkRunner"], 3),
        ("beam", [], "beam"),
    ],
)
def test_who_evaluates(workers, beam_args, expected):
    assert resolve_workers(workers, beam_args) == expected
