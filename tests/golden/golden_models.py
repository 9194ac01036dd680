"""Data, model_fns and estimators of the golden runs: one source for the old estimator and ours.

Nothing here imports an estimator. What is needed of one comes in as `namespace`, anything with
`TPUEstimator`, `TPUEstimatorSpec`, `RunConfig` and `TPUConfig`: `tf.compat.v1.estimator.tpu` of
TensorFlow 2.15, or `tfx_tpu_estimator`.

Every model has fixed initial values, no dropout, no batch norm, and a loss that is the mean over
its batch, and every batch divides by 8: so the same numbers are due from any number of replicas.
"""

from __future__ import annotations

import glob
import itertools
import os
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

BATCH_SIZE = 32
TRAIN_EXAMPLES = 256
EVAL_EXAMPLES = 100  # the last batch has 4
STEPS = 40
# A whole number of passes over the data, so that training resumed here sees the same batches
# whether or not the position of the input was saved.
RESUME_STEP = 24

MODELS = ("linear", "dense", "cnn")
OPTIMIZERS = ("sgd", "momentum", "adam", "adagrad")
CASES = tuple(f"{m}/{o}" for m, o in itertools.product(MODELS, OPTIMIZERS))
# The case whose checkpoints go back and forth; Adam has two slots per variable and two scalars.
RESUME_CASE = "dense/adam"


