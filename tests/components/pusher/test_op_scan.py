"""Tests of the scan for ops that have no place on a server."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfx_tpu_estimator.components.pusher.op_scan import scan_ops


def write(path, function, **arguments):
    """Exports a function of a vector and returns its metagraph."""
    module = tf.Module()
    for name, value in arguments.items():
        setattr(module, name, value)
    module.call = tf.function(function, input_signature=[tf.TensorSpec([None], tf.string, "x")])
    tf.saved_model.save(module, str(path), signatures=module.call.get_concrete_function())
    return saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    ).meta_graphs[0]


def in_a_loop(x):
    """Puts an op into a function that a function of the library calls."""
    return tf.map_fn(tf.io.read_file, x)


def make_reading_dataset(x):
    return {"y": tf.data.TFRecordDataset(x).batch(2).get_single_element()}


def write_and_return(x):
    tf.io.write_file("copy", x[0])
    return {"y": x}


def print_to_a_file(x):
    tf.print(x, output_stream="file://out.txt")
    return {"y": x}


def print_to_the_log(x):
    tf.print(x)
    return {"y": x}


@pytest.mark.parametrize(
    ("function", "op", "reason"),
    [
        (lambda x: {"y": tf.numpy_function(lambda v: v, [x], tf.string)}, "PyFunc", "runs Python"),
        (lambda x: {"y": tf.py_function(lambda v: v, [x], tf.string)}, "EagerPyFunc", "Python"),
        (in_a_loop, "ReadFile", "reads files"),
        (make_reading_dataset, "TFRecordDataset", "reads files"),
        (write_and_return, "WriteFile", "writes files"),
        (print_to_a_file, "PrintV2", "writes files"),
    ],
)
def test_denied(tmp_path, function, op, reason):
    graph = write(tmp_path, function)
    (finding,) = scan_ops(graph)
    assert finding.op == op
    assert reason in finding.reason
    # TensorFlow 2 has all of it in functions.
    assert "of function" in finding.where
    assert scan_ops(graph, allowed=[op]) == []


def test_printing_is_allowed(tmp_path):
    assert scan_ops(write(tmp_path, print_to_the_log)) == []


def test_variables_and_vocabularies_are_allowed(tmp_path):
    """Every model with variables has ops that save and restore them, in functions."""
    words = tmp_path / "words.txt"
    words.write_text("a\nb\n")
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(words), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        ),
        -1,
    )
    variable = tf.Variable(1)
    asset = tf.saved_model.Asset(str(words))
    graph = write(
        tmp_path / "model",
        lambda x: {"y": table.lookup(x), "z": variable.read_value()},
        table=table,
        variable=variable,
        asset=asset,
    )
    assert {"SaveV2", "RestoreV2"} <= {
        node.op for f in graph.graph_def.library.function for node in f.node_def
    }
    assert scan_ops(graph) == []


def make_v1_graph(build):
    """Returns a metagraph with the signature x -> y that `build` makes in a TensorFlow 1 graph."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.string, [], name="x")
        y = build(x)
        meta = tf.compat.v1.MetaGraphDef(graph_def=graph.as_graph_def())
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": y})
    meta.signature_def["serving_default"].CopyFrom(signature)
    return meta


def test_a_request_must_not_reach_checkpoints():
    def build(x):
        return tf.identity(
            tf.raw_ops.RestoreV2(
                prefix=x, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
            )[0]
        )

    (finding,) = scan_ops(make_v1_graph(build))
    assert (finding.op, finding.reason[:11]) == ("RestoreV2", "reads files")


def test_a_table_from_a_file_outside_the_model():
    def build(x):
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename="/etc/words", key_index=-2, value_index=-1
        )
        return tf.identity(x)

    (finding,) = scan_ops(make_v1_graph(build))
    assert finding.op == "InitializeTableFromTextFileV2"


def test_an_op_unknown_to_tensorflow():
    meta = make_v1_graph(tf.identity)
    meta.graph_def.node.add(name="ours", op="OurFastSoftmax")
    # Known, though without a function in tf.raw_ops.
    meta.graph_def.node.add(name="known", op="XlaSharding")
    (finding,) = scan_ops(meta)
    assert str(finding).startswith("OurFastSoftmax (node 'ours') is unknown to TensorFlow")
    assert scan_ops(meta, allowed=["OurFastSoftmax"]) == []
