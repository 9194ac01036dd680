"""Embeddings divided over devices give what ordinary embeddings give on the host."""

import logging
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from helpers import embeddings
from helpers.embeddings import (
    COLUMN_FEATURES,
    DICT_FEATURES,
    make_column_estimator,
    make_dict_estimator,
    make_input_fn,
    read_variables,
    train_and_read,
)
from helpers.tpu_graph import run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
ADAGRAD = tpu_estimator.AdagradParameters(embeddings.GOLDEN_RATE)
SGD = tpu_estimator.StochasticGradientDescentParameters(0.1)
FTRL = tpu_estimator.FtrlParameters(0.3, l1_regularization_strength=0.01)
STEPS = 4


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def on_host(tmp_path_factory):
    """Trainings on the host, by kind of model and optimizer, each done once."""
    done = {}

    def train(make, parameters):
        key = (make.__name__, parameters)
        if key not in done:
            estimator = make(tmp_path_factory.mktemp("host"), parameters)
            names = DICT_FEATURES if make is make_dict_estimator else COLUMN_FEATURES
            done[key] = (estimator, *train_and_read(estimator, make_input_fn(names), STEPS))
        return done[key]

    return train


def evaluate_and_predict(estimator, names):
    input_fn = make_input_fn(names, repeat=False)
    metrics = estimator.evaluate(input_fn, steps=2)
    predictions = [p["y"] for p in estimator.predict(input_fn)]
    return metrics, np.array(predictions)


@pytest.mark.parametrize(
    ("parameters", "replicas", "partition"),
    [
        pytest.param(ADAGRAD, 1, "div", marks=pytest.mark.slow),
        (ADAGRAD, 2, "mod"),
        pytest.param(FTRL, 4, "mod", marks=pytest.mark.slow),
        pytest.param(SGD, 8, "div", marks=pytest.mark.slow),
    ],
)
def test_dicts_train_as_on_the_host(tmp_path, on_host, parameters, replicas, partition):
    _, losses, variables = on_host(make_dict_estimator, parameters)
    estimator = make_dict_estimator(
        tmp_path, parameters, replicas=replicas, partition_strategy=partition
    )
    found_losses, found = train_and_read(estimator, make_input_fn(DICT_FEATURES), STEPS)
    np.testing.assert_allclose(found_losses, losses, atol=1e-5, rtol=1e-5)
    assert_same(found, variables)


def test_dicts_train_evaluate_and_predict_as_on_the_host(tmp_path, on_host):
    host, losses, variables = on_host(make_dict_estimator, SGD)
    estimator = make_dict_estimator(tmp_path, SGD, replicas=8, partition_strategy="mod")
    found_losses, found = train_and_read(estimator, make_input_fn(DICT_FEATURES), STEPS)
    np.testing.assert_allclose(found_losses, losses, atol=1e-5, rtol=1e-5)
    assert_same(found, variables)
    # 32 examples: a whole batch and a part of one.
    metrics, predictions = evaluate_and_predict(estimator, DICT_FEATURES)
    wanted, wanted_predictions = evaluate_and_predict(host, DICT_FEATURES)
    assert metrics == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(predictions, wanted_predictions, atol=1e-5)


def test_columns_train_as_on_the_host(tmp_path, on_host):
    host, losses, variables = on_host(make_column_estimator, ADAGRAD)
    estimator = make_column_estimator(tmp_path, ADAGRAD, replicas=4)
    found_losses, found = train_and_read(estimator, make_input_fn(COLUMN_FEATURES), STEPS)
    np.testing.assert_allclose(found_losses, losses, atol=1e-5, rtol=1e-5)
    assert_same(found, variables)
    with np.load(pathlib.Path(__file__).parents[1] / "golden" / "embeddings.npz") as golden:
        recorded = dict(golden)
    np.testing.assert_allclose(found_losses, recorded.pop("losses"), rtol=1e-5)
    assert_same(found, recorded)
    assert "input_layer/words_embedding/embedding_weights/Adagrad" in found
    assert found["shared_single_shared_embedding"].shape == (6, 4)
    metrics, predictions = evaluate_and_predict(estimator, COLUMN_FEATURES)
    wanted, wanted_predictions = evaluate_and_predict(host, COLUMN_FEATURES)
    assert metrics == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(predictions, wanted_predictions, atol=1e-5)


