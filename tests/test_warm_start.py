"""Warm start in every form, on both engines, against what the old estimator started from."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from golden import warm_start_cases as cases

import tfx_tpu_estimator as tpu_estimator

EXPECTED = json.loads((cases.HERE / "expected.json").read_text())
CASES = cases.settings_of(tpu_estimator)


def make_on_host(model_dir, warm_start_from, hidden, sizes, rate=0.1, shards=None):
    return tpu_estimator.Estimator(
        cases.make_model_fn(tpu_estimator.EstimatorSpec, hidden=hidden, scale=0.0, shards=shards),
        model_dir,
        tpu_estimator.BaseRunConfig(save_checkpoints_steps=1),
        params={**sizes, "rate": rate},
        warm_start_from=warm_start_from,
    )


def make_on_devices(model_dir, warm_start_from, hidden, sizes, rate=0.1, shards=None):
    model_fn = cases.make_model_fn(
        tpu_estimator.TPUEstimatorSpec,
        hidden=hidden,
        scale=0.0,
        shards=shards,
        wrap=tf.compat.v1.tpu.CrossShardOptimizer,
    )
    return tpu_estimator.TPUEstimator(
        model_fn,
        model_dir,
        tpu_estimator.RunConfig(
            tpu_config=tpu_estimator.TPUConfig(iterations_per_loop=1, num_shards=2),
            save_checkpoints_steps=1,
        ),
        {**sizes, "rate": rate},
        train_batch_size=8,
        eval_batch_size=8,
        predict_batch_size=8,
        warm_start_from=warm_start_from,
    )


MAKERS = {"host": make_on_host, "devices": make_on_devices}


def read_first(model_dir):
    first = min(pathlib.Path(model_dir).glob("model.ckpt-*.index"))
    return cases.read_variables(str(first.with_suffix("")))


def assert_as_expected(model_dir, case):
    values = read_first(model_dir)
    assert sorted(values) == sorted(EXPECTED[case])
    for name, value in EXPECTED[case].items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)


@pytest.mark.parametrize("case", sorted(CASES))
def test_training_on_the_host_starts_where_the_old_estimator_did(case, tmp_path):
    make_on_host(tmp_path, *CASES[case]).train(cases.input_fn, steps=1)
    assert_as_expected(tmp_path, case)


@pytest.mark.parametrize("case", ["saved_model", "renamed", "words", "classes"])
def test_training_on_devices_starts_there_too(case, tmp_path):
    make_on_devices(tmp_path, *CASES[case]).train(cases.input_fn, steps=1)
    assert_as_expected(tmp_path, case)


@pytest.mark.parametrize("engine", sorted(MAKERS))
def test_variables_in_several_parts(engine, tmp_path):
    MAKERS[engine](tmp_path, *CASES["words"], shards=3).train(cases.input_fn, steps=1)
    assert_as_expected(tmp_path, "words")


@pytest.mark.parametrize("engine", sorted(MAKERS))
def test_prediction_without_training(engine, tmp_path):
    estimator = MAKERS[engine](tmp_path, *CASES["words"])
    predictions = list(
        estimator.predict(lambda params: cases.input_fn().take(1).map(lambda x, y: x))
    )
    values = {name: np.array(value) for name, value in EXPECTED["words"].items()}
    rows = values["embedding"][[0, 1, 2, 3, 4, 5, 0, 1]]
    hidden = rows @ values["hidden/kernel"] + values["hidden/bias"]
    logits = hidden @ values["head/kernel"] + values["head/bias"]
    np.testing.assert_allclose([p["logits"] for p in predictions], logits, rtol=1e-5)


@pytest.mark.parametrize("engine", sorted(MAKERS))
def test_evaluation_without_training(engine, tmp_path):
    estimator = MAKERS[engine](tmp_path, *CASES["prefix"])
    results = estimator.evaluate(cases.input_fn, steps=1)
    assert results["global_step"] == 0
    plain = MAKERS[engine](tmp_path, None, *CASES["prefix"][1:])
    path = str(cases.HERE / "model.ckpt-3")
    expected = plain.evaluate(cases.input_fn, steps=1, checkpoint_path=path)
    np.testing.assert_allclose(results["loss"], expected["loss"], rtol=1e-6)


def test_export_without_training(tmp_path):
    estimator = make_on_host(tmp_path / "model", *CASES["prefix"])
    receiver_fn = tpu_estimator.build_raw_serving_input_receiver_fn(
        {"word": tf.zeros([1], "int32")}
    )
    exported = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    values = cases.read_variables(f"{exported}/variables/variables")
    np.testing.assert_array_equal(values["embedding"], EXPECTED["prefix"]["embedding"])


def test_a_checkpoint_of_its_own_comes_first(tmp_path):
    make_on_host(tmp_path, None, "hidden", cases.OLD_SIZES).train(cases.input_fn, steps=1)
    before = read_first(tmp_path)
    estimator = make_on_host(tmp_path, *CASES["prefix"], rate=0.0).train(cases.input_fn, steps=1)
    np.testing.assert_array_equal(
        estimator.get_variable_value("head/kernel"), before["head/kernel"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vars_to_warm_start": None, "names": ["head/bias"]}, "only the rows and columns of a"),
        ({"names": ["no_such_variable"]}, "no_such_variable"),
        ({"var_name_to_prev_var_name": {"head/bias": "nothing"}}, "nothing"),
    ],
)
def test_settings_that_do_not_fit_the_model(arguments, message, tmp_path):
    names = arguments.pop("names", [])
    infos = {name: cases.vocab_info(tpu_estimator, "classes") for name in names}
    settings = tpu_estimator.WarmStartSettings(
        str(cases.HERE), var_name_to_vocab_info=infos, **arguments
    )
    estimator = make_on_host(tmp_path, settings, "hidden", cases.OLD_SIZES)
    with pytest.raises(ValueError, match=message):
        estimator.train(cases.input_fn, steps=1)
