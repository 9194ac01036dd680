"""Heads on logits that are given: losses and metrics against numpy, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.canned.keys import MetricKeys

tf1 = tf.compat.v1
TRAIN, EVAL, PREDICT = "train", "eval", "infer"

LOGITS = np.array([[2.0], [-1.0], [0.5], [-3.0]], np.float32)
BINARY = np.array([1, 0, 0, 1])
WEIGHTS = np.array([1.0, 2.0, 0.5, 4.0], np.float32)
CROSS_ENTROPY = np.logaddexp(0.0, LOGITS[:, 0]) - BINARY * LOGITS[:, 0]
THREE_LOGITS = np.array([[1, 2, 3], [3, 1, 0], [0, 5, 1], [2, 2, 1]], np.float32)


def evaluate(head, logits, labels, features=None, **arguments):
    """Runs the evaluation of one batch; returns the loss and the metrics."""
    with tf.Graph().as_default(), tf1.Session() as session:
        spec = head.create_estimator_spec(
            {k: tf.constant(v) for k, v in (features or {"x": WEIGHTS}).items()},
            EVAL,
            tf.constant(logits),
            labels=tf.constant(labels) if not isinstance(labels, dict) else labels,
            **arguments,
        )
        session.run([tf1.local_variables_initializer(), tf1.tables_initializer()])
        updates = {name: update for name, (_, update) in spec.eval_metric_ops.items()}
        loss, _ = session.run([spec.loss, updates])
        values = {name: value for name, (value, _) in spec.eval_metric_ops.items()}
        return loss, session.run(values)


def predict(head, logits):
    """Returns predictions and the names of the signatures."""
    with tf.Graph().as_default(), tf1.Session() as session:
        spec = head.create_estimator_spec({}, PREDICT, tf.constant(logits))
        session.run(tf1.tables_initializer())
        return session.run(spec.predictions), sorted(spec.export_outputs)


def test_binary_loss_and_metrics_are_weighted():
    head = tpu_estimator.BinaryClassHead(weight_column="w", thresholds=[0.6], name="h")
    loss, metrics = evaluate(head, LOGITS, BINARY, {"w": WEIGHTS})
    assert loss == pytest.approx(np.sum(CROSS_ENTROPY * WEIGHTS) / 4, rel=1e-6)
    total = WEIGHTS.sum()
    expected = {
        "average_loss/h": np.sum(CROSS_ENTROPY * WEIGHTS) / total,
        "accuracy/h": (1.0 + 2.0) / total,
        "label/mean/h": 5.0 / total,
        "accuracy_baseline/h": 5.0 / total,
        "precision/h": 1.0 / 1.5,
        "recall/h": 1.0 / 5.0,
        "precision/positive_threshold_0.6/h": 1.0 / 1.5,
        "accuracy/positive_threshold_0.6/h": 3.0 / total,
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-5), name
    assert {"auc/h", "auc_precision_recall/h", "prediction/mean/h"} <= set(metrics)


def test_binary_predictions_name_the_classes():
    head = tpu_estimator.BinaryClassHead(label_vocabulary=["no", "yes"])
    found, signatures = predict(head, LOGITS)
    assert found["classes"].tolist() == [[b"yes"], [b"no"], [b"yes"], [b"no"]]
    assert found["class_ids"].tolist() == [[1], [0], [1], [0]]
    assert found["all_classes"].tolist() == [[b"no", b"yes"]] * 4
    assert found["all_class_ids"].tolist() == [[0, 1]] * 4
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(found["probabilities"][:, 1:], found["logistic"], rtol=1e-6)
    assert signatures == ["classification", "predict", "regression", "serving_default"]


def test_labels_by_name_are_looked_up():
    head = tpu_estimator.MultiClassHead(3, label_vocabulary=["a", "b", "c"])
    by_name, _ = evaluate(head, THREE_LOGITS, np.array(["c", "a", "b", "b"]))
    by_number, _ = evaluate(tpu_estimator.MultiClassHead(3), THREE_LOGITS, np.array([2, 0, 1, 1]))
    assert by_name == pytest.approx(by_number)


def test_multi_class_loss_is_a_softmax():
    labels = np.array([2, 0, 1, 1])
    shifted = THREE_LOGITS - np.log(np.exp(THREE_LOGITS).sum(axis=1, keepdims=True))
    loss, metrics = evaluate(tpu_estimator.MultiClassHead(3), THREE_LOGITS, labels[:, None])
    assert loss == pytest.approx(-np.mean(shifted[np.arange(4), labels]), rel=1e-6)
    assert metrics["accuracy"] == pytest.approx(0.75)


def test_regression_weighs_each_number():
    logits, labels = THREE_LOGITS[:, :2], THREE_LOGITS[:, 1:]
    weights = np.abs(THREE_LOGITS[:, :2])
    head = tpu_estimator.RegressionHead(2, weight_column="w", loss_reduction="sum")
    loss, metrics = evaluate(head, logits, labels, {"w": weights})
    assert loss == pytest.approx(np.sum((logits - labels) ** 2 * weights))
    assert metrics["label/mean"] == pytest.approx(np.sum(labels * weights) / weights.sum())
    assert metrics["prediction/mean"] == pytest.approx(np.sum(logits * weights) / weights.sum())


@pytest.mark.parametrize(
    ("head", "link"),
    [
        (tpu_estimator.PoissonRegressionHead(), np.exp),
        (tpu_estimator.LogisticRegressionHead(), lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_regressions_with_a_link_predict_on_the_scale_of_the_labels(head, link):
    found, signatures = predict(head, LOGITS)
    np.testing.assert_allclose(found["predictions"], link(LOGITS), rtol=1e-5)
    assert signatures == ["predict", "regression", "serving_default"]


def test_sparse_labels_of_several_classes_become_indicators():
    head = tpu_estimator.MultiLabelHead(3, label_vocabulary=["a", "b", "c"])
    with tf.Graph().as_default(), tf1.Session() as session:
        indices = [[0, 0], [0, 1], [3, 0]]
        sparse = tf.SparseTensor(indices, tf.constant(["a", "c", "b"]), [4, 2])
        dense = tf.constant([[1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
        losses = [head.loss(labels, tf.constant(THREE_LOGITS)) for labels in (sparse, dense)]
        session.run(tf1.tables_initializer())
        by_name, by_number = session.run(losses)
    assert by_name == pytest.approx(by_number)


def test_a_loss_of_the_users_gets_features_and_the_reduction():
    def loss_fn(labels, logits, features, loss_reduction):
        assert loss_reduction == "sum"
        return tf.abs(labels - logits) * features["scale"]

    head = tpu_estimator.RegressionHead(loss_fn=loss_fn, loss_reduction="sum")
    loss, _ = evaluate(head, LOGITS, BINARY, {"scale": WEIGHTS[:, None]})
    assert loss == pytest.approx(np.sum(np.abs(BINARY - LOGITS[:, 0]) * WEIGHTS))


def test_regularization_is_added_and_reported():
    loss, metrics = evaluate(
        tpu_estimator.RegressionHead(),
        LOGITS,
        LOGITS,
        regularization_losses=[np.float32(1.5), np.float32(0.5)],
    )
    assert loss == pytest.approx(2.0)
    assert metrics["regularization_loss"] == pytest.approx(2.0)
    assert metrics["average_loss"] == 0.0


def test_several_heads_add_their_losses_and_name_what_is_theirs():
    heads = [tpu_estimator.BinaryClassHead(name="a"), tpu_estimator.RegressionHead(name="b")]
    head = tpu_estimator.MultiHead(heads, [1.0, 0.5])
    logits = np.concatenate([LOGITS, LOGITS], axis=1)
    labels = {"a": BINARY, "b": np.zeros(4, np.float32)}
    loss, metrics = evaluate(head, logits, labels)
    square = np.mean(LOGITS**2)
    assert loss == pytest.approx(np.mean(CROSS_ENTROPY) + 0.5 * square, rel=1e-6)
    assert metrics["loss/a"] == pytest.approx(np.mean(CROSS_ENTROPY), rel=1e-6)
    assert metrics["average_loss/b"] == pytest.approx(square, rel=1e-6)
    found, signatures = predict(head, logits)
    np.testing.assert_allclose(found["b", "predictions"], LOGITS)
    assert {"a", "b", "a/classification", "b/regression", "serving_default"} <= set(signatures)


def test_training_runs_update_ops_and_writes_summaries_at_the_root():
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        tf1.train.create_global_step()
        weight = tf1.get_variable("w", [], initializer=tf1.ones_initializer())
        counted = tf1.get_variable("n", [], initializer=tf1.zeros_initializer(), trainable=False)
        collected = counted.assign_add(1.0)
        tf1.add_to_collection(tf1.GraphKeys.UPDATE_OPS, collected)
        with tf.name_scope("deep"):
            spec = tpu_estimator.RegressionHead(loss_reduction="sum").create_estimator_spec(
                {},
                TRAIN,
                tf.constant(LOGITS) * weight,
                labels=tf.constant(LOGITS) * 2.0,
                optimizer=tf1.train.GradientDescentOptimizer(0.01),
                update_ops=[counted.assign_add(10.0), collected],
            )
        session.run(tf1.global_variables_initializer())
        session.run(spec.train_op)
        assert session.run(counted) == 11.0
        assert session.run(tf1.train.get_global_step()) == 1
        assert session.run(weight) > 1.0
        assert {"loss/tags", "average_loss/tags"} <= {op.name for op in graph.get_operations()}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2, 1]), "Labels must be <= n_classes - 1 .n_classes is 2"),
        (np.array([0, 1, -1, 1]), "Labels must be >= 0"),
    ],
)
def test_labels_out_of_range_are_refused_when_they_come(labels, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        evaluate(tpu_estimator.BinaryClassHead(), LOGITS, labels)


def test_a_label_that_is_no_class_is_refused_when_it_comes():
    head = tpu_estimator.BinaryClassHead(label_vocabulary=["a", "b"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in a label_vocabulary"):
        evaluate(head, LOGITS, np.array(["a", "b", "c", "a"]))


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        (np.zeros([4, 3], np.int64), {}, r"Mismatched label shape.*dimension=1.*Received 3"),
        (np.zeros([3], np.int64), {}, r"labels shape must be \[D0, D1, \.\.\. DN, 1\]"),
        (BINARY, {"x": WEIGHTS}, r"Feature w is not in features dictionary.*\['x'\]"),
        (BINARY, {"w": WEIGHTS[:2]}, r"weights shape must be \[D0, D1, \.\.\. DN\] or"),
        (BINARY, {"w": np.array(["a"] * 4)}, "castable to float.*string of feature w"),
        (np.array(["a"] * 4), {}, "Labels dtype should be a number.*label_vocabulary"),
    ],
)
def test_what_does_not_fit_the_logits_is_refused_while_it_is_built(labels, features, message):
    head = tpu_estimator.BinaryClassHead(weight_column="w")
    with pytest.raises(ValueError, match=message):
        evaluate(head, LOGITS, labels, features or {"w": WEIGHTS})


def test_missing_and_sparse_labels_are_refused_with_the_way_out():
    head = tpu_estimator.BinaryClassHead()
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match=r"You must provide a labels Tensor\. Given: None"):
            head.loss(None, tf.constant(LOGITS))
        sparse = tf.SparseTensor([[0, 0]], [1], [4, 1])
        with pytest.raises(ValueError, match=r"SparseTensor labels are not supported.*to_dense"):
            head.loss(sparse, tf.constant(LOGITS))
        with pytest.raises(ValueError, match=r"logits shape must be .*logits_dimension=1\], got"):
            head.loss(tf.constant(BINARY), tf.constant(THREE_LOGITS))
        with pytest.raises(ValueError, match=r"should be integer\. Instead got float32"):
            tpu_estimator.MultiClassHead(3).loss(tf.constant(WEIGHTS), tf.constant(THREE_LOGITS))
        with pytest.raises(ValueError, match=r"Prediction key must be in PredictionKeys.*'top_k'"):
            head.predictions(tf.constant(LOGITS), ["top_k"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tpu_estimator.BinaryClassHead(thresholds=[0.5, 1.0]), r"not in \(0, 1\)"),
        (lambda: tpu_estimator.BinaryClassHead(label_vocabulary="ab"), "list or a tuple"),
        (lambda: tpu_estimator.BinaryClassHead(loss_fn=lambda labels: 1), "argument: logits"),
        (
            lambda: tpu_estimator.BinaryClassHead(loss_fn=lambda labels, logits, z: 1),
            r"unexpected args: \['z'\]",
        ),
        (lambda: tpu_estimator.BinaryClassHead(loss_reduction="none"), "Invalid loss_reduction"),
        (lambda: tpu_estimator.MultiClassHead(2), "n_classes must be > 2: 2"),
        (lambda: tpu_estimator.MultiClassHead(None), "n_classes cannot be None"),
        (
            lambda: tpu_estimator.MultiClassHead(3, label_vocabulary=["a"]),
            "does not have `n_classes` items",
        ),
        (lambda: tpu_estimator.MultiLabelHead(1), "n_classes must be > 1"),
        (
            lambda: tpu_estimator.MultiLabelHead(3, classes_for_class_based_metrics=[3]),
            r"must be in range \[0, 2\]. Given: 3",
        ),
        (
            lambda: tpu_estimator.MultiLabelHead(3, classes_for_class_based_metrics=["a"]),
            "label_vocabulary must be provided",
        ),
        (lambda: tpu_estimator.RegressionHead(0), "Invalid label_dimension 0"),
        (lambda: tpu_estimator.MultiHead([]), "Must specify heads"),
        (lambda: tpu_estimator.MultiHead([tpu_estimator.BinaryClassHead()]), "name specified"),
        (
            lambda: tpu_estimator.MultiHead([tpu_estimator.BinaryClassHead(name="a")] * 2),
            "different names",
        ),
        (
            lambda: tpu_estimator.MultiHead([tpu_estimator.BinaryClassHead(name="a")], [1.0, 2.0]),
            "must have the same size",
        ),
    ],
)
def test_arguments_are_checked_by_the_constructor(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_weight_column_is_a_key_or_a_numeric_column():
    column = tf.feature_column.numeric_column("w", normalizer_fn=lambda w: w * 2.0)
    head = tpu_estimator.BinaryClassHead(weight_column=column, loss_reduction="sum")
    loss, _ = evaluate(head, LOGITS, BINARY, {"w": WEIGHTS})
    assert loss == pytest.approx(2.0 * np.sum(CROSS_ENTROPY * WEIGHTS), rel=1e-6)
    with pytest.raises(TypeError, match="Weight column must be either a string or a NumericColumn"):
        tpu_estimator.BinaryClassHead(weight_column=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "train_op_fn and optimizer cannot both be None"),
        (
            {"optimizer": tf1.train.AdamOptimizer(), "train_op_fn": lambda loss: tf.no_op()},
            "train_op_fn and optimizer cannot both be set",
        ),
        ({"optimizer": "Adam"}, "not a tf.compat.v1.train.Optimizer"),
        (
            {"train_op_fn": lambda loss: tf.no_op(), "update_ops": 3},
            "update_ops should be a list or a tuple",
        ),
    ],
)
def test_a_training_step_is_made_in_one_way(arguments, message):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        tpu_estimator.BinaryClassHead().create_estimator_spec(
            {}, TRAIN, tf.constant(LOGITS), labels=tf.constant(BINARY), **arguments
        )


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (THREE_LOGITS, {"a": BINARY, "b": BINARY}, "Could not split logits"),
        ({"a": LOGITS}, {"a": BINARY, "b": BINARY}, r"logits has missing values.*\['b'\]"),
        ({"a": LOGITS, "b": LOGITS}, BINARY, "labels must be a dict"),
        ({"a": LOGITS, "b": LOGITS}, {"a": BINARY}, r"labels has missing values.*\['b'\]"),
    ],
)
def test_several_heads_need_logits_and_labels_of_each(logits, labels, message):
    heads = [tpu_estimator.BinaryClassHead(name="a"), tpu_estimator.RegressionHead(name="b")]
    with tf.Graph().as_default(), pytest.raises(ValueError, match=message):
        tpu_estimator.MultiHead(heads).loss(labels, logits)


def test_a_head_without_a_form_for_devices_says_so():
    class Plain(tpu_estimator.Head):
        name = logits_dimension = loss_reduction = None

        def loss(self, labels, logits, features=None, mode=None, regularization_losses=None):
            return tf.constant(1.0)

        def predictions(self, logits, keys=None):
            return {}

    with pytest.raises(TypeError, match="Plain has no create_tpu_estimator_spec"):
        Plain().create_estimator_spec({}, PREDICT, tf.constant(LOGITS))


def test_metric_keys_of_thresholds_are_short():
    assert MetricKeys.RECALL_AT_THRESHOLD % 0.5 == "recall/positive_threshold_0.5"
