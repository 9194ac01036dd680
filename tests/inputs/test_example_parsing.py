"""Batches of tf.Examples -> dense tensors; records that do not match are named."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.tfrecords import make_example, make_schema, make_taxi_params, write_records

from tfx_tpu_estimator.errors import SchemaMismatchError
from tfx_tpu_estimator.inputs.example_parsing import (
    ExampleParser,
    find_mismatched_record,
    raise_if_mismatched,
)
from tfx_tpu_estimator.inputs.schema import read_schema
from tfx_tpu_estimator.inputs.tfrecord import list_files

SCHEMA = """
feature { name: "city" type: BYTES presence { min_fraction: 1.0 } }
feature { name: "fare" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 1.0 } }
feature { name: "stops" type: INT value_count { max: 3 } }
feature { name: "hour" type: INT shape {} presence { min_fraction: 1.0 } }
feature { name: "position" type: FLOAT shape { dim { size: 2 } } }
"""
FULL = {"city": b"Oak", "fare": 2.5, "stops": [4, 5, 6], "hour": 7, "position": [1.0, 2.0]}


@pytest.fixture
def parser():
    return ExampleParser.from_schema(make_schema(SCHEMA))


def to_numpy(features):
    return {name: tensor.numpy().tolist() for name, tensor in features.items()}


def test_full_and_sparse_records(parser):
    sparse = {"city": None, "fare": 0.5, "stops": [9], "hour": 0}
    batch = tf.constant([make_example(**FULL), make_example(**sparse)])
    assert to_numpy(parser.parse(batch)) == {
        "city": [[b"Oak"], [b""]],
        "fare": [[2.5], [0.5]],
        "stops": [[4, 5, 6], [9, 0, 0]],
        "hour": [7, 0],
        "position": [[1.0, 2.0], [0.0, 0.0]],
    }


def test_a_list_without_values_counts_as_missing(parser):
    empty = tf.train.Feature(bytes_list=tf.train.BytesList())
    example = tf.train.Example.FromString(make_example(fare=1.0, hour=1))
    example.features.feature["city"].CopyFrom(empty)
    record = example.SerializeToString()
    assert parser.check_record(record) is None
    assert parser.parse(tf.constant([record]))["city"].numpy().tolist() == [[b""]]


@pytest.mark.parametrize("batch", [None, 4])
def test_shapes_are_static(parser, batch):
    traced = tf.function(parser.parse).get_concrete_function(tf.TensorSpec([batch], tf.string))
    shapes = {name: spec.shape.as_list() for name, spec in traced.structured_outputs.items()}
    assert shapes == {
        "city": [batch, 1],
        "fare": [batch, 1],
        "stops": [batch, 3],
        "hour": [batch],
        "position": [batch, 2],
    }


def test_parse_in_a_v1_graph(parser):
    too_many = make_example(**{**FULL, "stops": [1, 2, 3, 4]})
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        serialized = tf.compat.v1.placeholder(tf.string, [None])
        features = parser.parse(serialized)
        good = session.run(features, {serialized: [make_example(**FULL)]})
        assert good["stops"].tolist() == [[4, 5, 6]]
        with pytest.raises(tf.errors.InvalidArgumentError, match="`stops` may have at most 3"):
            session.run(features, {serialized: [too_many]})


def test_parse_with_label_takes_it_out():
    parser = ExampleParser.from_schema(make_schema(SCHEMA), label_key="fare", exclude=["stops"])
    features, label = parser.parse_with_label(tf.constant([make_example(**FULL)]))
    assert sorted(features) == ["city", "hour", "position"]
    np.testing.assert_array_equal(label, [[2.5]])


def test_parse_with_label_needs_a_label_key(parser):
    with pytest.raises(ValueError, match="`label_key` is None"):
        parser.parse_with_label(tf.constant([make_example(**FULL)]))


def test_feature_spec_is_taken_by_parse_example(parser):
    parsed = tf.io.parse_example(tf.constant([make_example(**FULL)]), parser.feature_spec)
    assert sorted(parsed) == sorted(FULL)


MISMATCHES = [
    ({"fare": 2}, "feature 'fare': expected float values, got 1 int value(s)"),
    ({"stops": [1.5]}, "feature 'stops': expected int values, got 1 float value(s)"),
    ({"city": 3}, "feature 'city': expected bytes values, got 1 int value(s)"),
    ({"fare": None}, "feature 'fare': expected 1 float value(s), got none"),
    ({"hour": None}, "feature 'hour': expected 1 int value(s), got none"),
    ({"hour": [1, 2]}, "feature 'hour': expected exactly 1 int value(s), got 2"),
    ({"city": [b"Oak", b"Elm"]}, "feature 'city': expected at most 1 bytes value(s), got 2"),
    ({"stops": [1, 2, 3, 4]}, "feature 'stops': expected at most 3 int value(s), got 4"),
    ({"position": [1.0]}, "feature 'position': expected exactly 2 float value(s), got 1"),
]


@pytest.mark.parametrize(("change", "reason"), MISMATCHES)
def test_the_words_agree_with_the_parser(parser, change, reason):
    record = make_example(**{**FULL, **change})
    assert parser.check_record(record) == reason
    with pytest.raises(tf.errors.InvalidArgumentError):
        parser.parse(tf.constant([make_example(**FULL), record]))


@pytest.mark.parametrize("record", [b"1,2.5,0.0\n", b"some text", b"hello"])
def test_not_an_example_at_all(parser, record):
    assert parser.check_record(record) == f"its {len(record)} bytes are not a serialized tf.Example"
    dataset = tf.data.Dataset.from_tensors([record]).map(parser.parse)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
        next(iter(dataset))


def test_absent_required_feature(parser):
    assert "'fare': expected 1 float value(s), got none" in parser.check_record(
        make_example(hour=1)
    )
    assert "'fare'" in parser.check_record(b"")


def test_missing_label_is_a_mismatch_even_if_the_schema_allows_it():
    parser = ExampleParser.from_schema(make_schema(SCHEMA), label_key="city")
    record = make_example(**{**FULL, "city": None})
    assert parser.check_record(record) == "feature 'city': expected 1 bytes value(s), got none"
    with pytest.raises(tf.errors.InvalidArgumentError):
        parser.parse(tf.constant([record]))


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_the_mismatched_record_is_found(tmp_path, parser, compression):
    good, bad = make_example(**FULL), make_example(**{**FULL, "fare": 2})
    first = write_records(tmp_path / "a", [good] * 5, compression)
    second = write_records(tmp_path / "b", [good, good, bad, good, bad], compression)
    assert find_mismatched_record([first], compression, parser) is None
    raise_if_mismatched([first], compression, parser)
    path, index, reason = find_mismatched_record([first, second], compression, parser)
    assert (path, index) == (second, 2)
    assert "'fare'" in reason
    with pytest.raises(
        SchemaMismatchError,
        match=r"b', record 2 .*feature 'fare': expected float values, got 1 int value\(s\)",
    ):
        raise_if_mismatched([first, second], compression, parser)


def test_no_taxi_record_is_mismatched():
    params = make_taxi_params()
    parser = ExampleParser.from_schema(read_schema(params["schema_path"]), "tips")
    files = list_files(params["train_files"] + params["eval_files"])
    assert find_mismatched_record(files, "GZIP", parser) is None
