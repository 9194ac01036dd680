"""Replicas of several cores: what users ask for, see and get; refusals before anything compiles."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ModeKeys = tpu_estimator.ModeKeys
Pipeline = tpu_estimator.InputPipelineConfig
RNG = np.random.default_rng(0)
# The last evaluation batch of 36 has four examples.
IMAGES = RNG.normal(size=[36, 16, 12, 3]).astype("float32")
CLASSES = RNG.integers(0, 4, [36]).astype("int32")
KEYS = np.arange(36)
# Cores per replica, and what two replicas of so many cores do with the input.
CUTS = {
    1: None,
    2: [{"image": [1, 2, 1, 1], "key": None}, None],
    4: [{"image": [1, 2, 2, 1], "key": [4]}, [4]],
}
V2 = {"per_host_input_for_training": Pipeline.PER_HOST_V2}


def image_model_fn(features, labels, mode, params):
    """A small convolutional network whose layers ask for different cores."""
    training = mode == ModeKeys.TRAIN
    cores = params["context"].device_assignment.num_cores_per_replica
    with tf.device(tf1.tpu.core(0)):
        x = tf1.layers.conv2d(features["image"], 8, 3, padding="same", activation=tf.nn.relu)
        x = tf1.layers.batch_normalization(x, training=training)
        x = tf.nn.dropout(x, rate=0.2) if training else x
    with tf.device(tf1.tpu.core(cores - 1)):
        x = tf1.layers.max_pooling2d(x, 2, 2)
        logits = tf1.layers.dense(tf.reduce_mean(x, [1, 2]), 4)
    if mode == ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(
            mode, predictions={"logits": logits, "key": features["key"]}
        )
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == ModeKeys.EVAL:
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=(count_right, [labels, logits])
        )
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.01))
    with tf.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def count_right(labels, logits):
    return {"accuracy": tf1.metrics.accuracy(labels, tf.argmax(logits, axis=-1))}


def image_input_fn(params, repeat=False):
    data = tf.data.Dataset.from_tensor_slices(({"image": IMAGES, "key": KEYS}, CLASSES))
    data = data.repeat() if repeat else data
    return data.batch(params["batch_size"], drop_remainder=repeat)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Evaluation, predictions and variables of an estimator, by cores of each replica."""

    @functools.cache
    def run(cores):
        estimator = make_tpu_estimator(
            tmp_path_factory.mktemp(f"cores_{cores}"),
            image_model_fn,
            replicas=2,
            loop=3,
            tpu={**V2, "num_cores_per_replica": cores, "input_partition_dims": CUTS[cores]},
            train_batch_size=8,
            eval_batch_size=16,
            predict_batch_size=16,
        )
        # Loops of three, three and one steps.
        estimator.train(functools.partial(image_input_fn, repeat=True), steps=7)
        evaluation = estimator.evaluate(image_input_fn, steps=3)
        predictions = list(estimator.predict(image_input_fn))
        names = estimator.get_variable_names()
        return evaluation, predictions, {n: estimator.get_variable_value(n) for n in names}

    return run


