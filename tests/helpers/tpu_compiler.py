"""What tests of the compile check share: models, and the compiler's process."""

import os
import pathlib
import signal
import tempfile

import pytest
import tensorflow as tf
from helpers.models import linear_model_fn, metric_fn

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.compile_check.events import Stage

tf1 = tf.compat.v1


@pytest.fixture(scope="module", autouse=True)
def own_lock(tmp_path_factory):
    """Compiles of others, which may take minutes, are not waited for. Import it to use it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))
        yield


def net_model_fn(features, labels, mode, params):
    """A small convolutional network, as for handwritten digits."""

    def layer(x, name, shape):
        kernel = tf1.get_variable(f"{name}/kernel", shape)
        if len(shape) == 4:
            return tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME"))
        return tf.matmul(tf.reshape(x, [x.shape[0], -1]), kernel)

    hidden = layer(features["image"], "conv", [3, 3, 1, 16])
    logits = layer(hidden, "dense", [14 * 14 * 16, 10])
    if mode == tpu_estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(mode, predictions={"logits": logits})
    loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tpu_estimator.ModeKeys.EVAL:
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=loss, eval_metrics=(metric_fn, [tf.cast(labels, tf.float32), logits[:, 0]])
        )
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.MomentumOptimizer(0.1, 0.9))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def image_input_fn(params):
    data = tf.data.Dataset.from_tensors(({"image": tf.zeros([28, 28, 1])}, tf.constant(0)))
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def image_receiver_fn():
    image = tf1.placeholder(tf.float32, [None, 28, 28, 1], name="image")
    return tpu_estimator.ServingInputReceiver({"image": image}, {"image": image})


def string_model_fn(features, labels, mode, params):
    """Makes text of what the device has computed."""
    spec = linear_model_fn(features, labels, tpu_estimator.ModeKeys.PREDICT, params)
    text = tf.strings.as_string(spec.predictions["probabilities"])
    return spec._replace(predictions={"p": tf.strings.length(text)})


def dynamic_model_fn(features, labels, mode, params):
    """Selects rows, how many depends on the data."""
    rows = tf.boolean_mask(features["x"], features["x"][:, 0] > 0)
    return tpu_estimator.TPUEstimatorSpec(mode, predictions={"rows": rows})


class OnCompile:
    """A progress callback that does something while the compiler runs, and remembers events."""

    def __init__(self, action=None):
        self.events = []
        self._action = action

    def __call__(self, event):
        self.events.append(event)
        if self._action and event.stage is Stage.COMPILING and event.seconds:
            self._action()

    def stages(self):
        found = [(event.program, event.stage) for event in self.events]
        return [pair for i, pair in enumerate(found) if i == 0 or found[i - 1] != pair]


def list_children():
    """Process ids of this process's children that are running the compiler."""
    tasks = pathlib.Path("/proc/self/task").iterdir()
    ids = {int(i) for task in tasks for i in (task / "children").read_text().split()}
    found = []
    for i in ids:
        try:
            command = pathlib.Path("/proc", str(i), "cmdline").read_bytes()
        except OSError:
            continue
        if b"compile_check.child" in command:
            found.append(i)
    return found


def crash_compiler():
    for i in list_children():
        os.kill(i, signal.SIGSEGV)


def interrupt():
    raise KeyboardInterrupt
