import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator import (
    EmbeddingConfigSpec,
    FeatureConfig,
    StochasticGradientDescentParameters,
    TableConfig,
)
from tfx_tpu_estimator.config.embedding_plan import resolve_embedding
from tfx_tpu_estimator.lowering.embedding_inputs import describe_activations, prepare_features

tf1 = tf.compat.v1
columns = tf1.feature_column
SGD = StochasticGradientDescentParameters(0.1)


def plan_of(features, rows=10, combiner="mean"):
    return resolve_embedding(
        EmbeddingConfigSpec(
            feature_to_config_dict=features,
            table_to_config_dict={"t": TableConfig(rows, 4, combiner=combiner)},
            optimization_parameters=SGD,
        )
    )


def prepare(plan, make_features, **arguments):
    """Prepares features in a graph and computes them."""
    with tf.Graph().as_default(), tf1.Session() as session:
        prepared = prepare_features(plan, make_features(), **arguments)
        session.run(tf1.tables_initializer())
        return session.run(prepared)


def sparse(rows, dtype=np.int64):
    return tf.ragged.constant(rows, dtype, ragged_rank=1).to_sparse()


ONE = plan_of({"a": FeatureConfig("t")})
SEQUENCE = plan_of({"a": FeatureConfig("t", max_sequence_length=3)})


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: tf.constant([3, 0]), [[3], [0]]),
        (lambda: tf.constant([[3, -1], [0, 2]], tf.int64), [[3, -1], [0, 2]]),
        (lambda: sparse([[3, 1], [], [0]]), [[3, 1], [-1, -1], [0, -1]]),
        (lambda: sparse([[], []]), [[-1], [-1]]),
        (lambda: tf.ragged.constant([[4], [5, 6]]), [[4, -1], [5, 6]]),
        (lambda: tf.constant([[[1, 2], [3, 4]]]), [[1, 2, 3, 4]]),
    ],
)
def test_ids_of_examples(make, wanted):
    made = prepare(ONE, lambda: {"a": make(), "x": tf.constant([1.0])})
    assert made["a"].tolist() == wanted
    assert made["a"].dtype == np.int32
    assert made["x"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("make", "wanted", "lengths"),
    [
        (lambda: sparse([[3, 1, 2, 9], [], [0]]), [[3, 1, 2], [-1, -1, -1], [0, -1, -1]],
         [3, 0, 1]),
        (lambda: tf.constant([[3, 1], [0, -1]]), [[3, 1, -1], [0, -1, -1]], [2, 1]),
        (lambda: tf.constant([[3, 1, 2, 5]]), [[3, 1, 2]], [3]),
        (lambda: tf.constant([4, -1]), [[4, -1, -1], [-1, -1, -1]], [1, 0]),
    ],
)  # fmt: skip
def test_sequences(make, wanted, lengths):
    made = prepare(SEQUENCE, lambda: {"a": make()})
    assert made["a"][..., 0].tolist() == wanted
    assert made["a_seq_length_"].tolist() == lengths


def test_sequences_of_several_ids_per_step():
    def make():
        indices = [[0, 0, 0], [0, 0, 1], [0, 2, 0], [1, 1, 0]]
        return {"a": tf.SparseTensor(indices, tf.constant([5, 6, 7, 8], tf.int64), [2, 4, 2])}

    made = prepare(SEQUENCE, make)
    assert made["a"].tolist() == [[[5, 6], [-1, -1], [7, -1]], [[-1, -1], [8, -1], [-1, -1]]]
    assert made["a_seq_length_"].tolist() == [3, 2]


def test_weights_go_with_their_ids():
    plan = plan_of({"a": FeatureConfig("t", weight_key="w")})
    made = prepare(
        plan, lambda: {"a": sparse([[3, 1], [2]]), "w": sparse([[0.5, 2.0], [1.5]], np.float32)}
    )
    assert made["w"].tolist() == [[0.5, 2.0], [1.5, 0.0]]