def make_data(model: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Makes the examples of a model: (features, labels).

    Args:
      model: One of `MODELS`.
      split: "train" (256 examples) or "eval" (100).

    Returns:
      For "cnn" images [n, 8, 8, 1] float32 and classes [n] int32, else features [n, 8] float32
      and labels [n, 1] float32 that are 0 or 1.
    """
    rng = np.random.RandomState({"train": 11, "eval": 12}[split])
    count = {"train": TRAIN_EXAMPLES, "eval": EVAL_EXAMPLES}[split]
    if model == "cnn":
        classes = np.arange(count) % 4
        images = rng.rand(count, 8, 8, 1)
        for image, label in zip(images, classes, strict=True):
            row, column = 4 * (label // 2), 4 * (label % 2)
            image[row : row + 4, column : column + 4] += 0.15
        return images.astype(np.float32), classes.astype(np.int32)
    features = rng.randn(count, 8)
    score = features[:, 0] - features[:, 1] + features[:, 2] * features[:, 3]
    noisy = score + 1.0 + 0.5 * rng.randn(count)
    return features.astype(np.float32), (noisy > 0).astype(np.float32)[:, np.newaxis]


def make_input_fn(model: str, split: str):
    """Makes an input_fn: training repeats the data in order, evaluation goes over it once."""

    def input_fn(params):
        features, labels = make_data(model, split)
        data = tf.data.Dataset.from_tensor_slices(({"x": features}, labels))
        training = split == "train"
        data = data.repeat() if training else data
        return data.batch(params["batch_size"], drop_remainder=training)

    return input_fn


def _variable(name: str, shape: list[int], scale: float):
    # Seeded by the name: hash() differs from process to process, crc32 does not.
    rng = np.random.RandomState(zlib.crc32(name.encode()) % 2**31)
    values = (scale * rng.randn(*shape)).astype(np.float32)
    return tf.get_variable(name, shape, initializer=tf.constant_initializer(values))


def _dense_layer(inputs, name: str, units: int):
    size = int(inputs.shape[-1])
    kernel = _variable(f"{name}/kernel", [size, units], size**-0.5)
    bias = _variable(f"{name}/bias", [units], 0.1)
    return tf.matmul(inputs, kernel) + bias


def _linear(x):
    return _dense_layer(x, "logits", 1)


def _dense(x):
    hidden = tf.tanh(_dense_layer(x, "hidden_1", 16))
    hidden = tf.tanh(_dense_layer(hidden, "hidden_2", 8))
    return _dense_layer(hidden, "logits", 1)


def _cnn(x):
    kernel = _variable("conv/kernel", [3, 3, 1, 4], 1 / 3)
    bias = _variable("conv/bias", [4], 0.1)
    maps = tf.nn.relu(tf.nn.conv2d(x, kernel, strides=1, padding="SAME") + bias)
    maps = tf.nn.max_pool2d(maps, ksize=2, strides=2, padding="VALID")
    return _dense_layer(tf.reshape(maps, [-1, 4 * 4 * 4]), "logits", 4)


_LOGITS = {"linear": _linear, "dense": _dense, "cnn": _cnn}


def _make_optimizer(name: str):
    return {
        "sgd": lambda: tf.train.GradientDescentOptimizer(0.1),
        "momentum": lambda: tf.train.MomentumOptimizer(0.05, 0.9),
        "adam": lambda: tf.train.AdamOptimizer(0.01),
        "adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    }[name]()


def _binary_metrics(labels, probabilities, classes):
    return {
        "accuracy": tf.metrics.accuracy(labels, classes),
        "auc": tf.metrics.auc(labels, probabilities),
    }


def _class_metrics(labels, probabilities, classes):
    first = tf.cast(tf.equal(labels, 0), tf.float32)
    return {
        "accuracy": tf.metrics.accuracy(labels, classes),
        "auc": tf.metrics.auc(first, probabilities[:, 0]),
    }


def make_model_fn(namespace):
    """Makes the model_fn, which reads `model`, `optimizer` and `cross_shard` from its params."""

    def model_fn(features, labels, mode, params):
        logits = _LOGITS[params["model"]](features["x"])
        if params["model"] == "cnn":
            probabilities = tf.nn.softmax(logits)
            classes = tf.argmax(logits, axis=1, output_type=tf.int32)
        else:
            probabilities = tf.sigmoid(logits)
            classes = tf.cast(logits > 0, tf.int32)
        predictions = {"probabilities": probabilities, "classes": classes}
        if mode == "infer":
            return namespace.TPUEstimatorSpec(mode, predictions=predictions)
        if params["model"] == "cnn":
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            metric_fn = _class_metrics
        else:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
            metric_fn = _binary_metrics
        loss = tf.reduce_mean(losses)
        if mode == "eval":
            tensors = [labels, probabilities, classes]
            return namespace.TPUEstimatorSpec(mode, loss=loss, eval_metrics=(metric_fn, tensors))
        optimizer = _make_optimizer(params["optimizer"])
        if params["cross_shard"]:
            optimizer = tf.tpu.CrossShardOptimizer(optimizer)
        train_op = optimizer.minimize(loss, global_step=tf.train.get_global_step())
        return namespace.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)

    return model_fn


def make_params(case: str, cross_shard: bool) -> dict:
    """Makes the params of a case such as "dense/adam"."""
    model, optimizer = case.split("/")
    return {"model": model, "optimizer": optimizer, "cross_shard": cross_shard}


def make_estimator(
    namespace,
    case: str,
    model_dir,
    *,
    use_tpu: bool = False,
    cross_shard: bool = True,
    warm_start_from=None,
    **config,
):
    """Makes the estimator of a case.

    Args:
      namespace: Where TPUEstimator and its relations are, see the top of this file.
      case: One of `CASES`.
      model_dir: A directory; its latest checkpoint is where training starts.
      use_tpu: As for TPUEstimator.
      cross_shard: Whether to wrap the optimizer in CrossShardOptimizer. TensorFlow 2.15 has no
        kernel for it on CPUs, so the old estimator runs without.
      warm_start_from: As for TPUEstimator.
      **config: Further arguments of RunConfig. By default the loss of every step is recorded in
        the event files and checkpoints are kept at steps 0, `RESUME_STEP` and at the end.
    """
    defaults = {
        "save_summary_steps": 1,
        "log_step_count_steps": 1,
        "save_checkpoints_steps": RESUME_STEP,
        "keep_checkpoint_max": None,
        "tf_random_seed": 1,
        "tpu_config": namespace.TPUConfig(iterations_per_loop=1),
    }
    return namespace.TPUEstimator(
        model_fn=make_model_fn(namespace),
        model_dir=str(model_dir),
        config=namespace.RunConfig(**{**defaults, **config}),
        params=make_params(case, cross_shard),
        use_tpu=use_tpu,
        train_batch_size=BATCH_SIZE,
        eval_batch_size=BATCH_SIZE,
        predict_batch_size=BATCH_SIZE,
        warm_start_from=warm_start_from,
    )


def train(estimator, max_steps: int = STEPS) -> None:
    """Trains up to a global step."""
    model = estimator.params["model"]
    estimator.train(make_input_fn(model, "train"), max_steps=max_steps)


def evaluate(estimator, steps: int | None = None, checkpoint_path: str | None = None) -> dict:
    """Evaluates on the eval examples; returns {metric: float}."""
    input_fn = make_input_fn(estimator.params["model"], "eval")
    results = estimator.evaluate(input_fn, steps=steps, checkpoint_path=checkpoint_path)
    return {name: float(value) for name, value in results.items()}


def predict(estimator, checkpoint_path: str | None = None) -> dict[str, np.ndarray]:
    """Predicts all eval examples; returns {output: array [100, ...]}."""
    input_fn = make_input_fn(estimator.params["model"], "eval")
    rows = list(estimator.predict(input_fn, checkpoint_path=checkpoint_path))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def read_losses(model_dir) -> dict[int, float]:
    """Reads {global step: loss} from the event files of a model directory."""
    losses = {}
    for path in glob.glob(os.path.join(str(model_dir), "events.*")):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == "loss":
                    losses[event.step] = _scalar(value)
    return dict(sorted(losses.items()))


def _scalar(value) -> float:
    # v1 summaries have `simple_value`, v2 ones a tensor.
    if value.HasField("tensor"):
        return float(tf.make_ndarray(value.tensor))
    return value.simple_value


def read_variables(checkpoint: str) -> dict[str, np.ndarray]:
    """Reads all variables of a checkpoint, slots included."""
    reader = tf.train.load_checkpoint(checkpoint)
    names = sorted(reader.get_variable_to_shape_map())
    return {name: np.asarray(reader.get_tensor(name)) for name in names}
