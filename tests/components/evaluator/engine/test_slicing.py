"""Slices of a batch are those that TensorFlow Model Analysis gives each example."""

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from helpers.predicted import make_lists
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from tfx_tpu_estimator.components.evaluator.engine.slicing import Slicer

SPECS = """
  slicing_specs {}
  slicing_specs { feature_keys: "color" }
  slicing_specs { feature_keys: "color" feature_keys: "size" }
  slicing_specs { feature_values { key: "color" value: "red" } }
  slicing_specs { feature_keys: "size" feature_values { key: "color" value: "red" } }
  slicing_specs { feature_values { key: "size" value: "2" } }
  slicing_specs { feature_values { key: "part" value: "0.5" } }
  slicing_specs { feature_keys: "nowhere" }
  cross_slicing_specs { baseline_spec {} slicing_specs { feature_keys: "size" } }
"""


def assign(slicer, count, columns, numbers):
    members = slicer.assign(count, columns, numbers)
    keys = list(numbers)
    pairs = zip(members.rows.tolist(), members.slices.tolist(), strict=True)
    found = [(row, keys[number]) for row, number in pairs]
    assert len(found) == len(set(found)), "an example is in a slice once"
    return {row: {key for r, key in found if r == row} for row in range(count)}


def expect(config, rows):
    protos = [*config.slicing_specs]
    for cross in config.cross_slicing_specs:
        protos += [cross.baseline_spec, *cross.slicing_specs]
    specs = [slicer_lib.SingleSliceSpec(spec=proto) for proto in protos]
    return {
        number: set(slicer_lib.get_slices_for_features_dicts([], row, specs))
        for number, row in enumerate(rows)
    }


@pytest.mark.parametrize("seed", range(3))
def test_as_tfma_does(seed):
    config = text_format.Parse(SPECS, config_pb2.EvalConfig())
    slicer, numbers = Slicer(config), {}
    random = np.random.default_rng(seed)
    for _ in range(3):
        # None, one or several values; some of them twice.
        color = [
            random.choice([b"red", b"blue", b"4"], random.integers(4)).tolist() for _ in "abcdef"
        ]
        size = [random.integers(1, 4, random.integers(3)).tolist() or None for _ in color]
        part = [[float(v)] for v in random.choice([0.5, 0.25], len(color))]
        columns = {
            "color": make_lists(color, pa.large_binary()),
            "size": make_lists(size, pa.int64()),
            "part": make_lists(part, pa.float32()),
        }
        rows = [
            {
                "color": np.array(c, object) if c else None,
                "size": np.array(s) if s else None,
                "part": np.array(p, np.float32),
            }
            for c, s, p in zip(color, size, part, strict=True)
        ]
        assert assign(slicer, len(color), columns, numbers) == expect(config, rows)


def test_text_that_is_none():
    config = text_format.Parse('slicing_specs { feature_keys: "a" }', config_pb2.EvalConfig())
    columns = {"a": make_lists([[b"\xff"]], pa.large_binary())}
    with pytest.raises(ValueError, match=r"sliced by 'a', which has the value .*UTF-8"):
        Slicer(config).assign(1, columns, {})
