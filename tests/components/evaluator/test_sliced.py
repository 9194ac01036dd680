"""The runtime's evaluation beside TensorFlow Model Analysis's own, through Beam, on one model."""

import math

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from google.protobuf import text_format
from helpers.evaluated import write_echo_model, write_scored_examples
from tensorflow_model_analysis.proto import config_pb2

from tfx_tpu_estimator.components.evaluator.beam_run import run_tfma
from tfx_tpu_estimator.components.evaluator.choice import find_need_for_tfma
from tfx_tpu_estimator.components.evaluator.engine.pairs import NotANumberError
from tfx_tpu_estimator.components.evaluator.report.data import read_results
from tfx_tpu_estimator.components.evaluator.sliced import SlicedEvaluation

CONFIG = """
  model_specs { label_key: "label" example_weight_key: "weight" prediction_key: "probability" }
  slicing_specs {}
  slicing_specs { feature_keys: "color" }
  slicing_specs { feature_keys: "color" feature_keys: "sizes" }
  slicing_specs { feature_values { key: "color" value: "red" } feature_keys: "sizes" }
  cross_slicing_specs { baseline_spec {} slicing_specs { feature_keys: "color" } }
  metrics_specs {
    metrics { class_name: "ExampleCount" } metrics { class_name: "WeightedExampleCount" }
    metrics {
      class_name: "AUC"
      per_slice_thresholds {
        slicing_specs { feature_keys: "color" }
        threshold {
          value_threshold { lower_bound { value: 0.7 } }
          change_threshold { direction: HIGHER_IS_BETTER absolute { value: 0.0 } }
        }
      }
      per_slice_thresholds {
        slicing_specs { feature_keys: "nowhere" }
        threshold { value_threshold { lower_bound { value: 0.7 } } }
      }
    }
    metrics { class_name: "BinaryAccuracy"
      threshold { value_threshold { lower_bound { value: 0.55 } } } }
    metrics { class_name: "Calibration" } metrics { class_name: "BinaryCrossentropy" }
    metrics { class_name: "MeanSquaredError" }
    metrics { class_name: "SquaredPearsonCorrelation" }
    metrics { class_name: "CalibrationPlot" } metrics { class_name: "ConfusionMatrixPlot" }
  }
"""


INTERVALS = """
  model_specs { label_key: "label" prediction_key: "probability" }
  metrics_specs {
    metrics { class_name: "MeanLabel" } metrics { class_name: "AUC" }
    metrics { class_name: "ExampleCount" }
  }
  options {
    compute_confidence_intervals { value: true } confidence_intervals { method: METHOD }
  }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What is evaluated, and both engines' results: of TFMA once, as that takes long."""
    root = tmp_path_factory.mktemp("made")
    sliced = make(root, CONFIG, baseline=write_echo_model(root / "baseline", 0.5))
    evaluation = sliced.run(str(root / "runtime"))
    run_tfma(sliced, str(root / "tfma"), ["--direct_num_workers=1"])
    return sliced, evaluation, root


def make(root, text, **changes):
    model = root / "model"
    examples = root / "examples" / "data.gz"
    if not examples.exists():
        write_scored_examples(examples)
    given = {
        "config": text_format.Parse(text, config_pb2.EvalConfig()),
        "model": str(model) if model.exists() else write_echo_model(model),
        "baseline": None,
        "files": [str(examples)],
        "compression": "GZIP",
        "data_location": str(examples),
        "batch_size": 16,
    }
    return SlicedEvaluation(**{**given, **changes})


def assert_near(ours, theirs, name):
    if math.isnan(theirs):
        assert math.isnan(ours), name
    else:
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6), name


def test_metrics_are_those_of_tfma(made):
    sliced, evaluation, root = made
    ours, theirs = (
        read_results(str(root / engine), sliced.resolved_config, None)
        for engine in ("runtime", "tfma")
    )
    assert ours.metrics == theirs.metrics
    assert [s.name for s in ours.slices] == [s.name for s in theirs.slices]
    assert {"all examples", "color=red", "color=red, sizes=0"} <= {s.name for s in ours.slices}
    assert any(" against " in s.name for s in ours.slices)
    for own, other in zip(ours.slices, theirs.slices, strict=True):
        assert own.error == other.error
        assert {n: set(v) for n, v in own.values.items()} == {
            n: set(v) for n, v in other.values.items()
        }
        for name, by_model in own.values.items():
            for model, value in by_model.items():
                assert_near(value.value, other.values[name][model].value, (own.name, name, model))
    assert evaluation.count == 60
    assert evaluation.left_to_tfma == ["squared_pearson_correlation"]


def test_validations_are_those_of_tfma(made):
    _, _, root = made
    found = []
    for engine in ("runtime", "tfma"):
        result = tfma.load_validation_result(str(root / engine))
        failures = {
            (str(s.slice_key), f.metric_key.name, str(f.metric_threshold))
            for s in result.metric_validations_per_slice
            for f in s.failures
        }
        details = {
            (str(d.slicing_spec), d.num_matching_slices)
            for d in result.validation_details.slicing_details
        }
        found.append((result.validation_ok, failures, details, list(result.missing_slices)))
    assert found[0] == found[1]
    assert found[0][1]
    assert not found[0][0]


