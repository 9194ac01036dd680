"""TPUEstimator.train on the host engine."""

import glob

import numpy as np
import pytest
import tensorflow as tf
from helpers.events import read_scalars
from helpers.hooks import CountingHook, Listener
from helpers.models import (
    FEATURES,
    LABELS,
    eval_input_fn,
    linear_model_fn,
    make_estimator,
    train_by_hand,
    train_input_fn,
)

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1


def test_training_equals_the_arithmetic_done_by_hand(tmp_path):
    estimator = make_estimator(tmp_path)
    assert estimator.train(train_input_fn, steps=25) is estimator
    losses, kernel, bias = train_by_hand(25)
    np.testing.assert_allclose(estimator.get_variable_value("kernel"), kernel, rtol=1e-5)
    np.testing.assert_allclose(estimator.get_variable_value("bias"), bias, rtol=1e-4, atol=1e-7)
    recorded = read_scalars(tmp_path, "loss")
    assert sorted(recorded) == list(range(1, 26))
    np.testing.assert_allclose([recorded[i + 1] for i in range(25)], losses, rtol=1e-5)


def test_steps_add_up_and_max_steps_is_absolute(tmp_path):
    estimator = make_estimator(tmp_path)
    estimator.train(train_input_fn, steps=3)
    estimator.train(train_input_fn, steps=4)
    assert estimator.get_variable_value("global_step") == 7
    estimator.train(train_input_fn, max_steps=9)
    assert estimator.get_variable_value("global_step") == 9


def test_max_steps_already_reached_runs_nothing(tmp_path):
    estimator = make_estimator(tmp_path)
    estimator.train(train_input_fn, max_steps=5)

    def forbidden(params):
        raise AssertionError("must not be called")

    estimator.train(forbidden, max_steps=5)
    estimator.train(forbidden, max_steps=2)


def test_without_steps_training_goes_to_the_end_of_the_input(tmp_path):
    def two_passes(params):
        data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES}, LABELS))
        return data.repeat(2).batch(params["batch_size"])

    estimator = make_estimator(tmp_path)
    estimator.train(two_passes)
    assert estimator.get_variable_value("global_step") == 20


def test_first_and_last_checkpoint_and_those_between(tmp_path):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=4, keep_checkpoint_max=None)
    make_estimator(tmp_path, config=config).train(train_input_fn, steps=10)
    steps = {int(p.stem.split("-")[-1]) for p in tmp_path.glob("model.ckpt-*.index")}
    assert steps == {0, 4, 8, 10}


def test_old_checkpoints_are_removed_across_restarts(tmp_path):
    for target in (4, 8, 12):
        config = tpu_estimator.RunConfig(save_checkpoints_steps=2, keep_checkpoint_max=3)
        make_estimator(tmp_path, config=config).train(train_input_fn, max_steps=target)
    steps = {int(p.stem.split("-")[-1]) for p in tmp_path.glob("model.ckpt-*.index")}
    assert steps == {8, 10, 12}


def test_no_checkpoints_when_both_frequencies_are_none(tmp_path):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    estimator = make_estimator(tmp_path, config=config)
    estimator.train(train_input_fn, steps=2)
    assert estimator.latest_checkpoint() is None


def test_hooks_run_at_every_step(tmp_path):
    hook = CountingHook()
    make_estimator(tmp_path).train(train_input_fn, hooks=[hook], steps=3)
    assert hook.calls == ["begin", "run", "run", "run", "end"]


def test_training_hooks_of_the_spec_run_too(tmp_path):
    hook = CountingHook()

    def model_fn(features, labels, mode, params):
        return linear_model_fn(features, labels, mode, params)._replace(training_hooks=[hook])

    make_estimator(tmp_path, model_fn).train(train_input_fn, steps=2)
    assert hook.calls == ["begin", "run", "run", "end"]


