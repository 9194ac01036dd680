"""Exports of API version 2: the model_fn says what runs on a TPU, with batching and without."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    receiver_fn,
    train_input_fn,
)
from helpers.tpu_graph import read_metagraphs, run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import ExportSavedModelApiVersion, ModeKeys, inference_on_tpu

tf1 = tf.compat.v1
V2 = ExportSavedModelApiVersion.V2
SERVE_TPU = frozenset(["serve", "tpu"])
UNBATCHED = (None, None, None)
BATCHED = (1, 128, 0, [8, 128])


def partial_model_fn(features, labels, mode, params):
    """What a V2 user writes: strings of device results on the host, the rest on a TPU."""

    def computation(x):
        logits = tf1.layers.dense(x, 1, name="dense")
        return {"logits": logits, "probabilities": tf.sigmoid(logits)}

    x = features["x"] * 2.0
    if params["use_tpu"] and mode == ModeKeys.PREDICT:
        outputs = inference_on_tpu(computation, [x], *params["batching"])
    else:
        outputs = computation(x)
    if mode == ModeKeys.PREDICT:
        names = tf.strings.as_string(outputs["logits"] > 0.0)
        export_outputs = {
            "serving_default": tpu_estimator.PredictOutput({**outputs, "names": names})
        }
        return tpu_estimator.TPUEstimatorSpec(
            mode, predictions=outputs, export_outputs=export_outputs
        )
    loss = tf1.losses.sigmoid_cross_entropy(labels, outputs["logits"])
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def whole_model_fn(features, labels, mode, params, config):
    if mode == ModeKeys.PREDICT and params["use_tpu"]:
        return tpu_estimator.model_fn_inference_on_tpu(
            linear_model_fn, features, labels, config, params, params["batch_config"]
        )
    return linear_model_fn(features, labels, mode, params)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Directories of checkpoints by the model_fn that they are for."""
    directory = tmp_path_factory.mktemp("trained")
    for model_fn in (partial_model_fn, whole_model_fn):
        estimator = make_estimator(directory / model_fn.__name__, model_fn)
        estimator.train(train_input_fn, steps=3)
    return directory


def export_v2(trained, base, model_fn, params, **arguments):
    arguments.setdefault("export_saved_model_api_version", V2)
    estimator = make_estimator(trained / model_fn.__name__, model_fn, params=params, **arguments)
    return estimator.export_saved_model(str(base), receiver_fn).decode(), estimator


def predicted(estimator, key):
    return np.stack([row[key] for row in estimator.predict(eval_input_fn)])


@pytest.mark.parametrize("batching", [UNBATCHED, (1, 0, 0), (1, 128, 0), BATCHED])
def test_both_metagraphs_give_what_predict_gives(trained, tmp_path, batching):
    path, estimator = export_v2(trained, tmp_path, partial_model_fn, {"batching": batching})
    expected = predicted(estimator, "probabilities")
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    np.testing.assert_allclose(on_tpu["probabilities"], expected, rtol=1e-6)
    loaded = tf.saved_model.load(path, tags=["serve"])
    on_cpu = loaded.signatures["serving_default"](x=tf.constant(FEATURES))
    np.testing.assert_array_equal(on_cpu["probabilities"].numpy(), expected)
    assert list(on_tpu["names"]) == list(on_cpu["names"].numpy())


@pytest.mark.parametrize("batching", [None, (1, 128, 0, [16, 128])])
def test_a_whole_model_fn(trained, tmp_path, batching):
    batch_config = batching and tpu_estimator.BatchConfig(*batching)
    params = {"batch_config": batch_config}
    path, estimator = export_v2(trained, tmp_path, whole_model_fn, params)
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    expected = predicted(estimator, "probabilities")
    np.testing.assert_allclose(on_tpu["probabilities"], expected, rtol=1e-5)
    graph_def = read_metagraphs(path)[SERVE_TPU].graph_def
    (call,) = [n for n in graph_def.node if n.op in ("TPUPartitionedCall", "BatchFunction")]
    assert call.op == ("BatchFunction" if batching else "TPUPartitionedCall")


def test_the_batching_op_has_the_settings(trained, tmp_path):
    path, _ = export_v2(trained, tmp_path, partial_model_fn, {"batching": (3, 128, 500, [8, 128])})
    metagraph = read_metagraphs(path)[SERVE_TPU]
    (call,) = [n for n in metagraph.graph_def.node if n.op == "BatchFunction"]
    settings = {k: v.i for k, v in call.attr.items() if k.startswith(("num_", "max_", "batch_"))}
    assert settings == {
        "num_batch_threads": 3,
        "max_batch_size": 128,
        "batch_timeout_micros": 500,
        "max_enqueued_batches": 100,
    }
    assert list(call.attr["allowed_batch_sizes"].list.i) == [8, 128]
    library = {f.signature.name: f for f in metagraph.graph_def.library.function}
    inside = [n.op for n in library[call.attr["f"].func.name].node_def]
    assert {"TPUOrdinalSelector", "TPUPartitionedCall"} <= set(inside)
    assert "MatMul" not in inside
    shapes = metagraph.signature_def["serving_default"].outputs["logits"].tensor_shape
    assert [dim.size for dim in shapes.dim] == [-1, 1]


