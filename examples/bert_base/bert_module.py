"""A transformer encoder of BERT-base's size that learns to fill in masked words.

Sizes are those published for BERT-base: 12 layers, 768 hidden units, 12 heads, 30,522 word pieces.
Activations are bfloat16, variables float32. The input is made up, so that the module can be
compiled and run without any data.
"""

from __future__ import annotations

import math

import tensorflow.compat.v1 as tf

from tfx_tpu_estimator import ModeKeys, PredictOutput, ServingInputReceiver, TPUEstimatorSpec

COMPUTE = tf.bfloat16


def estimator_params():
    """Sizes and hyperparameters; a Trainer's custom_config can override each."""
    return {
        "train_batch_size": 32,
        "vocab_size": 30522,
        "hidden": 768,
        "layers": 12,
        "heads": 12,
        "intermediate": 3072,
        "sequence_length": 128,
        "predictions": 20,
        "dropout": 0.1,
        "learning_rate": 1e-4,
        "warmup_steps": 10000,
        "clip_norm": 1.0,
    }


# --- the network ---------------------------------------------------------------------------------


def _variable(name, shape, initializer=None):
    initializer = initializer or tf.truncated_normal_initializer(stddev=0.02)
    return tf.get_variable(name, shape, tf.float32, initializer)


def _dense(x, size, name, activation=None):
    """[..., n] -> [..., size] in bfloat16."""
    with tf.variable_scope(name):
        kernel = _variable("kernel", [x.shape[-1], size])
        bias = _variable("bias", [size], tf.zeros_initializer())
        y = tf.tensordot(x, tf.cast(kernel, COMPUTE), [[-1], [0]]) + tf.cast(bias, COMPUTE)
        return y if activation is None else activation(y)


def _layer_norm(x, name):
    """Normalises the last dimension; statistics in float32."""
    with tf.variable_scope(name):
        gamma = _variable("gamma", [x.shape[-1]], tf.ones_initializer())
        beta = _variable("beta", [x.shape[-1]], tf.zeros_initializer())
        wide = tf.cast(x, tf.float32)
        mean, variance = tf.nn.moments(wide, [-1], keepdims=True)
        return tf.cast((wide - mean) * tf.rsqrt(variance + 1e-12) * gamma + beta, COMPUTE)


def _gelu(x):
    return x * tf.cast(0.5 * (1.0 + tf.erf(tf.cast(x, tf.float32) / math.sqrt(2.0))), x.dtype)


def _dropout(x, rate):
    return tf.nn.dropout(x, rate=rate) if rate else x


def _embed(features, params, rate):
    """Word ids, places and segments -> [batch, length, hidden], and the table of words."""
    length, hidden = params["sequence_length"], params["hidden"]
    words = _variable("word_embeddings", [params["vocab_size"], hidden])
    places = _variable("position_embeddings", [length, hidden])
    segments = _variable("segment_embeddings", [2, hidden])
    embedded = tf.gather(words, features["input_ids"]) + places
    # With two rows a product with one-hot rows is faster on a TPU than a lookup.
    embedded += tf.tensordot(tf.one_hot(features["segment_ids"], 2), segments, [[-1], [0]])
    return _dropout(_layer_norm(embedded, "norm"), rate), words


