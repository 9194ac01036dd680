"""Weights are averaged over steps; evaluation, prediction and export take the averages."""

import re

import numpy as np
import tensorflow.compat.v1 as tf
from common import FLAGS, leave, path


def make_rows(count, seed):
    random = np.random.RandomState(seed)
    x = random.randn(count, 6).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] > 0).astype(np.int32)


def make_input_fn(rows, labels, training):
    def input_fn(params):
        d = tf.data.Dataset.from_tensor_slices((rows, labels))
        d = d.repeat() if training else d
        return d.batch(params["batch_size"], drop_remainder=True)

    return input_fn


def get_ema_vars():
    ema_vars = tf.trainable_variables() + tf.get_collection("moving_vars")
    for v in tf.global_variables():
        if "moving_mean" in v.name or "moving_variance" in v.name:
            ema_vars.append(v)
    return list({v.ref(): v for v in ema_vars}.values())


def model_fn(features, labels, mode, params):
    net = tf.layers.dense(features, 8, name="hidden")
    net = tf.layers.batch_normalization(
        net, momentum=0.9, training=mode == tf.estimator.ModeKeys.TRAIN
    )
    logits = tf.layers.dense(tf.nn.relu(net), 2, name="logits")
    ema = tf.train.ExponentialMovingAverage(decay=0.9, num_updates=None)

    def scaffold_fn():
        saver = tf.train.Saver(ema.variables_to_restore(get_ema_vars()))
        return tf.train.Scaffold(saver=saver)

    if mode == tf.estimator.ModeKeys.PREDICT:
        predictions = {"probabilities": tf.nn.softmax(logits)}
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode, predictions=predictions, scaffold_fn=scaffold_fn
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tf.estimator.ModeKeys.EVAL:

        def metric_fn(labels, logits):
            return {"top_1": tf.metrics.accuracy(labels, tf.argmax(logits, axis=1))}

        return tf.estimator.tpu.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=(metric_fn, [labels, logits]), scaffold_fn=scaffold_fn
        )
    optimizer = tf.train.RMSPropOptimizer(0.02, 0.9, momentum=0.9, epsilon=0.001)
    if FLAGS.use_tpu:
        optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = optimizer.minimize(loss, tf.train.get_global_step())
    with tf.control_dependencies([train_op]):
        train_op = ema.apply(get_ema_vars())
    return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def main(_):
    config = tf.estimator.tpu.RunConfig(
        model_dir=path("model"), tpu_config=tf.estimator.tpu.TPUConfig(iterations_per_loop=5)
    )
    estimator = tf.estimator.tpu.TPUEstimator(
        model_fn,
        config=config,
        use_tpu=FLAGS.use_tpu,
        train_batch_size=16,
        eval_batch_size=16,
        predict_batch_size=8,
    )
    estimator.train(make_input_fn(*make_rows(64, 1), True), max_steps=15)
    rows, labels = make_rows(16, 2)
    print("RESULT", estimator.evaluate(make_input_fn(rows, labels, False), steps=1)["top_1"])
    predicted = list(estimator.predict(make_input_fn(rows, labels, False)))

    def serving_input_receiver_fn():
        images = tf.placeholder(tf.float32, [None, 6], name="x")
        return tf.estimator.export.TensorServingInputReceiver(
            features=images, receiver_tensors=images
        )

    export = estimator.export_saved_model(path("export"), serving_input_receiver_fn)
    names = [n for n in estimator.get_variable_names() if re.search("ExponentialMoving", n)]
    assert names
    leave(
        export,
        "serving_default",
        {"input": rows},
        probabilities=[p["probabilities"] for p in predicted],
    )


if __name__ == "__main__":
    tf.app.run()
