"""Will a Chicago taxi ride end with a big tip? A wide-and-deep model for the Trainer component.

This is a user module in the plain-functions form: the Trainer calls `model_fn`, the input
functions, `serving_input_receiver_fn` and `estimator_params`; the Evaluator `add_features`.

Strings cannot enter a TPU. So everything that needs them happens in `_preprocess`, on the host;
training, evaluation and serving all go through it, and the model sees only numbers of static shape.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf

from tfx_tpu_estimator import (
    ClassificationOutput,
    ModeKeys,
    PredictOutput,
    RegressionOutput,
    ServingInputReceiver,
    TPUEstimatorSpec,
)

LABEL_KEY = "big_tipper"
# A tip counts as big above this part of the fare.
BIG_TIP = 0.2

# What is missing in a record gets a value that no real one has.
_MISSING = -1
_SPEC = {
    "company": tf.FixedLenFeature([], tf.string, ""),
    "payment_type": tf.FixedLenFeature([], tf.string),
    "pickup_community_area": tf.FixedLenFeature([], tf.int64, _MISSING),
    "dropoff_community_area": tf.FixedLenFeature([], tf.int64, _MISSING),
    "pickup_latitude": tf.FixedLenFeature([], tf.float32, 0.0),
    "pickup_longitude": tf.FixedLenFeature([], tf.float32, 0.0),
    "dropoff_latitude": tf.FixedLenFeature([], tf.float32, 0.0),
    "dropoff_longitude": tf.FixedLenFeature([], tf.float32, 0.0),
    "fare": tf.FixedLenFeature([], tf.float32),
    "trip_miles": tf.FixedLenFeature([], tf.float32),
    "trip_seconds": tf.FixedLenFeature([], tf.int64, _MISSING),
    "trip_start_day": tf.FixedLenFeature([], tf.int64),
    "trip_start_hour": tf.FixedLenFeature([], tf.int64),
    "trip_start_month": tf.FixedLenFeature([], tf.int64),
}
# Tips make the label, so they are no feature; serving requests need not have them.
_LABEL_SPEC = {"tips": tf.FixedLenFeature([], tf.float32)}

# Size of each table of ids: a number of hash buckets, or the number of values and one for missing.
_DEEP_BUCKETS = {
    "payment_type": 64,
    "company": 256,
    "pickup_community_area": 80,
    "dropoff_community_area": 80,
    "trip_start_day": 9,
    "trip_start_hour": 26,
    "trip_start_month": 14,
    "fare": 16,
}
_CROSSES = (
    ("payment_type", "company"),
    ("payment_type", "fare"),
    ("payment_type", "trip_start_hour"),
    ("trip_start_day", "trip_start_hour"),
    ("pickup_community_area", "dropoff_community_area"),
)
_CROSS_BUCKETS = 1000
_FARE_BOUNDARIES = [4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 40.0, 60.0]
# Middle of the city; positions are given in tenths of a degree from there.
_CENTER = {"latitude": 41.88, "longitude": -87.65}


def estimator_params():
    """Default hyperparameters; the pipeline's custom_config can override each."""
    return {
        "embedding_dim": 8,
        "hidden_units": [64, 32],
        "deep_learning_rate": 0.05,
        "wide_learning_rate": 0.05,
        "wide_l2": 0.01,
    }


# --- On the host: records -> numbers ---------------------------------------------------------


def _preprocess(parsed):
    """Turns parsed columns into what the model takes.

    Args:
        parsed: {name: [batch]} as `_SPEC` says.

    Returns:
        {'numeric': [batch, 12] float32, 'deep_ids': [batch, 8] int32 and
        'wide_ids': [batch, 5] int32}.
    """
    ids = _make_ids(parsed)
    crosses = [_hash_cross(ids[first], ids[second]) for first, second in _CROSSES]
    return {
        "numeric": tf.stack(_make_numeric(parsed), axis=1),
        "deep_ids": tf.cast(tf.stack([ids[name] for name in _DEEP_BUCKETS], axis=1), tf.int32),
        "wide_ids": tf.cast(tf.stack(crosses, axis=1), tf.int32),
    }


def _make_ids(parsed):
    """{name: [batch] int64 in 0..buckets-1} for every key of _DEEP_BUCKETS."""
    ids = {}
    for name, buckets in _DEEP_BUCKETS.items():
        if name == "fare":
            bucket = tf.raw_ops.Bucketize(input=parsed["fare"], boundaries=_FARE_BOUNDARIES)
            ids[name] = tf.cast(bucket, tf.int64)
        elif parsed[name].dtype == tf.string:
            ids[name] = tf.strings.to_hash_bucket_fast(parsed[name], buckets)
        else:
            # 0 is for missing; anything beyond the table shares its last row.
            ids[name] = tf.clip_by_value(parsed[name] - _MISSING, 0, buckets - 1)
    return ids


def _hash_cross(first, second):
    joined = tf.strings.join([tf.as_string(first), tf.as_string(second)], separator="x")
    return tf.strings.to_hash_bucket_fast(joined, _CROSS_BUCKETS)


