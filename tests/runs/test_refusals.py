"""What cannot run on devices is refused with words, and before anything is compiled."""

import os

import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    LABELS,
    eval_input_fn,
    linear_model_fn,
    make_tpu_estimator,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ModeKeys = tpu_estimator.ModeKeys
Pipeline = tpu_estimator.InputPipelineConfig


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    make_tpu_estimator(directory).train(train_input_fn, steps=4)
    return directory


def run(estimator, mode, input_fn=None):
    """Trains, evaluates or predicts a little."""
    if mode == ModeKeys.TRAIN:
        estimator.train(input_fn or train_input_fn, steps=5)
    elif mode == ModeKeys.EVAL:
        estimator.evaluate(input_fn or eval_input_fn, steps=1)
    else:
        next(estimator.predict(input_fn or eval_input_fn))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"params": {"batch_size": 1, "context": 2}}, ValueError, "are reserved keys"),
        ({"train_batch_size": None}, ValueError, "`train_batch_size` cannot be `None`"),
        ({"train_batch_size": 10.0}, TypeError, "must be int"),
        ({"eval_batch_size": 0}, ValueError, "must be positive"),
        ({"model_fn": lambda features, labels, params, extra: None}, ValueError,
         "model_fn .* has following not expected args"),
        ({"tpu": {"num_cores_per_replica": 2, "per_host_input_for_training": False}}, ValueError,
         "Model parallelism only supports"),
    ],
)  # fmt: skip
def test_the_constructor_refuses(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        make_tpu_estimator(tmp_path, **arguments)


def test_model_fn_without_params(tmp_path, forbid_compiling):
    def model_fn(features, labels, mode):
        return linear_model_fn(features, labels, mode, {})

    with pytest.raises(ValueError, match=r"model_fn .* does not include params"):
        run(make_tpu_estimator(tmp_path, model_fn), ModeKeys.TRAIN)


def test_model_fn_without_labels(tmp_path, forbid_compiling):
    def model_fn(features, mode, params):
        return linear_model_fn(features, None, mode, params)

    with pytest.raises(
        ValueError, match="model_fn does not take labels, but input_fn returns labels"
    ):
        run(make_tpu_estimator(tmp_path, model_fn), ModeKeys.TRAIN)


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT])
def test_batches_that_do_not_divide(trained, forbid_compiling, mode):
    name = {"train": "train", "eval": "eval", "infer": "predict"}[mode]
    estimator = make_tpu_estimator(
        trained, train_batch_size=9, eval_batch_size=9, predict_batch_size=9
    )
    with pytest.raises(ValueError, match=f"{name}.*must be divisible by number of replicas 2"):
        run(estimator, mode)


def test_any_batch_will_do_where_all_replicas_get_the_same(trained):
    estimator = make_tpu_estimator(
        trained, predict_batch_size=9, tpu={"per_host_input_for_training": Pipeline.BROADCAST}
    )
    assert len(list(estimator.predict(eval_input_fn))) == 100


@pytest.mark.parametrize(
    ("mode", "argument"),
    [(ModeKeys.EVAL, "eval_batch_size"), (ModeKeys.PREDICT, "predict_batch_size")],
)
def test_missing_batch_sizes(trained, forbid_compiling, mode, argument):
    estimator = make_tpu_estimator(trained, **{argument: None})
    message = f"{argument} in TPUEstimator constructor cannot be `None`"
    with pytest.raises(ValueError, match=message):
        run(estimator, mode)


def replace_spec(make):
    """A model_fn whose spec is `make(spec)`."""
    return lambda features, labels, mode, params: make(
        linear_model_fn(features, labels, mode, params)
    )


def to_plain(spec, **changes):
    fields = {"loss": spec.loss, "train_op": spec.train_op, "predictions": spec.predictions}
    return tpu_estimator.EstimatorSpec(spec.mode, **fields, **changes)


