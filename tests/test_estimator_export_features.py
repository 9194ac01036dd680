"""Exports for the host of models whose features are sparse, ragged or looked up in files."""

import os

import numpy as np
import pytest
import tensorflow as tf
from helpers.tpu_graph import read_metagraphs

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import Estimator, EstimatorSpec, ModeKeys, TPUEstimator

tf1 = tf.compat.v1
SPEC = {
    "ids": tf.io.VarLenFeature(tf.int64),
    "parts": tf.io.RaggedFeature(tf.float32),
    "word": tf.io.FixedLenFeature([], tf.string),
}
EXAMPLES = [
    {"ids": [1, 2], "parts": [0.5], "word": [b"bee"]},
    {"ids": [], "parts": [1.0, 2.0, 4.0], "word": [b"ant"]},
    {"ids": [0], "parts": [], "word": [b"other"]},
]


def serialize(example):
    features = {
        "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=example["ids"])),
        "parts": tf.train.Feature(float_list=tf.train.FloatList(value=example["parts"])),
        "word": tf.train.Feature(bytes_list=tf.train.BytesList(value=example["word"])),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


SERIALIZED = [serialize(example) for example in EXAMPLES]


def model_fn(features, labels, mode, params):
    table = tf1.get_variable("table", initializer=tf.constant([[1.0], [10.0], [100.0]]))
    looked_up = tf1.nn.embedding_lookup_sparse(table, features["ids"], None, combiner="sum")
    missing = tf.shape(features["word"])[0] - tf.shape(looked_up)[0]
    looked_up = tf.pad(looked_up, [[0, missing], [0, 0]])
    words = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            params["words"],
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        num_oov_buckets=1,
    )
    predictions = {
        "sum": looked_up[:, 0],
        "parts": tf.reduce_sum(features["parts"], axis=1),
        "word": words.lookup(features["word"]),
    }
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=predictions)
    loss = tf.reduce_sum(table)
    train_op = tf1.assign_add(tf1.train.get_global_step(), 1)
    return EstimatorSpec(mode, loss=loss, train_op=train_op, predictions=predictions)


def input_fn():
    data = tf.data.Dataset.from_tensors(SERIALIZED).repeat(2)
    return data.map(lambda serialized: (tf.io.parse_example(serialized, SPEC), [0.0] * 3))


def make_estimator(directory, params):
    return Estimator(model_fn, directory, params=params)


def make_tpu_estimator(directory, params):
    config = tpu_estimator.RunConfig()
    return TPUEstimator(model_fn, directory, config, params, use_tpu=False, export_to_tpu=False)


@pytest.mark.parametrize("make", [make_estimator, make_tpu_estimator])
def test_features_of_every_kind_are_served(make, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("ant\nbee\n")
    estimator = make(tmp_path / "model", {"words": str(words)}).train(input_fn, steps=1)
    receiver_fn = tpu_estimator.build_parsing_serving_input_receiver_fn(SPEC)
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    # The vocabulary is part of the export, and found there.
    assert os.listdir(f"{path}/assets") == ["words.txt"]
    words.unlink()
    served = tf.saved_model.load(path).signatures["serving_default"](tf.constant(SERIALIZED))
    np.testing.assert_array_equal(served["sum"], [110.0, 0.0, 1.0])
    np.testing.assert_array_equal(served["parts"], [0.5, 7.0, 0.0])
    np.testing.assert_array_equal(served["word"], [1, 0, 2])


def test_assets_of_several_modes(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("ant\nbee\n")
    estimator = make_estimator(tmp_path / "model", {"words": str(words)}).train(input_fn, steps=1)

    def supervised_receiver_fn():
        receiver = tpu_estimator.build_parsing_serving_input_receiver_fn(SPEC)()
        labels = tf1.placeholder(tf.float32, [None])
        tensors = {**receiver.receiver_tensors, "label": labels}
        return tpu_estimator.SupervisedInputReceiver(receiver.features, labels, tensors)

    path = estimator.experimental_export_all_saved_models(
        str(tmp_path / "export"),
        {
            ModeKeys.EVAL: supervised_receiver_fn,
            ModeKeys.PREDICT: tpu_estimator.build_parsing_serving_input_receiver_fn(SPEC),
        },
    ).decode()
    assert len(read_metagraphs(path)) == 2
    words.unlink()
    with tf.Graph().as_default(), tf1.Session() as session:
        signature = tf1.saved_model.load(session, ["eval"], path).signature_def["eval"]
        feeds = {signature.inputs["examples"].name: SERIALIZED}
        found = session.run(signature.outputs["predictions/word"].name, feeds)
    np.testing.assert_array_equal(found, [1, 0, 2])


def look_up_in(*paths):
    """A receiver of words, whose number is the sum of their lines in all files."""

    def receiver_fn():
        words = tf1.placeholder(tf.string, [None])
        numbers = [
            tf.lookup.StaticVocabularyTable(
                tf.lookup.TextFileInitializer(
                    str(path),
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                num_oov_buckets=1,
            ).lookup(words)
            for path in paths
        ]
        return tpu_estimator.TensorServingInputReceiver(sum(numbers), {"words": words})

    return receiver_fn


def number_model_fn(features, labels, mode):
    weight = tf1.get_variable("weight", initializer=2.0)
    if mode == ModeKeys.PREDICT:
        return EstimatorSpec(mode, predictions=tf.cast(features, tf.float32) * weight)
    train_op = tf1.assign_add(tf1.train.get_global_step(), 1)
    return EstimatorSpec(mode, loss=weight, train_op=train_op)


@pytest.fixture
def numbers(tmp_path):
    estimator = Estimator(number_model_fn, tmp_path / "model")
    return estimator.train(lambda: tf.data.Dataset.from_tensors(([1], [1])), steps=1)


def test_files_of_one_name_and_an_export_that_moves(numbers, tmp_path):
    paths = [tmp_path / "a" / "words.txt", tmp_path / "b" / "words.txt"]
    for path, words in zip(paths, (["x", "y"], ["0", "1", "2", "x"]), strict=True):
        path.parent.mkdir()
        path.write_text("\n".join(words))
    path = numbers.export_saved_model(str(tmp_path / "export"), look_up_in(*paths)).decode()
    moved = os.path.join(tmp_path, "moved")
    os.rename(path, moved)
    for vocabulary in paths:
        vocabulary.unlink()
    assert len(os.listdir(f"{moved}/assets")) == 2
    served = tf.saved_model.load(moved).signatures["serving_default"]
    # Not among the words of a file: the number after its last.
    np.testing.assert_array_equal(served(tf.constant(["x", "y"]))["output"], [6.0, 10.0])


def test_a_linked_file_is_copied_and_a_missing_one_named(numbers, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"reads the file '.*none\.txt'"):
        numbers.export_saved_model(str(tmp_path / "x"), look_up_in(tmp_path / "none.txt"))
    assert not (tmp_path / "x").exists()
    (tmp_path / "words.txt").write_text("x\ny")
    (tmp_path / "link.txt").symlink_to(tmp_path / "words.txt")
    path = numbers.export_saved_model(str(tmp_path / "x"), look_up_in(tmp_path / "link.txt"))
    copied = os.path.join(path.decode(), "assets", "link.txt")
    assert os.path.isfile(copied)
    assert not os.path.islink(copied)