def test_checkpoints_go_on_anywhere(tmp_path):
    input_fn = make_input_fn(DICT_FEATURES)
    read = embeddings.EXAMPLES // 8  # batches of an epoch, so that a new call of train starts alike
    host = make_dict_estimator(tmp_path / "host", ADAGRAD)
    host.train(input_fn, max_steps=3 * read)
    for replicas, partition in [(4, "mod"), (2, "div"), (None, "div")]:
        moved = make_dict_estimator(
            tmp_path / "moved", ADAGRAD, replicas=replicas, partition_strategy=partition
        )
        moved.train(input_fn, steps=read)
    assert_same(read_variables(moved), read_variables(host))


def test_rows_may_become_wider_as_it_trains(tmp_path):
    bag = [[i % 5] * (1 + i // 8) for i in range(embeddings.EXAMPLES)]

    def make_features():
        return {
            **embeddings.make_features(),
            "bag": tf.ragged.constant(bag, tf.int64),
            "weight": tf.ragged.constant([[1.0] * len(row) for row in bag], tf.float32),
        }

    input_fn = make_input_fn(DICT_FEATURES, make=make_features)
    host = make_dict_estimator(tmp_path / "host", SGD)
    device = make_dict_estimator(tmp_path / "device", SGD, replicas=2)
    losses, variables = train_and_read(host, input_fn, 4)
    found_losses, found = train_and_read(device, input_fn, 4)
    np.testing.assert_allclose(found_losses, losses, rtol=1e-5)
    assert_same(found, variables)


def test_learning_rates_and_factors_that_depend_on_the_step(tmp_path):
    def falling(step):
        return 0.1 / (1.0 + tf.cast(step, tf.float32))

    function = {"learning_rate_fn": falling}
    first = make_dict_estimator(tmp_path / "a", SGD, replicas=2, bag=function, items=function)
    second = make_dict_estimator(
        tmp_path / "b",
        SGD,
        replicas=2,
        experimental_gradient_multiplier_fn=lambda step: falling(step) / 0.1,
    )
    third = make_dict_estimator(tmp_path / "c", SGD, replicas=2, bag={"learning_rate": 0.0})
    made = [train_and_read(e, make_input_fn(DICT_FEATURES), 4)[1] for e in (first, second, third)]
    assert_same(made[0], made[1])
    np.testing.assert_array_equal(made[2]["bag"], embeddings.draw_table("bag"))
    assert not np.allclose(made[2]["items"], embeddings.draw_table("items"))


def test_a_table_may_have_an_optimizer_of_its_own(tmp_path):
    own = {"optimization_parameters": tpu_estimator.AdamParameters(0.1)}
    estimator = make_dict_estimator(tmp_path, SGD, replicas=2, items=own)
    variables = train_and_read(estimator, make_input_fn(DICT_FEATURES), 2)[1]
    assert {"items/Adam/m", "items/Adam/v"} <= set(variables)
    assert not any(name.startswith("bag/") for name in variables)


def test_a_model_of_nothing_but_embeddings(tmp_path):
    def model_fn(features, labels, mode, params):
        y = tf.reduce_sum(features["single"] * features["bag"], axis=1, keepdims=True)
        loss = tf1.losses.mean_squared_error(labels, y)
        optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.1))
        train_op = optimizer.minimize(loss, tf1.train.get_global_step())
        return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)

    spec = embeddings.make_dict_spec(ADAGRAD)
    estimator = embeddings.make_estimator(tmp_path, model_fn, spec, ADAGRAD, replicas=2)
    losses, variables = train_and_read(estimator, make_input_fn(DICT_FEATURES), 10)
    assert losses[-1] < losses[0]
    # What optimizers need to see gradients of activations is in no checkpoint.
    assert set(variables) == {"bag", "bag/Adagrad", "items", "items/Adagrad", "global_step",
                              "beta1_power", "beta2_power"}  # fmt: skip


