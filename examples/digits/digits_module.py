"""Which digit is it? A small convolutional network for the Trainer component.

There is no input function and no serving receiver here: the Trainer builds them from the schema,
with the name of the label from its configuration. What is left is the model.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf

from tfx_tpu_estimator import ClassificationOutput, ModeKeys, PredictOutput, TPUEstimatorSpec

NUM_CLASSES = 10


def estimator_params():
    """Default hyperparameters; the pipeline's custom_config can override each."""
    return {"filters": [16, 32], "hidden_units": 64, "dropout": 0.25, "learning_rate": 0.002}


def _compute_logits(image, params, training):
    """Image [batch, 8, 8] of 0..1 -> logits [batch, 10]."""
    hidden = tf.expand_dims(image, axis=-1)
    for filters in params["filters"]:
        hidden = tf.layers.conv2d(hidden, filters, 3, padding="same", activation=tf.nn.relu)
        hidden = tf.layers.max_pooling2d(hidden, 2, 2)
    hidden = tf.layers.flatten(hidden)
    hidden = tf.layers.dense(hidden, params["hidden_units"], activation=tf.nn.relu)
    hidden = tf.layers.dropout(hidden, params["dropout"], training=training)
    return tf.layers.dense(hidden, NUM_CLASSES)


def model_fn(features, labels, mode, params):
    """Two convolutions and a dense layer, trained with Adam."""
    logits = _compute_logits(features["image"], params, training=mode == ModeKeys.TRAIN)
    predictions = {
        "logits": logits,
        "probabilities": tf.nn.softmax(logits),
        "class_ids": tf.argmax(logits, axis=1, output_type=tf.int32),
    }
    if mode == ModeKeys.PREDICT:
        predict = PredictOutput(predictions)
        export_outputs = {
            "serving_default": predict,
            "predict": predict,
            "classification": ClassificationOutput(scores=predictions["probabilities"]),
        }
        return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=export_outputs)
    labels = tf.cast(labels, tf.int32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(losses)
    if mode == ModeKeys.EVAL:
        tensors = {"labels": labels, "class_ids": predictions["class_ids"], "losses": losses}
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=(_metric_fn, tensors))
    optimizer = tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer(params["learning_rate"]))
    train_op = optimizer.minimize(loss, global_step=tf.train.get_or_create_global_step())
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def _metric_fn(labels, class_ids, losses):
    """Metrics over all evaluation examples; runs on the host."""
    return {
        "accuracy": tf.metrics.accuracy(labels, class_ids),
        "average_loss": tf.metrics.mean(losses),
        "mean_per_class_accuracy": tf.metrics.mean_per_class_accuracy(
            labels, class_ids, NUM_CLASSES
        ),
    }
