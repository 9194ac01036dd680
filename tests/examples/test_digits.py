"""The digits example: the files it writes, and its model on input built from the schema."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers.example_modules import load_example

from tfx_tpu_estimator import (
    ModeKeys,
    RunConfig,
    TPUEstimator,
    build_schema_serving_input_receiver_fn,
)
from tfx_tpu_estimator.inputs.record_scan import iterate_records
from tfx_tpu_estimator.inputs.schema import read_schema
from tfx_tpu_estimator.inputs.schema_input import make_schema_input_fn
from tfx_tpu_estimator.inputs.tfrecord import count_records, list_files

digits = load_example("digits/digits_module.py")
writer = load_example("digits/write_digits.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return writer.write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def params(folder):
    return {
        "train_files": [str(folder / "Split-train" / "*")],
        "eval_files": [str(folder / "Split-eval" / "*")],
        "schema_path": str(folder / "schema.pbtxt"),
        "label_key": writer.LABEL_KEY,
        "seed": 3,
    }


def read_split(folder, split):
    files = list_files(str(folder / f"Split-{split}" / "*"))
    return [record for path in files for record in iterate_records(path, "GZIP")]


def test_splits_are_whole_and_apart(folder):
    train, evaluation = read_split(folder, "train"), read_split(folder, "eval")
    assert (len(train), len(evaluation)) == (1437, 360)
    assert len(set(train) | set(evaluation)) == 1797
    assert len(list_files(str(folder / "Split-train" / "*"))) == 4


def test_files_are_the_same_every_time(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["write_digits.py", str(tmp_path / "again")])
    writer.main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "again")
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 7
    for name in files:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_schema_gives_the_input(params):
    dataset = make_schema_input_fn("train_files", training=True)({**params, "batch_size": 32})
    features, label = next(dataset.as_numpy_iterator())
    assert features["image"].shape == (32, 8, 8)
    assert 0 <= features["image"].min() <= features["image"].max() == 1.0
    assert label.shape == (32,)
    assert count_records(list_files(params["eval_files"]), "GZIP") == 360


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT])
def test_model_builds_in_every_mode(mode):
    with tf.Graph().as_default():
        features = {"image": tf.zeros([32, 8, 8])}
        labels = tf.zeros([32], tf.int64)
        spec = digits.model_fn(features, labels, mode, digits.estimator_params())
    assert (spec.train_op is not None) == (mode == ModeKeys.TRAIN)
    assert (spec.eval_metrics is not None) == (mode == ModeKeys.EVAL)
    assert bool(spec.export_outputs) == (mode == ModeKeys.PREDICT)


def test_it_learns_and_exports(tmp_path, params):
    estimator = TPUEstimator(
        digits.model_fn,
        config=RunConfig(model_dir=str(tmp_path / "model"), tf_random_seed=1),
        params={**digits.estimator_params(), **params},
        use_tpu=False,
        train_batch_size=64,
        eval_batch_size=100,
    )
    estimator.train(make_schema_input_fn("train_files", training=True), max_steps=300)
    metrics = estimator.evaluate(make_schema_input_fn("eval_files", training=False))
    assert metrics["accuracy"] > 0.9
    assert metrics["average_loss"] < 0.4

    receiver_fn = build_schema_serving_input_receiver_fn(
        read_schema(params["schema_path"]), label_key=writer.LABEL_KEY
    )
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn)
    serve = tf.saved_model.load_v2(path.decode(), tags=["serve"]).signatures["predict"]
    records = read_split(writer.write_digits(tmp_path / "digits"), "eval")[:50]
    answer = serve(examples=tf.constant(records))
    labels = [
        tf.train.Example.FromString(r).features.feature["digit"].int64_list.value[0]
        for r in records
    ]
    assert np.mean(answer["class_ids"].numpy() == labels) > 0.8