def test_predict_on_devices_makes_it_a_part_of_the_program(trained):
    arguments = {"params": {"batching": BATCHED}, "predict_batch_size": 20}
    directory = trained / "partial_model_fn"
    on_devices = make_tpu_estimator(directory, partial_model_fn, **arguments)
    on_host = make_estimator(directory, partial_model_fn, **arguments)
    np.testing.assert_allclose(
        predicted(on_devices, "logits"), predicted(on_host, "logits"), rtol=1e-5
    )


def test_an_export_of_v1_makes_it_a_part_of_the_whole(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        spec = partial_model_fn(features, labels, mode, params)
        return spec._replace(export_outputs=None)

    estimator = make_estimator(trained / "partial_model_fn", model_fn, params={"batching": BATCHED})
    path = estimator.export_saved_model(str(tmp_path), receiver_fn).decode()
    ops = [n.op for n in read_metagraphs(path)[SERVE_TPU].graph_def.node]
    assert (ops.count("TPUPartitionedCall"), ops.count("BatchFunction")) == (1, 0)
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    np.testing.assert_allclose(on_tpu["logits"], predicted(estimator, "logits"), rtol=1e-6)


def in_graph(**arguments):
    """Calls inference_on_tpu in a graph of its own, on a batch of vectors."""
    with tf.Graph().as_default():
        settings = {
            "computation": lambda x: x * 2.0,
            "inputs_to_tpu": [tf1.placeholder(tf.float32, [None, 4])],
            "num_batch_threads": 1,
            "max_batch_size": 8,
            "batch_timeout_micros": 100,
        }
        return inference_on_tpu(**{**settings, **{k: v() for k, v in arguments.items()}})


@pytest.mark.parametrize("largest", [None, 8])
def test_one_tensor_is_a_list_that_stands_for_it(largest):
    result = in_graph(max_batch_size=lambda: largest)
    assert isinstance(result, list)
    assert len(result) == 1
    with result[0].graph.as_default():
        assert tf.identity(result).shape.as_list() == [None, 4]
        assert (tf.convert_to_tensor(result) is result[0]) is True


@pytest.mark.parametrize("largest", [None, 8])
def test_structures_go_in_and_come_out(largest):
    result = in_graph(
        computation=lambda: lambda d, y: (d["a"] + y, {"b": d["a"]}),
        inputs_to_tpu=lambda: [
            {"a": tf1.placeholder(tf.float32, [None, 2])},
            np.ones([3, 2], np.float32),
        ],
        max_batch_size=lambda: largest,
    )
    assert isinstance(result, list)
    assert list(result[1]) == ["b"]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_batch_threads": lambda: 0}, ValueError, "`num_batch_threads` must be at least 1"),
        ({"allowed_batch_sizes": lambda: [4, 2]}, ValueError, "must increase monotonically"),
        ({"allowed_batch_sizes": lambda: [2, 4]}, ValueError, "must equal `max_batch_size`"),
        (
            {"inputs_to_tpu": lambda: tf1.placeholder(tf.float32, [None])},
            TypeError,
            "`inputs_to_tpu` must be a list",
        ),
        (
            {"inputs_to_tpu": lambda: [tf1.placeholder(tf.string, [None], "words")]},
            ValueError,
            "dense tensors of numbers only: .* the strings 'words:0'",
        ),
        (
            {"inputs_to_tpu": lambda: [tf1.sparse_placeholder(tf.float32)]},
            ValueError,
            "dense tensors of numbers only: .* a SparseTensor",
        ),
        (
            {"inputs_to_tpu": lambda: [tf.constant(1.0)]},
            ValueError,
            "batched along dimension 0, which .* does not have",
        ),
        (
            {"computation": lambda: tf.reduce_sum},
            ValueError,
            "split along dimension 0 among the requests, which .* does not have",
        ),
        ({"computation": lambda: lambda x: None}, ValueError, "must return one Tensor or several"),
        (
            {"computation": lambda: tf.strings.as_string},
            ValueError,
            "of type AsString, made at .*test_inference_on_tpu.py:.* cannot run on a TPU",
        ),
    ],
)
def test_what_is_refused(arguments, error, match):
    with pytest.raises(error, match=match):
        in_graph(**arguments)


def test_a_batch_config_must_be_one():
    with tf.Graph().as_default(), pytest.raises(TypeError, match="must be a BatchConfig or None"):
        tpu_estimator.model_fn_inference_on_tpu(linear_model_fn, {}, batch_config=8)


def test_sparse_features_of_a_whole_model_fn_are_refused():
    with tf.Graph().as_default():
        features = {"x": tf1.sparse_placeholder(tf.float32)}
        with pytest.raises(ValueError, match="api_version=V1 as they are"):
            tpu_estimator.model_fn_inference_on_tpu(linear_model_fn, features)


@pytest.mark.parametrize("model_fn", [partial_model_fn, whole_model_fn])
def test_a_graph_for_the_host_must_not_hold_it(trained, tmp_path, model_fn):
    def careless(features, labels, mode, params, config):
        forced = {**params, "use_tpu": True, "batching": UNBATCHED, "batch_config": None}
        given = {"config": config} if model_fn is whole_model_fn else {}
        return model_fn(features, labels, mode, forced, **given)

    estimator = make_estimator(
        trained / model_fn.__name__, careless, export_saved_model_api_version=2
    )
    with pytest.raises(ValueError, match=r"Call it only where params\['use_tpu'\] is true"):
        estimator.export_saved_model(str(tmp_path), receiver_fn)
    assert not list(tmp_path.iterdir())