def test_strings_become_ids_by_their_column():
    words = columns.categorical_column_with_vocabulary_list("a", ["x", "y"], num_oov_buckets=1)
    column = tf1.tpu.experimental.embedding_column(words, 4)
    plan = resolve_embedding(
        EmbeddingConfigSpec(feature_columns=[column], optimization_parameters=SGD)
    )
    made = prepare(plan, lambda: {"a": sparse([["y", "x"], ["other"]], tf.string)})
    assert made["a"].tolist() == [[1, 0], [2, -1]]


def test_columns_on_the_core_get_ids_and_a_mask():
    column = tf1.tpu.experimental.embedding_column(
        columns.categorical_column_with_identity("a", 9),
        4,
        embedding_lookup_device="tpu_tensor_core",
        tensor_core_shape=[None, 2],
    )
    plan = resolve_embedding(
        EmbeddingConfigSpec(feature_columns=[column], optimization_parameters=SGD)
    )
    made = prepare(plan, lambda: {"a": sparse([[3, 1, 2], [], [8]])})
    assert made["a"].tolist() == [[3, 1], [0, 0], [8, 0]]
    assert made["a__TENSOR_CORE_MASK"].tolist() == [[1, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("options", "features", "error", "text"),
    [
        ({}, lambda: tf.constant([1]), TypeError, "must return features as a dict; got"),
        ({}, lambda: {"b": tf.constant([1])}, ValueError, "returned no feature `a`"),
        (
            {},
            lambda: {"a": sparse([["x"]], tf.string)},
            ValueError,
            r"SparseTensor with string as values are not supported\.",
        ),
        ({}, lambda: {"a": tf.constant([1.0])}, ValueError, "of type float32, into integers"),
        (
            {"weight_key": "w"},
            lambda: {"a": sparse([[1]])},
            ValueError,
            r"Please check if the weights are present in feature dict\. Also note "
            r"weight-sharing among weighted_categorical_column is not supported on TPU\.",
        ),
        (
            {"weight_key": "w"},
            lambda: {"a": sparse([[1]]), "w": tf.constant([[1.0]])},
            ValueError,
            "Dense weights are not supported on TPU",
        ),
        (
            {"weight_key": "w"},
            lambda: {"a": tf.constant([1]), "w": sparse([[1.0]], np.float32)},
            ValueError,
            "Found weights w for feature a, which is a dense tensor",
        ),
    ],
)
def test_features_that_are_refused(options, features, error, text):
    plan = plan_of({"a": FeatureConfig("t", **options)})
    with tf.Graph().as_default(), pytest.raises(error, match=text):
        prepare_features(plan, features())


def test_dense_sequences_of_several_ids_per_step_are_refused():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="Several ids per step need a"):
        prepare_features(SEQUENCE, {"a": tf.zeros([2, 3, 4], tf.int32)})


def test_ids_beyond_the_table_are_named_when_they_come():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature `a` has an id that table"):
        prepare(ONE, lambda: {"a": tf.constant([3, 10])})


def test_what_is_static_stays_so():
    with tf.Graph().as_default():
        ids = tf1.sparse_placeholder(tf.int64, [None, None])
        features = {"a": ids, "x": tf.zeros([8, 2])}
        assert prepare_features(ONE, features)["a"].shape.as_list() == [None, None]
        assert prepare_features(ONE, features, 8)["a"].shape.as_list() == [8, None]
        made = prepare_features(SEQUENCE, features, 8)
        assert made["a"].shape.as_list() == [8, 3, 1]
        assert made["a_seq_length_"].shape.as_list() == [8]


def test_specs_of_activations():
    plan = plan_of(
        {"a": FeatureConfig("t", weight_key="w"), "b": FeatureConfig("t", max_sequence_length=3)}
    )
    features = {
        "a": tf.TensorSpec([2, 5], tf.int32),
        "w": tf.TensorSpec([2, 5], tf.float32),
        "b": tf.TensorSpec([2, 3, 1], tf.int32),
        "x": tf.TensorSpec([2], tf.float32),
    }
    made = describe_activations(plan, features)
    assert {name: spec.shape.as_list() for name, spec in made.items()} == {
        "a": [2, 4],
        "b": [2, 3, 4],
        "x": [2],
    }
    assert made["a"].dtype == tf.float32
