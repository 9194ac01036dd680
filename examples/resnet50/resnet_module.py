"""A residual network of 50 layers for images of 224 x 224 pixels.

The second convolution of a block has the stride, as in what is called version 1.5. Activations are
bfloat16, variables and statistics float32. The input is made up, so that the module can be compiled
and run without any data.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf

from tfx_tpu_estimator import ModeKeys, PredictOutput, ServingInputReceiver, TPUEstimatorSpec

COMPUTE = tf.bfloat16
# Of each group of blocks: how many, and filters of their inner convolutions.
GROUPS = ((3, 64), (4, 128), (6, 256), (3, 512))
# A block has so many times more filters at its end.
EXPANSION = 4
NORM_DECAY, NORM_EPSILON = 0.9, 1e-5


def estimator_params():
    """Sizes and hyperparameters; a Trainer's custom_config can override each."""
    return {
        "train_batch_size": 128,
        "image_size": 224,
        "classes": 1000,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "label_smoothing": 0.1,
    }


# --- the network ---------------------------------------------------------------------------------


def _convolve(x, filters, size, stride, name):
    with tf.variable_scope(name):
        initializer = tf.variance_scaling_initializer(scale=2.0, mode="fan_out")
        shape = [size, size, x.shape[-1], filters]
        kernel = tf.get_variable("kernel", shape, tf.float32, initializer)
        return tf.nn.conv2d(x, tf.cast(kernel, COMPUTE), strides=stride, padding="SAME")


def _normalise(x, name, training, *, relu=True, first_gamma=1.0):
    """Batch normalisation over the examples of one core; moving statistics for evaluation."""
    count = [x.shape[-1]]
    with tf.variable_scope(name):
        gamma = tf.get_variable("gamma", count, initializer=tf.constant_initializer(first_gamma))
        beta = tf.get_variable("beta", count, initializer=tf.zeros_initializer())
        mean = _statistic("moving_mean", count, tf.zeros_initializer())
        variance = _statistic("moving_variance", count, tf.ones_initializer())
        if training:
            x, seen_mean, seen_variance = tf.nn.fused_batch_norm(
                x, gamma, beta, epsilon=NORM_EPSILON
            )
            for statistic, seen in ((mean, seen_mean), (variance, seen_variance)):
                update = tf.assign_sub(statistic, (statistic - seen) * (1.0 - NORM_DECAY))
                tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update)
        else:
            x, _, _ = tf.nn.fused_batch_norm(
                x, gamma, beta, mean, variance, epsilon=NORM_EPSILON, is_training=False
            )
    return tf.nn.relu(x) if relu else x


def _statistic(name, shape, initializer):
    return tf.get_variable(name, shape, initializer=initializer, trainable=False)


def _block(x, filters, stride, training):
    """Three convolutions, and what goes around them."""
    shortcut = x
    if stride > 1 or x.shape[-1] != filters * EXPANSION:
        shortcut = _convolve(x, filters * EXPANSION, 1, stride, "shortcut")
        shortcut = _normalise(shortcut, "shortcut_norm", training, relu=False)
    x = _normalise(_convolve(x, filters, 1, 1, "conv_0"), "norm_0", training)
    x = _normalise(_convolve(x, filters, 3, stride, "conv_1"), "norm_1", training)
    x = _convolve(x, filters * EXPANSION, 1, 1, "conv_2")
    # A block that begins as the identity trains better.
    x = _normalise(x, "norm_2", training, relu=False, first_gamma=0.0)
    return tf.nn.relu(x + shortcut)


def _compute_logits(image, params, training):
    """Image [batch, size, size, 3] of 0..1 -> logits [batch, classes], float32."""
    x = _convolve(tf.cast(image, COMPUTE), 64, 7, 2, "stem")
    x = _normalise(x, "stem_norm", training)
    x = tf.nn.max_pool2d(x, 3, 2, "SAME")
    for group, (blocks, filters) in enumerate(GROUPS):
        for block in range(blocks):
            stride = 2 if group and not block else 1
            with tf.variable_scope(f"group_{group}/block_{block}"):
                x = _block(x, filters, stride, training)
    pooled = tf.cast(tf.reduce_mean(x, [1, 2]), tf.float32)
    kernel = tf.get_variable(
        "logits/kernel", [pooled.shape[-1], params["classes"]],
        initializer=tf.random_normal_initializer(stddev=0.01),
    )  # fmt: skip
    bias = tf.get_variable("logits/bias", [params["classes"]], initializer=tf.zeros_initializer())
    return tf.matmul(pooled, kernel) + bias


# --- the model -----------------------------------------------------------------------------------


def _train(loss, params):
    decayed = [v for v in tf.trainable_variables() if v.op.name.endswith("kernel")]
    loss += params["weight_decay"] * tf.add_n([tf.nn.l2_loss(v) for v in decayed])
    optimizer = tf.train.MomentumOptimizer(
        params["learning_rate"], params["momentum"], use_nesterov=True
    )
    optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return loss, optimizer.minimize(loss, tf.train.get_or_create_global_step())


def model_fn(features, labels, mode, params):
    """Classifies images; `labels` are class ids, [batch]."""
    logits = _compute_logits(features["image"], params, training=mode == ModeKeys.TRAIN)
    if mode == ModeKeys.PREDICT:
        predictions = {
            "class_ids": tf.argmax(logits, axis=1, output_type=tf.int32),
            "probabilities": tf.nn.softmax(logits),
        }
        outputs = {"serving_default": PredictOutput(predictions)}
        return TPUEstimatorSpec(mode, predictions=predictions, export_outputs=outputs)
    smoothing = params["label_smoothing"] if mode == ModeKeys.TRAIN else 0.0
    wanted = tf.one_hot(labels, params["classes"], 1.0 - smoothing, smoothing / params["classes"])
    losses = tf.nn.softmax_cross_entropy_with_logits(labels=wanted, logits=logits)
    loss = tf.reduce_mean(losses)
    if mode == ModeKeys.EVAL:
        metrics = (_metric_fn, {"labels": labels, "logits": logits})
        return TPUEstimatorSpec(mode, loss=loss, eval_metrics=metrics)
    loss, train_op = _train(loss, params)
    return TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def _metric_fn(labels, logits):
    """Metrics over all evaluation examples; runs on the host."""
    in_top_5 = tf.cast(tf.nn.in_top_k(predictions=logits, targets=labels, k=5), tf.float32)
    return {
        "accuracy": tf.metrics.accuracy(labels, tf.argmax(logits, axis=1)),
        "top_5_accuracy": tf.metrics.mean(in_top_5),
    }


# --- made-up input -------------------------------------------------------------------------------


def _make_example(params, seed):
    size = params["image_size"]
    image = tf.random.stateless_uniform([size, size, 3], [seed, 0])
    label = tf.random.stateless_uniform([], [seed, 1], 0, params["classes"], tf.int32)
    return {"image": tf.cast(image, COMPUTE)}, label


def _make_input(params, examples):
    data = tf.data.Dataset.range(examples).map(lambda i: _make_example(params, i))
    return data.batch(params["batch_size"], drop_remainder=True).prefetch(2)


def train_input_fn(params):
    """Random images for ever."""
    return _make_input(params, 1 << 20).repeat()


def eval_input_fn(params):
    """Random images, a thousand and some."""
    return _make_input(params, 1024)


def serving_input_receiver_fn():
    """Images as they are, of the fixed size."""
    size = estimator_params()["image_size"]
    image = tf.placeholder(tf.float32, [None, size, size, 3], "image")
    return ServingInputReceiver({"image": image}, {"image": image})
