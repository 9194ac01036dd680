"""What a training on devices shows the host: losses, hooks, listeners, host_calls, checkpoints."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.events import read_scalars
from helpers.hooks import CountingHook, Listener
from helpers.models import (
    FEATURES,
    linear_model_fn,
    make_tpu_estimator,
    saved_steps,
    train_by_hand,
    train_input_fn,
)

tf1 = tf.compat.v1


def read_kernel(directory, step):
    return tf.train.load_variable(str(directory / f"model.ckpt-{step}"), "kernel")


@pytest.mark.parametrize("replicas", [1, 5])
def test_every_loss_is_recorded_as_the_mean_over_replicas(tmp_path, replicas):
    make_tpu_estimator(tmp_path, replicas=replicas).train(train_input_fn, steps=11)
    losses, _, _ = train_by_hand(11)
    recorded = read_scalars(tmp_path, "loss")
    assert sorted(recorded) == list(range(1, 12))
    np.testing.assert_allclose([recorded[i + 1] for i in range(11)], losses, rtol=1e-5)


@pytest.mark.parametrize("loop", [1, 4, 100, "1s"])
def test_training_lands_on_the_step_whatever_the_length_of_loops(tmp_path, loop):
    estimator = make_tpu_estimator(tmp_path, loop=loop)
    estimator.train(train_input_fn, max_steps=6)
    estimator.train(train_input_fn, steps=5)
    assert estimator.get_variable_value("global_step") == 11
    # The second call starts its input anew.
    _, kernel, _ = train_by_hand(6)
    np.testing.assert_allclose(read_kernel(tmp_path, 6), kernel, rtol=1e-5)


def test_max_steps_already_reached_runs_nothing(tmp_path):
    def forbidden(params):
        raise AssertionError("must not be called")

    estimator = make_tpu_estimator(tmp_path).train(train_input_fn, max_steps=5)
    estimator.train(forbidden, max_steps=5)


def test_checkpoints_come_at_the_first_end_of_a_loop_after_they_are_due(tmp_path):
    run = {"save_checkpoints_steps": 5, "keep_checkpoint_max": None}
    make_tpu_estimator(tmp_path, run=run).train(train_input_fn, steps=18)
    assert saved_steps(tmp_path) == [0, 8, 16, 18]


def test_an_input_that_ends_early_ends_training_with_all_it_gave(tmp_path):
    def seven_batches(params):
        return train_input_fn(params).take(7)

    hook = VariableHook()
    make_tpu_estimator(tmp_path).train(seven_batches, steps=20, hooks=[hook])
    assert saved_steps(tmp_path) == [0, 7]
    _, kernel, _ = train_by_hand(7)
    np.testing.assert_allclose(read_kernel(tmp_path, 7), kernel, rtol=1e-5)
    assert hook.seen[-1][0] == 7


def test_an_empty_input_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="`input_fn` produced no batch"):
        make_tpu_estimator(tmp_path).train(lambda params: train_input_fn(params).take(0), steps=2)


class VariableHook(tf1.train.SessionRunHook):
    """Keeps the global step and the kernel, as a fetch and as read at the end."""

    def __init__(self, stop_at=None):
        self.seen, self.end_step, self._stop_at = [], None, stop_at

    def begin(self):
        (kernel,) = (v for v in tf1.global_variables() if v.op.name == "kernel")
        self._fetches = [tf1.train.get_global_step().read_value(), kernel.read_value()]

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        step, kernel = run_values.results
        self.seen.append((int(step), kernel))
        if self._stop_at is not None and step >= self._stop_at:
            run_context.request_stop()

    def end(self, session):
        self.end_step = int(session.run(self._fetches[0]))


def test_hooks_run_once_per_loop_and_see_the_variables_of_that_moment(tmp_path):
    given, of_spec = VariableHook(), VariableHook()

    def model_fn(features, labels, mode, params):
        return linear_model_fn(features, labels, mode, params)._replace(training_hooks=[of_spec])

    make_tpu_estimator(tmp_path, model_fn).train(train_input_fn, steps=10, hooks=[given])
    for hook in (given, of_spec):
        assert [step for step, _ in hook.seen] == [4, 8, 10]
        for step, kernel in hook.seen:
            np.testing.assert_allclose(kernel, train_by_hand(step)[1], rtol=1e-5)
        assert hook.end_step == 10


def test_a_hook_ends_training_at_the_end_of_a_loop(tmp_path):
    hook = VariableHook(stop_at=5)
    make_tpu_estimator(tmp_path).train(train_input_fn, steps=100, hooks=[hook])
    assert saved_steps(tmp_path) == [0, 8]
    assert not (tmp_path / "model.ckpt-8.input.json").exists()


def test_begin_and_end_of_hooks_are_called_once(tmp_path):
    hook = CountingHook()
    make_tpu_estimator(tmp_path).train(train_input_fn, hooks=[hook], steps=5)
    assert hook.calls == ["begin", "run", "run", "end"]


class KernelListener(Listener):
    """Keeps the kernel that the session shows at every save."""

    def __init__(self):
        super().__init__()
        self.kernels = {}

    def before_save(self, session, global_step):
        super().before_save(session, global_step)
        (kernel,) = (v for v in tf1.global_variables() if v.op.name == "kernel")
        self.kernels[int(global_step)] = session.run(kernel)


def test_saving_listeners_see_every_save_and_its_variables(tmp_path):
    listener = KernelListener()
    run = {"save_checkpoints_steps": 4, "keep_checkpoint_max": None}
    make_tpu_estimator(tmp_path, run=run).train(
        train_input_fn, steps=6, saving_listeners=[listener]
    )
    assert listener.calls == Listener.expected([0, 4, 6])
    for step, kernel in listener.kernels.items():
        np.testing.assert_array_equal(kernel, read_kernel(tmp_path, step))
        np.testing.assert_allclose(kernel, train_by_hand(step)[1], rtol=1e-5)


def test_a_users_saver_hook_takes_the_place_of_ours_and_gets_the_listeners(tmp_path):
    listener = Listener()
    own = tf1.train.CheckpointSaverHook(str(tmp_path), save_steps=8)
    make_tpu_estimator(tmp_path).train(
        train_input_fn, steps=10, hooks=[own], saving_listeners=[listener]
    )
    assert listener.calls == Listener.expected([0, 8, 10])
    assert saved_steps(tmp_path) == [0, 8, 10]
    for step in (8, 10):
        np.testing.assert_allclose(read_kernel(tmp_path, step), train_by_hand(step)[1], rtol=1e-5)


def test_without_checkpoints_nothing_is_saved(tmp_path):
    run = {"save_checkpoints_steps": None, "save_checkpoints_secs": None}
    make_tpu_estimator(tmp_path, run=run).train(train_input_fn, steps=5)
    assert saved_steps(tmp_path) == []


def make_host_call_model_fn(events):
    """Writes what came from every replica as an event of each step."""

    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        step = tf.reshape(tf1.train.get_global_step() + 1, [1])
        first = features["x"][:1, 0]

        def host_call(step, loss, first):
            writer = tf.summary.create_file_writer(events)
            with writer.as_default(), tf.summary.record_if(True):
                tf.summary.scalar("loss", tf.reduce_mean(loss), step=step[0])
                tf.summary.scalar("replicas", tf.size(loss), step=step[0])
                for i in range(2):
                    tf.summary.scalar(f"first_{i}", first[i], step=step[0])
            return tf1.summary.all_v2_summary_ops()

        return spec._replace(host_call=(host_call, [step, tf.reshape(spec.loss, [1]), first]))

    return model_fn


@pytest.mark.parametrize(
    ("every", "steps"), [(1, list(range(1, 11))), (3, [1, 4, 5, 8, 9])], ids=["always", "third"]
)
def test_host_call_gets_all_replicas_outputs_in_order(tmp_path, every, steps):
    events = str(tmp_path / "events")
    estimator = make_tpu_estimator(
        tmp_path / "model",
        make_host_call_model_fn(events),
        tpu={"experimental_host_call_every_n_steps": every},
    )
    estimator.train(train_input_fn, steps=10)
    losses, _, _ = train_by_hand(10)
    recorded = read_scalars(events, "loss")
    # Counted from the start of each loop of 4.
    assert sorted(recorded) == steps
    np.testing.assert_allclose([recorded[s] for s in steps], [losses[s - 1] for s in steps], 1e-5)
    assert set(read_scalars(events, "replicas").values()) == {2.0}
    for replica in (0, 1):
        values = read_scalars(events, f"first_{replica}")
        rows = [((step - 1) * 10 + replica * 5) % 100 for step in steps]
        np.testing.assert_array_equal([values[s] for s in steps], FEATURES[rows, 0])


def test_a_host_call_without_summaries_returns_tensors_to_run(tmp_path):
    seen = []

    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)

        def host_call(loss):
            return [tf1.py_func(lambda value: seen.append(value.shape), [loss], [])]

        return spec._replace(host_call=(host_call, {"loss": tf.reshape(spec.loss, [1])}))

    make_tpu_estimator(tmp_path, model_fn, replicas=5).train(train_input_fn, steps=3)
    assert seen == [(5,)] * 3


def test_warm_start_takes_values_only_when_there_is_no_checkpoint(tmp_path):
    old = make_tpu_estimator(tmp_path / "old").train(train_input_fn, steps=8)
    run = {"keep_checkpoint_max": None}
    new = make_tpu_estimator(tmp_path / "new", run=run, warm_start_from=str(tmp_path / "old"))
    new.train(train_input_fn, steps=3)
    np.testing.assert_array_equal(
        read_kernel(tmp_path / "new", 0), old.get_variable_value("kernel")
    )
    new.train(train_input_fn, steps=1)
    assert new.get_variable_value("global_step") == 4
    assert not np.array_equal(new.get_variable_value("kernel"), old.get_variable_value("kernel"))


def test_scaffold_fn_may_take_initial_values_from_a_checkpoint(tmp_path):
    old = make_tpu_estimator(tmp_path / "old").train(train_input_fn, steps=8)

    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)

        def scaffold_fn():
            tf1.train.init_from_checkpoint(str(tmp_path / "old"), {"kernel": "kernel"})
            return tf1.train.Scaffold()

        return spec._replace(scaffold_fn=scaffold_fn)

    make_tpu_estimator(tmp_path / "new", model_fn).train(train_input_fn, steps=1)
    start = str(tmp_path / "new" / "model.ckpt-0")
    np.testing.assert_array_equal(
        tf.train.load_variable(start, "kernel"), old.get_variable_value("kernel")
    )
    np.testing.assert_array_equal(tf.train.load_variable(start, "bias"), [0.0])


def test_a_scaffolds_own_saver_decides_what_is_saved(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)

        def scaffold_fn():
            kept = [v for v in tf1.global_variables() if "Momentum" not in v.op.name]
            return tf1.train.Scaffold(saver=tf1.train.Saver(kept))

        return spec._replace(scaffold_fn=scaffold_fn)

    estimator = make_tpu_estimator(tmp_path, model_fn).train(train_input_fn, steps=4)
    assert estimator.get_variable_names() == ["bias", "global_step", "kernel"]
    np.testing.assert_allclose(read_kernel(tmp_path, 4), train_by_hand(4)[1], rtol=1e-5)


@pytest.mark.parametrize("replica", [0, 1])
def test_nan_loss_names_step_tensor_and_replica(tmp_path, replica):
    def input_fn(params):
        def spoil(index, batch):
            (x, y) = batch
            # The sixth batch has it in the first row of one replica.
            row = tf.where(tf.equal(index, 5), replica * 5, -1)
            bad = tf.equal(tf.range(10), row)[:, None]
            return {"x": tf.where(bad, np.float32(np.nan), x["x"])}, y

        return train_input_fn(params).enumerate().map(spoil)

    with pytest.raises(
        tf1.train.NanLossDuringTrainingError,
        match=rf"`loss` is NaN at step 6 on replica {replica}\.",
    ):
        make_tpu_estimator(tmp_path).train(input_fn, steps=10)
    # What was saved before stays, and no loop that was not a number is saved.
    assert saved_steps(tmp_path) == [0]


def test_speed_is_recorded(tmp_path):
    run = {"log_step_count_steps": 4}
    make_tpu_estimator(tmp_path, run=run).train(train_input_fn, steps=16)
    speeds = read_scalars(tmp_path, "global_step/sec")
    assert speeds
    examples = read_scalars(tmp_path, "examples/sec")
    for step, speed in speeds.items():
        assert examples[step] == pytest.approx(10 * speed, rel=1e-5)
