"""What counts as an int."""

import numpy as np
import pytest

from tfx_tpu_estimator.config.integers import is_int, validate_int


@pytest.mark.parametrize("value", [0, -1, 7, np.int64(3), np.int32(3)])
def test_whole_numbers(value):
    assert is_int(value)
    validate_int("steps", value)


@pytest.mark.parametrize("value", [True, 1.0, np.float32(1), "1", None])
def test_everything_else(value):
    assert not is_int(value)
    with pytest.raises(TypeError, match="steps must be int, got <class"):
        validate_int("steps", value)