def test_saving_listeners_see_every_save(tmp_path):
    listener = Listener()
    config = tpu_estimator.RunConfig(save_checkpoints_steps=2)
    make_estimator(tmp_path, config=config).train(
        train_input_fn, steps=3, saving_listeners=[listener]
    )
    assert listener.calls == Listener.expected([0, 2, 3])


def test_a_users_saver_hook_takes_the_place_of_ours_and_gets_the_listeners(tmp_path):
    listener = Listener()
    own = tf1.train.CheckpointSaverHook(str(tmp_path), save_steps=5)
    make_estimator(tmp_path).train(
        train_input_fn, steps=6, hooks=[own], saving_listeners=[listener]
    )
    assert ("after", 5) in listener.calls
    saves = [call for call in listener.calls if call[0] == "after"]
    assert len(saves) == len(set(saves))


def test_listeners_without_any_saver_are_refused(tmp_path):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    with pytest.raises(ValueError, match="CheckpointSaverHook to use saving_listeners"):
        make_estimator(tmp_path, config=config).train(
            train_input_fn, steps=1, saving_listeners=[Listener()]
        )


def test_summaries_and_speed_are_recorded(tmp_path):
    def model_fn(features, labels, mode, params):
        tf1.summary.scalar("mean_feature", tf.reduce_mean(features["x"]))
        return linear_model_fn(features, labels, mode, params)

    config = tpu_estimator.RunConfig(save_summary_steps=5, log_step_count_steps=10)
    make_estimator(tmp_path, model_fn, config=config).train(train_input_fn, steps=31)
    assert set(read_scalars(tmp_path, "mean_feature")) == {1, 6, 11, 16, 21, 26, 31}
    speeds = read_scalars(tmp_path, "global_step/sec")
    examples = read_scalars(tmp_path, "examples/sec")
    assert set(speeds) == {11, 21, 31}
    for step, speed in speeds.items():
        assert examples[step] == pytest.approx(10 * speed, rel=1e-5)


