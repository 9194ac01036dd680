"""Metrics of an EvalConfig that do not exist, or do not take their settings."""

import pytest
from helpers.evaluator_runs import parse_config

from tfx_tpu_estimator.components.evaluator.metric_checks import check_metrics


def check(text, **options):
    check_metrics(parse_config(f"metrics_specs {{ metrics {{ {text} }} }}"), **options)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('class_name: "BinaryAccurcy"', "no metric 'BinaryAccurcy'. Did you mean 'BinaryAccuracy'"),
        ('class_name: "auc"', "no metric 'auc'. Did you mean 'AUC'"),
        ("", "no metric ''. `class_name` must be a metric of"),
        (
            'class_name: "AUC" config: \'"num_threshold": 3\'',
            "'AUC' cannot be made with the settings \"num_threshold\": 3: .*'num_threshold'",
        ),
        ('class_name: "Mine" module: "not_installed"', "module 'not_installed' of the metric"),
        ('class_name: "Mine" module: "tf_keras.metrics"', "'tf_keras.metrics' has no metric"),
        ('class_name: "join" module: "os.path"', "the metric 'join' cannot be made"),
    ],
)
def test_what_is_wrong_is_named(text, match):
    with pytest.raises(ValueError, match=f"`eval_config`: .*{match}"):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        'class_name: "AUC" config: \'"num_thresholds": 3\'',
        'class_name: "ExampleCount"',
        'class_name: "BinaryCrossentropy" module: "tf_keras.losses"',
        'class_name: "MeanSquaredError" module: "tensorflow.keras.metrics"',
    ],
)
def test_what_there_is_passes(text):
    check(text)


def test_modules_that_are_not_here_are_left_to_the_step():
    check('class_name: "Mine" module: "not_installed"', with_modules=False)