def unwrapped_model_fn(features, labels, mode, params):
    loss = linear_model_fn(features, labels, ModeKeys.EVAL, params).loss
    optimizer = tf1.train.GradientDescentOptimizer(0.1)
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def capturing_scaffold_model_fn(features, labels, mode, params):
    spec = linear_model_fn(features, labels, mode, params)

    def scaffold_fn():
        return tf1.train.Scaffold(ready_op=tf.identity(spec.loss))

    return spec._replace(scaffold_fn=scaffold_fn)


def dynamic_prediction_model_fn(features, labels, mode, params):
    large = tf.boolean_mask(features["x"], features["x"][:, 0] > 0)
    return tpu_estimator.TPUEstimatorSpec(mode, predictions={"large": large})


@pytest.mark.parametrize(
    ("mode", "model_fn", "error", "message"),
    [
        (ModeKeys.TRAIN, unwrapped_model_fn, ValueError,
         "CrossShardOptimizer must be used for model training on TPUs"),
        (ModeKeys.TRAIN, replace_spec(lambda s: to_plain(s, training_chief_hooks=[
            tf1.train.SessionRunHook()])), ValueError,
         "training_chief_hooks returned by EstimatorSpec is not supported in TPUEstimator"),
        (ModeKeys.EVAL, replace_spec(to_plain), RuntimeError,
         "TPU evaluation must have type`TPUEstimatorSpec`"),
        (ModeKeys.PREDICT, replace_spec(to_plain), RuntimeError,
         "TPU prediction must have type`TPUEstimatorSpec`"),
        (ModeKeys.PREDICT, dynamic_prediction_model_fn, ValueError, "should be static"),
        (ModeKeys.TRAIN, capturing_scaffold_model_fn, ValueError,
         "depends on TPU computation .*which is not allowed"),
    ],
)  # fmt: skip
def test_model_fns_that_are_refused(
    trained, tmp_path, forbid_compiling, mode, model_fn, error, message
):
    directory = tmp_path if mode == ModeKeys.TRAIN else trained
    with pytest.raises(error, match=message):
        run(make_tpu_estimator(directory, model_fn), mode)


def dataset_of(features, labels=LABELS):
    return lambda params: tf.data.Dataset.from_tensor_slices((features, labels)).repeat().batch(
        params["batch_size"], drop_remainder=True
    )  # fmt: skip


def dynamic(which):
    """An input_fn whose features or labels have a width that is not known."""

    def input_fn(params):
        def forget(x, y):
            if which == "features":
                return {"x": tf1.placeholder_with_default(x["x"], [None, None])}, y
            return x, tf1.placeholder_with_default(y, [None, None])

        return train_input_fn(params).map(forget)

    return input_fn


def with_queue(params):
    x, y = tf1.train.batch([FEATURES[0], LABELS[0]], params["batch_size"])
    return {"x": x}, y


@pytest.mark.parametrize(
    ("mode", "input_fn", "error", "message"),
    [
        (ModeKeys.TRAIN, dynamic("features"), ValueError, "features.*must have static"),
        (ModeKeys.TRAIN, dynamic("labels"), ValueError, "labels.*must have static"),
        (ModeKeys.PREDICT, dynamic("features"), ValueError, "features.*must have static"),
        (ModeKeys.TRAIN, with_queue, RuntimeError,
         "Input pipeline contains one or more QueueRunners"),
        (ModeKeys.TRAIN, lambda params: params["context"].device_assignment, RuntimeError,
         "This TPUContext instance must not be called from input_fn."),
        (ModeKeys.PREDICT, lambda params: ({"x": FEATURES[:32]}, LABELS[:32]), TypeError,
         "must return a tf.data.Dataset that ends"),
    ],
)  # fmt: skip
def test_inputs_that_are_refused(
    trained, tmp_path, forbid_compiling, mode, input_fn, error, message
):
    directory = tmp_path if mode == ModeKeys.TRAIN else trained
    with pytest.raises(error, match=message):
        run(make_tpu_estimator(directory), mode, input_fn)


