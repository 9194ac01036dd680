"""Canned estimators, data and columns of the golden runs; the same source runs in both worlds.

A world says where the classes are: the old estimator's `tf.compat.v1.estimator` and `tf.estimator`,
or this package. It has the attributes `v1` and `v2` (namespaces) and `run_config` (a class).
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow.compat.v1 as tf

STEPS = 10
BATCH_SIZE = 16
EXAMPLES = 40
# Five batches are two rounds of the examples: a run that starts here sees the same ones.
RESUME_STEP = 5
PREDICTED = 4
COLORS = ["red", "green", "blue"]
NAMES = ["ant", "bee", "cat"]


@functools.cache
def make_data() -> tuple[dict, dict]:
    """Makes features by name, and labels by kind."""
    rng = np.random.RandomState(11)
    features = {
        "x": rng.randn(EXAMPLES, 3).astype(np.float32),
        "age": rng.uniform(0, 60, EXAMPLES).astype(np.float32),
        # "grey" is in no vocabulary.
        "color": np.array([*COLORS, "grey"])[rng.randint(0, 4, EXAMPLES)],
        "shape": np.array(["disc", "bar"])[rng.randint(0, 2, EXAMPLES)],
        "kind": rng.randint(0, 5, EXAMPLES).astype(np.int64),
        "other": rng.randint(0, 5, EXAMPLES).astype(np.int64),
        "heft": rng.uniform(0.5, 2.0, EXAMPLES).astype(np.float32),
        "weight": rng.uniform(0.5, 2.0, EXAMPLES).astype(np.float32),
    }
    score = features["x"].sum(axis=1) + (features["kind"] - 2) + 0.3 * rng.randn(EXAMPLES)
    three = np.digitize(score, [-1.0, 1.0])
    labels = {
        "binary": (score > 0).astype(np.int64),
        "names": np.array(NAMES)[three],
        "classes": three.astype(np.int64),
        "numbers": np.stack([score, -score], axis=1).astype(np.float32),
        "number": score.astype(np.float32),
        "counts": np.round(np.exp(score / 3)).astype(np.int64),
        "several": np.stack([score > 0, score > 1, score < 0.5], axis=1).astype(np.int64),
        "two heads": {"a": (score > 0).astype(np.int64), "b": score.astype(np.float32)},
    }
    return features, labels


def make_columns() -> dict:
    """Makes feature columns of every sort by name."""
    fc = tf.feature_column
    color = fc.categorical_column_with_vocabulary_list("color", COLORS, num_oov_buckets=1)
    shape = fc.categorical_column_with_hash_bucket("shape", 5)
    kind = fc.categorical_column_with_identity("kind", 5)
    other = fc.categorical_column_with_identity("other", 5)
    age = fc.numeric_column("age", normalizer_fn=lambda value: value / 60.0)
    with tf.Graph().as_default():  # refused while TensorFlow executes eagerly
        shared = fc.shared_embedding_columns([kind, other], dimension=2)
    return {
        "x": fc.numeric_column("x", shape=(3,)),
        "age": age,
        "buckets": fc.bucketized_column(fc.numeric_column("age"), [20.0, 40.0]),
        "color": color,
        "kind": kind,
        "colors": fc.indicator_column(color),
        "shapes": fc.embedding_column(shape, 2),
        "kinds": fc.indicator_column(kind),
        "crossed": fc.crossed_column(["color", "kind"], 7),
        "heavy": fc.weighted_categorical_column(kind, "heft"),
        "shared_a": shared[0],
        "shared_b": shared[1],
    }


def _take(*names: str) -> list:
    columns = make_columns()
    return [columns[name] for name in names]


DENSE = ("x", "age", "buckets", "colors", "shapes", "kinds")
WIDE = ("age", "buckets", "color", "kind", "crossed")


def _dnn(world, **run):
    return world.v1.DNNClassifier(
        [8, 4], _take(*DENSE), weight_column="weight", batch_norm=True, **run
    )


def _dnn_names(world, **run):
    columns = _take("x", "kinds")
    return world.v1.DNNClassifier(
        [6], columns, n_classes=3, label_vocabulary=NAMES, optimizer="Adam", **run
    )


def _dnn_shared(world, **run):
    columns = _take("x", "shared_a", "shared_b")
    return world.v1.DNNClassifier([4], columns, optimizer="RMSProp", **run)


def _dnn_numbers(world, **run):
    optimizer = tf.train.MomentumOptimizer(0.01, 0.9)
    return world.v1.DNNRegressor(
        [8], _take("x", "buckets"), label_dimension=2, optimizer=optimizer, **run
    )


def _linear(world, **run):
    return world.v1.LinearClassifier(_take(*WIDE), **run)


def _linear_classes(world, **run):
    return world.v1.LinearClassifier(
        _take("x", "color"), n_classes=3, loss_reduction="weighted_mean", **run
    )


def _linear_number(world, **run):
    columns = _take("x", "heavy", "shapes")
    return world.v1.LinearRegressor(columns, weight_column="weight", **run)


def _combined(world, **run):
    return world.v1.DNNLinearCombinedClassifier(
        linear_feature_columns=_take(*WIDE),
        dnn_feature_columns=_take(*DENSE),
        dnn_hidden_units=[6],
        dnn_optimizer="Adam",
        **run,
    )


def _baseline(world, **run):
    return world.v1.BaselineClassifier(n_classes=3, **run)


def _dnn_v2(world, **run):
    head = {"weight_column": "weight", "batch_norm": True, "optimizer": "Adam"}
    return world.v2.DNNClassifier([8, 4], _take(*DENSE), **head, **run)


def _linear_v2(world, **run):
    return world.v2.LinearRegressor(_take(*WIDE), **run)


def _combined_v2(world, **run):
    return world.v2.DNNLinearCombinedClassifier(
        linear_feature_columns=_take(*WIDE),
        dnn_feature_columns=_take(*DENSE),
        dnn_hidden_units=[6],
        n_classes=3,
        **run,
    )


def _several(world, **run):
    head = world.v2.MultiLabelHead(
        3,
        weight_column="weight",
        thresholds=[0.3, 0.6],
        label_vocabulary=NAMES,
        classes_for_class_based_metrics=["bee"],
    )
    return world.v2.DNNEstimator(head, [4], _take("x", "kinds"), optimizer="SGD", **run)


def _counts(world, **run):
    head = world.v2.PoissonRegressionHead()
    return world.v2.LinearEstimator(head, _take("x", "kind"), **run)


def _two_heads(world, **run):
    heads = [
        world.v2.BinaryClassHead(name="a", thresholds=[0.4]),
        world.v2.RegressionHead(name="b"),
    ]
    head = world.v2.MultiHead(heads, head_weights=[1.0, 0.5])
    return world.v2.DNNEstimator(head, [4], _take("x", "kinds"), **run)


# Name of a run -> (what makes its estimator, labels).
CASES = {
    "dnn": (_dnn, "binary"),
    "dnn_names": (_dnn_names, "names"),
    "dnn_shared": (_dnn_shared, "binary"),
    "dnn_numbers": (_dnn_numbers, "numbers"),
    "linear": (_linear, "binary"),
    "linear_classes": (_linear_classes, "classes"),
    "linear_number": (_linear_number, "number"),
    "combined": (_combined, "binary"),
    "baseline": (_baseline, "classes"),
    "dnn_v2": (_dnn_v2, "binary"),
    "linear_v2": (_linear_v2, "number"),
    "combined_v2": (_combined_v2, "classes"),
    "several": (_several, "several"),
    "counts": (_counts, "counts"),
    "two_heads": (_two_heads, "two heads"),
}


def make_estimator(world, case: str, model_dir, **config):
    """Makes the estimator of a case; training starts where the model directory is."""
    settings = {
        "model_dir": str(model_dir),
        "tf_random_seed": 1,
        "save_summary_steps": 1,
        "log_step_count_steps": 1,
        "save_checkpoints_steps": RESUME_STEP,
        "keep_checkpoint_max": None,
        **config,
    }
    return CASES[case][0](world, config=world.run_config(**settings))


def make_input_fn(case: str, *, repeat: bool):
    """Makes the input_fn of a case: all examples in order, once or for ever."""

    def input_fn():
        features, labels = make_data()
        data = tf.data.Dataset.from_tensor_slices((features, labels[CASES[case][1]]))
        return (data.repeat() if repeat else data).batch(BATCH_SIZE, drop_remainder=repeat)

    return input_fn


def train(estimator, case: str, max_steps: int = STEPS) -> None:
    """Trains up to a global step."""
    estimator.train(make_input_fn(case, repeat=True), max_steps=max_steps)


def evaluate(estimator, case: str) -> dict:
    """Evaluates on all examples; returns {metric: float}."""
    results = estimator.evaluate(make_input_fn(case, repeat=False))
    return {name: float(value) for name, value in results.items()}


def predict(estimator, case: str) -> dict[str, np.ndarray]:
    """Predicts some examples; returns {output: array}, strings as bytes."""
    rows = []
    for row in estimator.predict(make_input_fn(case, repeat=False)):
        rows.append(row)
        if len(rows) == PREDICTED:
            break
    names = {name: name if isinstance(name, str) else "/".join(name) for name in rows[0]}
    found = {names[name]: np.stack([row[name] for row in rows]) for name in rows[0]}
    return {n: v.astype("S") if v.dtype == object else v for n, v in found.items()}


def make_example_spec() -> dict:
    """Returns how the features are stored in a tf.Example."""
    features, _ = make_data()
    types = {"i": tf.int64, "f": tf.float32, "U": tf.string}
    return {
        name: tf.io.FixedLenFeature(value.shape[1:] or [1], types[value.dtype.kind])
        for name, value in features.items()
    }


def describe_signatures(path: str) -> dict:
    """Returns {signature: [method, inputs, outputs]} of the metagraph {serve} of an export."""
    with tf.Session(graph=tf.Graph()) as session:
        graph = tf.saved_model.load(session, ["serve"], path)
        return {
            name: [signature.method_name, sorted(signature.inputs), sorted(signature.outputs)]
            for name, signature in graph.signature_def.items()
        }
