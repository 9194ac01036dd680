"""The Trainer with a graph of TensorFlow Transform: trained on its output, served raw requests."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from helpers.trainer_runs import TrainerRun
from helpers.transform_graphs import MODULE, make_raw, make_rows, write_transform
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.errors import SchemaMismatchError, UserModuleError


@pytest.fixture(scope="module", params=[pytest.param("tf1", marks=pytest.mark.slow), "tf2"])
def written(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(f"transform_{request.param}")
    return root, *write_transform(root, request.param == "tf1")


@pytest.fixture
def trainer(written, tmp_path):
    _, graph, _, transformed = written
    run = TrainerRun(tmp_path)
    run.inputs = {"examples": [transformed], "transform_graph": [graph]}
    run.module_file.write_text(MODULE)
    run.train_args = trainer_pb2.TrainArgs(num_steps=5)
    run.options = TPUEstimatorOptions(train_batch_size=16, label_key="label")
    return run


def serve(model, records):
    loaded = tf.saved_model.load(os.path.join(model.uri, "Format-Serving"), tags=["serve"])
    return {k: v.numpy() for k, v in loaded.signatures["p"](examples=tf.constant(records)).items()}


def expected_features(graph, rows):
    layer = tft.TFTransformOutput(graph.uri).transform_features_layer()
    spec = tft.TFTransformOutput(graph.uri).raw_feature_spec()
    parsed = tf.io.parse_example(tf.constant(make_raw(rows, "age", "town", "tips")), spec)
    return {name: tensor.numpy() for name, tensor in layer(parsed).items()}


@pytest.mark.parametrize("use_tpu", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_graph_and_a_model_fn_are_enough(written, trainer, use_tpu):
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="label", use_tpu=use_tpu)
    model, _ = trainer.run()
    assert model.get_string_custom_property("serving_tag_sets") == "serve;serve,tpu"
    rows = make_rows(20)
    # The label, and what only the label comes from, is no part of a request.
    served = serve(model, make_raw(rows, "age", "town"))
    expected = expected_features(written[1], rows)
    np.testing.assert_allclose(served["age"], expected["age_xf"], rtol=1e-6)
    np.testing.assert_array_equal(served["town"], expected["town_xf"])
    assert np.abs(served["logits"]).max() > 0.1
    # The vocabulary is in the model: it must not need the graph it came from.
    assert os.listdir(os.path.join(model.uri, "Format-Serving", "assets"))


OWN = """

import tensorflow_transform as tft


def train_input_fn(params):
    output = tft.TFTransformOutput(params["transform_graph_path"])
    data = tf.data.TFRecordDataset(tf.gfile.Glob(params["train_files"]), compression_type="GZIP")
    spec = output.transformed_feature_spec()

    def parse(serialized):
        features = tf.parse_example(serialized, spec)
        return features, features.pop("label")

    return data.repeat().batch(params["batch_size"], drop_remainder=True).map(parse)


def eval_input_fn(params):
    return train_input_fn({**params, "train_files": params["eval_files"]}).take(3)


def serving_input_receiver_fn(params):
    from tfx_tpu_estimator import ServingInputReceiver

    output = tft.TFTransformOutput(params["transform_graph_path"])
    serialized = tf.placeholder(tf.string, [None])
    spec = output.raw_feature_spec()
    del spec["tips"]
    features = output.transform_raw_features(tf.parse_example(serialized, spec))
    return ServingInputReceiver(dict(features), {"examples": serialized})
"""


def test_a_module_that_uses_the_graph_itself(written, trainer):
    trainer.module_file.write_text(MODULE + OWN)
    model, _ = trainer.run()
    rows = make_rows(7)
    served = serve(model, make_raw(rows, "age", "town"))
    np.testing.assert_allclose(
        served["age"], expected_features(written[1], rows)["age_xf"], rtol=1e-6
    )


def test_raw_examples_are_refused_before_training(written, trainer):
    trainer.inputs["examples"] = [written[2]]
    with pytest.raises(SchemaMismatchError, match=r"not what the transform graph makes: .*outputs"):
        trainer.run()


def test_a_label_that_the_graph_does_not_make(trainer):
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="tips")
    with pytest.raises(UserModuleError, match=r"'tips' is not a feature that the .*'age_xf'"):
        trainer.run()


def test_a_graph_without_a_schema_of_raw_examples(written, trainer, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(written[1].uri, copy)
    shutil.rmtree(copy / "metadata")
    graph = type(written[1])()
    graph.uri = str(copy)
    trainer.inputs["transform_graph"] = [graph]
    with pytest.raises(UserModuleError, match=r"no schema of raw examples.*give the component"):
        trainer.run()