def test_activations_that_nobody_uses_are_named(tmp_path, caplog):
    def model_fn(features, labels, mode, params):
        return embeddings.make_head(mode, features["single"], labels, params)

    spec = embeddings.make_dict_spec(SGD)
    estimator = embeddings.make_estimator(tmp_path, model_fn, spec, SGD, replicas=2)
    with caplog.at_level(logging.WARNING):
        variables = train_and_read(estimator, make_input_fn(DICT_FEATURES), 1)[1]
    assert "No gradient of the embeddings of ['bag', 'sequence']" in caplog.text
    np.testing.assert_array_equal(variables["bag"], embeddings.draw_table("bag"))


def test_warm_start_takes_tables_along(tmp_path, on_host):
    host, _, variables = on_host(make_dict_estimator, ADAGRAD)
    # Nothing is trained at a learning rate of 0.
    frozen = tpu_estimator.StochasticGradientDescentParameters(0.0)
    estimator = embeddings.make_estimator(
        tmp_path,
        embeddings.dict_model_fn,
        embeddings.make_dict_spec(frozen),
        frozen,
        replicas=2,
        warm_start_from=host.model_dir,
    )
    found = train_and_read(estimator, make_input_fn(DICT_FEATURES), 1)[1]
    np.testing.assert_allclose(found["items"], variables["items"])
    np.testing.assert_allclose(found["bag"], variables["bag"])


PARSED = {
    "bag": tf.io.VarLenFeature(tf.int64),
    "weight": tf.io.VarLenFeature(tf.float32),
    "sequence": tf.io.VarLenFeature(tf.int64),
    "single": tf.io.FixedLenFeature([], tf.int64),
    "shared": tf.io.VarLenFeature(tf.int64),
    "words": tf.io.VarLenFeature(tf.string),
}


def _serialize(index):
    example = tf.train.Example()
    for name, values in [("bag", embeddings.BAG), ("sequence", embeddings.SEQUENCE),
                         ("shared", embeddings.SHARED)]:  # fmt: skip
        example.features.feature[name].int64_list.value.extend(values[index])
    example.features.feature["single"].int64_list.value.append(embeddings.SINGLE[index])
    example.features.feature["weight"].float_list.value.extend(embeddings.WEIGHTS[index])
    words = [word.encode() for word in embeddings.WORDS[index]]
    example.features.feature["words"].bytes_list.value.extend(words)
    return example.SerializeToString()


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (make_dict_estimator, DICT_FEATURES),
        pytest.param(make_column_estimator, COLUMN_FEATURES, marks=pytest.mark.slow),
    ],
)
def test_exports_look_up_on_the_host(tmp_path, make, names):
    estimator = make(tmp_path / "model", SGD, replicas=2)
    estimator.train(make_input_fn(names), max_steps=2)
    wanted = np.array([p["y"] for p in estimator.predict(make_input_fn(names, repeat=False))])
    receiver = tpu_estimator.build_parsing_serving_input_receiver_fn(
        {name: PARSED[name] for name in names}
    )
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver).decode()
    examples = [_serialize(i) for i in range(12)]
    with tf.Graph().as_default(), tf1.Session() as session:
        metagraph = tf1.saved_model.load(session, ["serve"], path)
        signature = metagraph.signature_def["serving_default"]
        served = session.run(
            signature.outputs["y"].name, {signature.inputs["examples"].name: examples}
        )
    np.testing.assert_allclose(served, wanted[:12], atol=1e-6)
    report = tpu_estimator.skew_check(path, examples, batch_size=4)
    assert report.passed, report.verdict
    if make is make_dict_estimator:
        on_tpu = run_tpu_metagraph(path, "serving_default", {"examples": examples})
        np.testing.assert_allclose(on_tpu["y"], wanted[:12], atol=1e-6)


ROWS, WIDTH = 20_000, 16
MIB = 2**20


