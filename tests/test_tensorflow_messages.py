"""What TensorFlow says."""

import logging

import pytest
import tensorflow as tf

from tfx_tpu_estimator.tensorflow_messages import (
    first_line,
    without_graph_stack,
    without_tensorflow_warnings,
)


def test_tensorflow_is_quiet_for_a_while_only():
    logger = logging.getLogger("tensorflow")
    before = logger.level
    with without_tensorflow_warnings():
        assert not logger.isEnabledFor(logging.WARNING)
        assert tf.get_logger().level == logging.ERROR
    assert logger.level == before


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (tf.errors.NotFoundError(None, None, "no file.\nstack"), "no file"),
        (ValueError("\n `x` is wrong. \n"), "`x` is wrong"),
        (KeyError(), "KeyError"),
    ],
)
def test_first_line(error, said):
    assert first_line(error) == said


def test_an_error_of_a_graph_is_told_without_its_stack():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        value = tf.compat.v1.placeholder(tf.float32)
        checked = tf.debugging.check_numerics(value, "the loss is gone", name="check")
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(checked, {value: float("nan")})
    assert without_graph_stack(caught.value) == "the loss is gone : Tensor had NaN values"
    assert without_graph_stack(ValueError(" plain ")) == "plain"
