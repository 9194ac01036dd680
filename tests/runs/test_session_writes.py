"""What hooks assign in the session reaches the devices."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.models import FEATURES, LABELS

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.execution.distributed import ProcessGroup
from tfx_tpu_estimator.execution.executable import Executable

tf1 = tf.compat.v1
STEPS = 8


def input_fn(params):
    data = tf.data.Dataset.from_tensor_slices((FEATURES[:96], LABELS[:96]))
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def model_fn(features, labels, mode, params):
    """Linear regression whose learning rate is a variable that nothing in the model changes."""
    kernel = tf1.get_variable("kernel", [4, 1], initializer=tf1.ones_initializer())
    rate = tf1.get_variable("rate", [], initializer=tf1.zeros_initializer(), trainable=False)
    tf1.get_variable("backup", [4, 1], trainable=False)
    loss = tf1.losses.mean_squared_error(labels, tf.matmul(features, kernel))
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(rate))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def find_variable(name):
    return next(v for v in tf1.global_variables() if v.op.name == name)


class LoadRate(tf1.train.SessionRunHook):
    """Sets the learning rate from outside: a new one after every other step."""

    def begin(self):
        self.rate = find_variable("rate")

    def after_run(self, run_context, run_values):
        step = int(run_context.session.run(tf1.train.get_global_step()))
        if step % 2 == 0:
            self.rate.load(0.05 * step, run_context.session)


class FetchAssignment(tf1.train.SessionRunHook):
    """Lets an assignment run with the step, or the loop."""

    def begin(self):
        self.assign = find_variable("rate").assign(0.1)

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs({"assigned": [self.assign]})


class ScaleKernel(tf1.train.SessionRunHook):
    """Changes a variable that the step changes, too, through a callable."""

    def begin(self):
        self.rate = find_variable("rate").assign(0.1).op
        kernel = find_variable("kernel")
        self.scale = kernel.assign(kernel * 0.5).op

    def after_create_session(self, session, coord):
        session.run(self.rate)
        self.run = session.make_callable(self.scale)

    def after_run(self, run_context, run_values):
        self.run()


def train(directory, hooks, *, use_tpu, listeners=None, group=None):
    config = tpu_estimator.RunConfig(
        model_dir=str(directory),
        save_checkpoints_steps=4,
        keep_checkpoint_max=None,
        save_summary_steps=None,
        tpu_config=tpu_estimator.TPUConfig(iterations_per_loop=1, num_shards=2),
    )
    estimator = tpu_estimator.TPUEstimator(
        model_fn, config=config, use_tpu=use_tpu, train_batch_size=32
    )
    estimator.train(input_fn, hooks=hooks, max_steps=STEPS, saving_listeners=listeners)
    return estimator


@pytest.mark.parametrize("hook", [LoadRate, FetchAssignment, ScaleKernel])
def test_a_hook_changes_a_training_on_devices_as_on_the_host(tmp_path, hook):
    host = train(tmp_path / "host", [hook()], use_tpu=False)
    devices = train(tmp_path / "devices", [hook()], use_tpu=True)
    for name in ("kernel", "rate"):
        expected = host.get_variable_value(name)
        np.testing.assert_allclose(devices.get_variable_value(name), expected, rtol=1e-5)
    assert (devices.get_variable_value("kernel") != 1).all()


class SaveZeros(tf1.train.CheckpointSaverListener):
    """Puts other values in place of a variable for as long as it is saved, as for averages."""

    def begin(self):
        kernel, backup = find_variable("kernel"), find_variable("backup")
        self.keep = backup.assign(kernel)
        self.change = kernel.assign(kernel * 0.0)
        self.put_back = kernel.assign(backup)

    def before_save(self, session, global_step):
        session.run(self.keep)
        session.run(self.change)

    def after_save(self, session, global_step):
        session.run(self.put_back)


def test_a_listener_saves_other_values_and_puts_them_back(tmp_path):
    expected = train(tmp_path / "plain", [FetchAssignment()], use_tpu=True)
    found = train(tmp_path / "zeros", [FetchAssignment()], use_tpu=True, listeners=[SaveZeros()])
    assert (found.get_variable_value("kernel") == 0).all()
    saved = tf.train.load_variable(str(tmp_path / "zeros" / f"model.ckpt-{STEPS}"), "backup")
    np.testing.assert_array_equal(saved.shape, [4, 1])
    # What was put back went on to be trained.
    kept = found_in_events(tmp_path / "zeros")
    assert kept == found_in_events(tmp_path / "plain")
    assert kept
    assert (expected.get_variable_value("kernel") != 0).all()


def found_in_events(directory):
    """The losses of a training, by step."""
    (file,) = directory.glob("events*")
    events = tf1.train.summary_iterator(str(file))
    return [
        (event.step, float(tf.make_ndarray(v.tensor)) if v.HasField("tensor") else v.simple_value)
        for event in events
        for v in event.summary.value
        if v.tag == "loss"
    ]


class Read(tf1.train.SessionRunHook):
    """Reads and computes, and changes nothing."""

    def begin(self):
        self.norm = tf.norm(find_variable("kernel"))
        self.seen = []

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(self.norm)

    def after_run(self, run_context, run_values):
        self.seen.append(float(run_values.results))


def test_a_hook_that_reads_brings_nothing_to_the_devices(tmp_path, monkeypatch):
    placed = []
    place = Executable.place_state
    monkeypatch.setattr(Executable, "place_state", lambda *a: placed.append(1) or place(*a))
    hook = Read()
    train(tmp_path, [hook], use_tpu=True)
    assert len(hook.seen) == STEPS
    assert placed == [1]


def test_in_several_processes_it_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("tfx_tpu_estimator.runs.train.SessionWrites", with_two_processes())
    with pytest.raises(RuntimeError, match=r"assigned \['rate'\] in its session. Only process 0"):
        train(tmp_path, [FetchAssignment()], use_tpu=True)


def with_two_processes():
    from tfx_tpu_estimator.runs.session_writes import SessionWrites

    group = ProcessGroup()
    group.count = 2
    return lambda mirror, state, executable, _: SessionWrites(mirror, state, executable, group)
