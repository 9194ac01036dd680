"""Canned models on devices: the numbers of the old estimators, on any number of replicas."""

import numpy as np
import pytest
import tensorflow as tf
from golden import canned_models
from helpers.canned import (
    WORLD,
    compare_training,
    copy_old_checkpoint,
    evaluation_difference,
    load_group,
    load_record,
)
from helpers.golden import array_difference, assert_small
from helpers.tpu_graph import read_metagraphs, run_tpu_metagraph

import tfx_tpu_estimator as tpu_estimator

fc = tf.feature_column
BATCHES = -(-canned_models.EXAMPLES // canned_models.BATCH_SIZE)
STRINGS = {"classes", "all_classes", "a/classes", "a/all_classes"}


def make_on_devices(case, model_dir, *, replicas=4, **arguments):
    """Makes a TPUEstimator of the model of a golden case."""
    model = canned_models.make_estimator(WORLD, case, model_dir)
    config = tpu_estimator.RunConfig(
        model_dir=model_dir,
        tf_random_seed=1,
        save_summary_steps=1,
        log_step_count_steps=1,
        save_checkpoints_steps=canned_models.STEPS,
        tpu_config=tpu_estimator.TPUConfig(iterations_per_loop=4, num_shards=replicas),
    )
    size = canned_models.BATCH_SIZE
    return tpu_estimator.TPUEstimator(
        model.tpu_model_fn,
        config=config,
        train_batch_size=size,
        eval_batch_size=size,
        predict_batch_size=size,
        **arguments,
    )


@pytest.mark.parametrize(
    ("case", "replicas"),
    [
        ("dnn_names", 2),
        ("linear_classes", 1),
        ("combined", 4),
        ("two_heads", 4),
        pytest.param("dnn_shared", 4, marks=pytest.mark.slow),
        pytest.param("linear", 8, marks=pytest.mark.slow),
        pytest.param("linear_v2", 2, marks=pytest.mark.slow),
        pytest.param("combined_v2", 4, marks=pytest.mark.slow),
        pytest.param("several", 4, marks=pytest.mark.slow),
    ],
)
def test_training_and_evaluation_are_those_of_the_old_estimator(tmp_path, case, replicas):
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")
    estimator = make_on_devices(case, model_dir, replicas=replicas)
    canned_models.train(estimator, case)
    found = estimator.evaluate(canned_models.make_input_fn(case, repeat=False), steps=BATCHES)
    differences = {
        **compare_training(estimator, case, 1),
        "evaluation": evaluation_difference(found, load_record()[case]["evaluation"]),
    }
    print(case, differences)
    assert_small(differences)


@pytest.mark.parametrize("case", ["dnn_names", pytest.param("two_heads", marks=pytest.mark.slow)])
def test_predictions_are_those_of_the_old_estimator_but_for_strings(tmp_path, case):
    model_dir = tmp_path / "model"
    estimator = canned_models.make_estimator(WORLD, case, copy_old_checkpoint(case, 0, model_dir))
    canned_models.train(estimator, case)
    found = canned_models.predict(make_on_devices(case, str(model_dir)), case)
    golden = load_group(case, "predictions")
    assert set(golden) - set(found) <= STRINGS
    expected = {name: value for name, value in golden.items() if name not in STRINGS}
    assert_small({"predictions": array_difference(found, expected)})


def test_a_classifier_goes_on_with_its_checkpoint_on_devices(tmp_path):
    case = "linear"
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")
    canned_models.train(
        canned_models.make_estimator(WORLD, case, model_dir),
        case,
        max_steps=canned_models.RESUME_STEP,
    )
    estimator = make_on_devices(case, model_dir)
    canned_models.train(estimator, case)
    assert_small(compare_training(estimator, case, 1))


def test_without_devices_the_same_model_fn_gives_all_predictions(tmp_path):
    case = "dnn_names"
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")
    estimator = make_on_devices(case, model_dir, use_tpu=False)
    assert set(canned_models.predict(estimator, case)) == set(load_group(case, "predictions"))


X = fc.numeric_column("x", shape=(2,))
FEATURES = {
    "x": np.random.RandomState(3).randn(16, 2).astype(np.float32),
    "w": np.arange(16, dtype=np.float32),
}


def train_two_steps(model_fn, labels, model_dir, *, use_tpu):
    """Trains on one batch of 16; returns the loss of the second step's weights."""

    def input_fn():
        data = tf.data.Dataset.from_tensor_slices((FEATURES, labels)).repeat()
        return data.batch(16, drop_remainder=True)

    estimator = tpu_estimator.TPUEstimator(
        model_fn,
        config=tpu_estimator.RunConfig(model_dir=str(model_dir), tf_random_seed=1),
        use_tpu=use_tpu,
        train_batch_size=16,
        eval_batch_size=16,
    )
    estimator.train(input_fn, max_steps=2)
    return estimator.evaluate(input_fn, steps=1)["loss"]


@pytest.mark.parametrize(
    "reduction",
    [
        "sum",
        "weighted_mean",
        pytest.param("weighted_sum_by_nonzero_weights", marks=pytest.mark.slow),
        pytest.param("sum_over_batch_size", marks=pytest.mark.slow),
    ],
)
def test_every_reduction_is_that_of_the_whole_batch(tmp_path, reduction):
    """Weights grow along the batch, so that no two replicas have the same sum of them."""
    head = tpu_estimator.MultiClassHead(3, weight_column="w", loss_reduction=reduction)
    model_fn = tpu_estimator.linear_model_fn(head, [X], optimizer="SGD")
    labels = np.arange(16) % 3
    losses = [
        train_two_steps(model_fn, labels, tmp_path / str(use_tpu), use_tpu=use_tpu)
        for use_tpu in (False, True)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_cross_shard_optimizer_may_sum_or_average(tmp_path):
    head = tpu_estimator.RegressionHead(loss_reduction="sum")
    labels = FEATURES["x"].sum(axis=1)
    losses = []
    for reduction in ("weighted_sum", "weighted_mean"):

        def make_optimizer(reduction=reduction):
            optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.01)
            return tf.compat.v1.tpu.CrossShardOptimizer(optimizer, reduction=reduction)

        model_fn = tpu_estimator.linear_model_fn(head, [X], optimizer=make_optimizer)
        losses.append(train_two_steps(model_fn, labels, tmp_path / reduction, use_tpu=True))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        tpu_estimator.BinaryClassHead(),
        tpu_estimator.MultiClassHead(3),
        pytest.param(tpu_estimator.LogisticRegressionHead(), marks=pytest.mark.slow),
    ],
)
def test_a_label_out_of_range_ends_a_training_on_devices(tmp_path, head):
    labels = np.zeros(16, np.int64)
    labels[5] = 3
    model_fn = tpu_estimator.linear_model_fn(head, [X])
    with pytest.raises(tpu_estimator.NanLossError):
        train_two_steps(model_fn, labels, tmp_path, use_tpu=True)