def compile_step(tmp_path, parameters, replicas):
    """Returns what the compiler says of the memory of a training step with one large table."""

    def model_fn(features, labels, mode, params):
        return embeddings.make_head(mode, features["single"], labels, params)

    spec = tpu_estimator.EmbeddingConfigSpec(
        feature_to_config_dict={"single": tpu_estimator.FeatureConfig("large")},
        table_to_config_dict={"large": tpu_estimator.TableConfig(ROWS, WIDTH)},
        optimization_parameters=parameters,
    )
    estimator = embeddings.make_estimator(tmp_path, model_fn, spec, SGD, replicas=replicas)
    estimator.train(make_input_fn(["single"]), steps=2)
    engine = estimator._runners["train"]._engine
    (executable,) = engine._executables.values()
    (compiled,) = executable._compiled.values()
    return compiled.memory_analysis()


@pytest.mark.parametrize(
    "parameters",
    [
        ADAGRAD,
        tpu_estimator.AdamParameters(0.1),
        tpu_estimator.AdamParameters(0.1, lazy_adam=False),
    ],
    ids=["Adagrad", "Adam", "non-lazy Adam"],
)
def test_memory_of_a_core_falls_with_their_number(tmp_path, parameters):
    table = ROWS * WIDTH * 4
    state = table * (1 + len(parameters.slots))
    for replicas in (1, 4):
        memory = compile_step(tmp_path / str(replicas), parameters, replicas)
        assert memory.argument_size_in_bytes == pytest.approx(state / replicas, rel=0.02)
        # Updated in place, and nowhere a gradient as large as the table.
        assert memory.alias_size_in_bytes == pytest.approx(state / replicas, rel=0.02)
        assert memory.temp_size_in_bytes < table / 50


def test_several_cores_per_replica_are_refused(tmp_path):
    spec = embeddings.make_dict_spec(SGD)
    tpu_config = tpu_estimator.TPUConfig(num_cores_per_replica=2, num_shards=2)
    estimator = tpu_estimator.TPUEstimator(
        embeddings.dict_model_fn,
        config=tpu_estimator.RunConfig(model_dir=str(tmp_path), tpu_config=tpu_config),
        train_batch_size=8,
        embedding_config_spec=spec,
    )
    with pytest.raises(
        tpu_estimator.FeatureNotAvailableError,
        match="`embedding_config_spec` with `num_cores_per_replica`=2 is not available",
    ):
        estimator.train(make_input_fn(DICT_FEATURES), steps=1)


def test_a_column_that_nobody_uses_has_no_table(tmp_path):
    made = embeddings.make_columns()

    def model_fn(features, labels, mode, params):
        joined = tf1.feature_column.input_layer(features, made["dense"])
        return embeddings.make_head(mode, joined, labels, params)

    spec = embeddings.make_column_spec(made, SGD)
    estimator = embeddings.make_estimator(tmp_path, model_fn, spec, SGD, replicas=2)
    with pytest.raises(RuntimeError, match="does not use the embedding column of table"):
        estimator.train(make_input_fn(COLUMN_FEATURES), steps=1)


@pytest.mark.slow
def test_columns_on_the_core_are_variables_of_the_model(tmp_path):
    bag = tf1.feature_column.categorical_column_with_identity("bag", 11)
    column = tf1.tpu.experimental.embedding_column(
        bag,
        4,
        combiner="sum",
        initializer=tf1.constant_initializer(embeddings.draw_table("bag")),
        embedding_lookup_device="tpu_tensor_core",
        tensor_core_shape=[None, 3],
    )
    spec = tpu_estimator.EmbeddingConfigSpec(
        feature_columns=[column], optimization_parameters=tpu_estimator.AdamParameters(9.9)
    )

    def model_fn(features, labels, mode, params):
        joined = tf1.feature_column.input_layer(features, [column])
        return embeddings.make_head(mode, joined, labels, params)

    made = [
        train_and_read(
            embeddings.make_estimator(tmp_path / str(n), model_fn, spec, SGD, replicas=n),
            make_input_fn(["bag"]),
            4,
        )
        for n in (None, 2)
    ]
    # Trained by the model's own optimizer, on both engines.
    np.testing.assert_allclose(made[1][0], made[0][0], rtol=1e-5)
    assert_same(made[1][1], made[0][1])


