"""Whether a checkpoint fits a model, said before anything is restored."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import CheckpointMismatchError, FitHook, validate_fits

tf1 = tf.compat.v1


@pytest.fixture
def checkpoint(tmp_path):
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.get_variable("table", [10, 4], partitioner=tf1.fixed_size_partitioner(2))
        tf1.get_variable("dense/kernel", initializer=np.ones([4, 1], "float32"))
        session.run(tf1.global_variables_initializer())
        return tf1.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=1)


def test_what_fits(checkpoint):
    validate_fits(checkpoint, {"table": [10, 4], "dense/kernel": (4, 1)}, "the model")
    validate_fits(checkpoint, {"table": tf.TensorShape([10, None])}, "the model")
    validate_fits(checkpoint, {"table": None}, "the model")


def test_a_shape_that_differs_names_the_variable_and_both_shapes(checkpoint):
    with pytest.raises(
        ValueError,
        match=r"does not fit the model: `table` has shape \[10, 4\] in the checkpoint and "
        r"\[12, 4\] in the model",
    ):
        validate_fits(checkpoint, {"table": [12, 4]}, "the model")


def test_a_missing_variable_lists_near_names(checkpoint):
    with pytest.raises(
        ValueError,
        match=r"`dense/kernal` is not in the checkpoint \(near names: \['dense/kernel'\]\)",
    ):
        validate_fits(checkpoint, {"dense/kernal": [4, 1], "table": [10, 4]}, "the model")


@pytest.mark.parametrize("kind", [ValueError, tf.errors.InvalidArgumentError])
def test_it_is_both_errors_with_all_faults(checkpoint, kind):
    with pytest.raises(kind) as info:
        validate_fits(checkpoint, {"extra": [1], "dense/kernel": []}, "the model")
    assert isinstance(info.value, CheckpointMismatchError)
    assert "`extra` is not in" in str(info.value)
    assert "`dense/kernel` has shape [4, 1] in the checkpoint and [] in the model" in str(
        info.value
    )
    assert info.value.error_code == tf.errors.INVALID_ARGUMENT


def test_names_of_object_based_checkpoints_are_left_to_tensorflow(tmp_path):
    # In a graph, which a process has whether its eager execution was turned off or not.
    with tf.Graph().as_default(), tf1.Session() as session:
        variable = tf1.get_variable("v", initializer=[1.0], use_resource=True)
        session.run(variable.initializer)
        objects = tf1.train.Checkpoint(v=variable)
        prefix = objects.write(str(tmp_path / "objects"), session=session)
    assert "_CHECKPOINTABLE_OBJECT_GRAPH" in dict(tf.train.list_variables(prefix))
    validate_fits(prefix, {"v": [1]}, "the model")


def open_session(checkpoint, build, make_saver=None):
    """Restores what `build` makes, and returns the values; the step is not in the checkpoint."""
    with tf.Graph().as_default():
        tf1.train.get_or_create_global_step()
        build()
        variables = [v for v in tf1.global_variables() if v.op.name != "global_step"]
        scaffold = None
        if make_saver:
            ready = tf.constant([], tf.string)  # the saver leaves the step uninitialised
            scaffold = tf1.train.Scaffold(
                saver=make_saver(variables), ready_op=ready, ready_for_local_init_op=ready
            )
        with tf1.train.SingularMonitoredSession(
            hooks=[FitHook(checkpoint, scaffold, "the model")],
            scaffold=scaffold,
            checkpoint_filename_with_path=checkpoint,
        ) as session:
            return session.raw_session().run(variables)


def partitioned(shape, parts):
    return lambda: tf1.get_variable("table", shape, partitioner=tf1.fixed_size_partitioner(parts))


def test_hook_with_the_sessions_own_saver(checkpoint):
    with pytest.raises(ValueError, match="`global_step` is not in the checkpoint"):
        open_session(checkpoint, partitioned([10, 4], 2))


def test_hook_with_a_saver_of_some_variables(checkpoint):
    parts = open_session(checkpoint, partitioned([10, 4], 5), tf1.train.Saver)
    saved = tf.train.load_variable(checkpoint, "table")
    np.testing.assert_array_equal(np.concatenate(parts), saved)
    with pytest.raises(ValueError, match=r"`table` has shape \[10, 4\] in the .* and \[8, "):
        open_session(checkpoint, partitioned([8, 4], 2), tf1.train.Saver)


def test_hook_with_a_saver_under_other_names(checkpoint):
    (value,) = open_session(
        checkpoint,
        lambda: tf1.get_variable("mine", [4, 1]),
        lambda variables: tf1.train.Saver({"dense/kernel": variables[0]}),
    )
    assert value.tolist() == [[1]] * 4


def test_a_saver_that_reshapes_may_reshape(checkpoint):
    (value,) = open_session(
        checkpoint,
        lambda: tf1.get_variable("dense/kernel", [2, 2]),
        lambda variables: tf1.train.Saver(variables, reshape=True),
    )
    assert value.tolist() == [[1, 1], [1, 1]]