@pytest.mark.parametrize("cores", [2, 4])
def test_a_run_gives_what_one_core_per_replica_gives(results, cores):
    evaluation, predictions, variables = results(cores)
    expected, expected_predictions, expected_variables = results(1)
    assert evaluation.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(evaluation[name], value, rtol=1e-5, err_msg=name)
    assert [p["key"] for p in predictions] == list(KEYS)
    for found, wanted in zip(predictions, expected_predictions, strict=True):
        np.testing.assert_allclose(found["logits"], wanted["logits"], rtol=1e-4, atol=1e-5)
    assert variables.keys() == expected_variables.keys()
    for name, value in expected_variables.items():
        np.testing.assert_allclose(variables[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("tpu", "replicas"),
    [
        ({"num_cores_per_replica": 2}, 2),
        ({"num_cores_per_replica": 2, "per_host_input_for_training": Pipeline.BROADCAST}, 2),
        ({"num_cores_per_replica": 8, **V2, "input_partition_dims": [[8, 1]]}, 1),
        ({"num_cores_per_replica": 4, **V2, "input_partition_dims": [{"x": [1, 4]}],
          "eval_training_input_configuration": Pipeline.SLICED}, 2),
    ],
)  # fmt: skip
def test_every_input_configuration_and_hooks_between_loops(tmp_path, tpu, replicas):
    class Count(tf1.train.SessionRunHook):
        runs = 0

        def after_run(self, run_context, run_values):
            self.runs += 1

    single = tpu.get("input_partition_dims") == [[8, 1]]

    def input_fn(params):
        data = train_input_fn(params)
        return data.map(lambda x, y: (x["x"], y)) if single else data

    def model_fn(features, labels, mode, params):
        assert params["context"].num_replicas == replicas
        assert params["batch_size"] == features_of(features)["x"].shape[0]
        return linear_model_fn(features_of(features), labels, mode, params)

    def features_of(features):
        return {"x": features} if single else features

    whole = {k: v for k, v in tpu.items() if k not in ("num_cores_per_replica",
                                                       "input_partition_dims")}  # fmt: skip
    kernels = []
    for name, config in (("divided", tpu), ("whole", whole)):
        hook = Count()
        estimator = make_tpu_estimator(
            tmp_path / name, model_fn, replicas=replicas, tpu=config, train_batch_size=8
        )
        estimator.train(input_fn, steps=6, hooks=[hook])
        assert hook.runs == 2
        kernels.append(estimator.get_variable_value("kernel"))
    np.testing.assert_allclose(*kernels, rtol=1e-5, atol=1e-7)


def total_variation_model_fn(features, labels, mode, params):
    """Flattens what is cut twice, and joins it: XLA alone gets the gradient of that wrong."""
    x = tf.tanh(tf1.layers.conv2d(features["image"], 4, 3, padding="same"))
    across, down = x[:, :, 1:] - x[:, :, :-1], x[:, 1:] - x[:, :-1]
    joined = tf.concat([tf1.layers.flatten(across), tf1.layers.flatten(down)], axis=1)
    means = tf.concat([tf.reduce_mean(x, 2), tf.reduce_max(x, 2)], axis=1)
    loss = tf.reduce_mean(tf.square(joined)) + tf.reduce_mean(means)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(1.0))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def test_gradients_where_the_partitioner_alone_has_wrong_ones(tmp_path):
    def input_fn(params):
        return tf.data.Dataset.from_tensors({"image": IMAGES[:4]}).repeat()

    kernels = []
    # Rows and columns; rows and channels.
    for cut in (None, [1, 2, 2, 1], [1, 2, 1, 2]):
        dims = {"num_cores_per_replica": 4, "input_partition_dims": [{"image": cut}]} if cut else {}
        estimator = make_tpu_estimator(
            tmp_path / str(len(kernels)), total_variation_model_fn, replicas=1,
            tpu={**V2, **dims}, train_batch_size=4,
        )  # fmt: skip
        estimator.train(input_fn, steps=4)
        kernels.append(estimator.get_variable_value("conv2d/kernel"))
    for kernel in kernels[1:]:
        np.testing.assert_allclose(kernel, kernels[0], rtol=1e-4, atol=1e-5)


def test_placement_on_cores_does_no_harm_on_a_host(tmp_path):
    def model_fn(features, labels, mode, params):
        with tf.device(tf1.tpu.core(1)):
            return linear_model_fn(features, labels, mode, params)

    estimator = make_estimator(tmp_path, model_fn)
    estimator.train(train_input_fn, steps=2)
    assert estimator.get_variable_value("global_step") == 2


