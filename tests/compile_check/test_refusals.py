"""What a user is told of an error in the functions of a module."""

import re

import pytest
import tensorflow as tf

from tfx_tpu_estimator.compile_check.refusals import explain_refusal
from tfx_tpu_estimator.lowering.tf_internals_tracing import replace_ops


def multiply_wrong_shapes():
    tf.matmul(tf.zeros([2, 3]), tf.zeros([4, 5]))


def read_missing_key(params):
    return params["files"]


def explain(function, *arguments):
    with pytest.raises(Exception, match=r".") as raised:
        function(*arguments)
    return explain_refusal(function, raised.value)


def test_an_op_that_does_not_fit_has_the_line_of_the_user():
    with tf.Graph().as_default(), replace_ops({}):
        message = explain(multiply_wrong_shapes)
    assert re.match(r"ValueError at .*test_refusals\.py:\d+: Dimensions must be equal", message)


def test_missing_data_names_the_function_that_was_called():
    message = explain(read_missing_key, {})
    assert re.match(r"KeyError at .*test_refusals\.py:\d+: files\. If `read_missing_key`", message)


def test_an_error_of_the_package_is_told_as_it_is():
    def estimator_of_no_use(_):
        import tfx_tpu_estimator

        tfx_tpu_estimator.RunConfig(save_checkpoints_steps=-1)

    assert explain(estimator_of_no_use, None).startswith("save_checkpoints_steps")
