"""What the classes do beside their numbers: arguments, exports, warm starts, their own heads."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
from golden import canned_models
from helpers.canned import WORLD, copy_old_checkpoint, read_tags

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
fc = tf.feature_column
X = fc.numeric_column("x")
FEATURES = {"x": np.linspace(-1, 1, 12, dtype=np.float32)}
LABELS = (FEATURES["x"] > 0).astype(np.int64)
FAMILIES = ["DNN", "Linear", "DNNLinearCombined", "Baseline"]


def input_fn():
    return tf.data.Dataset.from_tensor_slices((FEATURES, LABELS)).batch(4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["Classifier", "Regressor", "Estimator"])
def test_version_2_lacks_partitioners_and_averages_over_the_batch(family, kind):
    first = getattr(tpu_estimator, family + kind)
    second = getattr(tpu_estimator, f"{family}{kind}V2")
    assert issubclass(first, tpu_estimator.Estimator)
    assert issubclass(second, tpu_estimator.EstimatorV2)
    old = inspect.signature(first).parameters
    new = inspect.signature(second).parameters
    assert set(old) - set(new) <= {"input_layer_partitioner", "partitioner"}
    assert set(new) <= set(old)
    if kind != "Estimator":
        assert old["loss_reduction"].default == "weighted_sum"
        assert new["loss_reduction"].default == "weighted_sum_over_batch_size"


@pytest.mark.parametrize("cls", [tpu_estimator.DNNClassifier, tpu_estimator.DNNClassifierV2])
def test_a_classifier_can_be_made_with_positional_arguments(tmp_path, cls):
    estimator = cls([3], [X], str(tmp_path), 3)
    estimator.train(input_fn, steps=2)
    assert estimator.get_variable_value("dnn/logits/kernel").shape == (3, 3)


def test_a_network_may_have_no_hidden_layer(tmp_path):
    estimator = tpu_estimator.DNNClassifier([], [X], str(tmp_path))
    estimator.train(input_fn, steps=1)
    assert estimator.get_variable_value("dnn/logits/kernel").shape == (1, 1)


def test_tables_in_parts_go_on_from_their_checkpoint(tmp_path):
    bucket = fc.bucketized_column(X, [-0.5, 0.0, 0.5])
    for steps in (1, 3):
        estimator = tpu_estimator.DNNClassifier(
            [3],
            [fc.embedding_column(bucket, 2)],
            str(tmp_path),
            input_layer_partitioner=tf1.fixed_size_partitioner(2),
        )
        estimator.train(input_fn, max_steps=steps)
    assert estimator.evaluate(input_fn)["global_step"] == 3
    table = "dnn/input_from_feature_columns/input_layer/x_bucketized_embedding/embedding_weights"
    assert estimator.get_variable_value(table).shape == (4, 2)
    assert {f"{table}/t_0/Adagrad", f"{table}/t_1/Adagrad"} < set(estimator.get_variable_names())


@pytest.mark.parametrize("activation", [None, "tanh", tf.nn.tanh])
def test_activations_are_functions_names_or_none(tmp_path, activation):
    estimator = tpu_estimator.DNNClassifier([3], [X], str(tmp_path), activation_fn=activation)
    estimator.train(input_fn, steps=1)
    assert estimator.evaluate(input_fn)["global_step"] == 1


def test_dropout_acts_in_training_only(tmp_path):
    estimator = tpu_estimator.DNNClassifier([50], [X], str(tmp_path), dropout=0.5)
    estimator.train(input_fn, steps=1)
    first, second = (estimator.evaluate(input_fn) for _ in range(2))
    assert first == second
    assert "dnn/dnn/hiddenlayer_0/activation" in read_tags(str(tmp_path))


@pytest.mark.parametrize(
    "optimizer",
    [
        tf1.train.ProximalAdagradOptimizer(0.1, l1_regularization_strength=0.001),
        lambda: tf1.train.AdamOptimizer(
            tf1.train.exponential_decay(0.1, tf1.train.get_global_step(), 10, 0.96)
        ),
        tf.keras.optimizers.legacy.SGD(0.1, momentum=0.9),
        tf.keras.optimizers.Adam(0.1),
    ],
)
@pytest.mark.parametrize(
    "cls",
    [
        tpu_estimator.DNNClassifier,
        pytest.param(tpu_estimator.DNNClassifierV2, marks=pytest.mark.slow),
    ],
)
def test_both_versions_take_optimizers_of_either_kind_and_train_twice(tmp_path, optimizer, cls):
    estimator = cls([3], [X], str(tmp_path), optimizer=optimizer)
    for _ in range(2):
        estimator.train(input_fn, steps=2)
    assert estimator.get_variable_value("global_step") == 4
    assert any("dnn/hiddenlayer_0/kernel/" in n for n in estimator.get_variable_names())


def test_a_model_is_warm_started_from_the_old_estimator(tmp_path):
    old = copy_old_checkpoint("dnn", canned_models.RESUME_STEP, tmp_path / "old")
    new = tpu_estimator.DNNClassifier(
        [8, 4],
        canned_models._take(*canned_models.DENSE),
        str(tmp_path / "new"),
        weight_column="weight",
        batch_norm=True,
        optimizer=tf1.train.GradientDescentOptimizer(0.0),
        warm_start_from=old,
    )
    new.train(canned_models.make_input_fn("dnn", repeat=False), steps=1)
    reader = tf.train.load_checkpoint(old)
    for name in ("dnn/hiddenlayer_0/kernel", "dnn/hiddenlayer_1/batchnorm_1/gamma"):
        np.testing.assert_array_equal(new.get_variable_value(name), reader.get_tensor(name))


def test_an_exported_classifier_answers_as_predict_does(tmp_path):
    case = "dnn_names"
    estimator = canned_models.make_estimator(WORLD, case, tmp_path / "model")
    canned_models.train(estimator, case, max_steps=2)

    def receiver_fn():
        features = {
            "x": tf1.placeholder(tf.float32, [None, 3]),
            "kind": tf1.placeholder(tf.int64, [None]),
        }
        return tpu_estimator.ServingInputReceiver(features, features)

    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    features, _ = canned_models.make_data()
    expected = canned_models.predict(estimator, case)
    rows = slice(0, canned_models.PREDICTED)
    served = tf.saved_model.load(path).signatures["predict"](
        x=tf.constant(features["x"][rows]), kind=tf.constant(features["kind"][rows])
    )
    assert sorted(served) == sorted(expected)
    assert served["classes"].numpy().tolist() == expected["classes"].tolist()
    np.testing.assert_allclose(served["probabilities"], expected["probabilities"], rtol=1e-6)


def test_the_two_halves_of_a_combined_model_can_stand_alone(tmp_path):
    wide = tpu_estimator.DNNLinearCombinedClassifier(
        str(tmp_path / "wide"), linear_feature_columns=[X]
    )
    deep = tpu_estimator.DNNLinearCombinedClassifier(
        str(tmp_path / "deep"), dnn_feature_columns=[X], dnn_hidden_units=[2]
    )
    for estimator, scope in ((wide, "linear/"), (deep, "dnn/")):
        estimator.train(input_fn, steps=2)
        names = set(estimator.get_variable_names()) - {"global_step"}
        assert names
        assert all(name.startswith(scope) for name in names)
        assert estimator.get_variable_value("global_step") == 2


def test_a_baseline_learns_how_often_a_class_is(tmp_path):
    estimator = tpu_estimator.BaselineClassifier(str(tmp_path), weight_column="w")
    features = {**FEATURES, "w": np.where(LABELS == 1, 3.0, 1.0).astype(np.float32)}

    def weighted():
        return tf.data.Dataset.from_tensor_slices((features, LABELS)).batch(12)

    estimator.train(lambda: weighted().repeat(), steps=100)
    found = estimator.evaluate(weighted)
    assert found["prediction/mean"] == pytest.approx(found["label/mean"], abs=0.02)
    assert found["label/mean"] == pytest.approx(0.75)


def test_a_baseline_of_version_2_takes_several_features(tmp_path):
    """The old one failed: it initialised its bias after it had looked at the input."""
    estimator = tpu_estimator.BaselineRegressorV2(str(tmp_path))
    data = {"x": FEATURES["x"], "y": FEATURES["x"]}

    def two_features():
        return tf.data.Dataset.from_tensor_slices((data, LABELS)).batch(4)

    estimator.train(two_features, steps=2)
    assert "baseline/bias" in estimator.get_variable_names()


def test_builders_of_logits_make_variables_in_the_current_scope():
    dnn = tpu_estimator.dnn_logit_fn_builder(2, [3], [X], tf.nn.relu, None, None, True)
    linear = tpu_estimator.linear_logit_fn_builder(2, [X])
    with tf.Graph().as_default():
        with tf1.variable_scope("mine"):
            logits = dnn({"x": tf.ones([4])}, "train") + linear({"x": tf.ones([4])})
        assert logits.shape.as_list() == [4, 2]
        names = {v.op.name for v in tf1.global_variables()}
    assert "mine/hiddenlayer_0/batchnorm_0/moving_mean" in names
    assert "mine/linear_model/x/weights" in names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_units": None}, "`hidden_units` must be a list of ints"),
        ({"hidden_units": 5}, "`hidden_units` must be a list of ints"),
        ({"hidden_units": [0]}, "Items of `hidden_units` must be ints > 0; got 0"),
        ({"hidden_units": [2.5]}, "Items of `hidden_units` must be ints > 0; got 2.5"),
        ({"feature_columns": []}, "feature_columns must not be empty"),
        ({"feature_columns": ["x"]}, "Items of feature_columns must be feature columns.*'x'"),
        ({"feature_columns": X}, "must be a list of them, got NumericColumn"),
        ({"feature_columns": 7}, "`feature_columns` must be a list of feature columns; got 7"),
        ({"feature_columns": [X, X]}, "Duplicate feature column name"),
        (
            {"feature_columns": [fc.categorical_column_with_identity("x", 3)]},
            "wrap a categorical column with an embedding_column or indicator_column",
        ),
        ({"n_classes": 1}, "n_classes must be > 2: 1"),
        ({"n_classes": None}, "n_classes cannot be None"),
        ({"optimizer": "Sgd"}, "Unsupported optimizer name: Sgd"),
        ({"dropout": 1.5}, "`dropout` must be None or a number from 0 to less than 1"),
        ({"loss_reduction": "none"}, "Invalid loss_reduction"),
        ({"label_vocabulary": "ab"}, "list or a tuple"),
    ],
)
@pytest.mark.parametrize("cls", [tpu_estimator.DNNClassifier, tpu_estimator.DNNClassifierV2])
def test_arguments_are_checked_by_the_constructor(tmp_path, cls, arguments, message):
    given = {"hidden_units": [2], "feature_columns": [X], "model_dir": str(tmp_path), **arguments}
    with pytest.raises(ValueError, match=message):
        cls(**given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Either linear_feature_columns or dnn_feature_columns must be defined"),
        ({"dnn_feature_columns": [X]}, "dnn_hidden_units must be defined"),
        (
            {"linear_feature_columns": [X], "linear_optimizer": "ftrl"},
            "Unsupported optimizer name: ftrl.*`linear_optimizer`",
        ),
        (
            {"linear_feature_columns": [X], "linear_sparse_combiner": "max"},
            "must be one of .*'mean'.*got 'max'",
        ),
    ],
)
def test_arguments_of_combined_models_are_checked_by_the_constructor(arguments, message):
    with pytest.raises(ValueError, match=message):
        tpu_estimator.DNNLinearCombinedClassifier(**arguments)


@pytest.mark.parametrize(
    ("estimator", "features", "message"),
    [
        (
            tpu_estimator.DNNClassifier([2], [X]),
            FEATURES["x"][:, None],
            "features should be a dictionary of `Tensor`s. Given type",
        ),
        (
            tpu_estimator.LinearClassifier([fc.numeric_column("y")]),
            FEATURES,
            r"Feature y is not in features dictionary. Column 'y' reads it; .* \['x'\]",
        ),
        (
            tpu_estimator.LinearClassifier([fc.crossed_column(["x", "z"], 3)]),
            FEATURES,
            r"Feature z is not in features dictionary. Column 'x_X_z' reads it",
        ),
        (tpu_estimator.BaselineClassifier(), {}, "input_fn|features must not be empty"),
    ],
)
def test_features_that_do_not_fit_are_refused(estimator, features, message):
    def wrong():
        data = (features, LABELS) if len(features) else ({}, LABELS)
        return tf.data.Dataset.from_tensor_slices(data).batch(4)

    with pytest.raises(ValueError, match=message):
        estimator.train(wrong, steps=1)