def _attend(x, mask, params, rate):
    """Every place looks at every other one of its example."""
    batch, length, hidden = x.shape.as_list()
    heads = params["heads"]

    def project(name):
        return tf.reshape(_dense(x, hidden, name), [batch, length, heads, hidden // heads])

    query, key, value = project("query"), project("key"), project("value")
    scores = tf.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(hidden / heads)
    hidden_places = (1.0 - tf.cast(mask, tf.float32))[:, None, None, :] * -10000.0
    weights = tf.nn.softmax(tf.cast(scores, tf.float32) + hidden_places)
    weights = _dropout(tf.cast(weights, COMPUTE), rate)
    mixed = tf.einsum("bhqk,bkhd->bqhd", weights, value)
    return _dense(tf.reshape(mixed, [batch, length, hidden]), hidden, "output")


def _encode(features, params, rate):
    """Returns [batch, length, hidden] of the last layer, and the table of words."""
    with tf.variable_scope("embeddings"):
        x, words = _embed(features, params, rate)
    for layer in range(params["layers"]):
        with tf.variable_scope(f"layer_{layer}"):
            attended = _attend(x, features["input_mask"], params, rate)
            x = _layer_norm(x + _dropout(attended, rate), "attention_norm")
            inner = _dense(x, params["intermediate"], "intermediate", _gelu)
            outer = _dense(inner, params["hidden"], "outer")
            x = _layer_norm(x + _dropout(outer, rate), "norm")
    return x, words


def _word_logits(encoded, words, positions):
    """Returns logits of the words at the masked places, [batch, predictions, vocab]."""
    with tf.variable_scope("masked_words"):
        chosen = tf.gather(encoded, positions, batch_dims=1)
        chosen = _layer_norm(_dense(chosen, encoded.shape[-1], "transform", _gelu), "norm")
        logits = tf.tensordot(chosen, tf.cast(words, COMPUTE), [[-1], [1]])
        bias = _variable("bias", [words.shape[0]], tf.zeros_initializer())
        return tf.cast(logits, tf.float32) + bias


# --- the model -----------------------------------------------------------------------------------


def _train(loss, params):
    """Adam with a linear warm-up; gradients are clipped on each core, then summed over cores."""
    step = tf.train.get_or_create_global_step()
    warmup = tf.minimum(1.0, tf.cast(step + 1, tf.float32) / params["warmup_steps"])
    optimizer = tf.train.AdamOptimizer(params["learning_rate"] * warmup)
    optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), params["clip_norm"])
    return optimizer.apply_gradients(zip(gradients, variables, strict=True), global_step=step)


def model_fn(features, labels, mode, params):
    """Fills in masked words; `labels` are their ids, [batch, predictions]."""
    rate = params["dropout"] if mode == ModeKeys.TRAIN else 0.0
    encoded, words = _encode(features, params, rate)
    logits = _word_logits(encoded, words, features["masked_positions"])
    if mode == ModeKeys.PREDICT:
        scores, ids = tf.nn.top_k(tf.nn.softmax(logits), k=5)
        predictions = {
            "ids": ids,
            "scores": scores,
            "first_place": tf.cast(encoded[:, 0], tf.float32),
        }
        outputs = {"serving_default": PredictOutput(predictions)}
        return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(losses)
    if mode == ModeKeys.EVAL:
        found = tf.argmax(logits, axis=-1, output_type=tf.int32)
        metrics = (_metric_fn, {"labels": labels, "found": found, "losses": losses})
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=metrics)
    return TPUEstimatorSpec(mode, loss=loss, train_op=_train(loss, params))


def _metric_fn(labels, found, losses):
    """Metrics over all evaluation examples; runs on the host."""
    return {
        "masked_accuracy": tf.metrics.accuracy(labels, found),
        "masked_loss": tf.metrics.mean(losses),
    }


# --- made-up input -------------------------------------------------------------------------------


def _make_example(params, seed):
    length, count = params["sequence_length"], params["predictions"]

    def draw(shape, limit, offset):
        return tf.random.stateless_uniform(shape, [seed, offset], 0, limit, tf.int32)

    features = {
        "input_ids": draw([length], params["vocab_size"], 0),
        "input_mask": tf.ones([length], tf.int32),
        "segment_ids": draw([length], 2, 1),
        "masked_positions": draw([count], length, 2),
    }
    return features, draw([count], params["vocab_size"], 3)


def _make_input(params, examples):
    data = tf.data.Dataset.range(examples).map(lambda i: _make_example(params, i))
    return data.batch(params["batch_size"], drop_remainder=True).prefetch(2)


def train_input_fn(params):
    """Random words for ever."""
    return _make_input(params, 1 << 20).repeat()


def eval_input_fn(params):
    """Random words, a thousand and some examples."""
    return _make_input(params, 1024)


def serving_input_receiver_fn():
    """Word ids as they are, padded to the fixed length."""
    params = estimator_params()
    length, count = params["sequence_length"], params["predictions"]
    sizes = {"input_ids": length, "input_mask": length, "segment_ids": length,
             "masked_positions": count}  # fmt: skip
    tensors = {name: tf.placeholder(tf.int32, [None, n], name) for name, n in sizes.items()}
    return ServingInputReceiver(tensors, tensors)