def test_nan_loss_names_step_and_tensor(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        step = tf1.train.get_global_step().read_value()
        # The third step is the one whose loss is computed while the global step is 2.
        bad = tf.where(step >= 2, np.nan, 0.0)
        return spec._replace(loss=tf.identity(spec.loss + tf.cast(bad, tf.float32), name="my_loss"))

    with pytest.raises(tf1.train.NanLossDuringTrainingError, match=r"`my_loss:0` is NaN at step"):
        make_estimator(tmp_path, model_fn).train(train_input_fn, steps=10)


def test_empty_input_is_an_error(tmp_path):
    def empty(params):
        data = tf.data.Dataset.from_tensor_slices(({"x": FEATURES[:3]}, LABELS[:3]))
        return data.batch(10, drop_remainder=True)

    with pytest.raises(ValueError, match="`input_fn` produced no batch"):
        make_estimator(tmp_path).train(empty, steps=2)


def test_two_runs_with_one_seed_are_bit_identical(tmp_path):
    def model_fn(features, labels, mode, params):
        hidden = tf1.layers.dense(features["x"], 8, activation=tf.nn.relu, name="hidden")
        hidden = tf.nn.dropout(hidden, rate=0.3)
        hidden = tf1.layers.dropout(hidden, rate=0.3, training=True)
        logits = tf1.layers.dense(hidden, 1, name="logits")
        loss = tf1.losses.sigmoid_cross_entropy(labels, logits)
        train_op = tf1.train.AdamOptimizer(0.01).minimize(loss, tf1.train.get_global_step())
        return tpu_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    values = []
    for name in ("one", "two"):
        estimator = make_estimator(tmp_path / name, model_fn)
        estimator.train(train_input_fn, steps=30)
        values.append(estimator.get_variable_value("hidden/kernel"))
    np.testing.assert_array_equal(*values)


def test_params_and_batch_size_reach_both_functions(tmp_path):
    seen = {}

    def input_fn(params):
        seen["input"] = dict(params)
        return train_input_fn(params)

    def model_fn(features, labels, mode, params, config):
        seen["model"] = dict(params)
        seen["model_dir"] = config.model_dir
        return linear_model_fn(features, labels, mode, params)

    make_estimator(tmp_path, model_fn, params={"learning_rate": 0.5}).train(input_fn, steps=1)
    assert seen["input"]["batch_size"] == seen["model"]["batch_size"] == 10
    assert seen["model"]["learning_rate"] == 0.5
    assert seen["model_dir"] == str(tmp_path)


def test_host_call_runs_at_every_step(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)
        step = tf.reshape(tf1.train.get_global_step(), [1])

        def host_call(step, loss):
            writer = tf.summary.create_file_writer(str(tmp_path / "host"))
            with writer.as_default(), tf.summary.record_if(True):
                tf.summary.scalar("from_host", loss[0], step=step[0])
            return tf1.summary.all_v2_summary_ops()

        return spec._replace(host_call=(host_call, [step, tf.reshape(spec.loss, [1])]))

    make_estimator(tmp_path / "model", model_fn).train(train_input_fn, steps=4)
    events = [
        event
        for path in glob.glob(str(tmp_path / "host" / "events.*"))
        for event in tf1.train.summary_iterator(path)
        if event.summary.value
    ]
    assert len(events) == 4


def test_warm_start_takes_values_only_when_there_is_no_checkpoint(tmp_path):
    make_estimator(tmp_path / "old").train(train_input_fn, steps=20)
    old = make_estimator(tmp_path / "old").get_variable_value("kernel")
    config = tpu_estimator.RunConfig(save_checkpoints_steps=100, keep_checkpoint_max=None)
    new = make_estimator(tmp_path / "new", config=config, warm_start_from=str(tmp_path / "old"))
    new.train(train_input_fn, steps=3)
    first = tf.train.load_variable(str(tmp_path / "new" / "model.ckpt-0"), "kernel")
    np.testing.assert_array_equal(first, old)
    trained = new.get_variable_value("kernel")
    new.train(train_input_fn, steps=1)
    assert not np.array_equal(new.get_variable_value("kernel"), old)
    assert new.get_variable_value("global_step") == 4
    assert not np.array_equal(trained, old)


def test_scaffold_fn_of_the_spec_is_used(tmp_path):
    def model_fn(features, labels, mode, params):
        spec = linear_model_fn(features, labels, mode, params)

        def scaffold_fn():
            def init_fn(scaffold, session):
                (kernel,) = (v for v in tf1.global_variables() if v.op.name == "kernel")
                kernel.load(np.full([4, 1], 2.0, "float32"), session)

            return tf1.train.Scaffold(init_fn=init_fn)

        return spec._replace(scaffold_fn=scaffold_fn)

    make_estimator(tmp_path, model_fn).train(train_input_fn, steps=1)
    first = tf.train.load_variable(str(tmp_path / "model.ckpt-0"), "kernel")
    np.testing.assert_array_equal(first, np.full([4, 1], 2.0))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 1, "max_steps": 1}, ValueError, "Can not provide both steps and max_steps"),
        ({"steps": 0}, ValueError, "Must specify steps > 0"),
        ({"max_steps": -1}, ValueError, "Must specify max_steps > 0"),
        ({"steps": 1.5}, TypeError, "must be int"),
        ({"hooks": ["hook"]}, TypeError, "must be a SessionRunHook"),
        ({"saving_listeners": ["x"]}, TypeError, "must be a list of CheckpointSaverListener"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(tmp_path, arguments, error, message):
    def forbidden(params):
        raise AssertionError("must not be called")

    with pytest.raises(error, match=message):
        make_estimator(tmp_path).train(forbidden, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_reads_what_was_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    estimator = make_estimator(tmp_path).train(train_input_fn, steps=12)
    estimator.evaluate(eval_input_fn)
    training = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in training.Scalars("loss")] == list(range(1, 13))
    evaluation = EventAccumulator(estimator.eval_dir()).Reload()
    assert evaluation.Scalars("accuracy")[0].step == 12
