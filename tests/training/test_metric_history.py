"""Whether the history of a metric is reason to stop."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator import read_eval_metrics
from tfx_tpu_estimator.summaries.event_writer import write_evaluation
from tfx_tpu_estimator.training.metric_history import MetricHistory

tf1 = tf.compat.v1
NAN = float("nan")


def write(directory, values):
    for step, value in values.items():
        write_evaluation(str(directory), {"m": value, "other": 1.0}, step)
    return str(directory)


def test_read_eval_metrics(tmp_path):
    write(tmp_path, {20: 2.0, 10: 1.0})
    write_evaluation(str(tmp_path), {"x": 0.5, "curve": [1.0, 2.0]}, 10)
    metrics = read_eval_metrics(str(tmp_path))
    assert list(metrics.items()) == [
        (10, {"m": 1.0, "other": 1.0, "x": 0.5}),
        (20, {"m": 2.0, "other": 1.0}),
    ]
    assert read_eval_metrics(str(tmp_path / "none")) == {}


@pytest.mark.parametrize(
    ("values", "min_steps", "threshold", "higher", "expected"),
    [
        ({10: 0.5, 20: 0.8}, 0, 0.7, True, True),
        ({10: 0.5, 20: 0.7}, 0, 0.7, True, False),
        ({10: 0.5, 20: 0.3}, 0, 0.4, False, True),
        # Once is enough, also if it has become worse since.
        ({10: 0.9, 20: 0.3}, 0, 0.7, True, True),
        ({10: 0.9, 20: 0.3}, 11, 0.7, True, False),
        ({10: NAN}, 0, 0.7, True, False),
        ({10: NAN}, 0, 0.7, False, False),
        ({}, 0, 0.7, True, False),
    ],
)
def test_thresholds(tmp_path, values, min_steps, threshold, higher, expected):
    history = MetricHistory(write(tmp_path, values), "m", min_steps)
    assert history.has_passed(threshold, higher=higher) == expected


@pytest.mark.parametrize(
    ("values", "min_steps", "higher", "expected"),
    [
        ({10: 1, 20: 2, 30: 2}, 0, True, False),
        ({10: 1, 20: 2, 30: 2, 40: 2}, 0, True, True),
        ({10: 3, 20: 2, 30: 2.5, 40: 1}, 0, False, False),
        ({10: 3, 20: 2, 30: 2.5, 45: 2}, 0, False, True),
        ({10: 3, 20: 2, 30: 2.5, 45: 2}, 30, False, False),
        # With NaN as the best, nothing was better for the old one.
        ({10: NAN, 20: 3, 30: 2, 40: 1}, 0, False, False),
        ({10: 1, 20: NAN, 30: NAN, 40: 0.5}, 0, False, True),
        ({10: NAN, 20: NAN, 30: NAN}, 0, True, True),
        ({}, 0, False, False),
    ],
)
def test_no_improvement_for_20_steps(tmp_path, values, min_steps, higher, expected):
    history = MetricHistory(write(tmp_path, values), "m", min_steps)
    assert history.has_stalled(20, higher=higher) == expected


def test_evaluations_without_the_metric_do_not_count(tmp_path, caplog):
    directory = write(tmp_path, {10: 1.0})
    history = MetricHistory(directory, "accuracy", 0)
    for _ in range(2):
        assert not history.has_passed(0.0, higher=True)
        assert not history.has_stalled(1, higher=True)
    assert caplog.text.count("looks for `accuracy`, which no evaluation in") == 1
    assert "['m', 'other']" in caplog.text
