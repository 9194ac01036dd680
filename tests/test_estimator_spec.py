"""EstimatorSpec: what each mode requires, and how wrong parts are refused."""

import pickle

import pytest
import tensorflow as tf

from tfx_tpu_estimator.export_output import PredictOutput
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, refuse_chief_hooks

TRAIN, EVAL, PREDICT = ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT


class NamedHook(tf.compat.v1.train.SessionRunHook):
    """A hook that does nothing."""


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def make_train_spec(**changes):
    return EstimatorSpec(
        **{"mode": TRAIN, "loss": tf.constant(1.0), "train_op": tf.no_op(), **changes}
    )


def make_output():
    return PredictOutput({"x": tf.constant([1.0])})


def test_fields_keep_their_old_names_and_order():
    assert EstimatorSpec._fields == (
        "mode",
        "predictions",
        "loss",
        "train_op",
        "eval_metric_ops",
        "export_outputs",
        "training_chief_hooks",
        "training_hooks",
        "scaffold",
        "evaluation_hooks",
        "prediction_hooks",
    )


def test_defaults_are_filled_in():
    spec = make_train_spec()
    assert spec.predictions == {}
    assert spec.eval_metric_ops == {}
    assert spec.export_outputs is None
    assert isinstance(spec.scaffold, tf.compat.v1.train.Scaffold)
    assert spec.training_hooks == spec.training_chief_hooks == spec.evaluation_hooks == ()


@pytest.mark.parametrize(
    ("mode", "parts", "text"),
    [
        (TRAIN, ["train_op"], "Missing loss"),
        (EVAL, [], "Missing loss"),
        (TRAIN, ["loss"], "Missing train_op"),
        (PREDICT, [], "Missing predictions"),
    ],
)
def test_required_parts(mode, parts, text):
    given = {"train_op": tf.no_op(), "loss": tf.constant(1.0)}
    with pytest.raises(ValueError, match=text):
        EstimatorSpec(mode, **{name: given[name] for name in parts})


@pytest.mark.parametrize("mode", [None, "predict", "TRAIN", 1])
def test_unknown_mode(mode):
    with pytest.raises(ValueError, match="`mode` must be one of 'train', 'eval', 'infer'"):
        EstimatorSpec(mode, loss=tf.constant(1.0))


@pytest.mark.parametrize("shape", [[1], [1, 1]])
def test_loss_with_one_element_becomes_a_scalar(shape):
    assert make_train_spec(loss=tf.ones(shape)).loss.shape == []


def test_loss_of_unknown_shape_is_left_to_the_run():
    loss = tf.compat.v1.placeholder(tf.float32, None)
    assert make_train_spec(loss=loss).loss is loss


def test_loss_with_two_elements():
    with pytest.raises(ValueError, match="Loss must be scalar"):
        make_train_spec(loss=tf.constant([1.0, 2.0]))


@pytest.mark.parametrize(
    ("part", "value", "text"),
    [
        ("loss", 1.0, "loss must be Tensor"),
        ("train_op", "not an op", "train_op must be Operation or Tensor"),
        ("predictions", {"number": 1.0}, r"predictions\[number\] must be Tensor"),
        ("predictions", 1.0, "predictions must be Tensor"),
        ("eval_metric_ops", [], "eval_metric_ops must be a dict"),
        (
            "eval_metric_ops",
            {"loss": 1.0},
            r"Values of eval_metric_ops must be \(metric_value, update_op\) tuples",
        ),
        ("eval_metric_ops", {"loss": ("a", "b")}, r"eval_metric_ops\[loss\] must be Operation or"),
        ("scaffold", "x", r"scaffold must be tf\.train\.Scaffold"),
        ("training_hooks", ["x"], "All hooks must be SessionRunHook instances"),
        ("training_hooks", 5, "All hooks must be SessionRunHook instances"),
        ("training_chief_hooks", ["x"], "All hooks must be SessionRunHook instances"),
        ("evaluation_hooks", ["x"], "All hooks must be SessionRunHook instances"),
        ("prediction_hooks", ["x"], "All hooks must be SessionRunHook instances"),
    ],
)
def test_wrong_types(part, value, text):
    with pytest.raises(TypeError, match=text):
        make_train_spec(**{part: value})


