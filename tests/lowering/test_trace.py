"""What tracing gives, and what it refuses before anything is lowered."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import initial_values, trace

from tfx_tpu_estimator.lowering.trace import trace_model
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
X = np.ones([8, 4], "float32")
Y = np.ones([8, 1], "float32")


def metric_fn(prediction, labels):
    return {"error": tf1.metrics.mean_squared_error(labels, prediction)}


def model_fn(features, labels, mode, params):
    kernel = tf1.get_variable("kernel", [4, 1])
    prediction = tf.matmul(tf.nn.dropout(features["x"], params.get("rate", 0.5)), kernel)
    if mode == ModeKeys.PREDICT:
        return TPUEstimatorSpec(mode, predictions={"y": prediction, "x": features["x"]})
    loss = tf.reduce_mean(tf.square(prediction - labels))
    if mode == ModeKeys.EVAL:
        tensors = {"prediction": prediction, "labels": labels}
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, tensors))
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.MomentumOptimizer(0.1, 0.9))
    host_call = (lambda step: [step], [tf.reshape(tf1.train.get_global_step(), [1])])
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op, host_call=host_call)


def test_training():
    traced = trace(model_fn, {"x": X}, Y, replicas=4)
    assert traced.input_names == ("features/x", "labels")
    assert [t.shape.as_list() for t in traced.inputs] == [[2, 4], [2, 1]]
    assert list(traced.outputs.tensors) == ["loss", "host_call/0"]
    assert isinstance(traced.train_op, tf.Operation)
    assert [v.op.name for v in traced.variables] == ["global_step", "kernel", "kernel/Momentum"]
    assert traced.host_call.pack({"host_call/0": 7}) == [7]
    assert traced.eval_metrics is None


def test_an_assigned_variable_as_train_op():
    def counting(features, labels, mode, params):
        total = tf1.tpu.cross_replica_sum(tf.reduce_sum(features["x"]))
        step = tf1.assign_add(tf1.train.get_global_step(), 1)
        assert isinstance(step, tf.Variable)
        return TPUEstimatorSpec(mode, loss=total, train_op=step)

    traced = trace(counting, {"x": X}, Y, replicas=4)
    assert traced.train_op.type == "AssignAddVariableOp"


def test_evaluation():
    traced = trace(model_fn, {"x": X}, Y, mode=ModeKeys.EVAL, replicas=4)
    assert list(traced.outputs.tensors) == ["loss", "eval_metrics/0", "eval_metrics/1"]
    packed = traced.eval_metrics.pack({"eval_metrics/0": "a", "eval_metrics/1": "b"})
    assert packed == {"labels": "a", "prediction": "b"}
    assert traced.eval_metrics.function is metric_fn
    assert traced.train_op is None


def test_prediction():
    traced = trace(model_fn, {"x": X}, mode=ModeKeys.PREDICT, replicas=4)
    assert list(traced.outputs.tensors) == ["predictions/y", "predictions/x"]
    assert traced.outputs.prediction_keys == ("y", "x")


def test_sums_and_random_ops_are_rewritten_and_a_session_still_runs():
    traced = trace(model_fn, {"x": X}, Y, replicas=4)
    types = {op.type for op in traced.graph.get_operations()}
    assert "StatelessRandomUniformV2" in types
    assert not types & {"CrossReplicaSum", "XlaAllReduce"}
    # Initial values are drawn by a session, by the ops it has always had.
    drawn = [op.name for op in traced.graph.get_operations() if op.type == "RandomUniform"]
    assert all("Initializer" in name for name in drawn)
    assert initial_values(traced)["kernel"].shape == (4, 1)


def test_initial_values_depend_on_the_seed_only():
    values = [initial_values(trace(model_fn, {"x": X}, Y, replicas=n, seed=s))["kernel"]
              for n, s in ((4, 1), (4, 1), (8, 1), (4, 2))]  # fmt: skip
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])
    assert (values[0] != values[3]).all()


def test_nothing_is_left_patched():
    trace(model_fn, {"x": X}, Y, replicas=2)
    with tf.Graph().as_default() as graph:
        tf1.random_uniform([1])
        tf1.tpu.cross_replica_sum(tf.constant([1.0]), group_assignment=[[0]])
        assert {"RandomUniform", "CrossReplicaSum"} <= {o.type for o in graph.get_operations()}


def test_the_model_is_told_that_it_is_on_a_tpu():
    seen = []

    def asks(features, labels, mode, params):
        from tensorflow.python.ops import control_flow_util
        from tensorflow.python.tpu import tpu_function

        seen.append(control_flow_util.GraphOrParentsInXlaContext(tf1.get_default_graph()))
        seen.append(tpu_function.get_tpu_context().number_of_shards)
        return model_fn(features, labels, mode, params)

    trace(asks, {"x": X}, Y, replicas=4)
    assert seen == [True, 4]


def bare_optimizer(features, labels, mode, params):
    kernel = tf1.get_variable("kernel", [4, 1])
    loss = tf.reduce_mean(tf.matmul(features, kernel))
    train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(loss, tf1.train.get_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def test_an_optimizer_that_is_not_wrapped():
    with pytest.raises(ValueError, match="must be used for model training on TPUs"):
        trace(bare_optimizer, X, replicas=2)
    trace(bare_optimizer, X, replicas=1)


def spec_model(make_spec):
    def model_fn(features, labels, mode, params):
        weight = tf1.get_variable("w", [])
        return make_spec(mode, tf.reduce_sum(features) * weight, tf.no_op())

    return model_fn


HOOKS = [tf1.train.SessionRunHook()]


@pytest.mark.parametrize(
    ("mode", "make_spec", "error", "message"),
    [
        (ModeKeys.TRAIN,
         lambda m, loss, op: EstimatorSpec(m, loss=loss, train_op=op, training_chief_hooks=HOOKS),
         ValueError, "training_chief_hooks returned by EstimatorSpec is not supported"),
        (ModeKeys.EVAL, lambda m, loss, op: EstimatorSpec(m, loss=loss),
         RuntimeError, "TPU evaluation must have type`TPUEstimatorSpec`"),
        (ModeKeys.PREDICT, lambda m, loss, op: EstimatorSpec(m, predictions={"a": loss}),
         RuntimeError, "TPU prediction must have type`TPUEstimatorSpec`"),
        (ModeKeys.TRAIN, lambda m, loss, op: TPUEstimatorSpec(ModeKeys.EVAL, loss=loss),
         ValueError, "returned a spec of mode 'eval'"),
        (ModeKeys.TRAIN, lambda m, loss, op: TPUEstimatorSpec(m, loss=loss),
         ValueError, "Missing train_op"),
        (ModeKeys.TRAIN, lambda m, loss, op: TPUEstimatorSpec(m, train_op=op),
         ValueError, "Missing loss"),
        (ModeKeys.EVAL, lambda m, loss, op: TPUEstimatorSpec(m, loss=tf.stack([loss, loss])),
         ValueError, "Loss must be scalar"),
        (ModeKeys.PREDICT, lambda m, loss, op: TPUEstimatorSpec(m),
         ValueError, "Missing predictions"),
        (ModeKeys.PREDICT, lambda m, loss, op: TPUEstimatorSpec(m, predictions=loss),
         TypeError, "must be a dict of Tensors"),
        (ModeKeys.EVAL,
         lambda m, loss, op: TPUEstimatorSpec(m, loss=loss, eval_metrics=(lambda a: {}, [loss])),
         RuntimeError, "must keep their batch dimension"),
        (ModeKeys.TRAIN,
         lambda m, loss, op: TPUEstimatorSpec(
             m, loss=loss, train_op=op, host_call=(lambda a: [a], [loss])),
         RuntimeError, "Reshape it to"),
    ],
)  # fmt: skip
def test_specs_that_are_refused(mode, make_spec, error, message):
    with pytest.raises(error, match=message):
        trace(spec_model(make_spec), X, mode=mode)


def trace_specs(features, labels=None):
    trace_model(model_fn, features=features, labels=labels, mode=ModeKeys.TRAIN, params={},
                config=None, num_replicas=1, seed=1)  # fmt: skip


@pytest.mark.parametrize(
    ("features", "labels", "error", "message"),
    [
        ({"x": tf.TensorSpec([None, 4])}, None, ValueError, "features.*must have static"),
        ({"x": tf.TensorSpec([2, 4])}, tf.TensorSpec(None), ValueError, "labels.*must have static"),
        ({"x": tf.TensorSpec([None], tf.string)}, None, ValueError, "features.*must have static"),
        ({"x": tf.SparseTensorSpec([None, 4])}, None, ValueError, "features.*must have static"),
        ({"x": tf.TensorSpec([2], tf.variant)}, None, ValueError, "features .*hold a .*variant"),
        ({"x": 3}, None, TypeError, "must be dense, sparse or ragged"),
    ],
)
def test_inputs_that_are_refused(features, labels, error, message):
    with pytest.raises(error, match=message):
        trace_specs(features, labels)


def test_a_prediction_of_dynamic_shape():
    def model(features, labels, mode, params):
        return TPUEstimatorSpec(mode, predictions={"rows": tf.where(features > 0)})

    with pytest.raises(ValueError, match=r"key .rows. in .* dynamic shape .should be static"):
        trace(model, X, mode=ModeKeys.PREDICT)


def scaffolded(make_scaffold):
    def model(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        loss = spec.loss
        tf1.summary.scalar("loss", loss)
        return spec._replace(scaffold_fn=lambda: make_scaffold(loss))

    return model


@pytest.mark.parametrize(
    "make_scaffold",
    [
        lambda loss: tf1.train.Scaffold(init_op=tf.group(loss + 1.0)),
        lambda loss: tf1.train.Scaffold(summary_op=tf1.summary.merge_all()),
    ],
)
def test_a_scaffold_that_reads_the_device(make_scaffold):
    message = (
        r"Inside scaffold_fn: Op .* made at .*test_trace.py:\d+, depends on TPU computation .* "
        "which is not allowed"
    )
    with pytest.raises(ValueError, match=message):
        trace(scaffolded(make_scaffold), {"x": X}, Y)


def test_a_scaffold_of_variables_is_kept_and_device_summaries_stay_out_of_it(caplog):
    traced = trace(
        scaffolded(lambda loss: tf1.train.Scaffold(saver=tf1.train.Saver())), {"x": X}, Y
    )
    assert traced.scaffold.saver is not None
    assert "Summaries of tensors on the TPU are not written: loss" in caplog.text
    with pytest.raises(ValueError, match="Inside a hook: Op"), traced.host_scope("Inside a hook"):
        tf.identity(traced.outputs.tensors["loss"])
    with traced.host_scope("Inside Scaffold.finalize"):
        traced.scaffold.finalize()


def test_scaffold_fn_can_change_initial_values(tmp_path):
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.get_variable("old", [4, 1], initializer=tf1.constant_initializer(5.0))
        session.run(tf1.global_variables_initializer())
        path = tf1.train.Saver().save(session, str(tmp_path / "model"))

    def make_scaffold(loss):
        tf1.train.init_from_checkpoint(path, {"old": "kernel"})
        return tf1.train.Scaffold()

    values = initial_values(trace(scaffolded(make_scaffold), {"x": X}, Y))
    np.testing.assert_array_equal(values["kernel"], np.full([4, 1], 5.0))


def test_an_estimator_spec_in_training_loses_its_scaffold_with_a_warning(caplog):
    def model(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        return EstimatorSpec(
            mode, loss=spec.loss, train_op=spec.train_op, scaffold=tf1.train.Scaffold()
        )

    assert trace(model, {"x": X}, Y).scaffold is None
    assert "EstimatorSpec.scaffold is ignored" in caplog.text