def test_a_model_fn_may_look_up_by_itself_on_a_host(tmp_path):
    def model_fn(features, labels, mode, params):
        assert features["single"].dtype == tf.int64
        table = tf1.get_variable("items", [6, 4])
        joined = tf.nn.embedding_lookup(table, features["single"])
        return embeddings.make_head(mode, joined, labels, params)

    spec = embeddings.make_dict_spec(SGD, lookup_on_host=False)
    estimator = embeddings.make_estimator(tmp_path, model_fn, spec, SGD)
    assert "items" in train_and_read(estimator, make_input_fn(DICT_FEATURES), 1)[1]


def test_the_program_of_the_documentation(tmp_path, monkeypatch, capsys):
    page = pathlib.Path(__file__).parents[2] / "docs" / "embeddings.md"
    code = re.search(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {})
    output = capsys.readouterr().out
    assert "'global_step': 40" in output
    assert "(1000, 16)" in output


def test_other_columns_may_have_work_for_the_host(tmp_path):
    bag = tf1.feature_column.categorical_column_with_identity("bag", 11)
    initial = tf1.constant_initializer(embeddings.draw_table("bag"))
    divided = tf1.tpu.experimental.embedding_column(
        tf1.feature_column.weighted_categorical_column(bag, "weight"), 4, initializer=initial
    )
    words = tf1.feature_column.categorical_column_with_vocabulary_list(
        "words", embeddings.VOCABULARY, num_oov_buckets=1
    )

    def model_fn(features, labels, mode, params):
        used = [divided, tf1.feature_column.indicator_column(words)]
        joined = tf1.feature_column.input_layer(features, used)
        return embeddings.make_head(mode, joined, labels, params)

    spec = tpu_estimator.EmbeddingConfigSpec(
        feature_columns=[divided], optimization_parameters=ADAGRAD
    )
    # `sequence`, which nobody uses, is sparse as well.
    input_fn = make_input_fn(["bag", "weight", "words", "sequence"])
    made = [
        train_and_read(
            embeddings.make_estimator(tmp_path / str(n), model_fn, spec, ADAGRAD, replicas=n),
            input_fn,
            4,
        )
        for n in (None, 2)
    ]
    np.testing.assert_allclose(made[1][0], made[0][0], rtol=1e-5)
    assert_same(made[1][1], made[0][1])


class Crash(tf1.train.SessionRunHook):
    """Looks at a table after every loop, and ends the run in the second one."""

    def begin(self):
        self.seen = []
        self._table = next(v for v in tf1.global_variables() if v.op.name == "bag")

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(self._table)

    def after_run(self, run_context, run_values):
        self.seen.append(run_values.results)
        if len(self.seen) == 2:
            raise RuntimeError("crash")


@pytest.mark.slow
def test_a_run_that_was_interrupted_ends_bit_for_bit_alike(tmp_path):
    def make(name):
        config = tpu_estimator.RunConfig(
            model_dir=str(tmp_path / name),
            tf_random_seed=1,
            save_checkpoints_steps=2,
            tpu_config=tpu_estimator.TPUConfig(num_shards=4, iterations_per_loop=2),
        )
        return tpu_estimator.TPUEstimator(
            embeddings.dict_model_fn,
            config=config,
            params={"optimizer": ADAGRAD},
            train_batch_size=8,
            embedding_config_spec=embeddings.make_dict_spec(ADAGRAD, partition_strategy="mod"),
        )

    input_fn = make_input_fn(DICT_FEATURES)
    make("whole").train(input_fn, max_steps=7)
    hook = Crash()
    with pytest.raises(RuntimeError, match="crash"):
        make("broken").train(input_fn, max_steps=7, hooks=[hook])
    assert hook.seen[0].shape == (11, 4)
    assert not np.array_equal(*hook.seen)
    make("broken").train(input_fn, max_steps=7)
    wanted = read_variables(make("whole"))
    for name, value in read_variables(make("broken")).items():
        np.testing.assert_array_equal(value, wanted[name], err_msg=name)
