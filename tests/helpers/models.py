"""Small models and inputs that the runtime's tests share."""

import numpy as np
import tensorflow as tf

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1

RNG = np.random.RandomState(0)
FEATURES = RNG.randn(100, 4).astype("float32")
LABELS = (FEATURES.sum(axis=1, keepdims=True) > 0).astype("float32")


def metric_fn(labels, probabilities):
    return {
        "accuracy": tf1.metrics.accuracy(labels, tf.round(probabilities)),
        "count": tf1.metrics.mean(tf.ones_like(labels) * 3.0),
    }


def linear_model_fn(features, labels, mode, params):
    """Logistic regression with momentum, as a TPUEstimator user writes it."""
    kernel = tf1.get_variable(
        "kernel", [params.get("width", 4), 1], initializer=tf1.zeros_initializer()
    )
    bias = tf1.get_variable("bias", [1], initializer=tf1.zeros_initializer())
    logits = tf.matmul(features["x"], kernel) + bias
    probabilities = tf.sigmoid(logits)
    if mode == tpu_estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"probabilities": probabilities})
    loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
    if mode == tpu_estimator.ModeKeys.EVAL:
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=(metric_fn, [labels, probabilities])
        )
    optimizer = tf1.tpu.CrossShardOptimizer(
        tf1.train.MomentumOptimizer(params.get("learning_rate", 0.1), 0.9)
    )
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def train_input_fn(params):
    """Every example in order, for ever."""
    data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def eval_input_fn(params):
    """Every example once, in order; the last batch may be smaller."""
    data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
    return data.batch(params["batch_size"])


def receiver_fn():
    x = tf1.placeholder(tf.float32, [None, 4], name="x")
    return tpu_estimator.ServingInputReceiver({"x": x}, {"x": x})


def make_estimator(model_dir, model_fn=linear_model_fn, *, use_tpu=False, **arguments):
    """A TPUEstimator with defaults that suit tests, on the host engine unless told."""
    config = arguments.pop("config", None) or tpu_estimator.RunConfig(tf_random_seed=1)
    arguments.setdefault("params", {})
    arguments.setdefault("train_batch_size", 10)
    arguments.setdefault("eval_batch_size", 32)
    arguments.setdefault("predict_batch_size", 32)
    return tpu_estimator.TPUEstimator(
        model_fn, model_dir=str(model_dir), config=config, use_tpu=use_tpu, **arguments
    )


def make_tpu_estimator(
    model_dir, model_fn=linear_model_fn, *, replicas=2, loop=4, tpu=None, run=None, **arguments
):
    """The same on virtual devices; `tpu` and `run` are more of TPUConfig and of RunConfig."""
    tpu_config = tpu_estimator.TPUConfig(
        num_shards=replicas, iterations_per_loop=loop, **(tpu or {})
    )
    config = tpu_estimator.RunConfig(
        **{"tf_random_seed": 1, "tpu_config": tpu_config, **(run or {})}
    )
    return make_estimator(model_dir, model_fn, config=config, use_tpu=True, **arguments)


def saved_steps(directory):
    """Returns the global steps of all checkpoints of a directory, ascending."""
    return sorted(int(p.stem.split("-")[-1]) for p in directory.glob("model.ckpt-*.index"))


def train_by_hand(steps, batch_size=10, learning_rate=0.1):
    """The same training in numpy: returns the losses and the final kernel and bias."""
    kernel, bias = np.zeros((4, 1)), np.zeros(1)
    kernel_velocity, bias_velocity = np.zeros_like(kernel), np.zeros_like(bias)
    losses = []
    for step in range(steps):
        rows = np.arange(step * batch_size, (step + 1) * batch_size) % len(FEATURES)
        x, y = FEATURES[rows].astype("float64"), LABELS[rows].astype("float64")
        logits = x @ kernel + bias
        losses.append(np.mean(np.logaddexp(0, logits) - y * logits))
        error = (1 / (1 + np.exp(-logits)) - y) / batch_size
        kernel_velocity = 0.9 * kernel_velocity + x.T @ error
        bias_velocity = 0.9 * bias_velocity + error.sum(axis=0)
        kernel -= learning_rate * kernel_velocity
        bias -= learning_rate * bias_velocity
    return losses, kernel, bias
