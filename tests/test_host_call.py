"""host_calls as TPU programs have them: summaries written on the host in every step."""

import functools

import pytest
import tensorflow as tf

from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run_steps(spec, steps):
    """Runs a training spec under its hooks."""
    with tf.compat.v1.train.MonitoredSession(hooks=spec.training_hooks) as session:
        for _ in range(steps):
            session.run(spec.train_op)


def read_scalars(folder):
    found = []
    for path in sorted(folder.glob("events.*")):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                found.append((value.tag, event.step, float(tf.make_ndarray(value.tensor))))
    return found


def write_loss(folder, step, loss):
    """A host_call as ResNet's TPU code has it."""
    with (
        tf.compat.v2.summary.create_file_writer(str(folder), max_queue=1000).as_default(),
        tf.compat.v2.summary.record_if(True),
    ):
        tf.compat.v2.summary.scalar("loss", loss[0], step=step[0])
        tf.compat.v2.summary.scalar("twice", 2 * loss[0], step=step[0])
        return tf.compat.v1.summary.all_v2_summary_ops()


def make_writing_spec(folder):
    step = tf.compat.v1.train.get_or_create_global_step()
    # Reading before the step is counted makes the recorded steps certain.
    seen = tf.identity(step.read_value())
    with tf.control_dependencies([seen]):
        train_op = tf.compat.v1.assign_add(step, 1)
    tensors = [tf.reshape(seen, [1]), tf.reshape(tf.cast(seen, tf.float32), [1])]
    host_call = (functools.partial(write_loss, folder), tensors)
    return TPUEstimatorSpec(
        ModeKeys.TRAIN, loss=tf.constant(1.0), train_op=train_op, host_call=host_call
    ).as_estimator_spec()


def test_host_call_writes_event_files_in_every_step(tmp_path):
    run_steps(make_writing_spec(tmp_path), 3)
    assert sorted(read_scalars(tmp_path)) == [
        ("loss", 0, 0.0),
        ("loss", 1, 1.0),
        ("loss", 2, 2.0),
        ("twice", 0, 0.0),
        ("twice", 1, 2.0),
        ("twice", 2, 4.0),
    ]


def test_host_call_writes_again_when_a_session_is_replaced(tmp_path):
    spec = make_writing_spec(tmp_path)
    run_steps(spec, 1)
    with tf.compat.v1.Session(graph=tf.compat.v1.get_default_graph()) as session:
        hook = spec.training_hooks[-1]
        session.run(tf.compat.v1.global_variables_initializer())
        hook.after_create_session(session, None)
        session.run(hook.before_run(None).fetches)
        hook.end(session)
    assert [entry for entry in read_scalars(tmp_path) if entry[0] == "loss"] == [
        ("loss", 0, 0.0),
        ("loss", 0, 0.0),
    ]


def test_two_specs_write_to_their_own_folders(tmp_path):
    first = make_writing_spec(tmp_path / "a")
    make_writing_spec(tmp_path / "b")
    run_steps(first, 2)
    assert len(read_scalars(tmp_path / "a")) == 4
    assert read_scalars(tmp_path / "b") == []


def test_a_host_call_may_write_only_now_and_then(tmp_path):
    def write_even_steps(step):
        with (
            tf.compat.v2.summary.create_file_writer(str(tmp_path)).as_default(),
            tf.compat.v2.summary.record_if(lambda: tf.equal(step[0] % 2, 0)),
        ):
            tf.compat.v2.summary.scalar("step", step[0], step=step[0])
            return tf.compat.v1.summary.all_v2_summary_ops()

    step = tf.compat.v1.train.get_or_create_global_step()
    seen = tf.identity(step.read_value())
    with tf.control_dependencies([seen]):
        train_op = tf.compat.v1.assign_add(step, 1)
    spec = TPUEstimatorSpec(
        ModeKeys.TRAIN,
        loss=tf.constant(1.0),
        train_op=train_op,
        host_call=(write_even_steps, [tf.reshape(seen, [1])]),
    )
    run_steps(spec.as_estimator_spec(), 4)
    assert [entry[1] for entry in read_scalars(tmp_path)] == [0, 2]