def _make_numeric(parsed):
    """List of [batch] float32 of moderate size; each optional column adds whether it is missing."""
    seconds = tf.cast(parsed["trip_seconds"], tf.float32)
    columns = [
        tf.log1p(tf.maximum(parsed["fare"], 0.0)),
        tf.log1p(tf.maximum(parsed["trip_miles"], 0.0)),
        tf.log1p(tf.maximum(seconds, 0.0)) / 5.0,
        tf.cast(seconds < 0.0, tf.float32),
    ]
    for end in ("pickup", "dropoff"):
        for axis, center in _CENTER.items():
            degrees = parsed[f"{end}_{axis}"]
            is_missing = tf.equal(degrees, 0.0)
            columns.append(tf.where(is_missing, tf.zeros_like(degrees), (degrees - center) * 10.0))
            columns.append(tf.cast(is_missing, tf.float32))
    return columns


def _parse_features(serialized):
    """[batch] serialized tf.Examples -> features."""
    return _preprocess(tf.io.parse_example(serialized, _SPEC))


def _parse_with_label(serialized):
    """[batch] serialized tf.Examples -> (features, label [batch] of 0.0 or 1.0)."""
    parsed = tf.io.parse_example(serialized, {**_SPEC, **_LABEL_SPEC})
    label = tf.cast(parsed["tips"] > BIG_TIP * parsed["fare"], tf.float32)
    return _preprocess(parsed), label


def _read(patterns, params):
    """Dataset of serialized records, in order."""
    files = sorted(path for pattern in patterns for path in tf.gfile.Glob(pattern))
    compression = "GZIP" if (params.get("data_format") or "").endswith("gzip") else ""
    return tf.data.TFRecordDataset(files, compression_type=compression)


def _parse_batches(dataset, parse):
    # After batching: parsing a whole batch at once costs a fraction.
    dataset = dataset.map(parse, num_parallel_calls=tf.data.experimental.AUTOTUNE)
    return dataset.prefetch(tf.data.experimental.AUTOTUNE)


def train_input_fn(params):
    """Shuffled, endless batches of (features, label)."""
    dataset = _read(params["train_files"], params)
    dataset = dataset.shuffle(20_000, seed=params.get("seed")).repeat()
    dataset = dataset.batch(params["batch_size"], drop_remainder=True)
    return _parse_batches(dataset, _parse_with_label)


def eval_input_fn(params):
    """One pass over all evaluation examples, in order; the last batch may be smaller."""
    dataset = _read(params["eval_files"], params).batch(params["batch_size"])
    return _parse_batches(dataset, _parse_with_label)


def predict_input_fn(params):
    """The evaluation examples without their labels."""
    dataset = _read(params["eval_files"], params).batch(params["batch_size"])
    return _parse_batches(dataset, _parse_features)


def serving_input_receiver_fn():
    """Requests are serialized tf.Examples, as in the training data but without tips."""
    examples = tf.placeholder(tf.string, [None], name="input_examples")
    return ServingInputReceiver(_parse_features(examples), {"examples": examples})


# --- On the device: the model ----------------------------------------------------------------


def _wide_logits(features, params):
    """[batch, 1]: one weight for every crossed bucket, summed."""
    del params
    offsets = tf.range(len(_CROSSES), dtype=tf.int32) * _CROSS_BUCKETS
    with tf.variable_scope("wide"):
        weights = tf.get_variable(
            "weights", [len(_CROSSES) * _CROSS_BUCKETS, 1], initializer=tf.zeros_initializer()
        )
        bias = tf.get_variable("bias", [1], initializer=tf.zeros_initializer())
    rows = tf.nn.embedding_lookup(weights, features["wide_ids"] + offsets)
    return tf.reduce_sum(rows, axis=1) + bias


def _deep_logits(features, params):
    """[batch, 1]: embeddings and numbers through a few dense layers."""
    parts = [features["numeric"]]
    with tf.variable_scope("deep"):
        for position, (name, buckets) in enumerate(_DEEP_BUCKETS.items()):
            table = tf.get_variable(
                f"embedding_{name}",
                [buckets, params["embedding_dim"]],
                initializer=tf.truncated_normal_initializer(stddev=0.1),
            )
            parts.append(tf.nn.embedding_lookup(table, features["deep_ids"][:, position]))
        hidden = tf.concat(parts, axis=1)
        for number, units in enumerate(params["hidden_units"]):
            hidden = _dense(hidden, units, f"layer_{number}", tf.nn.relu)
        return _dense(hidden, 1, "logits", None)


def _dense(inputs, units, name, activation):
    with tf.variable_scope(name):
        kernel = tf.get_variable(
            "kernel", [inputs.shape[1], units], initializer=tf.glorot_uniform_initializer()
        )
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
    outputs = tf.matmul(inputs, kernel) + bias
    return outputs if activation is None else activation(outputs)


