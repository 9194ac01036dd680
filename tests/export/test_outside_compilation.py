"""What a model_fn builds in tpu.outside_compilation: in exports, and elsewhere."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    make_tpu_estimator,
    train_input_fn,
)
from helpers.tpu_graph import read_metagraphs, run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import ModeKeys, PredictOutput

tf1 = tf.compat.v1
SERVE_TPU = frozenset(["serve", "tpu"])
MARK = "_xla_outside_compilation"
KEYS = np.array([b"key%d" % i for i in range(len(FEATURES))])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    make_estimator(directory).train(train_input_fn, steps=3)
    return directory


def make_names(probabilities):
    return tf.strings.as_string(tf.cast(probabilities[:, 0] > 0.5, tf.int32))


def branch(probabilities, features):
    names = make_names(probabilities)
    return tf.cond(tf.size(names) > 2, lambda: names, lambda: tf.strings.join([names, "few"]))


def look_up(probabilities, features):
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(["0", "1"], ["no", "yes"]), "?"
    )
    return tf1.tpu.outside_compilation(lambda p: table.lookup(make_names(p)), probabilities)


def join_keys(probabilities, features):
    return tf.strings.join([features["key"], make_names(probabilities)])


def model_fn_with(make_text, *, inside=False):
    """Returns a model_fn that exports the text as a second signature, as its docs show."""

    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        if mode != ModeKeys.PREDICT:
            return spec
        probabilities = spec.predictions["probabilities"]
        outputs = {"serving_default": PredictOutput(spec.predictions)}

        def host_call(p):
            text = make_text(p, features)
            outputs["text"] = PredictOutput({"text": text, "probabilities": probabilities})

        if inside:  # the function calls outside_compilation itself
            host_call(probabilities)
        else:
            tf1.tpu.outside_compilation(host_call, probabilities)
        return spec._replace(export_outputs=outputs)

    return model_fn


def receiver_fn(*names):
    def receive():
        features = {"x": tf1.placeholder(tf.float32, [None, 4], name="x")}
        features |= {name: tf1.placeholder(tf.string, [None], name=name) for name in names}
        return tpu_estimator.ServingInputReceiver(features, dict(features))

    return receive


def compare_metagraphs(path, feeds):
    """Checks that both metagraphs agree on every signature; returns those of {serve, tpu}."""
    loaded = tf.saved_model.load(path, tags=["serve"])
    metagraph = read_metagraphs(path)[SERVE_TPU]
    assert set(metagraph.signature_def) == set(loaded.signatures)
    results = {}
    for name in metagraph.signature_def:
        on_cpu = loaded.signatures[name](**{k: tf.constant(v) for k, v in feeds.items()})
        results[name] = run_tpu_metagraph(path, name, feeds)
        for key, value in results[name].items():
            if value.dtype == object:
                assert list(value) == list(on_cpu[key].numpy())
            else:
                np.testing.assert_allclose(value, on_cpu[key].numpy(), rtol=1e-5)
    return results


def list_marked(path):
    library = read_metagraphs(path)[SERVE_TPU].graph_def.library
    return {n.op for f in library.function for n in f.node_def if MARK in n.attr}


@pytest.mark.parametrize(
    ("make_text", "marked"),
    [
        (lambda p, features: make_names(p), {"AsString"}),
        (branch, {"AsString", "StatelessIf"}),
    ],
    ids=["documented", "branch"],
)
def test_text_made_of_what_the_tpu_computes(trained, tmp_path, make_text, marked):
    estimator = make_estimator(trained, model_fn_with(make_text))
    path = estimator.export_saved_model(str(tmp_path), receiver_fn()).decode()
    results = compare_metagraphs(path, {"x": FEATURES})
    assert set(results["text"]["text"]) == {b"0", b"1"}
    assert marked <= list_marked(path)
    assert "MatMul" not in list_marked(path)
    expected = np.stack([row["probabilities"] for row in estimator.predict(eval_input_fn)])
    np.testing.assert_allclose(results["text"]["probabilities"], expected, rtol=1e-5)


def test_a_lookup_table(trained, tmp_path):
    estimator = make_estimator(trained, model_fn_with(look_up, inside=True))
    path = estimator.export_saved_model(str(tmp_path), receiver_fn()).decode()
    results = compare_metagraphs(path, {"x": FEATURES})
    assert set(results["text"]["text"]) == {b"no", b"yes"}
    assert "LookupTableFindV2" in list_marked(path)


def test_text_of_features_and_of_the_tpu_together(trained, tmp_path):
    estimator = make_estimator(trained, model_fn_with(join_keys))
    path = estimator.export_saved_model(str(tmp_path), receiver_fn("key")).decode()
    results = compare_metagraphs(path, {"x": FEATURES, "key": KEYS})
    assert results["text"]["text"][7] in (b"key70", b"key71")
    assert "StringJoin" in list_marked(path)


def test_text_of_features_alone_does_not_go_through_the_tpu(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        both = {**spec.predictions, "key": tf.strings.upper(features["key"])}
        return spec._replace(export_outputs={"serving_default": PredictOutput(both)})

    estimator = make_estimator(trained, model_fn)
    path = estimator.export_saved_model(str(tmp_path), receiver_fn("key")).decode()
    results = compare_metagraphs(path, {"x": FEATURES, "key": KEYS})
    assert results["serving_default"]["key"][7] == b"KEY7"
    (call,) = [
        n for n in read_metagraphs(path)[SERVE_TPU].graph_def.node if n.op == "TPUPartitionedCall"
    ]
    assert tf.string.as_datatype_enum not in call.attr["Tin"].list.type


@pytest.mark.parametrize("features", [(), ("key",)], ids=["whole", "divided"])
def test_text_that_is_not_outside_is_refused(trained, tmp_path, features):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        text = make_names(spec.predictions["probabilities"])
        return spec._replace(export_outputs={"serving_default": PredictOutput({"text": text})})

    estimator = make_estimator(trained, model_fn)
    match = "of type AsString, made at .*test_outside_compilation.py.*depends on variable `kernel`"
    with pytest.raises(ValueError, match=match):
        estimator.export_saved_model(str(tmp_path), receiver_fn(*features))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("features", [(), ("key",)], ids=["whole", "divided"])
def test_an_effect_that_nothing_waits_for(trained, tmp_path, features, caplog):
    def print_them(p, _):
        tf.print(p)
        return make_names(p)

    estimator = make_estimator(trained, model_fn_with(print_them))
    with caplog.at_level(logging.WARNING):
        path = estimator.export_saved_model(str(tmp_path), receiver_fn(*features)).decode()
    if features:
        assert "(PrintV2, " in caplog.text
        assert "do not run, as nothing that the model_fn returns depends on them" in caplog.text
    else:
        assert "PrintV2" in list_marked(path)


def test_inference_on_tpu(trained, tmp_path):
    def computation(x):
        p = linear_model_fn({"x": x}, None, ModeKeys.PREDICT, {}).predictions["probabilities"]
        return p, tf1.tpu.outside_compilation(make_names, p)

    def model_fn(features, labels, mode, params):
        if params["use_tpu"]:
            batching = (1, 128, 0, [128])
            p, names = tpu_estimator.inference_on_tpu(computation, [features["x"]], *batching)
        else:
            p, names = computation(features["x"])
        outputs = {"serving_default": PredictOutput({"p": p, "names": names})}
        return tpu_estimator.TPUEstimatorSpec(mode, {"p": p}, export_outputs=outputs)

    estimator = make_estimator(trained, model_fn, export_saved_model_api_version=2)
    path = estimator.export_saved_model(str(tmp_path), receiver_fn()).decode()
    results = compare_metagraphs(path, {"x": FEATURES})
    assert set(results["serving_default"]["names"]) == {b"0", b"1"}
    assert "AsString" in list_marked(path)


def double_outside(features, labels, mode, params):
    """A model_fn in which numbers go through outside_compilation."""
    doubled = tf1.tpu.outside_compilation(lambda x: x * 2.0, features["x"])
    return linear_model_fn({"x": doubled}, labels, mode, params)


def double_before(features, labels, mode, params):
    return linear_model_fn({"x": features["x"] * 2.0}, labels, mode, params)


def test_training_on_devices_makes_numbers_a_part_of_the_program(tmp_path):
    kernels = []
    for model_fn in (double_outside, double_before):
        estimator = make_tpu_estimator(tmp_path / model_fn.__name__, model_fn)
        estimator.train(train_input_fn, steps=4)
        kernels.append(estimator.get_variable_value("kernel"))
    np.testing.assert_array_equal(*kernels)


def test_predictions_on_devices_of_the_documented_model_fn(trained):
    estimator = make_tpu_estimator(trained, model_fn_with(lambda p, _: make_names(p)))
    on_host = make_estimator(trained)
    rows = [np.stack([r["probabilities"] for r in e.predict(eval_input_fn)])
            for e in (estimator, on_host)]  # fmt: skip
    np.testing.assert_allclose(*rows, rtol=1e-5)


def test_text_of_devices_that_training_waits_for_is_refused(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        length = tf1.tpu.outside_compilation(
            lambda loss: tf.strings.length(tf.strings.as_string(loss)), spec.loss
        )
        return spec._replace(loss=spec.loss + tf.cast(length, tf.float32))

    match = "outside_compilation builds can use results of the TPU only in exports"
    with pytest.raises(ValueError, match=match):
        make_tpu_estimator(tmp_path, model_fn).train(train_input_fn, steps=2)


def test_an_effect_in_training_that_nothing_waits_for_is_named(tmp_path, caplog):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        tf1.tpu.outside_compilation(lambda loss: tf.print(loss), spec.loss)
        return spec

    with caplog.at_level(logging.WARNING):
        make_tpu_estimator(tmp_path, model_fn).train(train_input_fn, steps=2)
    assert "(PrintV2, " in caplog.text
    assert "Do it in host_call." in caplog.text
