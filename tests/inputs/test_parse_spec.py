"""Specifications for parsing tf.Examples."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.parse_spec import (
    classifier_parse_example_spec,
    regressor_parse_example_spec,
)

AGE = tf.feature_column.numeric_column("age")
CITY = tf.feature_column.categorical_column_with_hash_bucket("city", 8)


def test_classifier():
    spec = classifier_parse_example_spec(
        [AGE, CITY], "y", label_dtype=tf.string, label_default="none", weight_column="w"
    )
    assert spec == {
        "age": tf.io.FixedLenFeature((1,), tf.float32),
        "city": tf.io.VarLenFeature(tf.string),
        "y": tf.io.FixedLenFeature((1,), tf.string, "none"),
        "w": tf.io.FixedLenFeature((1,), tf.float32),
    }


def test_regressor():
    weight = tf.feature_column.numeric_column("w", dtype=tf.int64)
    spec = regressor_parse_example_spec([AGE], "y", label_dimension=3, weight_column=weight)
    assert spec["y"] == tf.io.FixedLenFeature((3,), tf.float32)
    assert spec["w"] == tf.io.FixedLenFeature((1,), tf.int64)


@pytest.mark.parametrize("version", [tf.feature_column, tf.compat.v1.feature_column])
def test_shared_columns_of_both_versions(version):
    with tf.Graph().as_default():
        make = getattr(version, "shared_embeddings", None) or version.shared_embedding_columns
        shared = make([CITY, tf.feature_column.categorical_column_with_hash_bucket("b", 8)], 2)
        spec = classifier_parse_example_spec([*shared, AGE], "y")
    assert sorted(spec) == ["age", "b", "city", "y"]


@pytest.mark.parametrize("function", [classifier_parse_example_spec, regressor_parse_example_spec])
@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("label should not be used as feature", {"label_key": "age"}),
        ("`label_key` must be given", {"label_key": None}),
        ("should be an instance of", {"label_key": "y", "weight_column": CITY}),
        ("should not be used as feature", {"label_key": "y", "weight_column": "age"}),
        ("should not be used as feature", {"label_key": "y", "weight_column": "y"}),
    ],
)
def test_wrong_arguments(function, text, arguments):
    with pytest.raises(ValueError, match=text):
        function([AGE, CITY], **arguments)
