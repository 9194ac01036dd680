import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.canned.column_layers import build_input_layer, build_linear_model
from tfx_tpu_estimator.canned.columns import validate_columns

tf1 = tf.compat.v1
fc = tf.feature_column


def run(build):
    """Builds in a new graph; returns what was built, and the variables by name."""
    with tf.Graph().as_default(), tf1.Session() as session:
        built = build()
        session.run([tf1.global_variables_initializer(), tf1.tables_initializer()])
        named = {v.op.name: v for v in tf1.global_variables()}
        return session.run([built, named])


def make_sparse(rows):
    width = max(map(len, rows))
    indices = [[i, j] for i, row in enumerate(rows) for j in range(len(row))]
    return tf.SparseTensor(indices, [value for row in rows for value in row], [len(rows), width])


def test_dense_columns_stand_in_the_order_of_their_names():
    columns = [fc.numeric_column("b", shape=(2,)), fc.numeric_column("a")]
    features = {"a": [1.0, 2.0], "b": [[3.0, 4.0], [5.0, 6.0]]}
    values, _ = run(
        lambda: build_input_layer({k: tf.constant(v) for k, v in features.items()}, columns, None)
    )
    assert values.tolist() == [[1.0, 3.0, 4.0], [2.0, 5.0, 6.0]]


@pytest.mark.parametrize(("combiner", "expected"), [("sum", 13.0), ("mean", 6.5)])
def test_a_linear_model_combines_several_values(combiner, expected):
    column = fc.categorical_column_with_identity("ids", 4)

    def build():
        logits, *_ = build_linear_model({"ids": make_sparse([[1, 3], [0]])}, (column,), 1, combiner)
        weights = tf1.global_variables("linear_model/ids/weights")[0]
        with tf.control_dependencies([weights.assign([[1.0], [5.0], [7.0], [8.0]])]):
            return tf.identity(logits), weights.read_value()

    with tf.Graph().as_default(), tf1.Session() as session:
        logits, assigned = build()
        session.run(tf1.global_variables_initializer())
        session.run(assigned)
        assert session.run(logits)[:, 0].tolist() == [expected, 1.0]


def test_shared_embeddings_of_tensorflow_2_have_one_table():
    left, right = (fc.categorical_column_with_identity(name, 5) for name in ("l", "r"))
    with tf.Graph().as_default():  # refused while TensorFlow executes eagerly
        columns = fc.shared_embeddings([left, right], dimension=2)
    features = {"l": np.array([0, 1]), "r": np.array([1, 0])}
    values, variables = run(
        lambda: build_input_layer(
            {k: tf.constant(v) for k, v in features.items()}, tuple(columns), None
        )
    )
    assert list(variables) == ["input_from_feature_columns/l_r_shared_embedding"]
    np.testing.assert_array_equal(values[0, :2], values[1, 2:])


def test_characters_that_no_scope_may_have_are_replaced():
    column = fc.numeric_column("a b:c")
    _, variables = run(lambda: build_linear_model({"a b:c": tf.ones([2])}, (column,), 1, "sum")[0])
    assert sorted(variables) == ["linear_model/a_b_c/weights", "linear_model/bias_weights"]


def test_an_embedding_in_a_linear_model_is_weighed():
    column = fc.embedding_column(fc.categorical_column_with_hash_bucket("s", 3), 2)
    logits, variables = run(
        lambda: build_linear_model({"s": tf.constant(["x", "y"])}, (column,), 3, "sum")[0]
    )
    assert logits.shape == (2, 3)
    assert variables["linear_model/s_embedding/embedding_weights"].shape == (3, 2)
    assert variables["linear_model/s_embedding/weights"].shape == (2, 3)


def test_a_linear_model_takes_categorical_columns_and_a_network_does_not():
    column = fc.categorical_column_with_identity("ids", 4)
    assert validate_columns([column], "linear_feature_columns", dense=False) == (column,)
    with pytest.raises(ValueError, match=r"must be a DenseColumn.*`dnn_feature_columns`"):
        validate_columns([column], "dnn_feature_columns", dense=True)


def test_buckets_of_a_numeric_column_without_a_shape_are_refused_in_words():
    column = fc.bucketized_column(fc.numeric_column("lat", shape=()), [1.0, 2.0])
    assert validate_columns([column], "dnn_feature_columns", dense=True) == (column,)
    with pytest.raises(ValueError, match=r"`linear_feature_columns` has.*'lat', shape=\(1,\)"):
        validate_columns([column], "linear_feature_columns", dense=False)


def test_dense_ids_are_counted_on_devices_as_on_the_host():
    column = fc.indicator_column(fc.categorical_column_with_identity("ids", 4))
    ids = np.array([[0, 3], [2, 2], [-1, 1]])
    host, device = (
        run(lambda: build_input_layer({"ids": tf.constant(ids)}, (column,), None, on_devices=o))[0]  # noqa: B023
        for o in (False, True)
    )
    assert device.tolist() == host.tolist() == [[1, 0, 0, 1], [0, 0, 2, 0], [0, 1, 0, 0]]
