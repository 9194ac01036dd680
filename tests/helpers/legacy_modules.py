"""Texts of old module files, with `trainer_fn(fn_args, schema)`."""

# As modules of TFX 0.2x were: estimators of TensorFlow 2, and TFMA's receiver.
MODEL_FN_MODULE = """
import os

import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_estimator.python.estimator import estimator as estimator_lib

v1 = tf.compat.v1


def _model_fn(features, labels, mode):
    x = tf.cast(features["x"], tf.float32)
    weights = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
    logits = tf.matmul(x, weights)
    predictions = {"probabilities": tf.sigmoid(logits)}
    if mode == tf.estimator.ModeKeys.PREDICT:
        outputs = {"serving_default": tf.estimator.export.PredictOutput(predictions)}
        return tf.estimator.EstimatorSpec(mode, predictions, export_outputs=outputs)
    loss = v1.losses.sigmoid_cross_entropy(labels, logits)
    optimizer = v1.train.GradientDescentOptimizer(0.5)
    train_op = optimizer.minimize(loss, v1.train.get_global_step())
    metrics = {"accuracy": v1.metrics.accuracy(labels, predictions["probabilities"] > 0.5)}
    return tf.estimator.EstimatorSpec(
        mode, predictions, loss, train_op, eval_metric_ops=metrics
    )


def _spec():
    return {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }


def _gzip_reader_fn(filenames):
    return tf.data.TFRecordDataset(filenames, compression_type="GZIP")


def _input_fn(filenames, batch_size):
    dataset = tf.data.experimental.make_batched_features_dataset(
        filenames, batch_size, _spec(), reader=_gzip_reader_fn, shuffle_seed=1
    )
    return dataset.map(lambda features: (features, features.pop("label")))


def _serving_receiver_fn():
    spec = _spec()
    spec.pop("label")
    raw = tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)()
    return tf.estimator.export.ServingInputReceiver(raw.features, raw.receiver_tensors)


def trainer_fn(trainer_fn_args, schema):
    assert [feature.name for feature in schema.feature] == ["x", "kind", "label"]
    train_spec = tf.estimator.TrainSpec(
        lambda: _input_fn(trainer_fn_args.train_files, 8), max_steps=trainer_fn_args.train_steps
    )
    exporter = tf.estimator.FinalExporter("linear", _serving_receiver_fn)
    eval_spec = tf.estimator.EvalSpec(
        lambda: _input_fn(trainer_fn_args.eval_files, 8),
        steps=4,
        exporters=[exporter],
        name="linear-eval",
    )
    run_config = tf.estimator.RunConfig(save_checkpoints_steps=10, keep_checkpoint_max=1)
    run_config = run_config.replace(model_dir=trainer_fn_args.serving_model_dir)
    estimator = estimator_lib.EstimatorV2(
        _model_fn, config=run_config, warm_start_from=trainer_fn_args.base_model
    )
    return {
        "estimator": estimator,
        "train_spec": train_spec,
        "eval_spec": eval_spec,
        "eval_input_receiver_fn": tfma.export.build_parsing_eval_input_receiver_fn(
            _spec(), label_key="label"
        ),
    }
"""

# As modules for TensorFlow 1 were: `tf` is version 1, and the estimator a canned one.
TF1_MODULE = """
import tensorflow as tf
import tensorflow_model_analysis as tfma


def _columns():
    return [
        tf.feature_column.numeric_column("x", shape=(2,)),
        tf.feature_column.indicator_column(
            tf.feature_column.categorical_column_with_identity("kind", 2, default_value=0)
        ),
    ]


def _build_estimator(config, hidden_units=None, warm_start_from=None):
    return tf.estimator.DNNClassifier(
        feature_columns=_columns(),
        hidden_units=hidden_units,
        optimizer=tf.train.AdagradOptimizer(0.5),
        config=config,
        warm_start_from=warm_start_from,
    )


def _eval_input_receiver_fn(schema):
    serialized = tf.placeholder(dtype=tf.string, shape=[None], name="input_example_tensor")
    features = tf.parse_example(serialized, {})
    return tfma.export.EvalInputReceiver(features, {"examples": serialized}, None)


def _input_fn(filenames):
    spec = tf.estimator.classifier_parse_example_spec(_columns(), "label")
    files = tf.gfile.Glob(filenames)
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").repeat()
    dataset = dataset.shuffle(64, seed=1).batch(16, drop_remainder=True)
    features = dataset.map(lambda s: tf.parse_example(s, spec)).make_one_shot_iterator().get_next()
    return features, features.pop("label")


def trainer_fn(hparams, schema):
    receiver_fn = tf.estimator.export.build_parsing_serving_input_receiver_fn(
        tf.feature_column.make_parse_example_spec(_columns())
    )
    return {
        "estimator": _build_estimator(
            tf.estimator.RunConfig(model_dir=hparams.serving_model_dir, tf_random_seed=1), [4],
            hparams.base_model,
        ),
        "train_spec": tf.estimator.TrainSpec(
            lambda: _input_fn(hparams.train_files), max_steps=hparams.train_steps
        ),
        "eval_spec": tf.estimator.EvalSpec(
            lambda: _input_fn(hparams.eval_files), steps=2,
            exporters=[tf.estimator.LatestExporter("latest", receiver_fn)],
        ),
        "eval_input_receiver_fn": lambda: _eval_input_receiver_fn(schema),
    }
"""
