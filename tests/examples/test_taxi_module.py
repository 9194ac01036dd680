"""The taxi example: its inputs on the real records, its model in every mode, a short training."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers.example_modules import load_example
from helpers.tfrecords import make_example, make_taxi_params

from tfx_tpu_estimator import ModeKeys, RunConfig, TPUEstimator
from tfx_tpu_estimator.components.evaluator.engine.reading import (
    ColumnDecoder,
    read_batches,
    to_values,
)
from tfx_tpu_estimator.inputs.tfrecord import list_files

taxi = load_example("taxi/taxi_module.py")

# What the taxi files in the tfx package hold.
EVAL_RECORDS, EVAL_LABEL_MEAN = 5091, 0.22235
RIDE = {
    "payment_type": b"Credit Card",
    "fare": 10.0,
    "trip_miles": 2.5,
    "trip_start_day": 2,
    "trip_start_hour": 12,
    "trip_start_month": 5,
}


def make_params(**more):
    return {**taxi.estimator_params(), **make_taxi_params(), **more}


def make_estimator(model_dir):
    params = make_params()
    del params["batch_size"]
    return TPUEstimator(
        taxi.model_fn,
        config=RunConfig(model_dir=str(model_dir), tf_random_seed=1),
        params=params,
        use_tpu=False,
        train_batch_size=256,
        eval_batch_size=1000,
        predict_batch_size=1000,
    )


def parse(*records):
    return {k: v.numpy() for k, v in taxi._parse_features(tf.constant(records)).items()}


def test_training_input_is_static_and_has_no_strings():
    spec = taxi.train_input_fn(make_params()).element_spec
    assert {name: tuple(part.shape) for name, part in spec[0].items()} == {
        "numeric": (256, 12),
        "deep_ids": (256, 8),
        "wide_ids": (256, 5),
    }
    assert {part.dtype for part in spec[0].values()} == {tf.float32, tf.int32}
    assert (spec[1].shape, spec[1].dtype) == ((256,), tf.float32)


def test_evaluation_input_is_one_pass_with_the_label_computed():
    batches = list(taxi.eval_input_fn(make_params(batch_size=1000)).as_numpy_iterator())
    labels = np.concatenate([label for _, label in batches])
    assert labels.shape == (EVAL_RECORDS,)
    assert set(labels) == {0.0, 1.0}
    assert labels.mean() == pytest.approx(EVAL_LABEL_MEAN, abs=1e-5)


def test_ids_stay_within_their_tables_and_numbers_are_moderate():
    batches = list(taxi.predict_input_fn(make_params(batch_size=1000)).as_numpy_iterator())
    assert sum(len(batch["numeric"]) for batch in batches) == EVAL_RECORDS
    buckets = list(taxi._DEEP_BUCKETS.values())
    for batch in batches:
        assert np.all(np.isfinite(batch["numeric"]))
        assert np.abs(batch["numeric"]).max() < 20
        assert np.all((batch["deep_ids"] >= 0) & (batch["deep_ids"] < buckets))
        assert np.all((batch["wide_ids"] >= 0) & (batch["wide_ids"] < taxi._CROSS_BUCKETS))


def test_same_seed_same_training_batches():
    def draw(seed):
        dataset = taxi.train_input_fn(make_params(seed=seed)).take(3)
        return np.concatenate([features["numeric"] for features, _ in dataset.as_numpy_iterator()])

    np.testing.assert_array_equal(draw(5), draw(5))
    assert not np.array_equal(draw(5), draw(6))


def test_tips_are_no_feature():
    features = parse(make_example(**RIDE), make_example(**RIDE, tips=5.0))
    for columns in features.values():
        np.testing.assert_array_equal(columns[0], columns[1])


@pytest.mark.parametrize(("tips", "expected"), [(0.0, 0.0), (2.0, 0.0), (2.1, 1.0)])
def test_label(tips, expected):
    _, label = taxi._parse_with_label(tf.constant([make_example(**RIDE, tips=tips)]))
    assert label.numpy().tolist() == [expected]


def test_missing_values_are_told_from_real_ones():
    full = {**RIDE, "dropoff_latitude": 41.88, "dropoff_longitude": -87.65, "trip_seconds": 0}
    known, unknown = parse(make_example(**full), make_example(**RIDE, company=None))["numeric"]
    # Column 3: seconds missing; 8 to 11: latitude, missing, longitude, missing of the drop-off.
    np.testing.assert_allclose(known[[3, 8, 9, 10, 11]], [0, 0, 0, 0, 0], atol=1e-4)
    assert unknown[[3, 8, 9, 10, 11]].tolist() == [1, 0, 1, 0, 1]


def test_the_receiver_feeds_the_same_features_as_training():
    record = make_example(**RIDE)
    with tf.Graph().as_default(), tf.Session() as session:
        receiver = taxi.serving_input_receiver_fn()
        served = session.run(receiver.features, {receiver.receiver_tensors["examples"]: [record]})
    for name, expected in parse(record).items():
        np.testing.assert_array_equal(served[name], expected)


@pytest.mark.parametrize("mode", [ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT])
def test_model_builds_in_every_mode(mode):
    with tf.Graph().as_default() as graph:
        params = make_params()
        iterator = tf.data.make_one_shot_iterator(taxi.train_input_fn(params))
        features, labels = iterator.get_next()
        before = {op.name for op in graph.get_operations()}
        spec = taxi.model_fn(features, labels, mode, params, RunConfig())
        built = [op for op in graph.get_operations() if op.name not in before]
    assert not [
        t
        for op in built
        for t in op.outputs
        if t.dtype.base_dtype == tf.string and op.type != "Const" and "save" not in op.name
    ]
    if mode == ModeKeys.PREDICT:
        assert sorted(spec.export_outputs) == [
            "classification",
            "predict",
            "regression",
            "serving_default",
        ]
        assert all(tensor.shape[0] == 256 for tensor in spec.predictions.values())
    else:
        assert spec.loss.shape.rank == 0
    assert (spec.train_op is not None) == (mode == ModeKeys.TRAIN)
    assert (spec.eval_metrics is not None) == (mode == ModeKeys.EVAL)


def test_training_beats_the_baseline_and_the_export_agrees(tmp_path):
    estimator = make_estimator(tmp_path / "model")
    estimator.train(taxi.train_input_fn, max_steps=300)
    metrics = estimator.evaluate(taxi.eval_input_fn)
    assert metrics["global_step"] == 300
    assert metrics["auc"] > 0.93
    assert metrics["auc_precision_recall"] > 0.7
    assert metrics["accuracy"] > metrics["accuracy_baseline"] + 0.08
    assert metrics["label/mean"] == pytest.approx(EVAL_LABEL_MEAN, abs=1e-5)
    # The entropy of guessing the label mean for everyone.
    mean = EVAL_LABEL_MEAN
    assert metrics["average_loss"] < 0.6 * -(mean * np.log(mean) + (1 - mean) * np.log(1 - mean))

    predicted = [row["logistic"][0] for row in estimator.predict(taxi.predict_input_fn)]
    assert len(predicted) == EVAL_RECORDS
    path = estimator.export_saved_model(str(tmp_path / "export"), taxi.serving_input_receiver_fn)
    serve = tf.saved_model.load_v2(path.decode(), tags=["serve"]).signatures["predict"]
    records = list(taxi._read(make_params()["eval_files"], make_params()).take(100))
    served = serve(examples=tf.stack(records))["logistic"].numpy()[:, 0]
    np.testing.assert_allclose(served, predicted[:100], rtol=1e-5)


def test_the_evaluator_adds_the_label():
    decoder = ColumnDecoder(None)
    files = list_files(make_taxi_params()["eval_files"])
    labels = [
        taxi.add_features(to_values(decoder.decode(records)))[taxi.LABEL_KEY]
        for records in read_batches(files, "GZIP", 1000)
    ]
    labels = np.concatenate(labels)
    assert labels.shape == (EVAL_RECORDS, 1)
    assert abs(labels.mean() - EVAL_LABEL_MEAN) < 1e-5


def test_the_evaluator_finds_the_label():
    import apache_beam as beam
    import tensorflow_model_analysis as tfma
    from apache_beam.testing.util import assert_that
    from tfx_bsl.tfxio import tf_example_record

    reader = tf_example_record.TFExampleRecord(
        file_pattern=make_taxi_params()["eval_files"][0], raw_record_column_name="input"
    )
    eval_config = tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key=taxi.LABEL_KEY)], slicing_specs=[tfma.SlicingSpec()]
    )
    extractors = taxi.custom_extractors(None, eval_config, None)

    def check(extracts):
        labels = np.concatenate([np.ravel(extract["labels"]) for extract in extracts])
        assert len(labels) == EVAL_RECORDS
        assert abs(labels.mean() - EVAL_LABEL_MEAN) < 1e-5

    with beam.Pipeline() as pipeline:
        extracts = pipeline | reader.BeamSource() | tfma.BatchedInputsToExtracts()
        for extractor in extractors:
            extracts = extracts | extractor.stage_name >> extractor.ptransform
        assert_that(extracts, check)
