"""A model of words, ids and numbers through feature columns, and its examples."""

import numpy as np
import tensorflow as tf
from helpers.models import LABELS, metric_fn

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
RNG = np.random.RandomState(1)
COUNT = len(LABELS)
VOCABULARY = np.array([f"w{i}" for i in range(30)])
# Examples have up to five words; some have none.
ROWS = [VOCABULARY[RNG.randint(0, 30, RNG.randint(0, 6))] for _ in range(COUNT)]
PLACES = np.array([[i, j] for i, row in enumerate(ROWS) for j in range(len(row))], "int64")
WORDS = tf1.SparseTensorValue(PLACES, np.concatenate(ROWS), np.array([COUNT, 6]))
WEIGHTS = tf1.SparseTensorValue(PLACES, RNG.rand(len(PLACES)).astype("float32"), [COUNT, 6])
DENSE = {
    "place": VOCABULARY[RNG.randint(0, 30, COUNT)],
    "kind": RNG.randint(0, 7, [COUNT, 1]).astype("int64"),
    "size": RNG.randn(COUNT, 2).astype("float32"),
}


def examples():
    sparse = {
        name: tf.SparseTensor(tf.constant(value.indices), value.values, value.dense_shape)
        for name, value in (("words", WORDS), ("weights", WEIGHTS))
    }
    return tf.data.Dataset.from_tensor_slices(({**DENSE, **sparse}, LABELS))


def train_input_fn(params):
    """Every example in order, for ever."""
    return examples().repeat().batch(params["batch_size"], drop_remainder=True)


def eval_input_fn(params):
    """Every example once; the last batch is smaller."""
    return examples().batch(params["batch_size"])


def predict_input_fn(params):
    return eval_input_fn(params).map(lambda features, labels: features)


def make_columns():
    """Columns for a deep and for a linear part, one of every kind."""
    columns = tf1.feature_column
    start = tf1.truncated_normal_initializer(0.0, 0.5, seed=3)
    words = columns.categorical_column_with_vocabulary_list(
        "words", list(VOCABULARY[:25]), num_oov_buckets=2
    )
    weighted = columns.weighted_categorical_column(words, "weights")
    place = columns.categorical_column_with_hash_bucket("place", 16)
    kind = columns.categorical_column_with_identity("kind", 7)
    small = columns.bucketized_column(columns.numeric_column("small"), [-0.5, 0.5])
    deep = [
        columns.embedding_column(weighted, 3, combiner="sqrtn", initializer=start),
        columns.embedding_column(place, 2, max_norm=0.4, initializer=start),
        columns.embedding_column(kind, 2, combiner="sum", initializer=start),
        columns.indicator_column(words),
        columns.numeric_column("size", shape=(2,)),
    ]
    return deep, [place, words, small, columns.crossed_column(["place", small], 11)]


def word_model_fn(features, labels, mode, params):
    """A wide and deep model, as its author wrote it for a CPU."""
    features = {**features, "small": features["size"][:, :1]}
    deep, wide = make_columns()
    net = tf1.feature_column.input_layer(features, deep)
    kernel = tf1.get_variable(
        "kernel", [net.shape[1], 1], initializer=tf1.constant_initializer(0.3)
    )
    logits = tf.matmul(net, kernel) + tf1.feature_column.linear_model(features, wide)
    probabilities = tf.sigmoid(logits)
    if mode == tpu_estimator.ModeKeys.PREDICT:
        predictions = {
            "probabilities": probabilities,
            "letters": tf.strings.length(features["place"]),
        }
        return tpu_estimator.TPUEstimatorSpec(mode, predictions=predictions)
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    if mode == tpu_estimator.ModeKeys.EVAL:
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=(metric_fn, [labels, probabilities])
        )
    rule = getattr(tf1.train, params.get("optimizer", "AdagradOptimizer"))
    optimizer = tf1.tpu.CrossShardOptimizer(rule(0.2))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def few_words_model_fn(features, labels, mode, params):
    """A small model: the embedding of an example's words, and its size."""
    columns = tf1.feature_column
    words = columns.categorical_column_with_hash_bucket("words", 20)
    start = tf1.truncated_normal_initializer(0.0, 0.5, seed=3)
    column = columns.embedding_column(words, 3, combiner="sum", initializer=start)
    offset = tf.reduce_sum(columns.input_layer(features, [column]), axis=1, keepdims=True)
    spec = linear_on_size(features, labels, mode, offset)
    if mode == tpu_estimator.ModeKeys.EVAL:
        probabilities = tf.sigmoid(offset)
        spec = spec._replace(eval_metrics=(metric_fn, [labels, probabilities]))
    return spec


def linear_on_size(features, labels, mode, offset=0.0):
    """The spec of a model that takes `size` alone, and something added to the logits."""
    kernel = tf1.get_variable("kernel", [2, 1], initializer=tf1.zeros_initializer())
    logits = tf.matmul(features["size"], kernel) + offset
    if mode == tpu_estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"logits": logits})
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.2))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)