def test_every_factory_makes_a_model_fn_for_devices(tmp_path):
    head = tpu_estimator.RegressionHead()
    labels = FEATURES["x"].sum(axis=1)
    combined = tpu_estimator.dnn_linear_combined_model_fn(
        head, [X], dnn_feature_columns=[X], dnn_hidden_units=[4], batch_norm=True
    )
    model_fns = {
        "dnn": tpu_estimator.dnn_model_fn(head, [4], [X], dropout=0.2),
        "combined": combined,
        "baseline": tpu_estimator.baseline_model_fn(head, optimizer="SGD"),
    }
    for name, model_fn in model_fns.items():
        assert np.isfinite(train_two_steps(model_fn, labels, tmp_path / name, use_tpu=True))


def test_an_export_serves_strings_on_the_host_and_numbers_on_tpus(tmp_path):
    case = "dnn_names"
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")

    def receiver_fn():
        features = {
            "x": tf.compat.v1.placeholder(tf.float32, [None, 3]),
            "kind": tf.compat.v1.placeholder(tf.int64, [None]),
        }
        return tpu_estimator.ServingInputReceiver(features, features)

    estimator = make_on_devices(case, model_dir)
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    outputs = {
        tags: sorted(graph.signature_def["predict"].outputs)
        for tags, graph in read_metagraphs(path).items()
    }
    whole = outputs[frozenset(["serve"])]
    assert outputs[frozenset(["serve", "tpu"])] == sorted(set(whole) - STRINGS)
    features, _ = canned_models.make_data()
    rows = slice(0, canned_models.PREDICTED)
    feeds = {name: features[name][rows] for name in ("x", "kind")}
    served = run_tpu_metagraph(path, "predict", feeds)
    expected = canned_models.predict(estimator, case)
    np.testing.assert_allclose(served["logits"], expected["logits"], rtol=1e-5)
