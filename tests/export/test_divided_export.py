"""Exports of models of strings and sparse tensors: the host's part is in front of the TPU's."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import word_models as words
from helpers.models import make_estimator
from helpers.tpu_graph import read_metagraphs, run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
SPEC = {
    "place": tf.io.FixedLenFeature([], tf.string),
    "kind": tf.io.FixedLenFeature([1], tf.int64),
    "size": tf.io.FixedLenFeature([2], tf.float32),
    "words": tf.io.VarLenFeature(tf.string),
    "weights": tf.io.VarLenFeature(tf.float32),
}


def receiver_fn():
    examples = tf1.placeholder(tf.string, [None], name="examples")
    return tpu_estimator.ServingInputReceiver(
        tf.io.parse_example(examples, SPEC), {"examples": examples}
    )


def make_example(i):
    weights = words.WEIGHTS.values[words.PLACES[:, 0] == i]
    features = {
        "place": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[words.DENSE["place"][i].encode()])
        ),
        "kind": tf.train.Feature(int64_list=tf.train.Int64List(value=words.DENSE["kind"][i])),
        "size": tf.train.Feature(float_list=tf.train.FloatList(value=words.DENSE["size"][i])),
        "words": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[w.encode() for w in words.ROWS[i]])
        ),
        "weights": tf.train.Feature(float_list=tf.train.FloatList(value=weights)),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The export, and predictions of the first examples."""
    directory = tmp_path_factory.mktemp("words")
    estimator = make_estimator(directory / "model", words.word_model_fn, train_batch_size=16)
    estimator.train(words.train_input_fn, steps=2)
    path = estimator.export_saved_model(str(directory / "export"), receiver_fn).decode()
    predictions = estimator.predict(words.predict_input_fn)
    return path, [next(predictions) for _ in range(20)]


def test_both_metagraphs_give_what_predict_gives(exported):
    path, predictions = exported
    examples = [make_example(i) for i in range(20)]
    on_tpu = run_tpu_metagraph(path, "serving_default", {"examples": examples})
    served = tf.saved_model.load(path, tags=["serve"]).signatures["serving_default"]
    on_cpu = served(examples=tf.constant(examples))
    for key in ("probabilities", "letters"):
        expected = np.stack([p[key] for p in predictions])
        np.testing.assert_allclose(on_tpu[key], expected, rtol=1e-5)
        np.testing.assert_allclose(on_cpu[key].numpy(), expected, rtol=1e-5)


def test_only_what_a_tpu_can_run_is_in_its_computation(exported):
    metagraph = read_metagraphs(exported[0])[frozenset(["serve", "tpu"])]
    nodes = {node.name: node for node in metagraph.graph_def.node}
    (call,) = [node for node in nodes.values() if node.op == "TPUPartitionedCall"]
    library = {f.signature.name: f for f in metagraph.graph_def.library.function}
    inside = {node.op for node in library[call.attr["f"].func.name].node_def}
    assert {"ResourceGather", "MatMul"} <= inside
    forbidden = ("Sparse", "String", "Lookup", "Ragged", "Parse", "Table")
    assert not [op for op in inside if any(word in op for word in forbidden)]
    # Nothing that the signature reads does the device's work a second time.
    outputs = metagraph.signature_def["serving_default"].outputs.values()
    reached, waiting = set(), [info.name.split(":")[0] for info in outputs]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [i.lstrip("^").split(":")[0] for i in nodes[name].input]
    assert call.name in reached
    assert not [name for name in reached if nodes[name].op in ("ResourceGather", "MatMul")]
