"""TPUEstimator.export_saved_model: both metagraphs, written without a TPU."""

import os

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import (
    FEATURES,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    receiver_fn,
    train_input_fn,
)
from helpers.needs import small_disk
from helpers.skew_models import parsing_receiver_fn, serialize
from helpers.tpu_graph import read_metagraphs, run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
SERVE = frozenset(["serve"])
SERVE_TPU = frozenset(["serve", "tpu"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    estimator = make_estimator(tmp_path_factory.mktemp("trained"))
    return estimator.train(train_input_fn, steps=30)


def reopen(trained, model_fn=linear_model_fn, **arguments):
    return make_estimator(trained.model_dir, model_fn, **arguments)


def export(estimator, base, **arguments):
    arguments.setdefault("serving_input_receiver_fn", receiver_fn)
    return estimator.export_saved_model(str(base), **arguments).decode()


def predicted(estimator):
    return np.stack([row["probabilities"] for row in estimator.predict(eval_input_fn)])


def test_both_metagraphs_predict_what_the_estimator_predicts(trained, tmp_path):
    path = export(trained, tmp_path)
    assert set(read_metagraphs(path)) == {SERVE, SERVE_TPU}
    loaded = tf.saved_model.load(path, tags=["serve"])
    served = loaded.signatures["serving_default"](x=tf.constant(FEATURES))["probabilities"]
    np.testing.assert_array_equal(served.numpy(), predicted(trained))
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    np.testing.assert_allclose(on_tpu["probabilities"], predicted(trained), rtol=1e-6)


def test_returned_path_is_bytes_below_the_base(trained, tmp_path):
    path = trained.export_saved_model(str(tmp_path), receiver_fn)
    assert isinstance(path, bytes)
    assert os.path.dirname(path.decode()) == str(tmp_path)
    assert os.path.basename(path).isdigit()


def test_exports_within_one_second_get_names_of_their_own(trained, tmp_path):
    paths = [export(trained, tmp_path) for _ in range(3)]
    assert len(set(paths)) == 3
    assert sorted(os.listdir(tmp_path)) == sorted(os.path.basename(p) for p in paths)


def test_variables_are_written_once_with_the_global_step(trained, tmp_path):
    path = export(trained, tmp_path)
    names = {name for name, _ in tf.train.list_variables(f"{path}/variables/variables")}
    assert names == {"kernel", "bias", "global_step"}
    results = trained.evaluate(eval_input_fn, checkpoint_path=f"{path}/variables/variables")
    assert results["global_step"] == 30


def test_tpu_graph_holds_the_model_in_a_partitioned_call(trained, tmp_path):
    graph_def = read_metagraphs(export(trained, tmp_path))[SERVE_TPU].graph_def
    outside = [n.op for n in graph_def.node]
    inside = {n.op for f in graph_def.library.function for n in f.node_def}
    assert outside.count("TPUPartitionedCall") == 1
    assert "TPUOrdinalSelector" in outside
    assert "MatMul" not in outside
    assert {"MatMul", "TPUReplicateMetadata"} <= inside


@pytest.mark.parametrize(
    ("arguments", "tags"),
    [
        ({"export_to_tpu": False}, {SERVE}),
        ({"export_to_cpu": False}, {SERVE_TPU}),
        ({}, {SERVE, SERVE_TPU}),
    ],
)
def test_metagraphs_follow_the_constructor(trained, tmp_path, arguments, tags):
    path = export(reopen(trained, **arguments), tmp_path)
    assert set(read_metagraphs(path)) == tags
    assert os.path.exists(f"{path}/variables/variables.index")


@pytest.mark.parametrize(
    ("attribute", "tags"), [("_export_to_tpu", {SERVE}), ("_export_to_cpu", {SERVE_TPU})]
)
def test_old_programs_choose_the_metagraphs_by_an_attribute(trained, tmp_path, attribute, tags):
    estimator = reopen(trained)
    assert getattr(estimator, attribute) is True
    setattr(estimator, attribute, False)
    assert set(read_metagraphs(export(estimator, tmp_path))) == tags


def test_no_metagraph_at_all_is_refused(trained, tmp_path):
    estimator = reopen(trained, export_to_cpu=False, export_to_tpu=False)
    with pytest.raises(ValueError, match="One of export_to_cpu and export_to_tpu must be true"):
        export(estimator, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("export_to_tpu", [True, False])
def test_a_function_that_returns_no_receiver_is_refused(trained, tmp_path, export_to_tpu):
    estimator = reopen(trained, export_to_tpu=export_to_tpu)
    with pytest.raises(ValueError, match="must return a ServingInputReceiver; got NoneType"):
        export(estimator, tmp_path, serving_input_receiver_fn=lambda: None)
    assert not list(tmp_path.iterdir())


def of_another_graph():
    with tf.Graph().as_default():
        return receiver_fn()


@pytest.mark.parametrize("eager", [False, True])
def test_tensors_of_another_graph_are_refused(trained, tmp_path, eager):
    x = tf.zeros([1, 4])

    def of_no_graph():
        return tpu_estimator.ServingInputReceiver({"x": x}, {"x": x})

    function = of_no_graph if eager else of_another_graph
    with pytest.raises(ValueError, match="which was not made in the graph of the export"):
        export(trained, tmp_path / "x", serving_input_receiver_fn=function)
    assert not (tmp_path / "x").exists()


def test_tags_that_were_not_exported_cannot_be_loaded(trained, tmp_path):
    path = export(reopen(trained, export_to_tpu=False), tmp_path)
    with (
        tf.Graph().as_default(),
        tf1.Session() as session,
        pytest.raises(RuntimeError, match="could not be found in SavedModel"),
    ):
        tf1.saved_model.load(session, ["serve", "tpu"], path)


def test_params_say_for_what_the_graph_is_built(trained, tmp_path):
    seen = []

    def model_fn(features, labels, mode, params):
        seen.append((params["use_tpu"], "batch_size" in params, labels))
        return linear_model_fn(features, labels, mode, params)

    export(reopen(trained, model_fn), tmp_path)
    assert sorted(seen) == [(False, False, None), (True, False, None)]


def several_outputs(features, labels, mode, params):
    probabilities = linear_model_fn(features, labels, mode, params).predictions["probabilities"]
    return tpu_estimator.TPUEstimatorSpec(
        mode,
        predictions={"probabilities": probabilities},
        export_outputs={
            "serving_default": tpu_estimator.PredictOutput({"p": probabilities}),
            "twice": tpu_estimator.PredictOutput({"p": probabilities * 2, "one": features["x"]}),
            "classes": tpu_estimator.ClassificationOutput(scores=probabilities),
            "value": tpu_estimator.RegressionOutput(probabilities),
        },
    )


def test_several_signatures_with_missing_components(trained, tmp_path):
    path = export(
        reopen(trained, several_outputs), tmp_path, serving_input_receiver_fn=parsing_receiver_fn
    )
    graphs = read_metagraphs(path)
    for tags in (SERVE, SERVE_TPU):
        signatures = graphs[tags].signature_def
        assert {"serving_default", "twice", "classes", "value"} <= set(signatures)
        assert set(signatures["classes"].outputs) == {"scores"}
    examples = serialize(FEATURES[:5])
    probabilities = predicted(trained)[:5]
    on_tpu = run_tpu_metagraph(path, "twice", {"examples": examples})
    np.testing.assert_allclose(on_tpu["p"], 2 * probabilities, rtol=1e-6)
    np.testing.assert_array_equal(on_tpu["one"], FEATURES[:5])
    scores = run_tpu_metagraph(path, "classes", {"inputs": examples})["scores"]
    np.testing.assert_allclose(scores, probabilities, rtol=1e-6)


def test_a_signature_that_cannot_take_the_receiver_is_left_out_with_a_warning(
    trained, tmp_path, caplog
):
    path = export(reopen(trained, several_outputs), tmp_path)  # takes floats, not tf.Examples
    signatures = read_metagraphs(path)[SERVE].signature_def
    assert {"serving_default", "twice"} <= set(signatures)
    assert "classes" not in signatures
    assert "Signature 'classes' is left out" in caplog.text


def test_several_outputs_without_a_default_are_refused(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        output = tpu_estimator.PredictOutput(spec.predictions)
        return spec._replace(export_outputs={"a": output, "b": output})

    with pytest.raises(ValueError, match="Multiple export_outputs were provided"):
        export(reopen(trained, model_fn), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_alternatives_make_signatures_of_their_own(trained, tmp_path):
    def receiver():
        x = tf1.placeholder(tf.float32, [None, 4])
        scaled = x * 2.0
        return tpu_estimator.ServingInputReceiver(
            {"x": scaled}, {"x": x}, {"s": {"scaled": scaled}}
        )

    path = export(trained, tmp_path, serving_input_receiver_fn=receiver)
    for metagraph in read_metagraphs(path).values():
        assert set(metagraph.signature_def["s:serving_default"].inputs) == {"scaled"}


def test_a_string_of_the_model_cannot_be_made_on_a_tpu(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        if mode == tpu_estimator.ModeKeys.PREDICT:
            text = tf.strings.as_string(spec.predictions["probabilities"])
            spec = spec._replace(predictions={"text": text})
        return spec

    estimator = make_estimator(tmp_path / "model", model_fn)
    estimator.train(train_input_fn, steps=1)
    with pytest.raises(ValueError, match=r"AsString, made at .*depends on variable .*host_call"):
        export(estimator, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    export(reopen(estimator, export_to_tpu=False), tmp_path / "x")


def test_lookup_tables_and_their_files_stay_on_the_host(trained, tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")

    def receiver():
        word = tf1.placeholder(tf.string, [None])
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            1,
        )  # fmt: skip
        x = tf.one_hot(table.lookup(word), 4)
        return tpu_estimator.ServingInputReceiver({"x": x}, {"word": word})

    path = export(trained, tmp_path / "x", serving_input_receiver_fn=receiver)
    vocabulary.unlink()
    assert os.listdir(f"{path}/assets") == ["words.txt"]
    loaded = tf.saved_model.load(path, tags=["serve"])
    served = loaded.signatures["serving_default"](word=tf.constant(["b", "a", "?"]))
    kernel, bias = (trained.get_variable_value(n) for n in ("kernel", "bias"))
    expected = 1 / (1 + np.exp(-(kernel[[1, 0, 2]] + bias)))
    np.testing.assert_allclose(served["probabilities"].numpy(), expected, rtol=1e-5)


def test_variables_made_in_every_way_are_captured(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        scale = tf1.Variable(tf.ones([1]) * 3.0, name="scale")
        hidden = tf1.layers.dense(features["x"], 2, name="hidden")
        with tf1.variable_scope("part", partitioner=tf1.fixed_size_partitioner(2)):
            part = tf1.get_variable("w", [2, 1])
        logits = tf.matmul(hidden, tf.convert_to_tensor(part)) * scale
        spec = tpu_estimator.TPUEstimatorSpec
        if mode == tpu_estimator.ModeKeys.PREDICT:
            return spec(mode, predictions={"probabilities": logits})
        loss = tf.reduce_mean(tf.square(logits - labels))
        step = tf1.train.AdamOptimizer().minimize(loss, tf1.train.get_global_step())
        return spec(mode, loss=loss, train_op=step)

    estimator = make_estimator(tmp_path / "m", model_fn).train(train_input_fn, steps=2)
    path = export(estimator, tmp_path / "x")
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    np.testing.assert_allclose(on_tpu["probabilities"], predicted(estimator), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("find", ["get_global_step", "get_or_create_global_step"])
def test_a_model_may_ask_for_the_global_step_wherever_it_is_built(trained, tmp_path, find):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        step = tf.cast(getattr(tf1.train, find)(), tf.float32)
        shifted = spec.predictions["probabilities"] + step
        return spec._replace(predictions={"probabilities": shifted})

    path = export(reopen(trained, model_fn), tmp_path)
    on_tpu = run_tpu_metagraph(path, "serving_default", {"x": FEATURES})
    np.testing.assert_allclose(on_tpu["probabilities"], predicted(trained) + 30, rtol=1e-6)


def test_a_saver_of_scaffold_fn_restores_both_metagraphs(trained, tmp_path):
    def scaffold_fn():
        variables = {v.op.name: v for v in tf1.trainable_variables()}
        variables["global_step"] = tf1.train.get_or_create_global_step()
        return tf1.train.Scaffold(saver=tf1.train.Saver(variables, name="own_saver"))

    def model_fn(features, labels, mode, params):
        return linear_model_fn(features, labels, mode, params)._replace(scaffold_fn=scaffold_fn)

    for metagraph in read_metagraphs(export(reopen(trained, model_fn), tmp_path)).values():
        restore = metagraph.saver_def.restore_op_name
        assert restore.startswith("own_saver")
        assert restore in {node.name for node in metagraph.graph_def.node}


def test_api_v2_leaves_the_tpu_part_to_the_model_fn(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        if not params["use_tpu"]:
            return linear_model_fn(features, labels, mode, params)
        (p,) = tf1.tpu.rewrite(
            lambda x: linear_model_fn({"x": x}, None, mode, params).predictions["probabilities"],
            [features["x"]],
        )
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"probabilities": p + 0.0})

    estimator = reopen(trained, model_fn, export_saved_model_api_version=2)
    graph_def = read_metagraphs(export(estimator, tmp_path))[SERVE_TPU].graph_def
    ops = [n.op for n in graph_def.node]
    assert "TPUPartitionedCall" not in ops
    assert "TPUReplicateMetadata" in ops


def test_a_given_checkpoint_and_text_form(trained, tmp_path):
    path = export(
        trained, tmp_path, checkpoint_path=f"{trained.model_dir}/model.ckpt-0", as_text=True
    )
    assert os.path.exists(f"{path}/saved_model.pbtxt")
    assert tf.train.load_variable(f"{path}/variables/variables", "global_step") == 0


def test_extra_assets_are_copied(trained, tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    path = export(trained, tmp_path / "x", assets_extra={"deep/b.txt": str(tmp_path / "a.txt")})
    with open(f"{path}/assets.extra/deep/b.txt") as f:
        assert f.read() == "hello"


@pytest.mark.parametrize("name", ["../b.txt", "/b.txt", "a/../../b.txt", "..\\b.txt", "."])
def test_extra_assets_cannot_leave_the_export(trained, tmp_path, name):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"leaves? the directory assets\.extra"):
        export(trained, tmp_path / "x", assets_extra={name: str(tmp_path / "a.txt")})
    assert sorted(os.listdir(tmp_path)) == ["a.txt"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"serving_input_receiver_fn": None}, ValueError, "serving_input_receiver_fn"),
        ({"assets_extra": {"a": "/no/such/file"}}, ValueError, "does not exist"),
        ({"checkpoint_path": "/no/ckpt"}, ValueError, "is not a checkpoint"),
        ({"checkpoint_path": 30}, TypeError, "`checkpoint_path` must be a path.* got 30"),
        ({"experimental_mode": "test"}, ValueError, "No valid modes for exporting found"),
    ],
)
def test_bad_arguments_leave_no_trace(trained, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        export(trained, tmp_path / "x", **arguments)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("end", ["", "/model.ckpt-30.index", "/model.ckpt-30.meta"])
def test_a_checkpoint_that_is_nearly_one_is_named(trained, tmp_path, end):
    with pytest.raises(ValueError, match=r"such as '.*/model\.ckpt-30', which exists"):
        export(trained, tmp_path / "x", checkpoint_path=trained.model_dir + end)
    assert not (tmp_path / "x").exists()


def test_an_export_is_exported_again(trained, tmp_path):
    path = export(trained, tmp_path)
    with pytest.raises(ValueError, match=r"such as '.*/variables/variables', which exists"):
        export(trained, tmp_path, checkpoint_path=path)
    again = export(trained, tmp_path, checkpoint_path=os.fsencode(f"{path}/variables/variables"))
    assert read_metagraphs(again) == read_metagraphs(path)


def test_nothing_trained_yet(tmp_path):
    estimator = make_estimator(tmp_path / "m")
    with pytest.raises(ValueError, match="Could not find trained model in model_dir"):
        export(estimator, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("base", [None, 7])
def test_a_base_that_is_no_path(trained, base):
    with pytest.raises(TypeError, match="`export_dir_base` must be a path"):
        trained.export_saved_model(base, receiver_fn)


def test_predictions_that_cannot_be_exported(trained, tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        return tpu_estimator.EstimatorSpec(mode, predictions={1: spec.predictions["probabilities"]})

    with pytest.raises(ValueError, match="key must be a string; got 1"):
        export(reopen(trained, model_fn), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_old_name_of_the_method_keeps_attributes_of_default_value(trained, tmp_path):
    def count_attributes(path):
        nodes = read_metagraphs(os.fsdecode(path))[SERVE].graph_def.node
        return {node.name: len(node.attr) for node in nodes if node.op == "MatMul"}

    path = trained.export_savedmodel(str(tmp_path), receiver_fn)
    assert path.startswith(os.fsencode(tmp_path))
    whole = count_attributes(path)
    stripped = count_attributes(
        trained.export_savedmodel(str(tmp_path), receiver_fn, strip_default_attrs=True)
    )
    assert stripped == count_attributes(trained.export_saved_model(str(tmp_path), receiver_fn))
    assert all(whole[name] > stripped[name] for name in stripped)
    assert whole


def test_full_disk_ends_in_one_error_and_leaves_nothing(tmp_path):
    def big(features, labels, mode, params):
        tf1.get_variable("big", [1_000_000], initializer=tf1.zeros_initializer())
        return linear_model_fn(features, labels, mode, params)

    estimator = make_estimator(tmp_path / "m", big).train(train_input_fn, steps=1)
    with small_disk(tmp_path / "small", 1) as small:
        with pytest.raises(tpu_estimator.ExportError, match="Could not write the SavedModel"):
            export(estimator, small)
        assert os.listdir(small) == []
