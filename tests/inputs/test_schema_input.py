"""Input functions built from files and schema, on the real taxi data and on bad parameters."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.tfrecords import make_example, make_taxi_params, truncate, write_records

from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError
from tfx_tpu_estimator.inputs.schema_input import make_schema_input_fn

# What the Chicago taxi files in the tfx package hold.
TRAIN_RECORDS, EVAL_RECORDS = 9909, 5091


@pytest.mark.parametrize(
    ("key", "expected"), [("train_files", TRAIN_RECORDS), ("eval_files", EVAL_RECORDS)]
)
def test_one_pass_gives_every_taxi_record(key, expected):
    dataset = make_schema_input_fn(key, training=False)(make_taxi_params(batch_size=1000))
    batches = [len(label) for _, label in dataset.as_numpy_iterator()]
    assert sum(batches) == expected
    assert set(batches[:-1]) == {1000}


def test_one_pass_is_in_order():
    input_fn = make_schema_input_fn("eval_files", training=False)
    first, second = (next(iter(input_fn(make_taxi_params(batch_size=5000))))[0] for _ in range(2))
    np.testing.assert_array_equal(first["fare"], second["fare"])


def test_missing_taxi_values_are_empty():
    features, _ = next(iter(make_schema_input_fn("eval_files", training=False)(make_taxi_params())))
    assert "tips" not in features
    assert features["company"].shape == (256, 1)
    assert np.any(features["company"].numpy() == b"")
    assert np.all(features["pickup_census_tract"].numpy() == 0)


def draw_fares(seed, steps, **options):
    input_fn = make_schema_input_fn("train_files", training=True, **options)
    dataset = input_fn(make_taxi_params(seed=seed, batch_size=333))
    return np.concatenate([f["fare"].ravel() for f, _ in dataset.take(steps).as_numpy_iterator()])


def test_training_order_depends_on_the_seed_only():
    first = draw_fares(1, 20)
    np.testing.assert_array_equal(draw_fares(1, 20), first)
    assert not np.array_equal(draw_fares(2, 20), first)


def test_training_batches_are_whole_and_go_on_past_one_epoch():
    fares = draw_fares(None, 60)
    assert len(fares) == 60 * 333 > 2 * TRAIN_RECORDS
    first, second = fares[:TRAIN_RECORDS], fares[TRAIN_RECORDS : 2 * TRAIN_RECORDS]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first), np.sort(second))


def test_training_shapes_are_fully_static():
    spec = make_schema_input_fn("train_files", training=True)(make_taxi_params()).element_spec
    assert all(part.shape.is_fully_defined() for part in tf.nest.flatten(spec))


def test_inside_a_v1_graph():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        dataset = make_schema_input_fn("train_files", training=True)(make_taxi_params())
        _, label = session.run(tf.compat.v1.data.make_one_shot_iterator(dataset).get_next())
    assert label.shape == (256, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eval_files": None}, "'eval_files'.* is None"),
        ({"schema_path": None}, "'schema_path'.* is None; an input function built from the schema"),
        ({"label_key": None}, "'label_key'.* is None"),
        ({"batch_size": None}, "'batch_size'.* is None"),
        ({"label_key": "tipps"}, "`label_key` is 'tipps'; the schema has .*'tips'"),
        ({"payload_format": "FORMAT_PARQUET"}, "'payload_format'.* is 'FORMAT_PARQUET'"),
        ({"data_format": "csv"}, "`data_format` is 'csv'"),
        ({"eval_files": ["/no/such/split/*"]}, "`eval_files`: the pattern '/no/such/split/"),
    ],
)
def test_bad_parameters(change, message):
    with pytest.raises(ValueError, match=message):
        make_schema_input_fn("eval_files", training=False)(make_taxi_params(**change))


@pytest.mark.parametrize("training", [True, False])
def test_empty_split(tmp_path, training):
    write_records(tmp_path / "a.gz", [], "GZIP")
    params = make_taxi_params(train_files=[str(tmp_path / "*")])
    with pytest.raises(
        EmptySplitError, match=r"'train_files'.*hold no record, the first is .*a.gz"
    ):
        make_schema_input_fn("train_files", training=training)(params)


def test_first_file_corrupt(tmp_path):
    path = write_records(tmp_path / "a.gz", [make_example(fare=1.0)] * 9, "GZIP")
    truncate(path, 30)
    params = make_taxi_params(train_files=[str(tmp_path / "*")])
    with pytest.raises(DataCorruptionError, match=r"a.gz' is corrupt at record 0 .*truncated"):
        make_schema_input_fn("train_files", training=True)(params)
