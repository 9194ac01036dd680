"""Two heads on one body: several signatures, and two ways to feed them."""

import numpy as np
import tensorflow.compat.v1 as tf
from common import FLAGS, leave, path

SPEC = {
    "x": tf.io.FixedLenFeature([6], tf.float32),
    "scale": tf.io.FixedLenFeature([1], tf.float32),
}


def make_rows(count, seed):
    random = np.random.RandomState(seed)
    x = random.randn(count, 6).astype(np.float32)
    labels = {"kind": (x[:, 0] > 0).astype(np.int32), "value": x.sum(1, keepdims=True)}
    return {"x": x, "scale": np.full((count, 1), 2.0, np.float32)}, labels


def make_input_fn(rows, labels, training):
    def input_fn(params):
        d = tf.data.Dataset.from_tensor_slices((rows, labels))
        d = d.repeat() if training else d
        return d.batch(params["batch_size"], drop_remainder=True)

    return input_fn


def model_fn(features, labels, mode, config, params):
    body = tf.layers.dense(features["x"] * features["scale"], 8, tf.nn.relu, name="body")
    kind = tf.layers.dense(body, 2, name="kind")
    value = tf.layers.dense(body, 1, name="value")
    probabilities = tf.nn.softmax(kind)
    if mode == tf.estimator.ModeKeys.PREDICT:
        export = tf.estimator.export
        both = {"probabilities": probabilities, "value": value}
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode,
            predictions=both,
            export_outputs={
                tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: export.PredictOutput(both),
                "kind": export.ClassificationOutput(scores=probabilities),
                "value": export.RegressionOutput(value=value),
                "body": export.PredictOutput(body),
            },
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels["kind"], kind)
    loss += tf.losses.mean_squared_error(labels["value"], value)
    optimizer = tf.train.AdamOptimizer(0.05)
    if params["use_tpu"]:
        optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    train_op = optimizer.minimize(loss, tf.train.get_or_create_global_step())
    return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def serving_input_receiver_fn():
    serialized = tf.placeholder(tf.string, shape=[None], name="input_example_tensor")
    features = tf.parse_example(serialized, SPEC)
    return tf.estimator.export.ServingInputReceiver(
        features,
        {"examples": serialized},
        receiver_tensors_alternatives={
            "parsed": {"x": features["x"], "scale": features["scale"]},
        },
    )


def main(_):
    estimator = tf.estimator.tpu.TPUEstimator(
        model_fn,
        model_dir=path("model"),
        config=tf.estimator.tpu.RunConfig(),
        params={"use_tpu": FLAGS.use_tpu},
        use_tpu=FLAGS.use_tpu,
        train_batch_size=16,
        predict_batch_size=8,
    )
    estimator.train(make_input_fn(*make_rows(64, 1), True), steps=20)
    rows, labels = make_rows(16, 2)
    predicted = list(estimator.predict(make_input_fn(rows, labels, False)))
    print("RESULT", np.mean([p["probabilities"].argmax() for p in predicted] == labels["kind"]))
    export = estimator.export_saved_model(path("export"), serving_input_receiver_fn, as_text=False)
    leave(
        export,
        "parsed:serving_default",
        rows,
        probabilities=[p["probabilities"] for p in predicted],
        value=[p["value"] for p in predicted],
    )


if __name__ == "__main__":
    tf.app.run()
