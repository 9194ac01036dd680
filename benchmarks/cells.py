"""What is trained: three small models on made-up data, from memory and from TFRecords.

Nothing here imports an estimator: the same source runs in the environment of the old one. A model
is one function of its variables and its input, so that every contender does the same arithmetic.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

EXAMPLES = 8192
LEARNING_RATE = 1e-3
SOURCES = ("memory", "tfrecord", "gzip")
GetVariable = Callable[[str, list], Any]


@dataclasses.dataclass(frozen=True)
class Model:
    """A model to train.

    Attributes:
      forward: Takes what gives a variable by name and shape, and features; returns logits.
      make_features: Takes a numpy generator and a count; returns float32 or int64 features.
      classes: How many classes the labels have.
      batch_size: Examples per step.
      loop: Steps per return to Python, and between two measurements.
      loops: Such loops in one round.
    """

    forward: Callable[[GetVariable, Any], Any]
    make_features: Callable[[np.random.RandomState, int], np.ndarray]
    classes: int
    batch_size: int
    loop: int
    loops: int


@dataclasses.dataclass(frozen=True)
class Cell:
    """A model with a source of data; `name` is model/source."""

    name: str

    @property
    def model(self) -> Model:
        """The model."""
        return MODELS[self.name.split("/")[0]]

    @property
    def source(self) -> str:
        """One of `SOURCES`."""
        return self.name.split("/")[1]

    def make_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns features [n, ...] and int64 labels [n]."""
        rng = np.random.RandomState(7)
        features = self.model.make_features(rng, EXAMPLES)
        return features, rng.randint(self.model.classes, size=EXAMPLES).astype(np.int64)

    def make_dataset(self, data_dir: str) -> tf.data.Dataset:
        """Returns batches (features, labels) without end; files are as `write_files` left them."""
        size = self.model.batch_size
        features, labels = self.make_arrays()
        if self.source == "memory":
            data = tf.data.Dataset.from_tensor_slices((features, labels))
            return data.repeat().batch(size, drop_remainder=True).prefetch(2)
        kind = tf.float32 if features.dtype == np.float32 else tf.int64
        columns = {
            "x": tf.io.FixedLenFeature(features.shape[1:], kind),
            "y": tf.io.FixedLenFeature([], tf.int64),
        }

        def parse(records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            parsed = tf.io.parse_example(records, columns)
            return parsed["x"], parsed["y"]

        compression = "GZIP" if self.source == "gzip" else ""
        data = tf.data.TFRecordDataset(self._path(data_dir), compression)
        data = data.repeat().batch(size, drop_remainder=True)
        return data.map(parse, num_parallel_calls=2, deterministic=True).prefetch(2)

    def write_files(self, data_dir: str) -> None:
        """Writes the file that the dataset reads, if it reads one and it is not there."""
        path = self._path(data_dir)
        if self.source == "memory" or os.path.exists(path):
            return
        options = tf.io.TFRecordOptions("GZIP" if self.source == "gzip" else "")
        with tf.io.TFRecordWriter(path, options) as writer:
            for x, y in zip(*self.make_arrays(), strict=True):
                writer.write(_to_example(x, int(y)).SerializeToString())

    def _path(self, data_dir: str) -> str:
        return os.path.join(data_dir, self.name.replace("/", "_"))


def compute_loss(logits: Any, labels: Any) -> Any:
    """Returns the mean cross entropy of a batch."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def make_initial(name: str, shape: list) -> np.ndarray:
    """Returns the initial value of a variable."""
    rng = np.random.RandomState(sum(map(ord, name)))
    fan_in = int(np.prod(shape[:-1])) or 1
    scale = 0.0 if len(shape) == 1 else 1.0 / np.sqrt(fan_in)
    return (rng.randn(*shape) * scale).astype(np.float32)


def _to_example(x: np.ndarray, y: int) -> tf.train.Example:
    if x.dtype == np.float32:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=x.ravel()))
    else:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=x.ravel()))
    label = tf.train.Feature(int64_list=tf.train.Int64List(value=[y]))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature, "y": label}))


def _dense(get: GetVariable, name: str, x: Any, units: int) -> Any:
    kernel = get(f"{name}/kernel", [int(x.shape[-1]), units])
    return tf.tensordot(x, kernel, 1) + get(f"{name}/bias", [units])


def _tabular(get: GetVariable, x: Any) -> Any:
    for i, units in enumerate((128, 64)):
        x = tf.nn.relu(_dense(get, f"hidden{i}", x, units))
    return _dense(get, "logits", x, 2)


def _cnn(get: GetVariable, x: Any) -> Any:
    for i, filters in enumerate((8, 16)):
        kernel = get(f"conv{i}", [3, 3, int(x.shape[-1]), filters])
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
        x = tf.nn.max_pool2d(x, 2, 2, "SAME")
    x = tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])
    return _dense(get, "logits", x, 10)


_VOCABULARY, _LENGTH, _WIDTH, _HEADS = 256, 16, 32, 4


def _transformer(get: GetVariable, tokens: Any) -> Any:
    table = get("embedding", [_VOCABULARY, _WIDTH])
    x = tf.tensordot(tf.one_hot(tokens, _VOCABULARY), table, 1)
    x += get("position", [_LENGTH, _WIDTH])
    for i in range(2):
        x = _normalise(x + _attend(get, f"layer{i}/attention", x))
        inner = tf.nn.relu(_dense(get, f"layer{i}/inner", x, 2 * _WIDTH))
        x = _normalise(x + _dense(get, f"layer{i}/outer", inner, _WIDTH))
    return _dense(get, "logits", tf.reduce_mean(x, 1), 4)


def _normalise(x: Any) -> Any:
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-6)


def _attend(get: GetVariable, name: str, x: Any) -> Any:
    size = _WIDTH // _HEADS
    parts = tf.reshape(_dense(get, f"{name}/qkv", x, 3 * _WIDTH), [-1, _LENGTH, 3, _HEADS, size])
    query, key, value = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]), 3)
    weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / np.sqrt(size))
    joined = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
    return _dense(get, f"{name}/out", tf.reshape(joined, [-1, _LENGTH, _WIDTH]), _WIDTH)


MODELS = {
    "tabular": Model(
        forward=_tabular,
        make_features=lambda rng, n: rng.randn(n, 32).astype(np.float32),
        classes=2,
        batch_size=64,
        loop=100,
        loops=40,
    ),
    "cnn": Model(
        forward=_cnn,
        make_features=lambda rng, n: rng.rand(n, 20, 20, 1).astype(np.float32),
        classes=10,
        batch_size=32,
        loop=20,
        loops=16,
    ),
    "transformer": Model(
        forward=_transformer,
        make_features=lambda rng, n: rng.randint(_VOCABULARY, size=(n, _LENGTH)),
        classes=4,
        batch_size=16,
        loop=25,
        loops=24,
    ),
}
CELLS = tuple(
    Cell(name)
    for name in (
        "tabular/memory",
        "cnn/memory",
        "transformer/memory",
        "tabular/tfrecord",
        "tabular/gzip",
    )
)