def test_model_fn_sees_the_cores_of_each_replica(tmp_path):
    seen = []

    def model_fn(features, labels, mode, params):
        context = params["context"]
        seen.append((context.num_replicas, context.num_of_replicas_per_host))
        assignment = context.device_assignment
        assert isinstance(assignment, tf.tpu.experimental.DeviceAssignment)
        seen.append(assignment.core_assignment[:, :, -1].tolist())
        return linear_model_fn(features, labels, mode, params)

    # Without `num_shards` there are as many replicas as the cores make.
    estimator = make_tpu_estimator(
        tmp_path, model_fn, replicas=None, tpu={"num_cores_per_replica": 4}
    )
    estimator.train(train_input_fn, steps=1)
    assert seen == [(2, 2), [[0, 1, 2, 3], [4, 5, 6, 7]]]


def with_labels(x, y):
    return {"a": x["x"], "b": x["x"]}, {"y": y}


def refuse(tmp_path, error, text, *, change=None, replicas=2, **tpu):
    def input_fn(params):
        data = train_input_fn(params)
        return data.map(change) if change else data

    estimator = make_tpu_estimator(tmp_path, replicas=replicas, tpu=tpu, train_batch_size=8)
    with pytest.raises(error, match=text):
        estimator.train(input_fn, steps=2)


@pytest.mark.parametrize(
    ("dims", "change", "text"),
    [
        ([{"x": [1, 0]}], None, r"All input partition dims must be >= 1\."),
        ([{"x": [1, 4]}], None,
         "The product of each input partition dim should equal to num_cores_per_replica"),
        ([{"x": [1, 2, 1]}], None, "Input partition dims must have the same "),
        ([{"z": [1, 2]}], None, r"TPUConfig\.input_partition_dims\[0\] mismatched feature "),
        ([{"a": None, "b": None}, {"z": None}], with_labels,
         r"TPUConfig\.input_partition_dims\[1\] mismatched label "),
        ([{"x": None}, {"y": None}], None,
         r"TPUConfig\.input_partition_dims\[1\] mismatched the structure of labels\. "),
    ],
)  # fmt: skip
def test_partitions_that_do_not_fit_the_input(tmp_path, forbid_compiling, dims, change, text):
    refuse(tmp_path, ValueError, text, change=change, **V2,
           num_cores_per_replica=2, input_partition_dims=dims)  # fmt: skip


def test_more_cores_than_a_host_has(tmp_path, forbid_compiling):
    text = (
        r"^Except the PER_HOST_V2 mode, the num of cores required by model parallelism specified "
        r"by TPUConfig.num_cores_per_replica should be less than or equal to the "
        r"num_cores_per_host. num_cores_per_replica: 16, num_cores_per_host: 8$"
    )
    refuse(tmp_path, ValueError, text, replicas=None, num_cores_per_replica=16)


@pytest.mark.parametrize("method", ["train", "evaluate"])
def test_more_cores_than_there_are(tmp_path, monkeypatch, forbid_compiling, method):
    make_estimator(tmp_path).train(train_input_fn, steps=1)
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", "2")
    estimator = make_tpu_estimator(
        tmp_path, replicas=None, tpu={**V2, "num_cores_per_replica": 4}, train_batch_size=8
    )
    text = "takes 4 cores .* there are only 2 cores in the TPU topology"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        getattr(estimator, method)(eval_input_fn, steps=1)


def test_shards_are_replicas_not_cores(tmp_path, monkeypatch, forbid_compiling):
    from tfx_tpu_estimator.execution import pjrt

    found = pjrt.find_devices(num_shards=8)
    monkeypatch.setattr("tfx_tpu_estimator.runs.engine.find_devices", lambda num_shards: found)
    text = "num_shards is not set correctly: got 8, but there are 4 replicas"
    refuse(tmp_path, ValueError, text, replicas=8, num_cores_per_replica=2)


def test_batches_divide_by_replicas_not_by_cores(tmp_path, forbid_compiling):
    estimator = make_tpu_estimator(
        tmp_path, replicas=4, tpu={"num_cores_per_replica": 2}, train_batch_size=6
    )
    text = "train batch size 6 must be divisible by number of replicas 4"
    with pytest.raises(ValueError, match=text):
        estimator.train(train_input_fn, steps=1)
