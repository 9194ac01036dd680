import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.execution.host_arrays import ALIGNMENT, copy_aligned

ARRAYS = {
    "scalar": np.float64(2.5),
    "empty": np.zeros([0, 3], "int32"),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "bfloat16": np.ones([3], tf.bfloat16.as_numpy_dtype),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "bytes": np.array([b"one", b""]),
    "objects": np.array([b"one", b"\x00"], object),
}


@pytest.mark.parametrize("value", ARRAYS.values(), ids=ARRAYS)
def test_copies_equal_and_share_nothing(value):
    value = np.asarray(value)
    copy = copy_aligned(value)
    assert (copy.dtype, copy.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(copy, value)
    assert not np.shares_memory(copy, value)
    if value.dtype.kind not in "SO" and value.size:
        assert copy.ctypes.data % ALIGNMENT == 0