@pytest.mark.parametrize(
    ("part", "make"),
    [
        ("loss", lambda: tf.constant(1.0)),
        ("train_op", tf.no_op),
        ("predictions", lambda: tf.constant(1.0)),
        ("predictions", lambda: {"x": tf.constant(1.0)}),
        ("predictions", lambda: {"x": tf.sparse.from_dense([1.0])}),
        ("eval_metric_ops", lambda: {"x": (tf.constant(1.0), tf.no_op())}),
    ],
)
def test_parts_of_another_graph(part, make):
    with tf.Graph().as_default():
        value = make()
    with pytest.raises(ValueError, match="must be from the default graph"):
        make_train_spec(**{part: value})


def test_variables_and_sparse_predictions_are_accepted():
    variable = tf.compat.v1.get_variable("v", initializer=1.0, use_resource=True)
    train_op = tf.compat.v1.assign_add(variable, 1.0)
    sparse = tf.sparse.from_dense([1.0])
    spec = make_train_spec(train_op=train_op, predictions={"v": variable, "s": sparse})
    assert spec.train_op is train_op.op
    plain = EstimatorSpec(PREDICT, predictions={"s": sparse})
    assert plain.export_outputs is None


@pytest.mark.parametrize("name", ["serving_default", "other"])
def test_a_single_export_output_is_the_default(name):
    given = {name: make_output()}
    spec = EstimatorSpec(PREDICT, predictions=tf.constant([1.0]), export_outputs=given)
    assert set(spec.export_outputs) == {name, "serving_default"}
    assert spec.export_outputs["serving_default"] is given[name]
    assert list(given) == [name]


def test_predictions_are_the_default_export_output():
    x = tf.constant([1.0])
    spec = EstimatorSpec(PREDICT, predictions={"x": x})
    assert spec.export_outputs["serving_default"].outputs == {"x": x}


def test_several_export_outputs_need_a_default():
    outputs = {"a": make_output(), "b": make_output()}
    with pytest.raises(ValueError, match="Multiple export_outputs were provided"):
        EstimatorSpec(PREDICT, predictions=tf.constant([1.0]), export_outputs=outputs)
    outputs["serving_default"] = outputs["a"]
    spec = EstimatorSpec(PREDICT, predictions=tf.constant([1.0]), export_outputs=outputs)
    assert spec.export_outputs == outputs


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (5, "export_outputs must be dict"),
        ({"a": 5}, r"Values in export_outputs must be ExportOutput objects\."),
    ],
)
def test_export_outputs_of_wrong_type(outputs, text):
    with pytest.raises(TypeError, match=text):
        EstimatorSpec(PREDICT, predictions=tf.constant([1.0]), export_outputs=outputs)


def test_replace_changes_a_field_and_checks_it():
    spec = make_train_spec()
    hook = NamedHook()
    changed = spec._replace(training_hooks=[hook])
    assert changed.training_hooks == (hook,)
    assert changed.loss is spec.loss
    assert spec.training_hooks == ()
    with pytest.raises(TypeError, match="All hooks must be SessionRunHook instances"):
        spec._replace(training_hooks=["x"])
    with pytest.raises(TypeError, match="unexpected keyword argument 'losses'"):
        spec._replace(losses=1)


def test_replace_keeps_the_mode():
    spec = make_train_spec()
    assert spec._replace(mode=TRAIN).mode == TRAIN
    with pytest.raises(ValueError, match="mode of EstimatorSpec cannot be changed"):
        spec._replace(mode=EVAL)


def test_chief_hooks_are_refused_for_tpus():
    refuse_chief_hooks(make_train_spec())
    with pytest.raises(
        ValueError,
        match="training_chief_hooks returned by EstimatorSpec is not supported in TPUEstimator",
    ):
        refuse_chief_hooks(make_train_spec(training_chief_hooks=[NamedHook()]))


def test_mode_keys_are_plain_strings():
    assert (TRAIN, EVAL, PREDICT) == ("train", "eval", "infer")
    assert pickle.loads(pickle.dumps(TRAIN)) == "train"
