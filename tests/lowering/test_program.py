"""What a Program says of itself, and that it does not depend on the process around it."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import initial_values, run, trace

from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.specs import ModeKeys, TPUEstimatorSpec

tf1 = tf.compat.v1
X = np.ones([4, 3], "float32")


def model_fn(features, labels, mode, params):
    kernel = tf1.get_variable("kernel", [3, 2], dtype=params.get("dtype", tf.float32))
    frozen = tf1.get_variable("frozen", [2], trainable=False)
    local = {"trainable": False, "collections": [tf1.GraphKeys.LOCAL_VARIABLES]}
    seen = tf1.get_variable("seen", [], tf.int32, tf1.zeros_initializer(), **local)
    tf1.get_variable("unused", [5])
    x = tf.nn.dropout(features["x"], 0.5)
    y = tf.matmul(tf.cast(x, kernel.dtype), kernel) + tf.cast(frozen, kernel.dtype)
    loss = tf.cast(tf.reduce_mean(tf.square(y)), tf.float32)
    step = tf1.train.get_global_step()
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.1))
    train_op = tf.group(optimizer.minimize(loss, step), seen.assign_add(4))
    before = tf.reshape(step, [1])
    with tf1.control_dependencies([train_op]):
        after = tf.reshape(step.read_value(), [1])
    return TPUEstimatorSpec(
        mode,
        loss=loss,
        train_op=train_op,
        host_call=(lambda a, b: [a, b], {"a": before, "b": after}),
    )


def test_signatures():
    program = lower_model(trace(model_fn, {"x": X}, replicas=2))
    assert [(s.name, s.shape, s.dtype) for s in program.inputs] == [
        ("features/x", (2, 3), "float32")
    ]
    assert {(s.name, s.shape, s.dtype, s.updated) for s in program.state} == {
        ("global_step", (), "int64", True),
        ("kernel", (3, 2), "float32", True),
        ("frozen", (2,), "float32", False),
        ("seen", (), "int32", True),
    }
    assert [(s.name, s.shape, s.dtype) for s in program.outputs] == [
        ("loss", (), "float32"), ("host_call/0", (1,), "int64"), ("host_call/1", (1,), "int64"),
    ]  # fmt: skip
    assert [v.name for v in program.updated_state] == ["global_step", "kernel", "seen"]
    assert program.mode == ModeKeys.TRAIN
    assert sorted(program.parameters) == list(range(1 + 1 + 4))
    with pytest.raises(dataclasses.FrozenInstanceError):
        program.mode = ModeKeys.EVAL


def test_reads_come_before_the_update_unless_they_wait_for_it():
    traced = trace(model_fn, {"x": X}, replicas=2)
    state, outputs = run(lower_model(traced), initial_values(traced), {"x": X}, steps=3)
    np.testing.assert_array_equal(outputs["host_call/0"][:, 0, 0], [0, 1, 2])
    np.testing.assert_array_equal(outputs["host_call/1"][:, 0, 0], [1, 2, 3])
    assert state["seen"] == 12


def test_bfloat16_state():
    traced = trace(model_fn, {"x": X}, replicas=2, params={"dtype": tf.bfloat16})
    values = initial_values(traced)
    state, _ = run(lower_model(traced), values, {"x": X}, steps=2)
    assert state["kernel"].dtype == values["kernel"].dtype == tf.bfloat16.as_numpy_dtype
    assert (state["kernel"] != values["kernel"]).any()


CODE = """
import json, sys
import tensorflow as tf
if "v1" in sys.argv:
    tf.compat.v1.disable_v2_behavior()
if "busy" in sys.argv:
    tf.function(lambda x: x + 1).get_concrete_function(tf.TensorSpec([3]))
sys.path[:0] = json.loads(sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("model", sys.argv[2])
model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(model)
traced = model.trace(model.model_fn, {"x": model.X}, replicas=2)
program = model.lower_model(traced)
values = model.initial_values(traced)
state, outputs = model.run(program, values, {"x": model.X}, steps=3)
print(json.dumps([program.digest, state["kernel"].tolist(), int(state["global_step"])]))
"""


def run_in_new_process(*words):
    arguments = [sys.executable, "-c", CODE, json.dumps(sys.path), __file__, *words]
    ran = subprocess.run(arguments, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_another_process_makes_the_same_program_and_the_same_weights():
    traced = trace(model_fn, {"x": X}, replicas=2)
    program = lower_model(traced)
    state, _ = run(program, initial_values(traced), {"x": X}, steps=3)
    assert run_in_new_process("busy") == [program.digest, state["kernel"].tolist(), 3]


def test_programs_that_disable_v2_behaviour_run_as_well():
    _, kernel, step = run_in_new_process("v1")
    traced = trace(model_fn, {"x": X}, replicas=2)
    state, _ = run(lower_model(traced), initial_values(traced), {"x": X}, steps=3)
    np.testing.assert_allclose(kernel, state["kernel"], rtol=1e-6)
    assert step == 3


def read_resident_bytes():
    with open("/proc/self/statm") as statistics:
        return int(statistics.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="counts memory as Linux does")
def test_lowering_makes_no_copy_of_the_variables():
    def large(features, labels, mode, params):
        kernel = tf1.get_variable("kernel", [1000, 50_000])  # 200 MB
        return TPUEstimatorSpec(mode, predictions={"y": tf.matmul(features, kernel)})

    before = read_resident_bytes()
    lower_model(trace(large, np.ones([2, 1000], "float32"), mode=ModeKeys.PREDICT))
    assert read_resident_bytes() - before < 100e6
