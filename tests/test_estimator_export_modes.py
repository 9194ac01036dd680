"""Exports of the modes TRAIN and EVAL, alone and beside serving, by both estimators."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    LABELS,
    eval_input_fn,
    make_estimator,
    receiver_fn,
    train_input_fn,
)
from helpers.tpu_graph import read_metagraphs

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import Estimator, EstimatorSpec, ModeKeys

tf1 = tf.compat.v1
SERVE, SERVE_TPU = frozenset(["serve"]), frozenset(["serve", "tpu"])
TRAIN, EVAL = frozenset(["train"]), frozenset(["eval"])


def model_fn(features, labels, mode, params):
    """A regression with a metric whose update is an operation."""
    weight = tf1.get_variable("weight", [4, 1], initializer=tf1.ones_initializer())
    score = tf.matmul(features["x"], weight)
    predictions = score if params.get("single") else {"score": score, "predictions_2": score * 2}
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf1.losses.mean_squared_error(labels, score)
    seen = tf1.get_variable(
        "seen", [], collections=[tf1.GraphKeys.LOCAL_VARIABLES], initializer=tf1.zeros_initializer()
    )
    return EstimatorSpec(
        mode,
        loss=loss,
        predictions=predictions,
        train_op=tf1.train.GradientDescentOptimizer(0.1).minimize(
            loss, tf1.train.get_global_step()
        ),
        eval_metric_ops={
            "error": tf1.metrics.mean_absolute_error(labels, score),
            "seen": (seen.read_value(), seen.assign_add(1.0).op),
        },
    )


def input_fn():
    return tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS)).batch(20)


supervised_receiver_fn = tpu_estimator.build_supervised_input_receiver_fn_from_input_fn(input_fn)
ALL = {
    ModeKeys.PREDICT: receiver_fn,
    ModeKeys.EVAL: supervised_receiver_fn,
    ModeKeys.TRAIN: supervised_receiver_fn,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Estimator(model_fn, tmp_path_factory.mktemp("m"), params={}).train(input_fn, steps=3)


def read_tags_in_order(directory):
    return list(read_metagraphs(directory))


def test_all_modes_in_order_with_one_set_of_variables(trained, tmp_path):
    path = trained.experimental_export_all_saved_models(str(tmp_path), ALL).decode()
    assert read_tags_in_order(path) == [TRAIN, EVAL, SERVE]
    names = [name for name, _ in tf.train.list_variables(f"{path}/variables/variables")]
    assert names == ["global_step", "weight"]


@pytest.mark.parametrize(
    ("modes", "tags"),
    [
        ([ModeKeys.TRAIN], [TRAIN]),
        ([ModeKeys.EVAL], [EVAL]),
        ([ModeKeys.PREDICT], [SERVE]),
        ([ModeKeys.EVAL, ModeKeys.TRAIN], [TRAIN, EVAL]),
        ([ModeKeys.PREDICT, ModeKeys.TRAIN], [TRAIN, SERVE]),
        ([ModeKeys.PREDICT, ModeKeys.EVAL], [EVAL, SERVE]),
        ([ModeKeys.EVAL, ModeKeys.PREDICT, ModeKeys.TRAIN], [TRAIN, EVAL, SERVE]),
    ],
)
def test_every_subset_in_one_order(trained, tmp_path, modes, tags):
    receivers = {mode: ALL[mode] for mode in modes}
    path = trained.experimental_export_all_saved_models(str(tmp_path), receivers).decode()
    assert read_tags_in_order(path) == tags
    for tag_set in tags:
        with tf.Graph().as_default(), tf1.Session() as session:
            tf1.saved_model.load(session, list(tag_set), path)
            weight = session.run(tf1.global_variables("weight")[0])
        np.testing.assert_array_equal(weight, trained.get_variable_value("weight"))


def test_signatures_are_named_as_the_old_estimator_names_them(trained, tmp_path):
    path = trained.experimental_export_all_saved_models(str(tmp_path), ALL).decode()
    metagraphs = read_metagraphs(path)
    for tags, name, method in ((TRAIN, "train", "training"), (EVAL, "eval", "eval")):
        (signature,) = metagraphs[tags].signature_def.values()
        assert list(metagraphs[tags].signature_def) == [name]
        assert signature.method_name == f"tensorflow/supervised/{method}"
        assert sorted(signature.inputs) == ["label", "x"]
        assert sorted(signature.outputs) == [
            "loss",
            "metrics/error/update_op",
            "metrics/error/value",
            "metrics/seen/update_op",
            "metrics/seen/value",
            "predictions/score",
            "predictions_2",
        ]
        assert "saved_model_train_op" in metagraphs[tags].collection_def


def test_a_single_prediction(trained, tmp_path):
    estimator = Estimator(model_fn, trained.model_dir, params={"single": True})
    path = estimator.export_saved_model(
        str(tmp_path), supervised_receiver_fn, experimental_mode=ModeKeys.EVAL
    ).decode()
    assert "predictions" in read_metagraphs(path)[EVAL].signature_def["eval"].outputs
    assert read_tags_in_order(path) == [EVAL]


def run(path, tags, signature, fetches, steps=1):
    """Returns what each step of a loaded metagraph gives for all examples."""
    with tf.Graph().as_default(), tf1.Session() as session:
        definition = tf1.saved_model.load(session, tags, path).signature_def[signature]
        feeds = {definition.inputs["x"].name: FEATURES, definition.inputs["label"].name: LABELS}
        train_op = tf1.get_collection("saved_model_train_op")
        for _ in range(steps):
            names = [definition.outputs[fetch].name for fetch in fetches]
            values = session.run([names, *train_op], feeds)[0]
        return values


def test_the_exported_graphs_train_and_evaluate(trained, tmp_path):
    path = trained.experimental_export_all_saved_models(str(tmp_path), ALL).decode()
    expected = trained.evaluate(lambda: input_fn().unbatch().batch(100))
    loss, error = run(path, ["eval"], "eval", ["loss", "metrics/error/update_op"])
    np.testing.assert_allclose([loss, error], [expected["loss"], expected["error"]], rtol=1e-6)
    first, later = (run(path, ["train"], "train", ["loss"], steps)[0] for steps in (1, 5))
    np.testing.assert_allclose(first, expected["loss"], rtol=1e-6)
    assert later < first


def test_a_receiver_with_labels_may_serve(trained, tmp_path):
    seen = []

    def watching(features, labels, mode, params):
        seen.append(None if labels is None else labels.shape.as_list())
        return model_fn(features, labels, mode, params)

    estimator = Estimator(watching, trained.model_dir, params={})
    path = estimator.export_saved_model(str(tmp_path), supervised_receiver_fn).decode()
    assert seen == [[None, 1]]
    signature = read_metagraphs(path)[SERVE].signature_def["serving_default"]
    assert sorted(signature.inputs) == ["label", "x"]


def test_a_tpu_estimator_exports_them_for_the_host(tmp_path, caplog):
    estimator = make_estimator(tmp_path / "m", params={}).train(train_input_fn, steps=2)
    receiver = tpu_estimator.build_supervised_input_receiver_fn_from_input_fn(
        eval_input_fn, params={"batch_size": 4}
    )
    receivers = {ModeKeys.TRAIN: receiver, ModeKeys.EVAL: receiver, ModeKeys.PREDICT: receiver_fn}
    path = estimator.experimental_export_all_saved_models(str(tmp_path), receivers).decode()
    assert read_tags_in_order(path) == [TRAIN, EVAL, SERVE, SERVE_TPU]
    assert "exported for the host, not for TPUs" in caplog.text
    outputs = read_metagraphs(path)[EVAL].signature_def["eval"].outputs
    assert {"loss", "metrics/accuracy/value", "metrics/count/update_op"} <= set(outputs)
    names = [name for name, _ in tf.train.list_variables(f"{path}/variables/variables")]
    assert "kernel/Momentum" in names
    (accuracy,) = run(path, ["eval"], "eval", ["metrics/accuracy/update_op"])
    np.testing.assert_allclose(accuracy, estimator.evaluate(eval_input_fn)["accuracy"])


def test_only_for_tpus_beside_training(tmp_path):
    estimator = make_estimator(tmp_path / "m", params={}, export_to_cpu=False)
    estimator.train(train_input_fn, steps=2)
    receiver = tpu_estimator.build_supervised_input_receiver_fn_from_input_fn(
        eval_input_fn, params={"batch_size": 4}
    )
    path = estimator.experimental_export_all_saved_models(
        str(tmp_path), {ModeKeys.TRAIN: receiver, ModeKeys.PREDICT: receiver_fn}
    ).decode()
    assert read_tags_in_order(path) == [TRAIN, SERVE_TPU]


@pytest.mark.parametrize("receivers", [{}, {ModeKeys.PREDICT: None}, {"serve": receiver_fn}])
def test_no_mode_to_export(trained, receivers, tmp_path):
    with pytest.raises(ValueError, match=r"No valid modes for exporting found\. Got "):
        trained.experimental_export_all_saved_models(str(tmp_path), receivers)
    assert not list(tmp_path.iterdir())


def test_no_such_mode(trained, tmp_path):
    with pytest.raises(ValueError, match="No valid modes for exporting found"):
        trained.export_saved_model(str(tmp_path), receiver_fn, experimental_mode="test")
    with pytest.raises(ValueError, match="An input_receiver_fn must be defined"):
        trained.export_saved_model(str(tmp_path), None)


def test_a_checkpoint_without_what_training_needs(trained, tmp_path):
    def with_slots(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        if mode == ModeKeys.TRAIN:
            tf1.get_variable("more", [2])
        return spec

    estimator = Estimator(with_slots, trained.model_dir, params={})
    with pytest.raises(ValueError, match=r"does not fit the model_fn in mode 'train'.*`more`"):
        estimator.experimental_export_all_saved_models(str(tmp_path), ALL)
    assert not list(tmp_path.iterdir())


def test_each_metagraph_restores_with_its_own_saver(tmp_path):
    """Serving takes averages of the weights, which the variables of training hold besides."""

    def averaging(features, labels, mode, params):
        spec = model_fn(features, labels, mode, params)
        average = tf.train.ExponentialMovingAverage(0.5)
        if mode == ModeKeys.PREDICT:
            saver = tf1.train.Saver(average.variables_to_restore())
            return spec._replace(scaffold=tf1.train.Scaffold(saver=saver))
        if mode == ModeKeys.EVAL:
            return spec
        with tf.control_dependencies([spec.train_op]):
            return spec._replace(train_op=average.apply(tf1.trainable_variables()))

    estimator = Estimator(averaging, tmp_path / "m", params={}).train(input_fn, steps=3)
    receivers = {ModeKeys.TRAIN: supervised_receiver_fn, ModeKeys.PREDICT: receiver_fn}
    path = estimator.experimental_export_all_saved_models(str(tmp_path), receivers).decode()
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.saved_model.load(session, ["serve"], path)
        served = session.run(tf1.global_variables("weight")[0])
    average = estimator.get_variable_value("weight/ExponentialMovingAverage")
    np.testing.assert_array_equal(served, average)
    assert (served != estimator.get_variable_value("weight")).any()
