"""Tests of sums by group and position."""

import numpy as np
import pytest

from tfx_tpu_estimator.components.evaluator.engine import sums
from tfx_tpu_estimator.components.evaluator.engine.sums import GroupSums


@pytest.mark.parametrize("width", [3, 5000])
def test_sums(width, monkeypatch):
    monkeypatch.setattr(sums, "_BUFFERED", 50)
    random = np.random.default_rng(1)
    found, expected = GroupSums(width, 2), np.zeros([6, width, 2])
    for _ in range(8):
        groups = random.integers(5, size=30)
        positions = random.integers(width, size=30)
        values = random.integers(10, size=[30, 2]).astype(float)
        found.add(groups, positions, values)
        np.add.at(expected, (groups, positions), values)
    # Group 5 has no entry; the others one by one and together.
    for chosen in ([0], [4], [5], [0, 2, 5]):
        positions, values = found.read(chosen)
        dense = np.zeros([width, 2])
        dense[positions] = values
        np.testing.assert_array_equal(dense, expected[chosen].sum(axis=0))
