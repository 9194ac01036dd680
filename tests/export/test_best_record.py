"""The record of the best evaluation: read as it was written, or an error that says so."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator import DataCorruptionError
from tfx_tpu_estimator.export.best_record import (
    BestRecord,
    is_nan,
    read_attempt,
    read_record,
    write_attempt,
    write_record,
)


def test_metrics_are_read_as_they_were_written(tmp_path):
    metrics = {
        "loss": np.float32(0.1),
        "step": np.int64(2**40),
        "nan": float("nan"),
        "infinite": np.float64("-inf"),
        "half": tf.bfloat16.as_numpy_dtype(0.5),
        "curve": np.array([[1.5, 2.5]], np.float32),
        "image": b"no metric that can be compared",
        "name": "neither",
    }
    write_record(str(tmp_path), BestRecord(metrics=metrics, export="12"))
    record = read_record(str(tmp_path))
    assert record.export == "12"
    assert sorted(record.metrics) == ["curve", "half", "infinite", "loss", "nan", "step"]
    assert record.metrics["loss"] == np.float32(0.1)
    assert record.metrics["step"] == 2**40
    assert np.isnan(record.metrics["nan"])
    assert record.metrics["infinite"] == -np.inf
    assert record.metrics["half"] == 0.5
    assert record.metrics["curve"].dtype == np.float32
    np.testing.assert_array_equal(record.metrics["curve"], [[1.5, 2.5]])
    assert [p.name for p in tmp_path.iterdir()] == ["best_eval_result.json"]


def test_no_record(tmp_path):
    assert read_record(str(tmp_path / "none")) is None
    assert read_attempt(str(tmp_path / "none")) is None


def test_an_attempt_is_read_as_it_was_written(tmp_path):
    directory = str(tmp_path / "new")
    write_attempt(directory, {"loss": np.float32(0.5), "name": "none"}, [4, 17])
    attempt = read_attempt(directory)
    assert attempt.metrics == {"loss": 0.5}
    assert attempt.versions == (4, 17)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": {}}', '{"metrics": 1, "export": ""}'])
def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path, text):
    (tmp_path / "best_eval_result.json").write_text(text)
    with pytest.raises(DataCorruptionError, match=r"best_eval_result.json is damaged.*delete it"):
        read_record(str(tmp_path))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.nan, True), (np.float32("nan"), True), (1, False), (np.array([np.nan]), False),
     (b"x", False), (None, False), ("nan", False)],
)  # fmt: skip
def test_is_nan(value, expected):
    assert is_nan(value) == expected
