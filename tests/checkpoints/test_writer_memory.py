"""How much memory a save takes: one copy of the state, or none."""

import json
import subprocess
import sys

import pytest

MEASURE = """
import json, sys
import numpy as np
import tensorflow as tf
from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor
from tfx_tpu_estimator.checkpoints.writer import CheckpointWriter
from tfx_tpu_estimator.execution.host_arrays import copy_aligned

def read_status(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith(key))

names = [f"v{i}" for i in range(10)]
elements = 100 * 2**18 // len(names)
values = {n: copy_aligned(np.full(elements, i, "float32")) for i, n in enumerate(names)}
writer = CheckpointWriter(sys.argv[1], [
    SavedTensor(source=n, name=n, slice_spec="", shape=tf.TensorShape([elements]), dtype=tf.float32)
    for n in names
])
writer.save({n: v for n, v in values.items()}, 0, copy=False, wait=True)  # buffers of the library
before = read_status("VmRSS")
for step in range(1, 6):
    # The second save comes while the first may still be written.
    writer.save(values, step, copy=sys.argv[2] == "copy")
writer.close()
print(json.dumps({"peak": read_status("VmHWM") - before, "left": read_status("VmRSS") - before}))
"""


@pytest.mark.parametrize(("mode", "most"), [("copy", 130), ("nocopy", 30)])
def test_extra_memory_in_mb_for_a_state_of_100_mb(tmp_path, mode, most):
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), mode],
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = json.loads(result.stdout)
    assert measured["peak"] < most, measured
    assert measured["left"] < 30, measured