def model_fn(features, labels, mode, params, config):
    """Logistic regression on hashed crosses plus a small network, trained together."""
    del config
    logits = _wide_logits(features, params) + _deep_logits(features, params)
    logistic = tf.sigmoid(logits)
    predictions = {
        "logits": logits,
        "logistic": logistic,
        "probabilities": tf.concat([1.0 - logistic, logistic], axis=1),
        "class_ids": tf.cast(logits > 0.0, tf.int32),
    }
    if mode == ModeKeys.PREDICT:
        return TPUEstimatorSpec(
            mode, predictions=predictions, export_outputs=_make_export_outputs(predictions)
        )
    labels = tf.reshape(labels, [-1, 1])
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
    if mode == ModeKeys.EVAL:
        tensors = {"labels": labels, "logits": logits, "logistic": logistic}
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(_metric_fn, tensors))
    return TPUEstimatorSpec(mode, loss=loss, train_op=_make_train_op(loss, params))


def _make_train_op(loss, params):
    """Ftrl for the wide part, Adagrad for the deep one: one step of each is one training step."""
    wide = tf.train.FtrlOptimizer(
        params["wide_learning_rate"], l2_regularization_strength=params["wide_l2"]
    )
    deep = tf.train.AdagradOptimizer(params["deep_learning_rate"])
    # Adds up the gradients of all replicas.
    wide = tf.tpu.CrossShardOptimizer(wide)
    deep = tf.tpu.CrossShardOptimizer(deep)
    return tf.group(
        wide.minimize(loss, var_list=tf.trainable_variables("wide")),
        deep.minimize(
            loss,
            var_list=tf.trainable_variables("deep"),
            global_step=tf.train.get_or_create_global_step(),
        ),
    )


def _make_export_outputs(predictions):
    # No class names: they would be strings, which a TPU cannot give.
    predict = PredictOutput(predictions)
    return {
        "serving_default": predict,
        "predict": predict,
        "classification": ClassificationOutput(scores=predictions["probabilities"]),
        "regression": RegressionOutput(predictions["logistic"]),
    }


def _metric_fn(labels, logits, logistic):
    """Metrics over all evaluation examples; runs on the host."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    label_mean, update_label_mean = tf.metrics.mean(labels)
    class_ids = tf.cast(logistic > 0.5, tf.float32)
    return {
        "accuracy": tf.metrics.accuracy(labels, class_ids),
        # What guessing the more frequent class would give.
        "accuracy_baseline": (tf.maximum(label_mean, 1.0 - label_mean), update_label_mean),
        "auc": tf.metrics.auc(labels, logistic, summation_method="careful_interpolation"),
        "auc_precision_recall": tf.metrics.auc(
            labels, logistic, curve="PR", summation_method="careful_interpolation"
        ),
        "average_loss": tf.metrics.mean(losses),
        "label/mean": tf.metrics.mean(labels),
        "prediction/mean": tf.metrics.mean(logistic),
    }


# --- In the Evaluator ------------------------------------------------------------------------


def add_features(features):
    """Adds the label, which no record has as such; used with `label_key: "big_tipper"`.

    Args:
        features: {name: [batch, 1] array} of a batch of records.

    Returns:
        {'big_tipper': [batch, 1] of 0.0 or 1.0}.
    """
    import numpy as np

    big = features["tips"] > np.float32(BIG_TIP) * features["fare"]
    return {LABEL_KEY: big.astype(np.float32)}


def custom_extractors(eval_shared_model, eval_config, tensor_adapter_config):
    """The same for the engine `tfma`: its usual extractors, after one that computes the label.

    Args:
        eval_shared_model: as the Evaluator gives it.
        eval_config: a tfma.EvalConfig.
        tensor_adapter_config: as the Evaluator gives it.

    Returns:
        List of TFMA extractors.
    """
    import apache_beam as beam
    import tensorflow_model_analysis as tfma

    usual = tfma.default_extractors(
        eval_shared_model=eval_shared_model,
        eval_config=eval_config,
        tensor_adapter_config=tensor_adapter_config,
    )
    add_label = tfma.extractors.Extractor(
        stage_name="ExtractBigTipper",
        ptransform="AddBigTipper" >> beam.Map(_make_label_adder(LABEL_KEY, BIG_TIP)),
    )
    # The first one reads the features; the label must be among them when labels are looked up.
    return [usual[0], add_label, *usual[1:]]


def _make_label_adder(label_key, big_tip):
    """Makes the function that adds the label [batch, 1] to a batch of TFMA extracts.

    Beam sends the function to its workers, where this module may not be importable: so it uses
    nothing of the module but what it is given here.
    """

    def add_label(extracts):
        import numpy as np

        # Every record has exactly one value of both; TFMA keeps them in a sparse or a dense form.
        features = dict(extracts["features"])
        tips, fare = (
            np.reshape(getattr(features[name], "values", features[name]), [-1, 1])
            for name in ("tips", "fare")
        )
        features[label_key] = (tips > np.float32(big_tip) * fare).astype(np.float32)
        return {**extracts, "features": features}

    return add_label
