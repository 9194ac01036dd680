"""TPUEstimatorSpec: its checks and its plain form."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

TRAIN, EVAL, PREDICT = ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT


class NamedHook(tf.compat.v1.train.SessionRunHook):
    """A hook that does nothing."""


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def mean_metric(labels, scores):
    return {"error": tf.compat.v1.metrics.mean(tf.abs(labels - scores))}


def make_spec(**changes):
    return TPUEstimatorSpec(
        **{"mode": TRAIN, "loss": tf.constant(1.0), "train_op": tf.no_op(), **changes}
    )


def run_steps(spec, steps):
    """Runs a training spec under its hooks and returns each step's host_call results."""
    results = []
    hooks = spec.training_hooks
    with tf.compat.v1.train.MonitoredSession(hooks=hooks) as session:
        for _ in range(steps):
            results.append(session.run([spec.train_op, *hooks[-1].fetches]))
    return results


def test_fields_keep_their_old_names_and_order():
    assert TPUEstimatorSpec._fields == (
        "mode",
        "predictions",
        "loss",
        "train_op",
        "eval_metrics",
        "export_outputs",
        "scaffold_fn",
        "host_call",
        "training_hooks",
        "evaluation_hooks",
        "prediction_hooks",
    )


@pytest.mark.parametrize("what", ["eval_metrics", "host_call"])
@pytest.mark.parametrize(
    ("pair", "error", "text"),
    [
        (5, ValueError, "should be tuple or list"),
        ((mean_metric,), ValueError, "should have two elements"),
        ((1, []), TypeError, r"\[0\]` should be callable"),
        ((mean_metric, 1), ValueError, r"\[1\]` should be tuple or list, or dict"),
        ((mean_metric, [1]), ValueError, "length of tensors 1 does not match method args"),
        ((mean_metric, [1, 2, 3]), ValueError, "length of tensors 3 does not match method args"),
        ((mean_metric, {"labels": 1, "x": 2}), ValueError, "does not match method args"),
    ],
)
def test_malformed_host_functions(what, pair, error, text):
    with pytest.raises(error, match=text) as caught:
        make_spec(**{what: pair})
    assert what in str(caught.value)


def with_default(labels, weights=None):
    return {}


def with_any(*tensors):
    return {}


@pytest.mark.parametrize(
    ("function", "tensors"),
    [
        (with_default, [1]),
        (with_default, [1, 2]),
        (with_any, [1, 2, 3]),
        (functools.partial(mean_metric, scores=1), {"labels": 1}),
        (with_default, {"labels": 1}),
    ],
)
def test_functions_with_optional_arguments_fit(function, tensors):
    spec = make_spec(eval_metrics=(function, tensors))
    assert spec.eval_metrics == (function, tensors)


def test_scaffold_fn_and_hooks_are_checked():
    with pytest.raises(TypeError, match="`scaffold_fn` must be a function"):
        make_spec(scaffold_fn=tf.compat.v1.train.Scaffold())
    with pytest.raises(TypeError, match="All hooks must be SessionRunHook instances"):
        make_spec(training_hooks=["x"])
    with pytest.raises(ValueError, match="`mode` must be one of"):
        make_spec(mode="x")


def test_replace_checks_again():
    spec = make_spec()
    assert spec._replace(mode=EVAL).mode == EVAL
    with pytest.raises(ValueError, match="should have two elements"):
        spec._replace(host_call=(mean_metric,))


@pytest.mark.parametrize("form", ["list", "tuple", "dict"])
def test_eval_metrics_become_metric_ops(form):
    labels, scores = tf.constant([1.0, 3.0]), tf.constant([0.0, 0.0])
    tensors = {
        "list": [labels, scores],
        "tuple": (labels, scores),
        "dict": {"scores": scores, "labels": labels},
    }[form]
    spec = make_spec(mode=EVAL, eval_metrics=(mean_metric, tensors)).as_estimator_spec()
    assert isinstance(spec, EstimatorSpec)
    value, update = spec.eval_metric_ops["error"]
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.local_variables_initializer())
        session.run(update)
        assert session.run(value) == 2.0


def test_scaffold_fn_is_called_and_must_return_a_scaffold():
    scaffold = tf.compat.v1.train.Scaffold()
    assert make_spec(scaffold_fn=lambda: scaffold).as_estimator_spec().scaffold is scaffold
    with pytest.raises(ValueError, match=r"`scaffold_fn` must return .*Scaffold; got None"):
        make_spec(scaffold_fn=lambda: None).as_estimator_spec()
    with pytest.raises(TypeError, match=r"scaffold must be tf\.train\.Scaffold"):
        make_spec(scaffold_fn=lambda: 1).as_estimator_spec()


def test_the_plain_form_is_checked_in_full():
    with pytest.raises(ValueError, match="Missing loss"):
        make_spec(loss=None).as_estimator_spec()
    with pytest.raises(TypeError, match="eval_metric_ops must be a dict"):
        make_spec(eval_metrics=(lambda: 1, [])).as_estimator_spec()


def test_prediction_spec_keeps_export_outputs():
    x = tf.constant([1.0])
    spec = TPUEstimatorSpec(PREDICT, predictions={"x": x}).as_estimator_spec()
    assert spec.export_outputs["serving_default"].outputs == {"x": x}


def test_host_call_gets_its_tensors_and_runs_after_the_users_hooks():
    own = NamedHook()
    spec = make_spec(
        host_call=(lambda x, y: [x + y], {"x": tf.constant([2.0]), "y": tf.constant(3.0)}),
        training_hooks=[own],
    ).as_estimator_spec()
    assert spec.training_hooks[0] is own
    assert len(spec.evaluation_hooks) == len(spec.prediction_hooks) == 1
    assert [float(result[1][0]) for result in run_steps(spec, 2)] == [5.0, 5.0]


@pytest.mark.parametrize("result", [None, 5, ["text", 1]])
def test_host_call_must_return_something_to_run(result):
    spec = make_spec(host_call=(lambda: result, []))
    with pytest.raises(ValueError, match="must return a list of tensors or operations"):
        spec.as_estimator_spec()


def test_a_second_spec_leaves_the_first_ones_host_call_alone():
    one, two = tf.constant([1.0]), tf.constant([2.0])
    first = make_spec(host_call=(lambda a: [a * 10], {"a": one}), eval_metrics=(with_any, []))
    second = make_spec(host_call=(lambda b: [b * 100], {"b": two}))
    first_plain, second_plain = first.as_estimator_spec(), second.as_estimator_spec()
    make_spec()
    np.testing.assert_array_equal(run_steps(first_plain, 1)[0][1], [10.0])
    np.testing.assert_array_equal(run_steps(second_plain, 1)[0][1], [200.0])
