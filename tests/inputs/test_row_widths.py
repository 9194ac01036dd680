"""Rows become wider when the data needs it."""

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.inputs.row_widths import RowWidths, widen
from tfx_tpu_estimator.inputs.sharding import TensorShards

IDS = TensorShards(
    name="ids", spec=tf.TensorSpec([2, 1], tf.int32), parts=1, axis=0, size=2, varies=False,
    static=True, fill=-1,
)  # fmt: skip
X = TensorShards(
    name="x", spec=tf.TensorSpec([2, 4]), parts=1, axis=0, size=2, varies=False, static=True
)


def test_widths_grow_in_powers_of_two_and_never_shrink():
    widths = RowWidths([X, IDS])
    arrays = widths.make_arrays(3, 1)
    assert [a.shape for a in arrays] == [(3, 1, 2, 4), (3, 1, 2, 1)]
    assert arrays[1].dtype == np.int32
    arrays[1][...] = 7
    x = np.zeros([2, 4], "float32")
    widths.make_room(arrays, [x, np.zeros([2, 0], "int32")])
    assert arrays[1].shape == (3, 1, 2, 1)
    widths.make_room(arrays, [x, np.zeros([2, 3], "int32")])
    assert arrays[1].shape == (3, 1, 2, 4)
    assert arrays[1][0, 0].tolist() == [[7, -1, -1, -1]] * 2
    widths.make_room(arrays, [x, np.zeros([2, 2], "int32")])
    assert [a.shape for a in widths.make_arrays(1, 1)] == [(1, 1, 2, 4), (1, 1, 2, 4)]


def test_a_batch_is_written_into_wider_rows():
    target = np.empty([1, 2, 4], "int32")
    assert IDS.write(target, np.array([[5, 6], [7, -1]], "int32")) == 2
    assert target.tolist() == [[[5, 6, -1, -1], [7, -1, -1, -1]]]
    assert widen(np.array([[1.0]]), 3, 0.0).tolist() == [[1.0, 0.0, 0.0]]