def test_plots_and_configuration_load(made):
    _, _, root = made
    ours, theirs = (
        tfma.load_eval_result(str(root / engine), model_name="candidate")
        for engine in ("runtime", "tfma")
    )
    assert ours.config == theirs.config
    own, other = ({key: plots for key, plots in r.plots if plots} for r in (ours, theirs))
    assert set(own) == set(other)
    for key, plots in own.items():
        for kind in ("confusionMatrixAtThresholds", "calibrationHistogramBuckets"):
            (ones,), (others,) = (found[""][""][kind].values() for found in (plots, other[key]))
            assert len(ones) == len(others)
            assert [one.get("truePositives") for one in ones] == pytest.approx(
                [one.get("truePositives") for one in others]
            )


@pytest.mark.parametrize("method", ["JACKKNIFE", "POISSON_BOOTSTRAP"])
def test_intervals(made, method, tmp_path):
    _, _, root = made
    sliced = make(root, INTERVALS.replace("METHOD", method))
    sliced.run(str(tmp_path))
    results = read_results(str(tmp_path), sliced.resolved_config, None)
    (overall,) = results.slices
    mean = overall.values["mean_label"]["candidate"]
    # Of a mean both methods estimate what is known: s / sqrt(n), times about 2.
    error = math.sqrt(mean.value * (1 - mean.value) / 60)
    assert mean.low < mean.value < mean.high
    assert (mean.high - mean.low) / 2 == pytest.approx(2.09 * error, rel=0.5)
    assert overall.values["auc"]["candidate"].low is not None
    assert overall.values["example_count"]["candidate"].low is None


def test_small_slices(made, tmp_path):
    _, _, root = made
    text = CONFIG + "options { min_slice_size { value: 15 } }"
    sliced = make(root, text)
    sliced.run(str(tmp_path))
    results = read_results(str(tmp_path), sliced.resolved_config, None)
    for found in results.slices:
        count = found.values.get("example_count", {}).get("candidate")
        assert (found.error is None) == (count is not None)
        assert count is None or " against " in found.name or count.value > 7
    hidden = {s.name: s.error for s in results.slices if s.error}
    assert "lower than the minimum required value: 15" in hidden["color=red, sizes=0"]


def test_features_are_fed_where_the_model_takes_features(made, tmp_path):
    _, _, root = made
    text = 'model_specs { label_key: "label" prediction_key: "probability" } metrics_specs { %s }'
    text %= 'metrics { class_name: "MeanPrediction" }'
    means = []
    for serialized in (True, False):
        model = write_echo_model(tmp_path / str(serialized), serialized=serialized)
        sliced = make(root, text, model=model)
        (metrics,) = sliced.run(str(tmp_path / f"out{serialized}")).metrics.values()
        means.append(list(metrics.values()))
    assert means[0] == pytest.approx(means[1])


def test_added_features(made, tmp_path):
    _, _, root = made

    def add_features(features):
        return {
            "made": features["score"] > 0.5,
            "half": np.where(features["score"] > 0.5, b"u", b"l"),
        }

    text = (
        'model_specs { label_key: "made" prediction_key: "probability" }'
        'slicing_specs { feature_keys: "half" }'
        'metrics_specs { metrics { class_name: "BinaryAccuracy" } }'
    )
    evaluation = make(root, text, add_features=add_features).run(str(tmp_path))
    assert {k: list(v.values()) for k, v in evaluation.metrics.items()} == {
        (("half", "u"),): [1.0],
        (("half", "l"),): [1.0],
    }


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"text": CONFIG.replace('label_key: "label"', 'label_key: "lable"')},
            "label 'lable' is in",
        ),
        ({"add_features": lambda f: {"a": [1]}}, r"`add_features` made 'a' of the shape \(1,\)"),
        ({"files": ["empty"]}, "`examples` has no records"),
    ],
    ids=["label", "add_features", "files"],
)
def test_errors(made, tmp_path, change, match):
    _, _, root = made
    if "files" in change:
        change = {"files": [write_scored_examples(tmp_path / "empty", count=0)]}
    sliced = make(root, change.pop("text", CONFIG), **change)
    with pytest.raises(ValueError, match=match):
        sliced.run(str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_nan(made, tmp_path):
    _, _, root = made
    examples = write_scored_examples(tmp_path / "nan.gz", nan=True)
    with pytest.raises(NotANumberError, match="predicts NaN for 1 of 16 examples"):
        make(root, CONFIG, files=[examples]).run(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("text", "hooks", "reason"),
    [
        (CONFIG, {}, None),
        (CONFIG, {"custom_extractors": True, "add_features": True}, None),
        (CONFIG, {"custom_extractors": True}, "Beam transforms"),
        (CONFIG, {"custom_eval_shared_model": True}, "custom_eval_shared_model"),
        (CONFIG + 'metrics_specs { query_key: "color" }', {}, "by query"),
        (CONFIG + 'slicing_specs { slice_keys_sql: "SELECT 1" }', {}, "by SQL"),
        (CONFIG.replace("model_specs {", 'model_specs { model_type: "tf_keras"'), {}, "'tf_keras'"),
    ],
    ids=["nothing", "both", "extractors", "shared", "query", "sql", "type"],
)
def test_what_only_tfma_does(made, text, hooks, reason):
    _, _, root = made
    sliced = make(root, text)
    found = find_need_for_tfma(sliced.resolved_config, sliced.models, hooks)
    assert (found is None) if reason is None else (reason in found)