@pytest.mark.parametrize("ask", ["current_host", "current_input_fn_deployment"])
def test_questions_of_input_fn_in_model_fn(tmp_path, forbid_compiling, ask):
    def model_fn(features, labels, mode, params):
        found = getattr(params["context"], ask)
        return found() if callable(found) else found

    with pytest.raises(
        RuntimeError, match=r"This TPUContext instance must not be called from model_fn\."
    ):
        run(make_tpu_estimator(tmp_path, model_fn), ModeKeys.TRAIN)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "one of `steps` or `max_steps` must be set. Cannot be both `None`"),
        ({"steps": 1.5}, TypeError, "must be int"),
        ({"steps": 0}, ValueError, "Must specify.*> 0"),
        ({"max_steps": -1}, ValueError, "Must specify.*> 0"),
    ],
)
def test_steps_of_training(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        make_tpu_estimator(tmp_path).train(None, **arguments)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (None, ValueError, "Evaluate `steps` must be set on TPU. Cannot be `None`"),
        (0, ValueError, "must be positive"),
        (1.5, TypeError, "must be int"),
    ],
)
def test_steps_of_evaluation(trained, steps, error, message):
    with pytest.raises(error, match=message):
        make_tpu_estimator(trained).evaluate(None, steps=steps)


def test_batch_axis_is_not_for_prediction(trained, forbid_compiling):
    with pytest.raises(TypeError, match="batch_axis"):
        run(make_tpu_estimator(trained, batch_axis=(0,)), ModeKeys.PREDICT)


def test_a_dataset_per_core(tmp_path, forbid_compiling):
    estimator = make_tpu_estimator(tmp_path, tpu={"per_host_input_for_training": False})
    with pytest.raises(TypeError, match=r"PER_SHARD_V1.*Set it to True"):
        run(estimator, ModeKeys.TRAIN)


def test_more_devices_than_jax_started_with(tmp_path, forbid_compiling):
    with pytest.raises(RuntimeError, match="Too late to create 64 virtual CPU devices"):
        run(make_tpu_estimator(tmp_path, replicas=64, train_batch_size=64), ModeKeys.TRAIN)


def test_no_tpu_where_one_is_asked_for(tmp_path, forbid_compiling, monkeypatch):
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_PLATFORM", "tpu")
    with pytest.raises(RuntimeError, match=r"Cannot find any TPU cores .* Available devices are"):
        run(make_tpu_estimator(tmp_path), ModeKeys.TRAIN)


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT])
def test_a_checkpoint_that_does_not_fit(trained, forbid_compiling, mode):
    def model_fn(features, labels, mode, params):
        features = {"x": features["x"][:, :3]}
        return linear_model_fn(features, labels, mode, {"width": 3})

    message = r"`kernel` has shape \[4, 1\] in the checkpoint and \[3, 1\] in the model"
    with pytest.raises(ValueError, match=message):
        run(make_tpu_estimator(trained, model_fn), mode)


def test_a_corrupt_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    config = {"save_checkpoints_steps": 4, "keep_checkpoint_max": None}
    estimator = make_tpu_estimator(tmp_path, run=config).train(train_input_fn, steps=8)
    data = tmp_path / "model.ckpt-8.data-00000-of-00001"
    os.truncate(data, data.stat().st_size - 1)
    assert estimator.evaluate(eval_input_fn, steps=4)["global_step"] == 4
    estimator.train(train_input_fn, max_steps=10)
    assert "model.ckpt-8 is corrupt" in caplog.text
    assert f"Using checkpoint {tmp_path}/model.ckpt-4" in caplog.text
    assert estimator.get_variable_value("global_step") == 10


def test_a_refused_training_leaves_nothing_that_a_correct_one_would_stumble_over(tmp_path):
    with pytest.raises(ValueError, match="CrossShardOptimizer"):
        run(make_tpu_estimator(tmp_path, unwrapped_model_fn), ModeKeys.TRAIN)
    assert list(tmp_path.iterdir()) == []
    estimator = make_tpu_estimator(tmp_path)
    run(estimator, ModeKeys.TRAIN)
    assert estimator.get_variable_value("global_step") == 5
