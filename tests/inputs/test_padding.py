import numpy as np
import pytest

from tfx_tpu_estimator.inputs.padding import (
    agree_on_rows,
    count_rows,
    drop_padding,
    mark_valid,
    pad_rows,
)


def test_padding_repeats_the_last_example():
    batch = np.array([[1, 2], [3, 4]], np.int32)
    padded = pad_rows(batch, 0, 4)
    assert padded.tolist() == [[1, 2], [3, 4], [3, 4], [3, 4]]
    assert padded.dtype == np.int32
    assert pad_rows(batch, 1, 3).tolist() == [[1, 2, 2], [3, 4, 4]]


def test_padding_of_nothing_is_zeros():
    assert pad_rows(np.zeros([0, 2]), 0, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("rows", "expected"), [(0, [[0, 0], [0, 0]]), (3, [[1, 1], [1, 0]])])
def test_mask(rows, expected):
    mask = mark_valid(rows, 4, 2)
    assert mask.dtype == bool
    assert mask.tolist() == expected


def test_rows():
    assert count_rows(np.zeros([3, 5]), 1) == 5
    assert count_rows(np.float32(1), None) == 1
    assert agree_on_rows(["a", "b"], [3, 3], [4, 4]) == 3
    with pytest.raises(ValueError, match="cannot be masked: `a`: 3 of 4, `b`: 2 of 4"):
        agree_on_rows(["a", "b"], [3, 2], [4, 4])


def test_dropping_padding_keeps_the_order():
    valid = np.array([[True, True], [True, False]])
    assert drop_padding(np.array([5, 6, 7, 7]), valid).tolist() == [5, 6, 7]
    kept = drop_padding({"p": np.arange(8).reshape(4, 2)}, valid)
    assert kept["p"].tolist() == [[0, 1], [2, 3], [4, 5]]
